# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The end of a check run in a few lines: which stages would run, why, and how long that took the last time."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ansible_collections.freehyve.builder.plugins.plugin_utils._progress_text import clean, clock
from ansible_collections.freehyve.builder.plugins.plugin_utils._record_stages import telling

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


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    name: str
    state: str
    why: str = ""


def reasons_of(stage: Stage) -> str:
    """Reasons in words, the first few of them."""
    found = telling(clean(reason) for reason in stage.reasons)
    more = f"; and {len(found) - REASONS} more" if len(found) > REASONS else ""
    return "; ".join(found[:REASONS]) + more


def rows_of(stages: Sequence[Stage]) -> list[Row]:
    """What a check run found, in words.

    A stage that found nothing to look at, because what it works on is still to be made, will run after that.
    """
    rows: list[Row] = []
    before: str | None = None
    broken = False
    for stage in stages:
        row = Row(stage.name, stage.state, WHY.get(stage.state, ""))
        if stage.state == "failed":
            row, broken = Row(stage.name, "failed", clean(stage.message or "")), True
        elif stage.state == "ran":
            row = Row(stage.name, "ran", reasons_of(stage))
        elif before and not broken and stage.state == "pending":
            row = Row(stage.name, "ran", f"works on what the stage {before} will make")
        before = row.name if row.state == "ran" else before
        rows.append(row)
    return rows


def expected_of(row: Row, expected: Mapping[str, float]) -> str:
    """Time of a stage that will run; ``?`` when no record knows."""
    if row.state != "ran":
        return ""
    seconds = expected.get(row.name)
    return "?" if seconds is None else clock(round(seconds))


def total(rows: Sequence[Row], expected: Mapping[str, float]) -> str:
    """The last line: ``2 of 7 stages will run, expected 31:27``."""
    will = [row for row in rows if row.state == "ran"]
    if not will:
        return "nothing to do" if all(row.state in ("current", "skipped") for row in rows) else "cannot run"
    # Of what stands above: a sum that does not add up to the second looks wrong.
    known = [round(expected[row.name]) for row in will if row.name in expected]
    words = f"{len(will)} of {len(rows)} stages will run"
    if known:
        words += f", expected {'at least ' if len(known) < len(will) else ''}{clock(sum(known))}"
    return words


def plan_table(head: str, stages: Sequence[Stage], expected: Mapping[str, float]) -> list[str]:
    """Lines of the table.

    :param head: whose plan it is.
    :param expected: seconds by the name of the stage, from the last record.
    """
    rows = rows_of(stages)
    cells = [("stage", "plan", "expected", "why")]
    cells += [(row.name, WORDS.get(row.state, row.state), expected_of(row, expected), row.why) for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(3)]
    lines = [clean(head)]
    for name, plan, time, reason in cells:
        left = f"  {name:<{widths[0]}}  {plan:<{widths[1]}}  {time:>{widths[2]}}  "
        pieces = textwrap.wrap(reason, COLUMNS - len(left), break_long_words=False) or [""]
        lines.append((left + pieces[0]).rstrip())
        lines += [" " * len(left) + piece for piece in pieces[1:]]
    return [*lines, f"  {total(rows, expected)}"]


__all__ = ["COLUMNS", "Row", "Stage", "plan_table", "reasons_of", "rows_of", "total"]
