# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Where things lie in the drawings of the report, in percent of their width: arithmetic only.

Percentages let one inline SVG fill a phone and a desk without scaling its text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LEAST = 1.6  # percent: a bar that anybody sees, on a phone too
NONE = 1e-6  # seconds or bytes: less than this is nothing, and not divided by
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800)
MOST_TICKS = 5


@dataclass(frozen=True)
class Bar:
    """A stretch of a drawing, in percent."""

    x: float
    width: float
    widened: bool = False

    @property
    def end(self) -> float:
        return self.x + self.width

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


def percent(value: float) -> str:
    """A length for an SVG attribute, without digits that nobody sees."""
    return f"{round(value, 3):g}%"


def ticks(seconds: float) -> list[float]:
    """Round points in time of an axis that ends at ``seconds``, 0 first."""
    step = next((step for step in _STEPS if seconds / step <= MOST_TICKS), None)
    if step is None:
        step = _STEPS[-1]
        while seconds / step > MOST_TICKS:
            step *= 2
    return [float(number * step) for number in range(int(seconds / step) + 1)]


def span(start: float, length: float, total: float, least: float = 0.4) -> Bar:
    """A stretch of time on an axis of ``total`` seconds; never too thin to be seen, never outside."""
    if total < NONE:
        return Bar(0.0, 0.0)
    width = min(100.0, max(least, 100.0 * length / total))
    return Bar(max(0.0, min(100.0 - width, 100.0 * start / total)), width)


def widen(shares: Sequence[float], least: float = LEAST) -> list[tuple[float, bool]]:
    """Widths in percent for parts of a whole: to scale, but for those that would be thinner than ``least``.

    :returns: a width for each share and whether it was widened; the widths add up to 100.
    """
    total = sum(shares)
    if not shares or total < NONE:
        return [(100.0 / len(shares), True) for _share in shares]
    least = min(least, 50.0 / len(shares))
    thin = [False] * len(shares)
    while True:
        left = 100.0 - least * sum(thin)
        rest = sum(share for share, is_thin in zip(shares, thin, strict=True) if not is_thin)
        scale = left / rest
        found = [is_thin or share * scale < least for share, is_thin in zip(shares, thin, strict=True)]
        if found == thin:
            return [(least if is_thin else share * scale, is_thin) for share, is_thin in zip(shares, thin, strict=True)]
        thin = found


def strip(extents: Sequence[tuple[float, float]], total: float) -> list[Bar]:
    """Places on a disk of ``total`` bytes for parts given by start and size, in order; what lies between is gaps.

    A gap is never widened: nobody has to see the alignment between two partitions.
    """
    parts: list[tuple[float, bool]] = []  # share, and whether it is a gap
    cursor = 0.0
    for start, length in extents:
        parts.append((max(0.0, start - cursor), True))
        parts.append((max(0.0, length), False))
        cursor = max(cursor, start + length)
    end = max(total, cursor)
    parts.append((end - cursor, True))
    if end < NONE:
        return [Bar(0.0, 0.0) for _extent in extents]
    gaps = sum(share for share, is_gap in parts if is_gap)
    solid = widen([share for share, is_gap in parts if not is_gap])
    scale = (end - gaps) / end
    bars: list[Bar] = []
    x = 0.0
    for number, (share, is_gap) in enumerate(parts):
        if is_gap:
            x += 100.0 * share / end
            continue
        width, widened = solid[number // 2]
        bars.append(Bar(x, width * scale, widened))
        x += width * scale
    return bars


def lanes(jobs: Sequence[tuple[float, float]]) -> list[int]:
    """The row of each job, given by start and length, so that no two overlap in a row; as few rows as can be."""
    order = sorted(range(len(jobs)), key=lambda index: jobs[index])
    ends: list[float] = []
    rows = [0] * len(jobs)
    for index in order:
        start, length = jobs[index]
        # Clocks are whole seconds: the next port of a builder may seem to start a second early.
        row = next((row for row, end in enumerate(ends) if end <= start + 1), len(ends))
        if row == len(ends):
            ends.append(0.0)
        ends[row] = start + length
        rows[index] = row
    return rows


__all__ = ["Bar", "lanes", "percent", "span", "strip", "ticks", "widen"]
