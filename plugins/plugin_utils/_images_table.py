# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The end of a build of several images: one line for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.freehyve.builder.plugins.plugin_utils._progress_text import clean


@dataclass
class Outcome:
    """What became of an image; ``task`` and ``problem`` are of the first failure, ``file`` is its report or record."""

    image: str
    builder: str
    changed: bool = False
    task: str = ""
    problem: str = ""
    file: str = ""

    def note(self, task: str = "", problem: str = "", file: str = "") -> None:
        if task and not self.task:
            self.task, self.problem = task, problem
        self.file = file or self.file

    def state(self, check: bool) -> str:
        changed = "would change" if check else "changed"
        same = "up to date" if self.file or check else "checked"
        return "failed" if self.task else changed if self.changed else same


def images_table(outcomes: Sequence[Outcome], left_out: Sequence[str], check: bool = False) -> list[str]:
    """Lines: a title that counts, a row for each image with its report and what it failed at, and those left out.

    :param check: the run was in check mode, and has built nothing.
    """
    rows = [(one.image, one.builder, one.state(check), one.file) for one in outcomes]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [_title(outcomes, left_out, check)]
    for row, one in zip(rows, outcomes, strict=True):
        cells = [f"{text:<{width}}" for text, width in zip(row, widths, strict=False)]
        lines.append(("  " + "  ".join([*cells, row[3]])).rstrip())
        if one.task:
            lines.append(f"    {clean(one.task)}: {clean(one.problem)}")
    return [*lines, *(f"  left out: {clean(line)}" for line in left_out)]


def _title(outcomes: Sequence[Outcome], left_out: Sequence[str], check: bool) -> str:
    failed = sum(1 for one in outcomes if one.task)
    count = len(outcomes) + len(left_out)
    good = len(outcomes) - failed
    if good == count:
        verb = "can be built" if check else "is good" if count == 1 else "are good"
        return f"{count} image{'' if count == 1 else 's'} {verb}"
    words = [f"{failed} failed"] if failed else []
    words += [f"{len(left_out)} left out"] if left_out else []
    return f"{good} of {count} images {'can be built' if check else 'are good'}, {', '.join(words)}"


__all__ = ["Outcome", "images_table"]
