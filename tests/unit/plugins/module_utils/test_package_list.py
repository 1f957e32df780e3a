# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Package lists: what is a port, what is refused, and how it is said."""

from __future__ import annotations

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._package_list import merge_lists, parse_list


@pytest.mark.parametrize(
    "origin",
    ["sysutils/tmux", "devel/py-yaml@py311", "devel/py-yaml@all", "x11/xterm@-", "lang/gcc12+", "a/b.c_d-e"],
)
def test_origins(origin: str) -> None:
    ports, errors = parse_list(f"  {origin}  # why\n", "l")
    assert [p.origin for p in ports] == [origin]
    assert not errors


@pytest.mark.parametrize(
    "word",
    ["tmux", "sysutils/", "/tmux", "sysutils/tmux/x", "sysutils/tmux@", "a/b@c d", "../../etc", "a/$(id)", "-j/x"],
)
def test_malformed_origins_are_named_with_their_line(word: str) -> None:
    ports, errors = parse_list(f"# first\n\n{word}\n", "hosts.txt")
    assert not ports
    assert errors[0].startswith(f"hosts.txt line 3: '{word}' is not an origin")


def test_lists_are_merged_in_order_without_comments_and_repetition() -> None:
    texts: dict[str, str | None] = {"one": "b/b\na/a # last\n", "two": "# nothing\na/a\nc/c\n"}
    assert merge_lists(texts, "here") == ["b/b", "a/a", "c/c"]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({}, "package list: none given; name at least one file in freehyve_packages"),
        ({"x.txt": None}, "package list x.txt: no such file on the builder"),
        ({"x.txt": "# only\n\n"}, "package list x.txt: names no port"),
        ({"x.txt": "a/b\n", "y.txt": ""}, "package list y.txt: names no port"),
        (
            {"x.txt": "bad\n", "y.txt": None},
            (
                "package list x.txt line 1: 'bad' is not an origin (category/name or category/name@flavor); "
                "y.txt: no such file on the builder"
            ),
        ),
    ],
)
def test_what_is_wrong_is_one_line(texts: dict[str, str | None], message: str) -> None:
    with pytest.raises(ToolError) as caught:
        merge_lists(texts, "on the builder")
    assert caught.value.message == message


def test_many_errors_are_counted() -> None:
    with pytest.raises(ToolError, match=r"line 3: 'c'.*; and 2 more$"):
        merge_lists({"x": "a\nb\nc\nd\ne\n"}, "here")
