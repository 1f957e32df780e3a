# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The end of a check run in a few lines: which stages would run, why, and how long that took the last time."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Protocol

from ansible_collections.freehyve.builder.plugins.plugin_utils._progress_text import clean, clock

COLUMNS = 100
REASONS = 3
WORDS = {
    "ran": "will run",
    "current": "up to date",
    "failed": "fails",
    "skipped": "left out",
    "pending": "not looked at",
}
WHY = {"skipped": "not asked for by the tags", "pending": "an earlier stage fails"}


class Stage(Protocol):
    """A stage as a check run found it."""

    @property
    def name(self) -> str: ...

    @property
    def state(self) -> str: ...

    @property
    def reasons(self) -> list[str]: ...

    @property
    def message(self) -> str | None: ...


def why(stage: Stage) -> str:
    """Reasons in words, the first few of them."""
    if stage.state == "failed":
        return clean(stage.message or "")
    if stage.state != "ran":
        return WHY.get(stage.state, "")
    reasons = [clean(reason) for reason in stage.reasons]
    more = f"; and {len(reasons) - REASONS} more" if len(reasons) > REASONS else ""
    return "; ".join(reasons[:REASONS]) + more


def expected_of(stage: Stage, expected: Mapping[str, float]) -> str:
    """Time of a stage that will run; ``?`` when no record knows."""
    if stage.state != "ran":
        return ""
    seconds = expected.get(stage.name)
    return "?" if seconds is None else clock(round(seconds))


def total(stages: Sequence[Stage], expected: Mapping[str, float]) -> str:
    """The last line: ``2 of 7 stages will run, expected 31:27``."""
    will = [stage for stage in stages if stage.state == "ran"]
    if not will:
        return "nothing to do" if all(stage.state in ("current", "skipped") for stage in stages) else "cannot run"
    known = [expected[stage.name] for stage in will if stage.name in expected]
    words = f"{len(will)} of {len(stages)} stages will run"
    if known:
        words += f", expected {'at least ' if len(known) < len(will) else ''}{clock(round(sum(known)))}"
    return words


def plan_table(head: str, stages: Sequence[Stage], expected: Mapping[str, float]) -> list[str]:
    """Lines of the table.

    :param head: whose plan it is.
    :param expected: seconds by the name of the stage, from the last record.
    """
    rows = [("stage", "plan", "expected", "why")]
    rows += [
        (stage.name, WORDS.get(stage.state, stage.state), expected_of(stage, expected), why(stage)) for stage in stages
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [clean(head)]
    for name, plan, time, reason in rows:
        left = f"  {name:<{widths[0]}}  {plan:<{widths[1]}}  {time:>{widths[2]}}  "
        pieces = textwrap.wrap(reason, COLUMNS - len(left), break_long_words=False) or [""]
        lines.append((left + pieces[0]).rstrip())
        lines += [" " * len(left) + piece for piece in pieces[1:]]
    return [*lines, f"  {total(stages, expected)}"]


__all__ = ["COLUMNS", "Stage", "plan_table", "total", "why"]
