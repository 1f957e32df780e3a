#!/usr/bin/python
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

DOCUMENTATION = r"""
module: build_jobs
short_description: List the jobs that run on a builder, and stop them
version_added: 0.1.0
author: The freehyve.builder authors (@freehyve)
description:
  - Lists the detached jobs of a workspace that run, with what they do, since when, and the end of their logs.
  - Stops them when asked to. A job is asked first (TERM); when it does not end in time the jails of its package build
    are stopped with C(poudriere jail -k), and what is left is killed.
  - Afterwards removes what the stopped jobs held, as M(freehyve.builder.workspace) does for any dead build.
options:
  path:
    description: Absolute path of the workspace, which holds C(jobs) and C(leases).
    type: path
    required: true
  state:
    description: V(listed) changes nothing, V(cancelled) stops the jobs.
    type: str
    choices: [listed, cancelled]
    default: listed
  job:
    description: Key of the one job that is meant, or the first digits of it. The default is every job that runs.
    type: str
  grace:
    description: Seconds that a job has for ending by itself.
    type: int
    default: 60
attributes:
  check_mode:
    description: Lists what would be stopped.
    support: full
  diff_mode:
    description: There is nothing to show but the actions.
    support: none
  idempotent:
    description: Where nothing runs nothing is changed.
    support: full
"""

EXAMPLES = r"""
- name: What runs on the builder?
  freehyve.builder.build_jobs:
    path: /freehyve
  register: jobs

- name: Stop one of it
  freehyve.builder.build_jobs:
    path: /freehyve
    state: cancelled
    job: 4d7a214614ab
"""

RETURN = r"""
actions:
  description: What was stopped and removed, or would be.
  returned: always
  type: list
  elements: dict
  sample: [{action: cancel job 4d7a214614ab (poudriere_bulk fh151RELEASEamd64-freehyve), reason: it was asked for}]
jobs:
  description: The jobs that ran when the module looked.
  returned: always
  type: list
  elements: dict
  sample:
    - key: 4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
      module: poudriere_bulk
      subject: fh151RELEASEamd64-freehyve
      state: running
      since: 1795383078
      pid: 4711
      log: /freehyve/jobs/4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393/log
      log_tail: ["[00:01:02] Building 12 packages using up to 2 builders"]
lines:
  description: The same for people, a line or more for each.
  returned: always
  type: list
  elements: str
  sample: ["job 4d7a214614ab (poudriere_bulk fh151RELEASEamd64-freehyve): process 4711 since 2026-11-22 21:30:00"]
"""

import os
import time
from typing import Any, Dict, List, Sequence

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.freehyve.builder.plugins.module_utils import _jobs, _lease, _reap
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._plan import Step, run_module
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner

ARGUMENTS: Dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "state": {"type": "str", "choices": ["listed", "cancelled"], "default": "listed"},
    "job": {"type": "str"},
    "grace": {"type": "int", "default": 60},
}


def lines_of(running: Sequence[_jobs.Known]) -> List[str]:
    """What runs, for people."""
    if not running:
        return ["no job runs"]
    lines = []
    for item in running:
        known = item.as_dict()
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(known["since"] or 0))
        lines.append(f"{item.title}: process {known['pid']} since {since}")
        lines += [f"  {line}" for line in known["log_tail"][-3:]]
    return lines


def plan(meant: Sequence[_jobs.Known]) -> List[Step]:
    return [Step(f"cancel {item.title}", "it was asked for") for item in meant]


def stop_jails(runner: Runner, leases: str, workspace: str, job: str) -> None:
    """Stop the jails of a job's package build, if it has any: those of its own leases."""
    reaper = _reap.Reaper(runner, workspace, 0.0)
    for lease in _lease.leases(leases):
        if lease.kind == "bulk" and lease.job == job:
            for todo in reaper.plan(lease):
                todo.do()


def apply(runner: Runner, path: str, meant: Sequence[_jobs.Known], grace: float) -> List[Step]:
    """Stop the jobs, the newest first, and remove what they held."""
    leases = os.path.join(path, "leases")
    steps, errors = [], []
    for item in reversed(meant):

        def last_resort(job: str = item.job.directory) -> None:
            stop_jails(runner, leases, path, job)

        try:
            _jobs.stop(runner, item, grace, last_resort)
        except ToolError as exc:
            errors.append(exc)
        else:
            steps += plan([item])
    done = _reap.reap(runner, leases, path)
    if errors:
        raise errors[0]
    if done.kept:
        raise ToolError(f"{done.warnings[0]}; see to it, then run playbooks/clean.yml")
    return steps + done.steps


def body(module: Any, runner: Runner) -> Dict[str, Any]:
    params = module.params
    path = params["path"]
    running = [item for item in _jobs.known(runner, os.path.join(path, "jobs")) if item.running]
    steps: List[Step] = []
    if params["state"] == "cancelled" and (running or params["job"]):
        meant = _jobs.chosen(running, params["job"])
        steps = plan(meant) if module.check_mode else apply(runner, path, meant, params["grace"])
    return {
        "changed": bool(steps),
        "actions": [step.as_dict() for step in steps],
        "jobs": [item.as_dict() for item in running],
        "lines": lines_of(running),
    }


def entry(module: Any) -> Dict[str, Any]:
    """The module's work, for AnsibleModule and for a job's Context."""
    return body(module, Runner())


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_module(module, lambda: entry(module))


if __name__ == "__main__":
    main()
