# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Words for progress: pure functions from an event (see :mod:`_progress`) to lines without any control codes."""

from __future__ import annotations

import unicodedata
from collections import deque
from collections.abc import Mapping
from typing import Any

from ansible_collections.freehyve.builder.plugins.module_utils._job import strip_escapes

RATE_WINDOW = 20.0  # seconds; long enough for a slow disk's hiccups, short enough to follow a change
LOG_LINES = 10


def human(count: float) -> str:
    """Bytes with a binary unit."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def clock(seconds: float) -> str:
    """``0:07``, ``12:34``, ``1:02:03``."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def harmless(text: str) -> str:
    """One line as it stands, but for what moves the cursor, sets colours or reorders: wherever it came from."""
    line = " ".join(strip_escapes(text).expandtabs(8).splitlines())
    return "".join(char for char in line if not unicodedata.category(char).startswith("C"))


def clean(text: object) -> str:
    """Harmless, and with single blanks only."""
    return " ".join(harmless(str(text)).split())


def width(text: str) -> int:
    """Columns on a terminal."""
    columns = 0
    for char in text:
        if not unicodedata.combining(char):
            columns += 2 if unicodedata.east_asian_width(char) in "WF" else 1
    return columns


def cut(text: str, columns: int) -> str:
    """The beginning of a text that fits; ``..`` stands for what is missing."""
    if width(text) <= columns:
        return text
    room = max(0, columns - 2)
    while text and width(text) > room:
        text = text[:-1]
    return (text + "..")[: max(0, columns)]


class Meter:
    """Rate and time left of something that grows, from the samples of the last seconds."""

    def __init__(self) -> None:
        self._what: object = None
        self._samples: deque[tuple[float, float]] = deque()

    def add(self, event: Mapping[str, Any], now: float) -> None:
        done = _number(event.get("done"))
        if done is None:
            return
        what = (event.get("what"), event.get("total"), event.get("unit"))
        if what != self._what or (self._samples and done < self._samples[-1][1]):
            self._what = what
            self._samples.clear()
        self._samples.append((now, done))
        while len(self._samples) > 2 and now - self._samples[1][0] >= RATE_WINDOW:
            self._samples.popleft()

    @property
    def rate(self) -> float | None:
        """Units a second; None when that cannot be said yet."""
        if len(self._samples) < 2:
            return None
        (begun, first), (ended, last) = self._samples[0], self._samples[-1]
        return (last - first) / (ended - begun) if ended - begun >= 0.5 else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def amount(event: Mapping[str, Any], rate: float | None, later: float = 0.0) -> str:
    """``base.txz 12.0 MiB of 180.0 MiB (7%), 3.1 MiB/s, 0:54 left``; empty when nothing is counted.

    :param later: seconds since the event was made.
    """
    done, total = _number(event.get("done")), _number(event.get("total"))
    what = clean(event.get("what") or "")
    if done is None:
        return what
    in_bytes = event.get("unit", "bytes") == "bytes"

    def count(value: float) -> str:
        return human(value) if in_bytes else f"{value:.0f}"

    words = f"{what} {count(done)}".lstrip()
    if total:
        words += f" of {count(total)} ({min(done / total, 1.0):.0%})"
    if rate is not None and in_bytes:
        words += f", {human(rate)}/s"
    if rate and total and (total - done) / rate - later >= 1:
        words += f", {clock((total - done) / rate - later)} left"
    return words


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _rows(value: object) -> list[Mapping[str, Any]]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0


def counters(bulk: Mapping[str, Any]) -> str:
    """``1/4 built, 1 failed, 0 skipped``; before the queue is known, what poudriere does."""
    stats = _mapping(bulk.get("stats"))
    queued = _count(stats.get("queued"))
    if not queued:
        return clean(bulk.get("phase") or "starting")
    done = _count(stats.get("built")) + _count(stats.get("fetched"))
    words = f"{done}/{queued} built, {_count(stats.get('failed'))} failed, {_count(stats.get('skipped'))} skipped"
    if _count(stats.get("ignored")):
        words += f", {_count(stats.get('ignored'))} ignored"
    return words


def jobs(bulk: Mapping[str, Any], later: float = 0.0) -> list[str]:
    """What each builder compiles and for how long: ``01 hello-1.0 stage 0:27``.

    :param later: seconds since the event was made.
    """
    rows = []
    for row in _rows(bulk.get("builders")):
        if not row.get("pkgname"):
            continue
        words = f"{clean(row.get('number', ''))} {clean(row['pkgname'])} {clean(row.get('phase', ''))}"
        seconds = _number(row.get("seconds"))
        rows.append(words if seconds is None else f"{words} {clock(seconds + later)}")
    if _count(bulk.get("more")):
        rows.append(f"and {_count(bulk.get('more'))} more")
    return rows


def bulk_words(bulk: Mapping[str, Any], later: float = 0.0) -> str:
    """Counters, time left, builders: in the order in which a narrow terminal may lose them."""
    words = counters(bulk)
    phase = clean(bulk.get("phase") or "")
    if _count(_mapping(bulk.get("stats")).get("queued")) and phase not in ("", "parallel_build"):
        words += f", {phase}"
    left = _number(bulk.get("left"))
    if left is not None and left - later >= 1:
        words += f", about {clock(left - later)} left"
    return " | ".join([words, *jobs(bulk, later)])


def body(event: Mapping[str, Any], rate: float | None = None, later: float = 0.0) -> str:
    """What there is to say besides who and how long."""
    bulk = _mapping(event.get("bulk"))
    if bulk:
        return bulk_words(bulk, later)
    text, counted = clean(event.get("text") or ""), amount(event, rate, later)
    if not text or text in (counted, clean(event.get("what") or "")):
        return counted
    return f"{counted}; {text}" if counted else text


def plain_line(host: str, event: Mapping[str, Any], rate: float | None, elapsed: float | None) -> str:
    """A line of a log; of what has ended, only how it ended."""
    took = "" if elapsed is None else f" [{clock(elapsed)}]"
    state = event.get("state", "running")
    words = body(event, rate) if state == "running" else state
    return f"{clean(host)}: {clean(event.get('task') or '')}{took}: {words}"


def news_of(event: Mapping[str, Any]) -> object:
    """What makes an event another one than the last; times that pass by themselves do not."""
    bulk = _mapping(event.get("bulk"))
    building = tuple(str(row.get("pkgname")) for row in _rows(bulk.get("builders")))
    stats = tuple(sorted(_mapping(bulk.get("stats")).items()))
    return (event.get("state"), event.get("text"), event.get("what"), event.get("done"), stats, building)


def failure_lines(host: str, event: Mapping[str, Any]) -> list[str]:
    """A failed port: phase, kind of error, the last lines of its log."""
    port = _mapping(event.get("failed_port"))
    origin, pkgname = clean(port.get("origin") or ""), clean(port.get("pkgname") or "")
    spent = _number(port.get("elapsed"))
    head = (
        f"{clean(host)}: {clean(event.get('task') or '')}: port {origin} ({pkgname}) failed in phase "
        f"{clean(port.get('phase') or '') or 'unknown'}: {clean(port.get('errortype') or '') or 'unknown error'}"
    )
    if spent is not None:
        head += f", after {clock(spent)}"
    if port.get("log"):
        head += f"; log: {clean(port['log'])}"
    tail = port.get("tail")
    lines = [harmless(str(line)).rstrip() for line in tail[-LOG_LINES:]] if isinstance(tail, list) else []
    return [head, *(f"    {line}" for line in lines if line)]


__all__ = [
    "LOG_LINES",
    "Meter",
    "amount",
    "body",
    "bulk_words",
    "clean",
    "clock",
    "counters",
    "cut",
    "failure_lines",
    "harmless",
    "human",
    "jobs",
    "news_of",
    "plain_line",
    "width",
]
