# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The way from an action plugin, which works in a process of its own, to the terminal.

An event is a dictionary::

    task         what is being done, in a word or two
    state        running, done or failed
    text         one line in words
    done, total  how much of ``what``; total may be None
    unit         bytes or items
    what         the thing that is counted, such as a file's name
    since        epoch of the begin
    bulk         state of a poudriere run: phase, stats, builders, left (seconds)
    failed_port  origin, pkgname, phase, errortype, elapsed, log, tail (lines)

All but task, state and text may be missing. The callback ``freehyve.builder.progress`` draws events on a terminal.
Where it does not, because it is not enabled or there is no terminal, Ansible's own display shows them as plain lines.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Mapping
from typing import Any

from ansible import constants as C
from ansible.utils.display import Display

from ansible_collections.freehyve.builder.plugins.plugin_utils._progress_text import (
    LOG_LINES,
    Meter,
    failure_lines,
    news_of,
    plain_line,
)

# Set by the callback: number and inode of the pipe, so that a number that means something else is not written to.
VARIABLE = "FREEHYVE_PROGRESS_PIPE"
# A write of at most PIPE_BUF bytes is whole or not at all, also with several writers (POSIX, write()).
MESSAGE_BYTES = 4096
SECONDS_BETWEEN_LINES = 30.0
TEXT_CHARS = 240

display = Display()


class _Shown:
    """What a log has been told of one task on one host."""

    def __init__(self) -> None:
        self.news: object = None
        self.at: float | None = None
        self.since: float | None = None
        self.meter = Meter()


_shown: dict[tuple[str, str], _Shown] = {}


def pipe_of(environ: Mapping[str, str]) -> int | None:
    """The descriptor of the callback's pipe, when there is one and it was inherited."""
    number, _colon, inode = environ.get(VARIABLE, "").partition(":")
    if not (number.isdigit() and inode.isdigit()):
        return None
    try:
        found = os.fstat(int(number))
    except OSError:
        return None
    return int(number) if stat.S_ISFIFO(found.st_mode) and found.st_ino == int(inode) else None


def _short(value: Any) -> Any:
    return value[:TEXT_CHARS] if isinstance(value, str) else value


def message(host: str, event: Mapping[str, Any]) -> bytes:
    """One line of JSON that a pipe takes whole; what is too much is left out from the end."""
    slim: dict[str, Any] = {name: _short(value) for name, value in event.items()}
    bulk, port = dict(slim.get("bulk") or {}), dict(slim.get("failed_port") or {})
    builders = [{name: _short(value) for name, value in row.items()} for row in bulk.get("builders") or []]
    tail = [_short(line) for line in port.get("tail") or []][-LOG_LINES:]
    port = {name: _short(value) for name, value in port.items()}
    dropped = int(bulk.get("more") or 0)
    while True:
        if bulk:
            slim["bulk"] = dict(bulk, builders=builders, more=dropped)
        if port:
            slim["failed_port"] = dict(port, tail=tail)
        data = json.dumps([host, slim], ensure_ascii=False, default=str).encode("utf-8", "replace") + b"\n"
        if len(data) < MESSAGE_BYTES:
            return data
        if tail:
            tail.pop(0)
        elif builders:
            builders.pop()
            dropped += 1
        else:
            return json.dumps([host, {"task": str(slim.get("task"))[:80], "state": slim.get("state")}]).encode() + b"\n"


def report(host: str, event: Mapping[str, Any]) -> None:
    """Show how far something is. Call it as often as there is news; it never fails and never waits."""
    pipe = pipe_of(os.environ)
    if pipe is None:
        _say(host, event, time.time())
        return
    try:
        os.write(pipe, message(host, event))
    except OSError:
        # A terminal that stands still must not hold up the work; there will be another event.
        return


def _say(host: str, event: Mapping[str, Any], now: float) -> None:
    """Plain lines: failures at once, the rest when it is news and the last line is old enough."""
    if event.get("failed_port"):
        for line in failure_lines(host, event):
            display.display(line, color=C.COLOR_ERROR)
        return
    shown = _shown.setdefault((host, str(event.get("task"))), _Shown())
    shown.meter.add(event, now)
    since = event.get("since")
    if isinstance(since, (int, float)) and since <= now:
        shown.since = since
    elif shown.since is None:
        shown.since = now
    news = news_of(event)
    if news == shown.news:
        return
    running = event.get("state", "running") == "running"
    if running and shown.at is not None and now - shown.at < SECONDS_BETWEEN_LINES:
        return
    if not running and shown.at is None:
        # It was over before there was anything to tell; the task's own result says how it ended.
        return
    shown.news, shown.at = news, now
    display.display(plain_line(host, event, shown.meter.rate, now - shown.since))


__all__ = ["MESSAGE_BYTES", "VARIABLE", "message", "pipe_of", "report"]
