# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The controller's half: looks, lines, attaching, losing and finding the connection."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure

from ansible_collections.freehyve.builder.plugins.action import poudriere_bulk as action
from ansible_collections.freehyve.builder.plugins.plugin_utils import _remote_call

JOB = {"log": "/jobs/k/log", "since": 5}
ARGS = {"jail": "j", "ports": "p", "poll": 5, "timeout": 100}


def port(name: str) -> dict[str, Any]:
    return {"origin": f"a/{name}", "pkgname": f"{name}-1", "phase": "build", "errortype": "", "tail": ["no"]}


def progress(line: str, *failed: str) -> dict[str, Any]:
    builders = [
        {"number": "01", "pkgname": "y-1", "origin": "a/y", "phase": "build", "seconds": 7, "phase_seconds": 1},
        {"number": "02", "pkgname": "", "origin": "", "phase": "idle", "seconds": None, "phase_seconds": None},
    ]
    counted = {"phase": "parallel_build", "stats": {"queued": 4}, "left": 60, "elapsed": 12, "builders": builders}
    return {"line": line, "failed": [port(name) for name in failed], **counted}


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
    monkeypatch.setattr(_remote_call.display, "display", lambda text, **_kwargs: shown.append(text))
    return shown


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(action, "report", lambda host, event: told.append({"host": host, **event}))
    return told


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
    return made._wait(first, {**ARGS, **changes}, {}, action.Reporter("here", "bulk j-p")), calls


def test_it_looks_until_the_end(clock: Clock, events: list[dict[str, Any]]) -> None:
    answers = [running("building: 1/4 built", log_offset=9), {"state": "done", "changed": True}]
    last, calls = wait(answers, running("starting", log_offset=3))
    assert last["state"] == "done"
    assert calls == [
        {"phase": "poll", "key": "k", "log_offset": 3},
        {"phase": "poll", "key": "k", "log_offset": 9},
    ]
    assert clock.slept == [0.5, 1.0]
    assert [event["text"] for event in events] == ["starting", "building: 1/4 built", "done"]
    assert {(event["host"], event["task"]) for event in events} == {("here", "bulk j-p")}


def test_looks_become_seldom(clock: Clock, events: list[dict[str, Any]]) -> None:
    wait([running("x")] * 6 + [{"state": "done"}], running("x"))
    assert clock.slept == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0]


def test_a_look_is_reported_without_idle_builders(clock: Clock, events: list[dict[str, Any]]) -> None:
    wait([{"state": "done"}], running("x"))
    assert events[0]["bulk"] == {
        "phase": "parallel_build",
        "stats": {"queued": 4},
        "left": 60,
        "builders": [{"number": "01", "pkgname": "y-1", "phase": "build", "seconds": 7}],
    }
    assert time.time() - events[0]["since"] == pytest.approx(12, abs=2)


def test_a_failed_port_is_reported_once_and_at_once(clock: Clock, events: list[dict[str, Any]]) -> None:
    wait([running("2/4 built, 1 failed", "x"), running("3/4 built", "x"), {"state": "done"}], running("1/4 built"))
    assert [event["failed_port"]["pkgname"] for event in events if "failed_port" in event] == ["x-1"]
    assert events[1]["failed_port"] == port("x")


def test_a_port_that_failed_after_the_last_look_is_reported(clock: Clock, events: list[dict[str, Any]]) -> None:
    end = {"failed": True, "msg": "2 ports failed", "bulk": {"failed": [port("x"), port("z")]}}
    wait([end], running("1/4 built", "x"))
    assert [event["failed_port"]["pkgname"] for event in events if "failed_port" in event] == ["x-1", "z-1"]
    assert events[-1]["state"] == "failed"


def test_a_lost_connection_is_told_once_and_waited_out(
    clock: Clock, lines: list[str], events: list[dict[str, Any]]
) -> None:
    gone = AnsibleConnectionFailure("gone")
    last, calls = wait([gone, gone, running("x"), gone, {"state": "done"}], running("x"))
    assert last["state"] == "done"
    assert len(calls) == 5
    said = (
        "here: bulk j-p: the builder does not answer; the job goes on there. Asking again for 5 minutes; "
        "to leave it alone press ^C, and run again to attach to it"
    )
    assert lines == [said, said]


def test_a_connection_that_stays_lost_is_an_error(clock: Clock, lines: list[str], events: list[dict[str, Any]]) -> None:
    said = "here: bulk j-p: no answer for 5 minutes; the job goes on there, run again to attach to it: gone"
    with pytest.raises(AnsibleConnectionFailure, match=re.escape(said)):
        wait([AnsibleConnectionFailure("gone")], running("x"), timeout=10000)
    assert 300 < clock.now < 310
    assert len(lines) == 1


def test_after_the_timeout_the_job_goes_on(clock: Clock, events: list[dict[str, Any]]) -> None:
    last, _calls = wait([running("building: 1/4 built")], running("starting"))
    assert last["failed"]
    assert last["msg"] == (
        "bulk 'j-p': still runs after 100 s (building: 1/4 built); it goes on, run again to attach to it; "
        "see /jobs/k/log"
    )


def test_a_failure_ends_the_looking(clock: Clock, events: list[dict[str, Any]]) -> None:
    last, calls = wait([{"failed": True, "msg": "no"}], running("x"))
    assert last == {"failed": True, "msg": "no"}
    assert len(calls) == 1
