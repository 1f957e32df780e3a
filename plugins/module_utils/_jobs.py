# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""All jobs of a workspace: what they do, and how to stop them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Sequence

from ansible_collections.freehyve.builder.plugins.module_utils import _job
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._files import read_json
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner

TAIL_LINES = 8
KEY_SHOWN = 12  # digits of a key that people see and may give back
# What a module works on, by the first of its parameters that it has.
_OBJECTS = ("path", "dataset", "dest", "name", "snapshot", "release", "outputs", "files")


@dataclass(frozen=True)
class Known:
    """A job and its state."""

    job: _job.Job
    state: _job.JobState

    @property
    def running(self) -> bool:
        return self.state.state == _job.RUNNING

    @property
    def module(self) -> str:
        note = self.state.note or {}
        return str(note.get("module") or "poudriere_bulk")

    @property
    def subject(self) -> str:
        """What it works on, in a word or two."""
        note = self.state.note or {}
        params = note.get("params") or {}
        for name in _OBJECTS:
            value = params.get(name)
            if isinstance(value, str) and value:
                return value
            if isinstance(value, list) and value and isinstance(value[0], dict):
                first = value[0].get("path") or value[0].get("src")
                return f"{first}" + (f" and {len(value) - 1} more" if len(value) > 1 else "")
        inputs = note.get("inputs") or {}
        names = [str((inputs.get(part) or {}).get("name", "")) for part in ("jail", "ports")]
        return "-".join(name for name in names if name)

    @property
    def title(self) -> str:
        return f"job {self.job.key[:KEY_SHOWN]} ({self.module} {self.subject}".rstrip() + ")"

    def as_dict(self) -> Dict[str, Any]:
        """For a result; parameters stay out of it."""
        return {
            "key": self.job.key,
            "module": self.module,
            "subject": self.subject,
            "state": self.state.state,
            "since": self.state.since,
            "pid": self.state.process.pid if self.state.process else None,
            "cancelled": self.state.cancelled,
            "log": self.job.log,
            "log_tail": _job.tail_lines(self.job.log, TAIL_LINES),
            "progress": read_json(self.job.path("progress.json")) if self.running else None,
        }


def known(runner: Runner, jobs_dir: str) -> List[Known]:
    """All jobs, oldest first; none when there is no such directory."""
    try:
        keys = sorted(name for name in os.listdir(jobs_dir) if not name.startswith("."))
    except FileNotFoundError:
        return []
    found = []
    for key in keys:
        job = _job.Job(jobs_dir, key)
        if os.path.isdir(job.directory):
            found.append(Known(job, _job.observe(runner, job)))
    return sorted(found, key=lambda item: (item.state.since or 0, item.job.key))


def chosen(running: Sequence[Known], prefix: Optional[str]) -> List[Known]:
    """Those whose key begins so; all without a prefix.

    :raises ToolError: none does, or more than one.
    """
    if prefix is None:
        return list(running)
    found = [item for item in running if item.job.key.startswith(prefix)]
    if not found:
        others = ", ".join(item.job.key[:KEY_SHOWN] for item in running)
        raise ToolError(f"job '{prefix}': does not run; {f'running: {others}' if others else 'none does'}")
    if len(found) > 1:
        raise ToolError(f"job '{prefix}': {len(found)} jobs begin so; give more digits of the key")
    return found


def stop(runner: Runner, item: Known, grace: float, last_resort: Callable[[], None]) -> Known:
    """TERM, then after ``grace`` seconds ``last_resort`` and KILL.

    :raises ToolError: it runs on.
    """
    after = Known(item.job, _job.cancel(runner, item.job, grace, last_resort))
    if after.running:
        pid = after.state.process.pid if after.state.process else "?"
        raise ToolError(f"{item.title}: cannot be stopped, process {pid} does not end; see ps -l -p {pid}")
    return after


__all__ = ["KEY_SHOWN", "Known", "chosen", "known", "stop"]
