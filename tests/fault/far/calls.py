# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""One call of a module, as Ansible would make it, with a fault at one position."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from typing import Any, Dict, List, Optional

WAIT = 60.0  # seconds that a call may take; nothing in a lab does


@dataclass(frozen=True)
class Fault:
    """``at`` is the turn of a command (see wrapper.sh), or the number of a change by Python itself with a ``p``."""

    kind: str = "none"
    at: str = "0"
    limit: float = 2.0


NOTHING = Fault()


@dataclass(frozen=True)
class Done:
    """How a call ended: its answer, None when it died; commands and changes in order; whether the fault took place."""

    answer: Optional[Dict[str, Any]]
    commands: List[List[str]]
    changes: List[str]
    hit: bool
    seconds: float
    said: str

    @property
    def good(self) -> bool:
        return self.answer is not None and not self.answer.get("failed")

    @property
    def message(self) -> str:
        if self.answer is None:
            return f"died; {self.said[-600:]}"
        return str(self.answer.get("msg", "ok"))


def turn(commands: List[List[str]], number: int) -> str:
    """How the wrapper calls the command of that number: its name, its first word, and how often that was there."""
    keys = [f"{words[0]}.{re.split('[/ ]', (words + [''])[1])[0]}" for words in commands]
    return f"{keys[number - 1]}.{keys[:number].count(keys[number - 1])}"


def _numbered(run: str, prefix: str) -> List[str]:
    names = [name for name in os.listdir(run) if name.startswith(prefix)]
    return [os.path.join(run, name) for name in sorted(names, key=lambda name: int(name[len(prefix) :]))]


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


class Answering:
    """As much of AnsibleModule as takes an answer."""

    def __init__(self) -> None:
        self.answer: Dict[str, Any] = {}

    def exit_json(self, **answer: Any) -> None:
        self.answer = answer

    def fail_json(self, **answer: Any) -> None:
        self.answer = dict(answer, failed=True)


class Caller:
    """Calls modules out of the code that was shipped to ``here``."""

    def __init__(self, here: str) -> None:
        self.here = here
        self.run = os.path.join(here, "run")
        self.python = sys.executable  # what runs a job

    def fresh(self, fault: Fault) -> None:
        # Processes of an earlier call that are not gone yet must not count here.
        if os.path.isdir(self.run):
            os.rename(self.run, f"{self.run}.{time.monotonic_ns()}")
        for name in os.listdir(self.here):
            if name.startswith("run."):
                shutil.rmtree(os.path.join(self.here, name), ignore_errors=True)
        os.mkdir(self.run)
        with open(os.path.join(self.run, "fault.txt"), "w", encoding="ascii") as stream:
            stream.write(f"{fault.kind} {fault.at} {fault.limit}\n")

    def call(self, name: str, params: Dict[str, Any], fault: Fault = NOTHING, seconds: float = WAIT) -> Done:
        """Run a module to its end, or until it has died."""
        self.fresh(fault)
        began = time.monotonic()
        child = os.fork()
        if child == 0:
            self._child(name, params)
        answer = self._wait(child, seconds)
        taken = time.monotonic() - began
        return Done(
            answer,
            [_read(path).split("\n")[:-1] for path in _numbered(self.run, "n.")],
            [_read(path) for path in _numbered(self.run, "p.")],
            os.path.exists(os.path.join(self.run, "hit")),
            taken,
            _read(os.path.join(self.run, "said")),
        )

    def _wait(self, child: int, seconds: float) -> Optional[Dict[str, Any]]:
        deadline, pause = time.monotonic() + seconds, 0.005
        while os.waitpid(child, os.WNOHANG)[0] == 0:
            if time.monotonic() > deadline:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return {"failed": True, "msg": f"still runs after {seconds:g} s", "stuck": True}
            time.sleep(pause)
            pause = min(0.05, pause * 1.2)
        text = _read(os.path.join(self.run, "answer.json"))
        return json.loads(text) if text else None

    def _child(self, name: str, params: Dict[str, Any]) -> None:
        """In the child: what the module ``job`` does once its code is there."""
        try:
            os.setsid()
            said = os.open(os.path.join(self.run, "said"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            null = os.open(os.devnull, os.O_RDONLY)
            os.dup2(null, 0)
            os.dup2(said, 1)
            os.dup2(said, 2)
            answer = self._answer(name, params)
            path = os.path.join(self.run, "answer")
            with open(path, "w", encoding="utf-8") as stream:
                json.dump(answer, stream)
            os.rename(path, path + ".json")
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)

    def _answer(self, name: str, params: Dict[str, Any]) -> Dict[str, Any]:
        from ansible_collections.freehyve.builder.plugins.module_utils import _job, _remote
        from ansible_collections.freehyve.builder.plugins.module_utils._plan import run_module

        # The controller looks from time to time; here one look, at the end, so that commands can be counted.
        _remote.wait = lambda job, seconds: _settle(job.directory)
        _job.START_SECONDS = 3.0
        sys.executable = self.python
        library, code = os.path.join(self.here, "lib"), os.path.join(self.here, "code.zip")

        def body() -> Dict[str, Any]:
            answer: Dict[str, Any] = _remote.call(_remote.Request(name, params, False, False, WAIT, code, library))
            while answer.get("state") == "running" and (answer.get("job") or {}).get("directory"):
                # poudriere_bulk has a job and a way to look at it of its own.
                _settle(answer["job"]["directory"])
                poll = dict(params, phase="poll", key=answer["key"], log_offset=0)
                answer = _remote.call(_remote.Request(name, poll, False, False, WAIT, code, library))
            return answer

        answering = Answering()
        run_module(answering, body)
        return answering.answer


def _settle(directory: str) -> None:
    """Until a job has ended, or the process that it names is gone."""
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline and not os.path.exists(os.path.join(directory, "rc")):
        words = _read(os.path.join(directory, "process")).split()
        if words and not _lives(int(words[0])):
            # It may have written its status between the two looks.
            return
        time.sleep(0.01)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
