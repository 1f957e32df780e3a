# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _retention
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._retention import Item, Rules

NOW = 1000.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("2m", 120), ("12h", 43200), ("30d", 2592000), (" 1W ", 604800), ("0", 0)],
)
def test_an_age_in_seconds(text: str, seconds: int) -> None:
    assert _retention.seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "d", "-1d", "1.5d", "1 d", "a month", "1y"])
def test_what_is_no_age(text: str) -> None:
    with pytest.raises(ToolError, match="not an age; write"):
        _retention.seconds_of(text)


def items(*ages: int, family: str = "a") -> list[Item]:
    return [Item("image", f"{family}{age}", family, NOW - age) for age in ages]


@pytest.mark.parametrize(
    ("keep", "age", "gone"),
    [
        (1, None, ["a30", "a20", "a10"]),
        (2, None, ["a30", "a20"]),
        (9, None, []),
        (None, 15, ["a30", "a20"]),
        (None, 0, ["a30", "a20", "a10"]),
        (3, 15, ["a30"]),
        (1, 25, ["a30"]),
    ],
    ids=["one", "two", "all", "young ones", "the newest stays", "count keeps more", "age keeps more"],
)
def test_old_by_count_and_by_age(keep: int | None, age: int | None, gone: list[str]) -> None:
    found, needed = _retention.choose(items(20, 10, 5, 30), Rules(keep, age, NOW))
    assert [item.name for item in found] == gone
    assert needed == []


def test_families_are_counted_apart() -> None:
    found, _needed = _retention.choose(items(1, 2) + items(30, 40, family="b"), Rules(1, None, NOW))
    assert [item.name for item in found] == ["b40", "a2"]


def test_what_is_needed_stays_and_is_told() -> None:
    old = Item("image", "old", "a", NOW - 50, needed="a clone needs it")
    found, needed = _retention.choose([*items(1, 2), old], Rules(1, None, NOW))
    assert [item.name for item in found] == ["a2"]
    assert needed == [old]


def test_an_origin_goes_only_after_its_last_clone() -> None:
    origins = {"w/base": "-", "w/pkg": "w/base@l", "w/sys": "w/pkg@l", "w/rel": "w/sys@l"}
    layers = [Item("layer", name, name, 0) for name in ("w/base", "w/pkg", "w/sys")]
    assert _retention.without_dependents(layers, origins, []) == []
    gone = _retention.without_dependents(layers, origins, ["w/rel"])
    assert [item.name for item in gone] == ["w/sys", "w/pkg", "w/base"]
    assert _retention.without_dependents(layers, {**origins, "x/y": "w/pkg@l"}, ["w/rel"]) == [layers[2]]


def test_bytes_of_a_tree_without_following_links(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 8192)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "link").symlink_to("/usr")
    blocks = sum(os.lstat(path).st_blocks for path in [tmp_path, *tmp_path.rglob("*")])
    assert _retention.bytes_below(str(tmp_path)) == blocks * 512
    assert _retention.bytes_below(str(tmp_path / "none")) == 0
