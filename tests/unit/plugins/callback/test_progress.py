# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The callback: when it draws, and that it stands back when somebody else writes."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.callback import progress
from ansible_collections.freehyve.builder.plugins.plugin_utils import _progress
from ansible_collections.freehyve.builder.plugins.plugin_utils._progress_screen import Screen
from tests.unit.terminal import Terminal


@pytest.mark.parametrize(
    ("mode", "terminal", "environ", "expected"),
    [
        ("auto", True, {"TERM": "xterm"}, True),
        ("auto", False, {"TERM": "xterm"}, False),
        ("auto", True, {"TERM": "dumb"}, False),
        ("auto", True, {}, False),
        ("auto", True, {"TERM": "xterm", "CI": "true"}, False),
        ("auto", True, {"TERM": "xterm", "CI": ""}, True),
        ("live", True, {"TERM": "xterm", "CI": "true"}, True),
        ("live", False, {"TERM": "xterm"}, False),
        ("plain", True, {"TERM": "xterm"}, False),
    ],
)
def test_when_it_draws(mode: str, terminal: bool, environ: dict[str, str], expected: bool) -> None:
    assert progress.draws(mode, terminal, environ) is expected


class FakeDisplay:
    """Ansible's Display as far as it matters: writes to the terminal, which a test reads."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def display(self, msg: str, color: str | None = None, newline: bool = True) -> None:
        os.write(self.fd, (msg + ("\n" if newline else "")).encode())

    def prompt_until(self, msg: str) -> str:
        os.write(self.fd, msg.encode())
        time.sleep(1.2)
        os.write(self.fd, b"\n")
        return "answer"


class Lab:
    """A live callback and what is seen of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.near, self.far = os.pipe()
        os.set_blocking(self.near, False)
        # pytest's standard output is no terminal, and not this one.
        monkeypatch.setattr(sys, "stdout", io.StringIO())
        monkeypatch.setattr(progress, "TICK", 0.05)
        self.display = FakeDisplay(self.far)
        self.live = progress.Live(self.display, Screen(self.far, lambda _fd: (80, 24)))
        self.seen = Terminal(80)

    def look(self) -> list[str]:
        while True:
            try:
                self.seen.feed(os.read(self.near, 1 << 16).decode().replace("\n", "\r\n"))
            except BlockingIOError:
                return self.seen.lines

    def until(self, good: Callable[[list[str]], bool]) -> list[str]:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            lines = self.look()
            if good(lines):
                return lines
            time.sleep(0.02)
        raise AssertionError(self.look())

    def send(self, host: str, **event: Any) -> None:
        _progress.report(host, {"task": "packages", "state": "running", "text": "", **event})


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    made = Lab(monkeypatch)
    yield made
    made.live.stop()


def test_an_event_of_a_worker_is_drawn_and_goes_with_its_task(lab: Lab) -> None:
    lab.live.start("one", "Build the packages", "package_bulk")
    lab.send("one", text="starting")
    lab.until(lambda lines: lines == ["one  packages 0:00  Build the packages: starting"])
    lab.display.display("TASK [x]")
    lab.until(lambda lines: lines == ["TASK [x]", "one  packages 0:00  Build the packages: starting"])
    lab.live.end("one")
    lab.display.display("changed: [one]")
    lab.until(lambda lines: lines == ["TASK [x]", "changed: [one]", ""])


def test_a_task_that_lasts_is_drawn_by_its_name(lab: Lab) -> None:
    lab.live.start("one", "Make the jail", "package_jail")
    lab.until(lambda lines: lines == ["one  jail 0:01  Make the jail"])


def test_a_failed_port_stays_above_the_live_line(lab: Lab) -> None:
    lab.live.start("one", "Build the packages", "package_bulk")
    lab.send("one", text="3/4 built")
    lab.until(lambda lines: "3/4" in lines[-1])
    port = {"origin": "a/b", "pkgname": "b-1", "phase": "build", "errortype": "clang", "tail": ["boom"]}
    lab.send("one", failed_port=port)
    lines = lab.until(lambda lines: "boom" in " ".join(lines) and "3/4" in lines[-1])
    assert lines[:2] == ["one: packages: port a/b (b-1) failed in phase build: clang", "    boom"]


def test_what_a_worker_told_comes_before_what_ansible_says_after(lab: Lab) -> None:
    lab.live.start("one", "Build the packages", "package_bulk")
    port = {"origin": "a/b", "pkgname": "b-1", "phase": "build", "errortype": "clang", "tail": ["boom"]}
    lab.send("one", failed_port=port)
    lab.display.display("fatal: [one]")
    lines = lab.until(lambda lines: "fatal: [one]" in lines)
    assert lines.index("    boom") < lines.index("fatal: [one]")


def test_a_line_that_is_not_finished_is_left_alone(lab: Lab) -> None:
    lab.live.start("one", "Build", "package_bulk")
    lab.display.display("half a ", newline=False)
    lab.send("one", text="at work")
    time.sleep(0.3)
    assert lab.look() == ["half a"]
    lab.display.display("line")
    lab.until(lambda lines: lines == ["half a line", "one  packages 0:00  Build: at work"])


def test_a_prompt_has_the_terminal_for_itself(lab: Lab) -> None:
    lab.live.start("one", "Build", "package_bulk")
    lab.send("one", text="at work")
    lab.until(lambda lines: "at work" in lines[-1])
    assert lab.display.prompt_until("Go on? ") == "answer"
    lines = lab.until(lambda lines: "at work" in lines[-1])
    assert lines[0] == "Go on?"


def test_nonsense_in_the_pipe_is_ignored(lab: Lab) -> None:
    lab.live.start("one", "Build", "package_bulk")
    pipe = _progress.pipe_of(os.environ)
    assert pipe is not None
    for data in (
        b"\xff\xfe\n",
        b"[1]\n",
        b"{}\n",
        b'["one", 7]\n',
        json.dumps(["one", {"since": "x"}]).encode() + b"\n",
    ):
        os.write(pipe, data)
    lab.send("one", text="at work")
    lab.until(lambda lines: lines == ["one  packages 0:00  Build: at work"])


def test_the_end_leaves_everything_as_it_was(lab: Lab) -> None:
    lab.live.start("one", "Build", "package_bulk")
    lab.send("one", text="at work")
    lab.until(lambda lines: "at work" in lines[-1])
    lab.live.stop()
    lab.live.stop()
    assert lab.look() == [""]
    assert _progress.VARIABLE not in os.environ
    assert "display" not in vars(lab.display)
    lab.display.display("after")
    assert lab.look() == ["after", ""]


def test_a_forked_worker_passes_straight_through(lab: Lab) -> None:
    lab.live.start("one", "Build", "package_bulk")
    # Even when the main process held the lock at the moment of the fork.
    with lab.live._lock:
        pid = os.fork()
        if pid == 0:
            lab.display.display("from the worker")
            lab.live.stop()
            os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    lab.until(lambda lines: "from the worker" in lines)


def test_without_a_terminal_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = progress.CallbackModule.__new__(progress.CallbackModule)
    plugin._live = None
    plugin.get_option = lambda name: "auto"
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    plugin.v2_playbook_on_start(None)
    assert plugin._live is None
    result = SimpleNamespace(host=SimpleNamespace(get_name=lambda: "one"))
    plugin.v2_runner_on_start(result.host, SimpleNamespace(name="x", action="y"))
    for event in (plugin.v2_runner_on_ok, plugin.v2_runner_on_failed, plugin.v2_runner_on_skipped):
        event(result)
    plugin.v2_playbook_on_stats(None)
    assert _progress.VARIABLE not in os.environ
