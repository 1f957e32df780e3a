# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Controller's half of poudriere_bulk: start or attach, look from time to time, say what changed.

Every look is one short module call; no connection is held while the builder works.
"""

from __future__ import annotations

import time
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

MODULE = "freehyve.builder.poudriere_bulk"
FIRST_LOOK = 0.5  # seconds; a run with nothing to build should not cost a whole interval
UNREACHABLE_SECONDS = 300.0

display = Display()


def mastername(args: dict[str, Any]) -> str:
    """What poudriere calls the combination of jail, tree and set."""
    return "-".join(str(args[name]) for name in ("jail", "ports", "set") if args.get(name))


def next_delay(delay: float, poll: float) -> float:
    """Short looks at first, then the interval that was asked for."""
    return min(float(poll), delay * 2)


def news(before: dict[str, Any] | None, now: dict[str, Any]) -> list[str]:
    """Lines worth showing: ports that failed since the last look, then the counters when they changed."""
    known = {row["pkgname"] for row in (before or {}).get("failed", [])}
    lines = [
        f"failed: {row['origin']} ({row['pkgname']}) in {row['phase']}, {row['errortype'] or 'unknown'}"
        for row in now.get("failed", [])
        if row["pkgname"] not in known
    ]
    if before is None or before["line"] != now["line"]:
        lines.append(now["line"])
    return lines


class ActionModule(ActionBase):
    """Orchestrates the module of the same name."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = dict(self._task.args)
        first = self._call(args, task_vars, phase="start")
        if first.get("failed") or first.get("state") != "running":
            result.update(first)
            return result
        host = str((task_vars or {}).get("inventory_hostname", "builder"))
        label = f"{host}: bulk {mastername(args)}"
        if first.get("attached"):
            since = time.strftime("%H:%M:%S", time.localtime(first["job"]["since"]))
            display.display(f"{label}: attached to the job that runs since {since}")
        result.update(self._wait(first, args, task_vars, label))
        # What the first look planned stays in the result: it says why.
        result.update({name: first[name] for name in ("actions", "diff", "attached", "changed") if name in first})
        return result

    def _call(self, args: dict[str, Any], task_vars: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
        done: dict[str, Any] = self._execute_module(
            module_name=MODULE, module_args={**args, **more}, task_vars=task_vars
        )
        return done

    def _wait(
        self, first: dict[str, Any], args: dict[str, Any], task_vars: dict[str, Any] | None, label: str
    ) -> dict[str, Any]:
        poll = max(1.0, float(args.get("poll", 5)))
        deadline = time.monotonic() + float(args.get("timeout", 86400))
        seen: dict[str, Any] | None = None
        current, delay, lost = first, FIRST_LOOK, None
        while current.get("state") == "running" and not current.get("failed"):
            for line in news(seen, current["progress"]):
                display.display(f"{label}: {line}")
            seen = current["progress"]
            if time.monotonic() > deadline:
                return {
                    "failed": True,
                    "msg": f"bulk '{mastername(args)}': still runs after {args.get('timeout')} s "
                    f"({seen['line']}); it goes on, run again to attach to it; see {current['job']['log']}",
                }
            time.sleep(delay)
            delay = next_delay(delay, poll)
            try:
                current = self._call(
                    args, task_vars, phase="poll", key=first["key"], log_offset=current.get("log_offset", 0)
                )
                lost = None
            except AnsibleConnectionFailure:
                # The job does not need us: wait for the way back, and let Ansible report it when there is none.
                lost = lost or time.monotonic()
                if time.monotonic() - lost > UNREACHABLE_SECONDS:
                    raise
                display.display(f"{label}: the builder does not answer; the job goes on, trying again")
        return current
