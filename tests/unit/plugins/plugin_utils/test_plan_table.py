# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The table that a check run ends in."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from ansible_collections.freehyve.builder.plugins.plugin_utils._plan_table import (
    COLUMNS,
    Row,
    plan_table,
    reasons_of,
    rows_of,
    total,
)


@dataclass
class Found:
    name: str
    state: str
    reasons: list[str] = field(default_factory=list)
    message: str | None = None


def test_a_plan_with_reasons_and_times() -> None:
    stages = [
        Found("dists", "current"),
        Found("jail", "current"),
        Found("packages", "ran", ["origins: sysutils/tmux added"]),
        Found("image", "ran", ["packages: repository changed", "overlay: etc/rc.conf changed"]),
        Found("update", "ran", ["image: will be made"]),
        Found("fetch", "skipped"),
    ]
    assert plan_table("lab: plan for freehyve-0.1.0-amd64", stages, {"packages": 1752.4, "image": 131.0}) == [
        "lab: plan for freehyve-0.1.0-amd64",
        "  stage     plan        expected  why",
        "  dists     up to date",
        "  jail      up to date",
        "  packages  will run       29:12  origins: sysutils/tmux added",
        "  image     will run        2:11  packages: repository changed; overlay: etc/rc.conf changed",
        "  update    will run           ?  image: will be made",
        "  fetch     left out              not asked for by the tags",
        "  3 of 6 stages will run, expected at least 31:23",
    ]


@pytest.mark.parametrize(
    ("states", "expected", "words"),
    [
        (("current", "current"), {}, "nothing to do"),
        (("current", "skipped"), {"a0": 5.0}, "nothing to do"),
        (("ran", "current"), {}, "1 of 2 stages will run"),
        (("ran", "ran"), {"a0": 3600.0, "a1": 1.0}, "2 of 2 stages will run, expected 1:00:01"),
        (("failed", "pending"), {}, "cannot run"),
    ],
)
def test_the_last_line_sums_up(states: tuple[str, ...], expected: dict[str, float], words: str) -> None:
    assert total([Row(f"a{index}", state) for index, state in enumerate(states)], expected) == words


def test_many_reasons_are_counted() -> None:
    words = "reason 0; reason 1; reason 2; and 2 more"
    assert reasons_of(Found("image", "ran", [f"reason {n}" for n in range(5)])) == words


def test_reasons_are_told_once_and_not_for_every_part_of_an_image() -> None:
    parts = "/w/a/esp.img: not made yet; /w/a/pool.raw: not made yet"
    assert reasons_of(Found("image", "ran", ["size: 8g -> 9g", f"not made yet; {parts}", parts])) == "size: 8g -> 9g"
    assert reasons_of(Found("image", "ran", ["not made yet", parts])) == "not made yet"
    assert reasons_of(Found("image", "ran", [parts])) == parts
    why = [
        "overlay: etc/rc.conf changed",
        "made from other inputs; parent: w/layers/system-c56... -> w/layers/system-46e...",
        "freehyve-0.1.0-amd64 no longer uses it",
    ]
    assert reasons_of(Found("image", "ran", why)) == "overlay: etc/rc.conf changed"


def test_a_stage_without_anything_to_look_at_yet_will_run() -> None:
    stages = [Found("image", "ran", ["x"]), Found("update", "pending"), Found("fetch", "pending")]
    assert [row.state for row in rows_of(stages)] == ["ran"] * 3
    assert rows_of(stages)[1].why == "works on what the stage image will make"
    stages = [Found("image", "ran", ["x"]), Found("update", "skipped"), Found("fetch", "pending")]
    assert [row.state for row in rows_of(stages)] == ["ran", "skipped", "ran"]
    stages = [Found("image", "current"), Found("update", "current"), Found("fetch", "current")]
    assert [row.state for row in rows_of(stages)] == ["current"] * 3
    stages = [Found("packages", "ran", ["x"]), Found("image", "failed", [], "no"), Found("update", "pending")]
    assert [row.state for row in rows_of(stages)] == ["ran", "failed", "pending"]
    assert rows_of(stages)[2].why == "an earlier stage fails"


def test_a_stage_that_fails_says_how_in_one_line() -> None:
    [row] = rows_of([Found("image", "failed", ["x"], "pool 'a': refusing\x1b[31m\nto go")])
    assert row.why == "pool 'a': refusing to go"


def test_long_reasons_go_on_below_each_other() -> None:
    lines = plan_table("h", [Found("image", "ran", ["overlay: " + "etc/some/file changed, " * 12])], {"image": 1.0})
    assert len(lines) > 4
    assert all(len(line) <= COLUMNS for line in lines)
    assert {line[:28] for line in lines[3:-1]} == {" " * 28}
