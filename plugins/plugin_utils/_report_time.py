# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The part of the report that says where the time went: stages, and builds of ports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.freehyve.builder.plugins.plugin_utils import _report_drawings as drawings
from ansible_collections.freehyve.builder.plugins.plugin_utils._record_stages import telling
from ansible_collections.freehyve.builder.plugins.plugin_utils._report_text import (
    count,
    duration,
    line,
    number,
    rows,
    table,
    when,
    words,
)

STAGES = {
    "dists": "Distribution sets",
    "jail": "Jail",
    "ports": "Ports tree",
    "packages": "Packages",
    "image": "Image",
    "update": "Update stream",
    "fetch": "Fetch",
}
STATES = {
    "ran": "ran",
    "current": "up to date",
    "failed": "failed",
    "skipped": "not asked for",
    "pending": "not reached",
}
MOST_REASONS = 8
LONGEST_PORTS = 12  # ports that the table of the longest builds names
MOST_BARS = 2000  # ports that are drawn; more than a drawing can show


@dataclass(frozen=True)
class Stage:
    """One row of the timeline of stages."""

    title: str
    state: str
    state_text: str
    took: str
    extent: drawings.Bar | None
    label: str
    reasons: Sequence[str]
    made: str  # when, and in what time, an earlier run did the work that this one did not have to
    earlier: str


@dataclass(frozen=True)
class Port:
    """One port of the drawing of builds; ``rank`` is its number in the table of the longest, 0 when it has none."""

    origin: str
    pkgname: str
    took: str
    extent: drawings.Bar
    failed: bool
    rank: int = 0
    at: str = ""


def stages(record: Mapping[str, Any]) -> dict[str, Any]:
    """The timeline of stages: what each did in this run, or how long it took when it last did something.

    Stages run one after the other, so each begins where the one before ended.
    """
    items = rows(record.get("stages"))
    lengths = [_stage_seconds(item) for item in items]
    total = sum(lengths)
    shown: list[Stage] = []
    start = 0.0
    for item, length in zip(items, lengths, strict=True):
        state = line(item.get("state"))
        extent = drawings.span(start, length, total) if length > 0 else None
        began = f", begun after {duration(start)}" if start > 0 else ""
        name = line(item.get("name"), 60)
        heading = STAGES.get(name, name or "a stage")
        text = STATES.get(state, state)
        ran = state in ("ran", "failed")
        shown.append(
            Stage(
                title=heading,
                state=state,
                state_text=text,
                took=duration(item.get("seconds")),
                extent=extent,
                label=f"{heading}: {text}, {duration(length)}{began}",
                reasons=_reasons(item),
                made="" if ran or item.get("made") is None else when(item.get("made")),
                earlier=duration(length) if length > 0 and not ran else "",
            )
        )
        start += length
    in_run = [number(item.get("seconds")) or 0.0 for item in items]
    earlier = [length for item, length in zip(items, lengths, strict=True) if item.get("state") == "current"]
    run = number(table(record.get("run")).get("seconds")) or 0.0
    note = f"This run took {duration(run)}"
    if run - sum(in_run) > 1:
        note += f", {duration(run - sum(in_run))} of it between the stages"
    note += "."
    if sum(earlier) > 0:
        note += f" Outlined: work of {duration(sum(earlier))} that an earlier run did and this one did not have to."
    actions = [
        {"stage": stage.title, "action": line(action.get("action")), "reason": _arrows(line(action.get("reason")))}
        for stage, item in zip(shown, items, strict=True)
        if item.get("state") in ("ran", "failed")
        for action in rows(item.get("actions"))
    ]
    return {"items": shown, "ticks": _ticks(total), "any": total > 0, "note": note, "actions": actions}


def _arrows(text: str) -> str:
    """An arrow that no line ends in the middle of."""
    return text.replace(" -> ", " \u2192 ")


def _reasons(stage: Mapping[str, Any]) -> list[str]:
    """No more of them than anybody reads."""
    found = [_arrows(part) for part in telling(words(stage.get("reasons")))]
    if len(found) <= MOST_REASONS:
        return found
    return [*found[: MOST_REASONS - 1], f"and {len(found) - MOST_REASONS + 1:,} more"]


def _stage_seconds(stage: Mapping[str, Any]) -> float:
    """How long the stage worked: in this run if it did, else when it last did."""
    worked = "seconds" if stage.get("state") in ("ran", "failed") else "work_seconds"
    return number(stage.get(worked)) or 0.0


def _ticks(total: float) -> list[dict[str, Any]]:
    if total <= 0:
        return []
    return [
        {"x": drawings.percent(100.0 * at / total), "text": duration(at) if at else "0", "last": at > 0.9 * total}
        for at in drawings.ticks(total)
    ]


def builds(record: Mapping[str, Any]) -> dict[str, Any]:
    """The drawing of port builds, and the longest of them as a table."""
    ports = table(record.get("ports"))
    known = [(port, False) for port in rows(ports.get("built"))] + [(port, True) for port in rows(ports.get("failed"))]
    timed = [(number(port.get("seconds")) or 0.0, port, failed) for port, failed in known]
    timed.sort(key=lambda item: (-item[0], line(item[1].get("pkgname")), line(item[1].get("origin"))))
    placed = [item for item in timed if number(item[1].get("start")) is not None][:MOST_BARS]
    jobs = [(number(port.get("start")) or 0.0, seconds) for seconds, port, _failed in placed]
    end = max((start + seconds for start, seconds in jobs), default=0.0)
    row_of = drawings.lanes(jobs)
    ranks = {id(port): rank for rank, (_seconds, port, _failed) in enumerate(timed[:LONGEST_PORTS], 1)}
    drawn: list[list[Port]] = [[] for _row in range(max(row_of, default=-1) + 1)]
    for (start, seconds), (_seconds, port, failed), row in zip(jobs, placed, row_of, strict=True):
        extent = drawings.span(start, seconds, end, least=0.2)
        drawn[row].append(_port(port, seconds, failed, extent, ranks.get(id(port), 0), start))
    most = timed[0][0] if timed else 0.0
    longest = [
        _port(port, seconds, failed, drawings.span(0.0, seconds, most), rank)
        for rank, (seconds, port, failed) in enumerate(timed[:LONGEST_PORTS], 1)
        if seconds > 0
    ]
    note = f"{count(len(timed), 'port')}, {duration(sum(seconds for seconds, _port, _failed in timed))} of work"
    if drawn:
        note += f" in {duration(end)}, {'one' if len(drawn) == 1 else f'up to {len(drawn)}'} at a time"
    note += "." if ports.get("this_run") is not False else ", in an earlier run."
    if drawn and len(placed) < len(timed):
        note += f" {len(timed) - len(placed):,} are not drawn."
    return {
        "lanes": [sorted(lane, key=lambda port: port.extent.x) for lane in drawn],
        "ticks": _ticks(end),
        "longest": longest,
        "count": len(timed),
        "note": note,
        "label": f"{count(len(placed), 'port')} built in {duration(end)}, up to {len(drawn)} at a time",
    }


def _port(
    port: Mapping[str, Any], seconds: float, failed: bool, extent: drawings.Bar, rank: int, start: float | None = None
) -> Port:
    return Port(
        origin=line(port.get("origin"), 120),
        pkgname=line(port.get("pkgname"), 120),
        took=duration(seconds),
        extent=extent,
        failed=failed,
        rank=rank,
        at="" if start is None else duration(start),
    )


__all__ = ["LONGEST_PORTS", "MOST_BARS", "STAGES", "Port", "Stage", "builds", "stages"]
