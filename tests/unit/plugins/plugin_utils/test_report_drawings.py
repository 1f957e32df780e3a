# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The arithmetic of the drawings."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.freehyve.builder.plugins.plugin_utils._report_drawings import (
    LEAST,
    MOST_TICKS,
    Bar,
    lanes,
    percent,
    span,
    strip,
    ticks,
    widen,
)

SHARES = st.lists(st.floats(0, 1e15), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.5, [0]),
        (7, [0, 2, 4, 6]),
        (2106, [0, 600, 1200, 1800]),
        (86400, [0, 21600, 43200, 64800, 86400]),
    ],
)
def test_ticks_are_round(seconds: float, expected: list[float]) -> None:
    assert ticks(seconds) == expected


@given(st.floats(0.001, 1e15))
def test_ticks_are_few(seconds: float) -> None:
    assert 1 <= len(ticks(seconds)) <= MOST_TICKS + 1


def test_a_span_is_to_scale_seen_and_inside() -> None:
    assert span(25, 50, 100) == Bar(25, 50)
    assert span(0, 0.001, 100).width == 0.4
    assert span(100, 0, 100).end == 100
    assert span(1e9, 1e9, 100).end <= 100
    assert span(0, 1, 0) == Bar(0, 0)


def test_only_what_is_too_thin_is_widened() -> None:
    widths = widen([1, 0, 99])
    assert [thin for _width, thin in widths] == [True, True, False]
    assert widths[0][0] == widths[1][0] == LEAST
    assert widen([50, 50]) == [(50, False), (50, False)]
    assert widen([]) == []
    assert widen([0, 0]) == [(50, True), (50, True)]


@given(SHARES)
def test_widened_shares_are_a_whole(shares: list[float]) -> None:
    widths = [width for width, _thin in widen(shares)]
    assert sum(widths) == pytest.approx(100)
    assert min(widths) >= min(LEAST, 50 / len(shares)) * 0.999


def test_partitions_keep_their_places() -> None:
    mib, gib = 1 << 20, 1 << 30
    extents = [(mib, 256 << 10), (2 * mib, 33 * mib), (35 * mib, gib), (35 * mib + gib, 7 * gib - 36 * mib)]
    bars = strip(extents, 8 * gib)
    assert [extent.widened for extent in bars] == [True, True, False, False]
    assert all(left.end <= right.x + 1e-9 for left, right in itertools.pairwise(bars))
    assert bars[3].width == pytest.approx(100 * 7 / 8, abs=3.5)
    assert bars[3].end == pytest.approx(100, abs=0.1)


def test_free_space_is_left_free() -> None:
    (extent,) = strip([(0, 25)], 100)
    assert (extent.x, extent.width) == (0, 25)
    assert strip([], 100) == []
    assert strip([(0, 0)], 0) == [Bar(0, 0)]


@given(st.lists(st.tuples(st.floats(0, 1e12), st.floats(0, 1e12)), max_size=20), st.floats(0, 1e12))
def test_no_partition_leaves_the_disk(extents: list[tuple[float, float]], total: float) -> None:
    for extent in strip(sorted(extents), total):
        assert extent.x >= -1e-6
        assert extent.end <= 100.001


def test_jobs_that_overlap_are_in_different_lanes() -> None:
    assert lanes([(0, 10), (5, 10), (10, 10), (30, 1)]) == [0, 1, 0, 0]
    assert lanes([]) == []
    # Clocks are whole seconds.
    assert lanes([(0, 10), (9, 10)]) == [0, 0]


def test_percent_is_short() -> None:
    assert percent(12.5) == "12.5%"
    assert percent(100 / 3) == "33.333%"
    assert percent(0.00001) == "0%"
