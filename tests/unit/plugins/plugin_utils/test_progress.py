# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Progress: from an action plugin to the callback's pipe, or to plain lines."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.plugin_utils import _progress


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(_progress.display, "display", lambda text, color=None: lines.append(text))
    monkeypatch.setattr(_progress, "_shown", {})
    monkeypatch.delenv(_progress.VARIABLE, raising=False)
    return lines


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    return now


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    near, far = os.pipe()
    os.set_blocking(near, False)
    os.set_blocking(far, False)
    monkeypatch.setenv(_progress.VARIABLE, f"{far}:{os.fstat(far).st_ino}")
    yield near, far
    os.close(near)
    os.close(far)


def event(done: int, **more: Any) -> dict[str, Any]:
    counted = {"done": done, "total": 400, "unit": "bytes", "what": "base.txz"}
    return {"task": "dists", "state": "running", "text": "", **counted, "since": 1000.0, **more}


def test_a_log_gets_a_line_when_something_changed_and_half_a_minute_passed(said: list[str], clock: list[float]) -> None:
    for _turn in range(100):
        _progress.report("one", event(int(clock[0] - 1000)))
        clock[0] += 1
    assert said == [
        "one: dists [0:00]: base.txz 0 B of 400 B (0%)",
        "one: dists [0:30]: base.txz 30 B of 400 B (8%), 1 B/s, 6:10 left",
        "one: dists [1:00]: base.txz 60 B of 400 B (15%), 1 B/s, 5:40 left",
        "one: dists [1:30]: base.txz 90 B of 400 B (22%), 1 B/s, 5:10 left",
    ]


def test_what_does_not_change_is_told_once(said: list[str], clock: list[float]) -> None:
    for _turn in range(10):
        _progress.report("one", event(7))
        clock[0] += 60
    assert len(said) == 1


def test_hosts_and_tasks_do_not_wait_for_each_other(said: list[str], clock: list[float]) -> None:
    for host in ("one", "two"):
        for task in ("dists", "image"):
            _progress.report(host, event(1, task=task))
    assert len(said) == 4


def test_the_end_is_told_at_once_of_what_was_told_of(said: list[str], clock: list[float]) -> None:
    _progress.report("one", event(1))
    _progress.report("one", event(400, state="done"))
    _progress.report("two", event(400, state="done"))
    assert said[1:] == ["one: dists [0:00]: done"]


def test_a_failed_port_is_told_at_once_and_cannot_speak_to_the_terminal(said: list[str], clock: list[float]) -> None:
    port = {
        "origin": "sysutils/broken\x1b[2J",
        "pkgname": "broken-0.1",
        "phase": "stage",
        "errortype": "stage_error",
        "elapsed": 31,
        "log": "/logs/broken-0.1.log",
        "tail": [f"line {number}" for number in range(40)] + ["\x1b]0;title\x07*** Error code 1\r", "\u202eevil"],
    }
    for _turn in range(2):
        _progress.report("one", event(1))
    _progress.report("one", {"task": "packages", "state": "running", "text": "", "failed_port": port})
    assert said[1] == (
        "one: packages: port sysutils/broken (broken-0.1) failed in phase stage: stage_error, after 0:31; "
        "log: /logs/broken-0.1.log"
    )
    assert said[-2:] == ["    *** Error code 1", "    evil"]
    assert len(said) == 2 + 10


def test_the_pipe_gets_one_line_of_json(said: list[str], pipe: tuple[int, int]) -> None:
    _progress.report("one", event(7))
    host, told = json.loads(os.read(pipe[0], 4096))
    assert (host, told) == ("one", event(7))
    assert said == []


def test_a_full_pipe_is_no_obstacle(pipe: tuple[int, int]) -> None:
    for number in range(5000):
        _progress.report("one", event(number))
    data = os.read(pipe[0], 1 << 20)
    assert data.endswith(b"\n")
    assert all(json.loads(line)[0] == "one" for line in data.splitlines())


def test_a_descriptor_that_is_not_the_pipe_is_not_written_to(
    said: list[str], pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = os.pipe()
    for value in (f"{other[1]}:{os.fstat(pipe[1]).st_ino}", "1", "x:y", "99999:1"):
        monkeypatch.setenv(_progress.VARIABLE, value)
        assert _progress.pipe_of(os.environ) is None
    for number in other:
        os.close(number)


@pytest.mark.parametrize("char", ["x", "é", "漢", "\udcff", '"'])
def test_a_message_is_never_longer_than_the_pipe_takes_whole(char: str) -> None:
    row = {"number": "01", "pkgname": char * 300, "phase": "build", "seconds": 4}
    huge = {
        "task": "packages",
        "state": "running",
        "text": char * 9000,
        "bulk": {"phase": "parallel_build", "stats": {"queued": 9}, "builders": [row] * 64},
        "failed_port": {"origin": "a/b", "pkgname": char * 500, "tail": [char * 900] * 50},
    }
    data = _progress.message("one", huge)
    assert len(data) < _progress.MESSAGE_BYTES
    assert data.count(b"\n") == 1
    host, told = json.loads(data)
    assert host == "one"
    assert told["task"] == "packages"
    assert told["bulk"]["more"] == 64 - len(told["bulk"]["builders"])
