# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Values as people read them."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.freehyve.builder.plugins.plugin_utils._report_text import (
    NOTHING,
    clean,
    count,
    duration,
    enumerate_words,
    line,
    number,
    size,
    when,
    whole,
)
from tests.unit.build_records import ABSURD, NASTY

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"),
        (512, "512 B"),
        (524288, "512 KiB"),
        (34091008, "32.5 MiB"),
        (7478444032, "6.96 GiB"),
        (8589934592, "8 GiB"),
        (1690221551, "1.57 GiB"),
        (208312448, "199 MiB"),
        (1024**6 * 3, "3 EiB"),
        (1024**8, "more than 1024 EiB"),
        (-1, NOTHING),
        (None, NOTHING),
        ("large", NOTHING),
        (10**400, NOTHING),
        (float("nan"), NOTHING),
    ],
)
def test_sizes(value: Any, text: str) -> None:
    assert size(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 s"),
        (0.004, "0 s"),
        (0.61, "0.6 s"),
        (4, "4 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (200, "3 min 20 s"),
        (3599.7, "1 h"),
        (6120, "1 h 42 min"),
        (47 * 3600, "47 h"),
        (76 * 3600, "3 d 4 h"),
        (1e12, "more than 27 years"),
        (None, NOTHING),
        (float("inf"), NOTHING),
    ],
)
def test_durations(value: Any, text: str) -> None:
    assert duration(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1795392000, "2026-11-23 00:00 UTC"),
        ("1795392000", "2026-11-23 00:00 UTC"),
        ("2026-11-23T02:00:00+02:00", "2026-11-23 00:00 UTC"),
        ("2026-11-23T00:00:00", "2026-11-23 00:00 UTC"),
        ("yesterday", NOTHING),
        (1e18, NOTHING),
        (None, NOTHING),
    ],
)
def test_moments(value: Any, text: str) -> None:
    assert when(value) == text


def test_terminal_escapes_go_and_what_is_invisible_shows() -> None:
    assert clean("\x1b[1;31mred\x1b[0m \x1b]0;title\x07plain\x1b]8;;http://x\x1b\\link\x9b2J") == "red plainlink"
    assert clean("a\x00b\x08c\x7f") == "a\\x00b\\x08c\\x7f"
    assert clean("x\u202egpj") == "x\\u202egpj"
    assert clean("a\u200bb\ufeff\ud800") == "a\\u200bb\\ufeff\\ud800"
    assert clean("a\r\nb\n\tc") == "a\nb\n\tc"
    assert (clean(None), clean(True), clean(7)) == ("", "yes", "7")


def test_a_line_is_one_and_not_absurdly_long() -> None:
    assert line(" a\n b\tc ") == "a b c"
    long = line("A" * 5000 + "end")
    assert len(long) == 300
    assert long.endswith("end")
    assert line("x" * 300) == "x" * 300


def test_counts() -> None:
    assert count(1, "port") == "1 port"
    assert count(31207, "port") == "31,207 ports"
    assert count(2, "patch", "patches") == "2 patches"
    assert count(1e300, "port") == "absurdly many ports"
    assert (whole("x"), whole(2.9), number("2.5"), number(True)) == (0, 2, 2.5, None)
    assert enumerate_words([]) == ""
    assert enumerate_words(["a"]) == "a"
    assert enumerate_words(["a", "b", "c"]) == "a, b and c"


@given(ANYTHING)
def test_nothing_is_refused(value: Any) -> None:
    for function in (clean, line, number, size, duration, when, whole):
        function(value)


@given(st.text() | st.sampled_from(NASTY))
def test_what_is_shown_can_be_seen(value: str) -> None:
    shown = clean(value)
    assert not [char for char in shown if unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\t"]
    assert not [char for char in shown if unicodedata.bidirectional(char) in ("RLO", "LRO", "RLE", "LRE", "RLI", "LRI")]
    shown.encode("utf-8")


@pytest.mark.parametrize("value", ABSURD)
def test_absurd_numbers_have_a_text(value: Any) -> None:
    assert all(len(function(value)) < 40 for function in (size, duration, when))
