# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Controller's half of every module that works on the builder: start it, and look at its job until that has ended.

meta/runtime.yml names this plugin for them. Every look is one short call; no connection is held while they work.
"""

from __future__ import annotations

import time
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.freehyve.builder.plugins.plugin_utils._progress import report
from ansible_collections.freehyve.builder.plugins.plugin_utils._remote_call import call, until_answer

FIRST_LOOK = 1.0  # seconds; the call that started the job has already waited for it

display = Display()


def next_delay(delay: float, poll: float) -> float:
    """Short looks at first, then the interval that was asked for."""
    return min(float(poll), delay * 2)


class ActionModule(ActionBase):
    """Runs the module that the task names."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        name = self._task.action.rpartition(".")[2]
        if name == "job":
            return {**result, "failed": True, "msg": "job: is not for playbooks; name the module that is to run"}
        began = time.monotonic()
        params = dict(self._task.args)
        first = call(self, name, params, task_vars)
        answer = self._wait(first, name, params, task_vars or {}) if running(first) else first
        result.update(answer)
        result["seconds"] = round(time.monotonic() - began, 3)
        return result

    def _wait(
        self, first: dict[str, Any], name: str, params: dict[str, Any], task_vars: dict[str, Any]
    ) -> dict[str, Any]:
        host = str(task_vars.get("inventory_hostname", "builder"))
        label = f"{host}: {self._task.get_name()}"
        key = first["job"]["key"]
        poll, timeout = max(1.0, float(params.get("job_poll") or 5)), float(params.get("job_timeout") or 86400)
        deadline, delay, current = time.monotonic() + timeout, FIRST_LOOK, first
        if first["job"].get("attached"):
            since = time.strftime("%H:%M:%S", time.localtime(first["job"]["since"]))
            display.display(f"{label}: attached to the job that runs since {since}")
        while running(current):
            self._report(host, "running", current["job"])
            if time.monotonic() > deadline:
                return {
                    "failed": True,
                    "msg": f"{name}: still runs after {timeout:g} s; it goes on, run again to attach to it; "
                    f"see {current['job']['log']}",
                }
            time.sleep(delay)
            delay = next_delay(delay, poll)
            current = until_answer(lambda: call(self, name, params, task_vars, key=key), label)
        job = {**first["job"], **current.get("job", {}), "attached": first["job"].get("attached")}
        self._report(host, "failed" if current.get("failed") else "done", job)
        return {**current, "job": job}

    def _report(self, host: str, state: str, job: dict[str, Any]) -> None:
        progress = job.get("progress") or {}
        event = {name: progress[name] for name in ("done", "total", "unit", "what") if name in progress}
        text = event.get("what") or (job.get("log_tail") or ["at work"])[-1]
        report(host, {**event, "task": self._task.get_name(), "state": state, "text": text, "since": job.get("since")})


def running(answer: dict[str, Any]) -> bool:
    return not answer.get("failed") and (answer.get("job") or {}).get("state") == "running"
