# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Runs a module of the collection on the builder: in the foreground, or as a detached job when it has work to do.

A module that says nothing has to be done costs one call. One that has work to do is started as a job (see _job) by the
same call, which waits a little for its end; later calls only look.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import shutil
import sys
import time
import traceback
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional

from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator

from ansible_collections.freehyve.builder.plugins.module_utils import _job, _lease
from ansible_collections.freehyve.builder.plugins.module_utils._context import JOB_ARGUMENTS, Context
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError, of_system
from ansible_collections.freehyve.builder.plugins.module_utils._files import read_json, write_json
from ansible_collections.freehyve.builder.plugins.module_utils._keys import key_of
from ansible_collections.freehyve.builder.plugins.module_utils._plan import run_module
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner

MODULES = "ansible_collections.freehyve.builder.plugins.modules"
TAIL_LINES = 8
CODE, LIBRARY, OUTCOME, PROGRESS = "code.zip", "ansible.zip", "outcome.json", "progress.json"


@dataclass(frozen=True)
class Request:
    """A call of the controller.

    :param wait: seconds that the call may take when the work goes on without it.
    :param code: zip file with this collection's code.
    :param library: zip file or directory with Ansible's part of it.
    """

    module: str
    params: Mapping[str, Any]
    check_mode: bool
    diff: bool
    wait: float
    code: str
    library: str


def load(name: str) -> Any:
    """The code of one of our modules.

    :raises ToolError: there is none of that name.
    """
    if not re.match(r"^[a-z][a-z0-9_]*$", name):
        raise ToolError(f"module '{name}': no name of a module")
    try:
        return importlib.import_module(f"{MODULES}.{name}")
    except ModuleNotFoundError as exc:
        raise ToolError(f"module '{name}': is not part of this collection ({exc})") from exc


def validated(implementation: Any, params: Mapping[str, Any]) -> Dict[str, Any]:
    """Parameters with defaults and types, by the same rules as AnsibleModule's.

    :raises ToolError: the first thing that is wrong with them.
    """
    rules = getattr(implementation, "RULES", {})
    found = ModuleArgumentSpecValidator(implementation.ARGUMENTS, **rules).validate(dict(params))
    unknown = sorted(".".join(path) if isinstance(path, tuple) else path for path in found.unsupported_parameters)
    if unknown:
        raise ToolError(f"unsupported parameters: {', '.join(unknown)}")
    if found.error_messages:
        raise ToolError(str(found.error_messages[0]))
    values: Dict[str, Any] = found.validated_parameters
    return values


def in_foreground(implementation: Any, context: Context) -> Dict[str, Any]:
    result: Dict[str, Any] = implementation.entry(context)
    return result


def job_of(module: str, params: Mapping[str, Any]) -> _job.Job:
    """The job of a call: whoever asks for the same thing finds the same job."""
    asked = {name: value for name, value in params.items() if name not in JOB_ARGUMENTS}
    return _job.Job(params["jobs_dir"], key_of({"module": module, "params": asked}))


def earlier_death(runner: Runner, job: _job.Job) -> Optional[str]:
    """What is known of an earlier try that ended without a word."""
    state = _job.observe(runner, job)
    if state.state != _job.DIED or state.result is not None:
        return None
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(state.since))
    how = "was cancelled" if state.cancelled else "died without a status"
    tail = (_job.tail_lines(job.log, 1) or ["its log is empty"])[0]
    return f"job {job.key[:12]}, started {since}, {how}: {tail}; it is done again"


def start(runner: Runner, request: Request, params: Mapping[str, Any], job: _job.Job) -> bool:
    """Start the job or attach to the one that runs; whether it was started here."""
    library = job.path(LIBRARY) if os.path.isfile(request.library) else request.library

    def prepare() -> None:
        for name in (OUTCOME, PROGRESS):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(job.path(name))
        if library != request.library:
            shutil.copyfile(request.library, library)
        shutil.copyfile(request.code, job.path(CODE))

    note = {"module": request.module, "params": dict(params), "diff": request.diff, "library": library}
    argv = [sys.executable, job.path(CODE), job.directory]
    return _job.start(runner, job, argv, {_lease.JOB_VARIABLE: job.directory}, note, prepare)[1]


def wait(job: _job.Job, seconds: float) -> None:
    """Until the job has ended, but not longer than so many seconds."""
    deadline, pause = time.monotonic() + seconds, 0.02
    while time.monotonic() < deadline and not os.path.exists(job.path("rc")):
        time.sleep(pause)
        pause = min(0.25, pause * 1.5)


def look(runner: Runner, module: str, job: _job.Job) -> Dict[str, Any]:
    """The result of the job, or ``job`` with how far it is.

    :raises ToolError: the job is gone or died.
    """
    state = _job.observe(runner, job)
    described: Dict[str, Any] = {
        "key": job.key,
        "state": state.state,
        "since": state.since,
        "log": job.log,
        "pid": state.process.pid if state.process else None,
    }
    if state.state == _job.ABSENT:
        raise ToolError(f"{module}: its job {job.directory} is gone; run again to start another")
    if state.state == _job.RUNNING:
        described.update(progress=read_json(job.path(PROGRESS)), log_tail=_job.tail_lines(job.log, TAIL_LINES))
        return {"job": described}
    outcome = read_json(job.path(OUTCOME)) if state.state == _job.DONE else None
    if outcome is None:
        tail = _job.tail_lines(job.log, TAIL_LINES)
        cause = "was cancelled" if state.cancelled else "died without a status"
        last = f": {tail[-1]}" if tail else ""
        _job.finish(job, {"failed": True, "why": cause})
        raise ToolError(
            f"{module}: its job {job.key[:12]} {cause}{last}; see {job.log}; run again to do it again",
            [sys.executable, job.path(CODE)],
            state.rc if state.rc is not None else 137,
            "\n".join(tail),
        )
    _job.finish(job, {"failed": bool(outcome.get("failed"))})
    return dict(outcome, job=described)


def call(request: Request, runner: Optional[Runner] = None) -> Dict[str, Any]:
    """Run a module; its result, or ``job`` in state ``running`` when it goes on without us."""
    runner = runner or Runner()
    implementation = load(request.module)
    params = validated(implementation, request.params)
    context = Context(params, request.check_mode, request.diff)
    if not params.get("jobs_dir") or "job_poll" not in implementation.ARGUMENTS:
        return _with_warnings(in_foreground(implementation, context), context.warnings)
    job = job_of(request.module, params)
    # What is half-done needs no plan: it would be one of a moment.
    if request.check_mode or _job.observe(runner, job).state != _job.RUNNING:
        context.check_mode = True
        planned = _with_warnings(in_foreground(implementation, context), context.warnings)
        if request.check_mode or not planned.get("changed"):
            return planned
    death = earlier_death(runner, job)
    started = start(runner, request, params, job)
    wait(job, request.wait)
    answer = look(runner, request.module, job)
    answer["job"]["attached"] = not started
    if death:
        answer["warnings"] = [*answer.get("warnings", []), f"{request.module}: {death}"]
    return answer


def main(module: Any, code: str, library: str) -> None:
    """What the module ``job`` does once this code is there."""
    asked = module.params

    def body() -> Dict[str, Any]:
        if asked["key"] is not None:
            return look(Runner(), asked["name"], _job.Job(asked["params"]["jobs_dir"], asked["key"]))
        request = Request(
            asked["name"], asked["params"], module.check_mode, module._diff, asked["wait"], code=code, library=library
        )
        return call(request)

    def result() -> Dict[str, Any]:
        answer = {"changed": False, **body(), "invocation": {"module_args": asked["params"]}}
        for text in answer.pop("warnings", []):
            module.warn(text)
        if answer.get("failed"):
            module.fail_json(**{name: value for name, value in answer.items() if name != "failed"})
        return answer

    run_module(module, result)


def _with_warnings(result: Dict[str, Any], warnings: List[str]) -> Dict[str, Any]:
    return dict(result, warnings=list(warnings)) if warnings else result


def detached(directory: str) -> int:
    """The job itself: run the module for real, and leave its result beside the log. Returns the exit status."""
    job = _job.Job(os.path.dirname(directory), os.path.basename(directory))
    note = (read_json(job.path("job.json")) or {})["note"]
    context = Context(note["params"], False, note["diff"], progress_path=job.path(PROGRESS))
    implementation = load(note["module"])
    try:
        outcome = _with_warnings(in_foreground(implementation, context), context.warnings)
    except ToolError as exc:
        outcome = dict(exc.as_result(), failed=True)
        # For a person who reads the log; the controller reads the outcome.
        sys.stderr.write(f"{exc.message}\n")
    except OSError as exc:
        # Said as it is in the foreground, and in full in the log.
        traceback.print_exc()
        outcome = dict(of_system(exc).as_result(), failed=True)
    except Exception as exc:
        # Our mistake: said in one line, and in full in the log.
        traceback.print_exc()
        outcome = {"failed": True, "msg": f"{note['module']}: {exc}; see {job.log}"}
    write_json(job.path(OUTCOME), outcome)
    # Nothing is imported any more, and the log is all that is worth keeping.
    for name in (CODE, LIBRARY, PROGRESS):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(job.path(name))
    return 1 if outcome.get("failed") else 0


__all__ = ["Request", "call", "detached", "job_of", "load", "look", "main", "validated"]
