# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Draws what every builder is busy with, below the output of Ansible."""

from __future__ import annotations

DOCUMENTATION = r"""
name: progress
type: notification
short_description: One live line for each builder
version_added: 0.1.0
author: The freehyve.builder authors (@freehyve)
description:
  - Shows one line for each host that is busy, drawn over again in place below the output of Ansible, with the stage,
    the time since it began and what the modules of this collection tell of their work. For C(poudriere bulk) that
    is how many ports are built, failed and skipped, the time left, and what each of poudriere's builders compiles.
    For downloads, extraction, compression and transfers it is bytes, rate and time left.
  - A port that fails is shown at once, with its phase, the kind of error and the last lines of its log.
  - Draws on a terminal only. Elsewhere, and when the callback is not enabled, the modules of this collection write
    a plain line when something changed, at most every 30 seconds.
  - Draws in no colours. Other output is in the colours of Ansible, which honours E(NO_COLOR).
options:
  mode:
    description:
      - V(auto) draws when standard output is a terminal that can move its cursor, and E(CI) is not set.
      - V(live) draws on every terminal, V(plain) on none.
    type: str
    choices: [auto, live, plain]
    default: auto
    env:
      - name: FREEHYVE_PROGRESS
    ini:
      - section: callback_freehyve_progress
        key: mode
requirements:
  - Enable it with C(callbacks_enabled) in ansible.cfg; the one in a checkout of this collection does.
"""

import atexit
import json
import os
import select
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import wraps
from typing import Any

from ansible import constants as C
from ansible.plugins.callback import CallbackBase

from ansible_collections.freehyve.builder.plugins.plugin_utils._progress import VARIABLE
from ansible_collections.freehyve.builder.plugins.plugin_utils._progress_board import Board
from ansible_collections.freehyve.builder.plugins.plugin_utils._progress_screen import Screen
from ansible_collections.freehyve.builder.plugins.plugin_utils._progress_text import failure_lines

TICK = 0.5  # seconds between two looks at the clock while somebody is busy
# Everything that writes to the terminal in Ansible's main process goes through these.
WRITERS = ("display", "prompt", "prompt_until")


def draws(mode: str, terminal: bool, environ: Mapping[str, str]) -> bool:
    """Whether to draw; a terminal of a CI service is a log."""
    if mode == "plain" or not terminal:
        return False
    return mode == "live" or (environ.get("TERM", "") not in ("", "dumb") and not environ.get("CI"))


class Live:
    """The board on the screen, fed by a pipe that the workers inherit.

    Ansible forks its workers, so the thread and the lock are the main process's; a worker passes straight through.
    """

    def __init__(self, display: Any, screen: Screen) -> None:
        self._display, self._screen, self._board = display, screen, Board()
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._buffer = b""
        self._open_line = False
        self._prompting = 0
        self._near, self._far = os.pipe()
        for number in (self._near, self._far):
            os.set_blocking(number, False)
        os.environ[VARIABLE] = f"{self._far}:{os.fstat(self._far).st_ino}"
        self._say: Callable[..., None] = display.display
        for name in WRITERS:
            if hasattr(display, name):
                setattr(display, name, self._guarded(name, getattr(display, name)))
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="freehyve-progress", daemon=True)
        self._thread.start()

    def _guarded(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        """The same method, with nothing of ours on the terminal while it writes."""

        @wraps(original)
        def guarded(*args: Any, **named: Any) -> Any:
            if os.getpid() != self._pid:
                return original(*args, **named)
            with self._lock:
                self._read()
                self._screen.erase()
                if name == "display":
                    original(*args, **named)
                    text = str(args[0] if args else named.get("msg", ""))
                    self._open_line = not (named.get("newline", True) or text.endswith("\n"))
                    return None
                self._prompting += 1
            try:
                return original(*args, **named)
            finally:
                with self._lock:
                    self._prompting -= 1

        return guarded

    def start(self, host: str, task: str, role: str) -> None:
        with self._lock:
            self._board.start(host, task, role, time.time())
        self._wake()

    def end(self, host: str) -> None:
        with self._lock:
            self._read()
            self._board.end(host)

    def stop(self) -> None:
        """Leave the terminal as it was."""
        if os.getpid() != self._pid or self._stopping.is_set():
            return
        self._stopping.set()
        self._wake()
        self._thread.join()
        with self._lock:
            self._read()
            self._screen.erase()
            os.environ.pop(VARIABLE, None)
            for name in WRITERS:
                if name in vars(self._display):
                    delattr(self._display, name)
            os.close(self._near)
            os.close(self._far)

    def _wake(self) -> None:
        with suppress(OSError):
            os.write(self._far, b"\n")

    def _run(self) -> None:
        while not self._stopping.is_set():
            select.select([self._near], [], [], TICK if self._board.busy else None)
            with self._lock:
                self._read()
                self._draw()

    def _draw(self) -> None:
        if self._open_line or self._prompting or self._stopping.is_set():
            return
        lines = self._board.lines(time.time(), *self._screen.size)
        if lines:
            # What Ansible wrote before comes first.
            sys.stdout.flush()
        self._screen.draw(lines)

    def _read(self) -> None:
        """Take in what the workers wrote; a worker is gone before its result is here, so nothing comes too late."""
        with suppress(BlockingIOError):
            while True:
                data = os.read(self._near, 1 << 16)
                if not data:
                    break
                self._buffer += data
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            if line:
                self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            host, event = json.loads(line)
        except (ValueError, TypeError):
            return
        if not isinstance(host, str) or not isinstance(event, dict):
            return
        if event.get("failed_port"):
            self._screen.erase()
            for text in failure_lines(host, event):
                self._say(text, color=C.COLOR_ERROR)
            return
        self._board.event(host, event, time.time())


class CallbackModule(CallbackBase):
    """Wires Ansible's events to the live lines; without a terminal it does nothing at all."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "freehyve.builder.progress"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._live: Live | None = None

    def v2_playbook_on_start(self, playbook: Any) -> None:
        if self._live is None and draws(self.get_option("mode"), sys.stdout.isatty(), os.environ):
            self._live = Live(self._display, Screen(sys.stdout.fileno()))
            atexit.register(self._live.stop)

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        if self._live is not None:
            role = getattr(task, "_role", None)
            name = role.get_name(include_role_fqcn=False) if role is not None else ""
            self._live.start(host.get_name(), str(task.name or task.action), name)

    def _end(self, result: Any) -> None:
        if self._live is not None:
            self._live.end(result.host.get_name())

    def v2_runner_on_ok(self, result: Any) -> None:
        self._end(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._end(result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._end(result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._end(result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        if self._live is not None:
            self._live.stop()
            atexit.unregister(self._live.stop)
            self._live = None
