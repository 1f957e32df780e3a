# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Controller's half of poudriere_bulk: start or attach, look from time to time, report how far it is.

Every look is one short module call; no connection is held while the builder works.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.freehyve.builder.plugins.plugin_utils._progress import report
from ansible_collections.freehyve.builder.plugins.plugin_utils._remote_call import call, until_answer

FIRST_LOOK = 0.5  # seconds; a run with nothing to build should not cost a whole interval

display = Display()


def mastername(args: dict[str, Any]) -> str:
    """What poudriere calls the combination of jail, tree and set."""
    return "-".join(str(args[name]) for name in ("jail", "ports", "set") if args.get(name))


def next_delay(delay: float, poll: float) -> float:
    """Short looks at first, then the interval that was asked for."""
    return min(float(poll), delay * 2)


def bulk_of(progress: Mapping[str, Any]) -> dict[str, Any]:
    """What is drawn of a look at the run; builders without a port are idle."""
    builders = [
        {name: row.get(name) for name in ("number", "pkgname", "phase", "seconds")}
        for row in progress.get("builders") or []
        if row.get("pkgname")
    ]
    return {**{name: progress.get(name) for name in ("phase", "stats", "left")}, "builders": builders}


class Reporter:
    """Tells of a run as it goes on, and of every failed port once."""

    def __init__(self, host: str, task: str) -> None:
        self._host, self._task = host, task
        self.label = f"{host}: {task}"
        self._known: set[str] = set()

    def _tell(self, text: str, **more: Any) -> None:
        report(self._host, {"task": self._task, "state": "running", "text": text, **more})

    def progress(self, progress: Mapping[str, Any]) -> None:
        self.failed(progress.get("failed") or [])
        elapsed = progress.get("elapsed")
        since = {} if elapsed is None else {"since": time.time() - elapsed}
        self._tell(progress["line"], bulk=bulk_of(progress), **since)

    def failed(self, rows: Sequence[Mapping[str, Any]]) -> None:
        for row in rows:
            if row["pkgname"] not in self._known:
                self._known.add(row["pkgname"])
                self._tell("", failed_port=dict(row))

    def end(self, result: Mapping[str, Any]) -> None:
        """Ports that failed after the last look, and the end."""
        self.failed((result.get("bulk") or {}).get("failed") or [])
        state = "failed" if result.get("failed") else "done"
        report(self._host, {"task": self._task, "state": state, "text": state})


class ActionModule(ActionBase):
    """Orchestrates the module of the same name."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = dict(self._task.args)
        began = time.monotonic()
        first = self._call(args, task_vars, phase="start")
        if first.get("failed") or first.get("state") != "running":
            result.update(first, seconds=round(time.monotonic() - began, 3))
            return result
        host = str((task_vars or {}).get("inventory_hostname", "builder"))
        task = f"bulk {mastername(args)}"
        reporter = Reporter(host, task)
        if first.get("attached"):
            since = time.strftime("%H:%M:%S", time.localtime(first["job"]["since"]))
            display.display(f"{reporter.label}: attached to the job that runs since {since}")
        result.update(self._wait(first, args, task_vars, reporter))
        # What the first look planned stays in the result: it says why.
        result.update({name: first[name] for name in ("actions", "diff", "attached", "changed") if name in first})
        result["seconds"] = round(time.monotonic() - began, 3)
        return result

    def _call(self, args: dict[str, Any], task_vars: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
        return call(self, "poudriere_bulk", {**args, **more}, task_vars)

    def _wait(
        self, first: dict[str, Any], args: dict[str, Any], task_vars: dict[str, Any] | None, reporter: Reporter
    ) -> dict[str, Any]:
        poll = max(1.0, float(args.get("poll", 5)))
        deadline = time.monotonic() + float(args.get("timeout", 86400))
        current, delay = first, FIRST_LOOK
        while current.get("state") == "running" and not current.get("failed"):
            seen = current["progress"]
            reporter.progress(seen)
            if time.monotonic() > deadline:
                return {
                    "failed": True,
                    "msg": f"bulk '{mastername(args)}': still runs after {args.get('timeout')} s "
                    f"({seen['line']}); it goes on, run again to attach to it; see {current['job']['log']}",
                }
            time.sleep(delay)
            delay = next_delay(delay, poll)
            offset = current.get("log_offset", 0)
            look = partial(self._call, args, task_vars, phase="poll", key=first["key"], log_offset=offset)
            current = until_answer(look, reporter.label)
        reporter.end(current)
        return current
