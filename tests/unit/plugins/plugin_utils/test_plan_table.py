# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The table that a check run ends in."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from ansible_collections.freehyve.builder.plugins.plugin_utils._plan_table import COLUMNS, plan_table, total, why


@dataclass
class Row:
    name: str
    state: str
    reasons: list[str] = field(default_factory=list)
    message: str | None = None


def test_a_plan_with_reasons_and_times() -> None:
    stages = [
        Row("dists", "current"),
        Row("jail", "current"),
        Row("packages", "ran", ["origins: sysutils/tmux added"]),
        Row("image", "ran", ["packages: repository changed", "overlay: etc/rc.conf changed"]),
        Row("update", "ran", ["image: will be made"]),
        Row("fetch", "skipped"),
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
    assert why(Row("image", "ran", [f"reason {n}" for n in range(5)])) == "reason 0; reason 1; reason 2; and 2 more"


def test_a_stage_that_fails_says_how_in_one_line() -> None:
    assert why(Row("image", "failed", ["x"], "pool 'a': refusing\x1b[31m\nto go")) == "pool 'a': refusing to go"


def test_long_reasons_go_on_below_each_other() -> None:
    lines = plan_table("h", [Row("image", "ran", ["overlay: " + "etc/some/file changed, " * 12])], {"image": 1.0})
    assert len(lines) > 4
    assert all(len(line) <= COLUMNS for line in lines)
    assert {line[:28] for line in lines[3:-1]} == {" " * 28}
