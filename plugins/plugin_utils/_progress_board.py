# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What every builder is busy with, as lines for a terminal. No clock and no output here: both are the callback's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.freehyve.builder.plugins.plugin_utils._progress_text import (
    Meter,
    body,
    clean,
    clock,
    cut,
    width,
)

# A task that is over before is not worth a line that flashes.
QUIET_SECONDS = 1.0
# What design.md calls the stages; a role that is none of them goes by its own name.
STAGES = {
    "dist_sets": "dists",
    "package_jail": "jail",
    "package_ports": "ports",
    "package_bulk": "packages",
    "disk_image": "image",
    "update_stream": "update",
    "result_fetch": "fetch",
}


@dataclass
class Work:
    """One task on one builder."""

    task: str
    stage: str
    begun: float
    event: Mapping[str, Any] | None = None
    heard: float = 0.0
    meter: Meter = field(default_factory=Meter)

    def hear(self, event: Mapping[str, Any], now: float) -> None:
        self.meter.add(event, now)
        self.event, self.heard = event, now
        since = event.get("since")
        # A job that is attached to began before its task. A builder's clock may be ahead of ours.
        if isinstance(since, (int, float)):
            self.begun = min(self.begun, since)

    def line(self, now: float) -> str:
        event = self.event
        if event is None:
            return f"{self.stage} {clock(now - self.begun)}  {self.task}".lstrip()
        label = self.stage or clean(event.get("task") or "")
        words = body(event, self.meter.rate, now - self.heard)
        if not event.get("bulk") and event.get("done") is None and words != self.task:
            # The last line of a log says little without what is being done.
            words = f"{self.task}: {words}"
        return f"{label} {clock(now - self.begun)}  {words}".lstrip()


class Board:
    """All builders that are busy, in the order in which they began."""

    def __init__(self) -> None:
        self._work: dict[str, Work] = {}

    @property
    def busy(self) -> bool:
        return bool(self._work)

    def start(self, host: str, task: str, role: str, now: float) -> None:
        self._work[host] = Work(clean(task), STAGES.get(role, clean(role)), now)

    def end(self, host: str) -> None:
        self._work.pop(host, None)

    def event(self, host: str, event: Mapping[str, Any], now: float) -> None:
        work = self._work.get(host)
        if work is None:
            return
        if event.get("state", "running") != "running":
            work.event, work.meter = None, Meter()
            return
        work.hear(event, now)

    def lines(self, now: float, columns: int, rows: int) -> list[str]:
        """One line for each builder, cut to the terminal; what does not fit below each other is counted."""
        shown = {
            clean(host): work
            for host, work in self._work.items()
            if work.event is not None or now - work.begun >= QUIET_SECONDS
        }
        pad = max(map(width, shown), default=0)
        lines = [f"{host}{' ' * (pad - width(host))}  {work.line(now)}" for host, work in shown.items()]
        room = max(1, rows)
        if len(lines) > room:
            lines = [*lines[: room - 1], f"and {len(lines) - room + 1} more builders"]
        return [cut(line, columns) for line in lines]


__all__ = ["QUIET_SECONDS", "STAGES", "Board"]
