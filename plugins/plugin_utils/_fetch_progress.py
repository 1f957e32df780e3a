# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Progress of a transfer: one line that is redrawn on a terminal, a plain line every few seconds in a log."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress

from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_tally import Tally

ON_TERMINAL, IN_LOG = 0.25, 5.0  # seconds between lines


def human(count: float) -> str:
    """Bytes with a binary unit."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def line(name: str, tally: Tally, seconds: float) -> str:
    """Bytes, rate, remaining time, share that need not move."""
    share = tally.done / tally.size if tally.size else 1.0
    spared = (tally.reused + tally.repeated + tally.holes) / tally.done if tally.done else 0.0
    rate = tally.moved / seconds if seconds > 0 else 0.0
    left = clock(seconds / share - seconds) if share > 0.01 and seconds > 1 else "?"
    return (
        f"{name}: {share:4.0%}, {human(tally.done)} of {human(tally.size)}, {human(tally.moved)} moved at "
        f"{human(rate)}/s, {left} left, {spared:.0%} reused or holes"
    )


class Progress:
    """Call :meth:`show` often; it speaks seldom.

    :param terminal: path of the terminal, or None for a log.
    :param say: prints one line of a log.
    """

    def __init__(self, name: str, terminal: str | None, say: Callable[[str], None]) -> None:
        self._name, self._say = name, say
        self._begun = time.monotonic()
        self._fd = -1
        if terminal:
            with suppress(OSError):
                self._fd = os.open(terminal, os.O_WRONLY | os.O_NOCTTY)
        self._pause = IN_LOG if self._fd < 0 else ON_TERMINAL
        self._next = self._begun + self._pause
        self._drawn = False

    def show(self, tally: Tally) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + self._pause
        text = line(self._name, tally, now - self._begun)
        if self._fd < 0:
            self._say(text)
            return
        self._drawn = True
        with suppress(OSError):
            width = os.get_terminal_size(self._fd).columns or 80
            os.write(self._fd, ("\r" + text[: width - 1] + "\x1b[K").encode())

    def close(self) -> None:
        if self._fd >= 0:
            if self._drawn:
                with suppress(OSError):
                    os.write(self._fd, b"\r\x1b[K")
            os.close(self._fd)
            self._fd = -1
