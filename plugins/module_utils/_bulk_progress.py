# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""How far a bulk run is: what each builder compiles and for how long, and a guess at the time left.

Times in ``.poudriere.status.NN`` are seconds of CLOCK_MONOTONIC (poudriere's clock(1)), which Python has as
``time.monotonic()``. How long a port takes is known from the runs before, whose logs poudriere keeps side by side.
"""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ansible_collections.freehyve.builder.plugins.module_utils._bulk import failed_log, failure_tail
from ansible_collections.freehyve.builder.plugins.module_utils._bulk_status import (
    PREFIX,
    Builder,
    BulkStatus,
    Failed,
    parse_built,
    parse_ports,
    progress_line,
)

# Tails travel with every look; nobody reads more than these at once.
TAILS, TAIL_LINES = 4, 10
EARLIER_RUNS, LOOKED_AT = 3, 20


@dataclass(frozen=True)
class Queue:
    """What the run is to build, on how many builders, and how long ports took in earlier runs (origin to seconds)."""

    todo: Tuple[Tuple[str, str], ...] = ()
    builders: int = 1
    history: Tuple[Tuple[str, int], ...] = ()


def seconds_since(begun: Optional[int], now: float) -> Optional[int]:
    """None for a begin that the clock cannot have shown."""
    return int(now - begun) if begun is not None and begun <= now + 1 else None


def builder_rows(builders: Sequence[Builder], now: float) -> List[Dict[str, Any]]:
    """What each builder does, and for how many seconds; ``now`` is the monotonic clock."""
    rows = []
    for builder in builders:
        row = asdict(builder)
        row["seconds"] = seconds_since(builder.started, now)
        row["phase_seconds"] = seconds_since(builder.phase_started, now)
        rows.append(row)
    return rows


def time_left(status: BulkStatus, queue: Queue, now: float) -> Optional[int]:
    """Seconds until the last port is through; None when there is nothing to guess from.

    A port that was never built is taken for an average one. Ports wait for each other in ways that are left out, but
    the run cannot be shorter than the longest port that is being built.
    """
    durations = dict(queue.history)
    here = {row.origin: row.elapsed for row in status.built if row.elapsed is not None}
    known = list((here or durations).values())
    if not known or not status.stats.queued:
        return None
    average = sum(known) / len(known)
    ended = {row.pkgname for row in status.built} | {row.pkgname for row in status.failed}
    ended |= {row.pkgname for row in status.skipped} | {row.pkgname for row in status.ignored}
    ended |= {row.pkgname for row in status.fetched}
    spent = {
        builder.pkgname: seconds_since(builder.started, now) or 0
        for builder in status.builders
        if builder.pkgname and builder.pkgname not in ended
    }
    todo = queue.todo or tuple((row.origin, row.pkgname) for row in status.queued)
    running, waiting = [], []
    for origin, pkgname in todo:
        if pkgname in spent:
            running.append(max(0.0, durations.get(origin, average) - spent[pkgname]))
        elif pkgname not in ended:
            waiting.append(durations.get(origin, average))
    if not running and not waiting and status.stats.remaining:
        return None
    hands = max(1, min(queue.builders, len(running) + len(waiting)))
    return int(max([*running, 0.0, (sum(running) + sum(waiting)) / hands]))


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""


def read_history(log_dir: str) -> Dict[str, int]:
    """How long ports took in the newest earlier runs of the same jail, tree and set."""
    parent, own = os.path.split(log_dir.rstrip("/"))
    try:
        # Names are times unless somebody named a run; links (latest, latest-done) point at some of them.
        names = sorted(name for name in os.listdir(parent) if name[:1].isdigit() and name != own)
    except OSError:
        return {}
    history: Dict[str, int] = {}
    runs = 0
    for name in reversed(names[-LOOKED_AT:]):
        built = parse_built(_read(os.path.join(parent, name, PREFIX + "ports.built")))
        for row in built:
            if row.elapsed is not None:
                history.setdefault(row.origin, row.elapsed)
        runs += bool(built)
        if runs == EARLIER_RUNS:
            break
    return history


def read_queue(log_dir: Optional[str]) -> Queue:
    """What does not change while ports are built."""
    if not log_dir:
        return Queue()
    builders = _read(os.path.join(log_dir, PREFIX + "builders")).split()
    return Queue(
        todo=tuple(parse_ports(_read(os.path.join(log_dir, PREFIX + "ports.tobuild")))),
        builders=max(1, len(builders)),
        history=tuple(sorted(read_history(log_dir).items())),
    )


def _failed(rows: Sequence[Failed], log_dir: Optional[str]) -> List[Dict[str, Any]]:
    """Failed ports, the newest of them with the end of their logs."""
    told = []
    for number, row in enumerate(rows):
        entry: Dict[str, Any] = asdict(row)
        if log_dir:
            entry["log"] = failed_log(log_dir, row.pkgname)
            if number >= len(rows) - TAILS:
                entry["tail"] = failure_tail(entry["log"], TAIL_LINES)
        told.append(entry)
    return told


def progress_of(
    status: BulkStatus, log_dir: Optional[str], since: Optional[int], queue: Optional[Queue] = None
) -> Dict[str, Any]:
    """Everything that one look at a running job tells.

    :param since: epoch of the job's begin, by the clock of this machine.
    """
    now = time.monotonic()
    known = read_queue(log_dir) if queue is None else queue
    return {
        "line": progress_line(status),
        "status": status.status,
        "phase": status.phase,
        "stats": asdict(status.stats),
        "builders": builder_rows(status.builders, now),
        "failed": _failed(status.failed, log_dir),
        "elapsed": None if since is None else max(0, int(time.time() - since)),
        "left": time_left(status, known, now),
    }


__all__ = [
    "Queue",
    "builder_rows",
    "progress_of",
    "read_history",
    "read_queue",
    "seconds_since",
    "time_left",
]
