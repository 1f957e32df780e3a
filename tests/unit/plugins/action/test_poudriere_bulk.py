# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The controller's half: looks, lines, attaching, losing and finding the connection."""

from __future__ import annotations

import time
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure

from ansible_collections.freehyve.builder.plugins.action import poudriere_bulk as action

JOB = {"log": "/jobs/k/log", "since": 5}
ARGS = {"jail": "j", "ports": "p", "poll": 5, "timeout": 100}


def progress(line: str, *failed: str) -> dict[str, Any]:
    rows = [{"origin": f"a/{name}", "pkgname": f"{name}-1", "phase": "build", "errortype": ""} for name in failed]
    return {"line": line, "failed": rows}


def running(line: str, *failed: str, **more: Any) -> dict[str, Any]:
    return {"state": "running", "key": "k", "changed": True, "job": JOB, "progress": progress(line, *failed), **more}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(time, "monotonic", made.monotonic)
    monkeypatch.setattr(time, "sleep", made.sleep)
    return made


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    shown: list[str] = []
    monkeypatch.setattr(action.display, "display", lambda text, **_kwargs: shown.append(text))
    return shown


def plugin(answers: list[Any]) -> tuple[Any, list[dict[str, Any]]]:
    """An action whose module calls are answered in turn; the last answer is given for ever."""
    made = action.ActionModule.__new__(action.ActionModule)
    calls: list[dict[str, Any]] = []

    def call(args: dict[str, Any], task_vars: Any, **more: Any) -> dict[str, Any]:
        calls.append(more)
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    object.__setattr__(made, "_call", call)
    return made, calls


def wait(answers: list[Any], first: dict[str, Any], **changes: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    made, calls = plugin(answers)
    return made._wait(first, {**ARGS, **changes}, {}, "here: bulk j-p"), calls


def test_it_looks_until_the_end(clock: Clock, lines: list[str]) -> None:
    answers = [running("building: 1/4 built", log_offset=9), {"state": "done", "changed": True}]
    last, calls = wait(answers, running("starting", log_offset=3))
    assert last["state"] == "done"
    assert calls == [
        {"phase": "poll", "key": "k", "log_offset": 3},
        {"phase": "poll", "key": "k", "log_offset": 9},
    ]
    assert clock.slept == [0.5, 1.0]
    assert lines == ["here: bulk j-p: starting", "here: bulk j-p: building: 1/4 built"]


def test_looks_become_seldom(clock: Clock, lines: list[str]) -> None:
    wait([running("x")] * 6 + [{"state": "done"}], running("x"))
    assert clock.slept == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
    assert lines == ["here: bulk j-p: x"]


def test_a_failed_port_is_said_once_and_at_once(clock: Clock, lines: list[str]) -> None:
    wait([running("2/4 built, 1 failed", "x"), running("3/4 built", "x"), {"state": "done"}], running("1/4 built"))
    assert lines[1:3] == [
        "here: bulk j-p: failed: a/x (x-1) in build, unknown",
        "here: bulk j-p: 2/4 built, 1 failed",
    ]
    assert len([line for line in lines if "a/x" in line]) == 1


def test_a_lost_connection_is_waited_out(clock: Clock, lines: list[str]) -> None:
    last, calls = wait([AnsibleConnectionFailure("gone"), running("x"), {"state": "done"}], running("x"))
    assert last["state"] == "done"
    assert len(calls) == 3
    assert "the builder does not answer; the job goes on" in lines[1]


def test_a_connection_that_stays_lost_is_an_error(clock: Clock, lines: list[str]) -> None:
    with pytest.raises(AnsibleConnectionFailure):
        wait([AnsibleConnectionFailure("gone")], running("x"), timeout=10000)
    assert clock.now > action.UNREACHABLE_SECONDS


def test_after_the_timeout_the_job_goes_on(clock: Clock, lines: list[str]) -> None:
    last, _calls = wait([running("building: 1/4 built")], running("starting"))
    assert last["failed"]
    assert last["msg"] == (
        "bulk 'j-p': still runs after 100 s (building: 1/4 built); it goes on, run again to attach to it; "
        "see /jobs/k/log"
    )


def test_a_failure_ends_the_looking(clock: Clock, lines: list[str]) -> None:
    last, calls = wait([{"failed": True, "msg": "no"}], running("x"))
    assert last == {"failed": True, "msg": "no"}
    assert len(calls) == 1
