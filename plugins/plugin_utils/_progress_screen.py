# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The last lines of a terminal, drawn over again in place. Cursor movement only, no colours (ECMA-48)."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress

from ansible_collections.freehyve.builder.plugins.plugin_utils._progress_text import width

UP, CLEAR_LINE, CLEAR_BELOW = "\x1b[{}A", "\x1b[K", "\x1b[J"


def terminal_size(fd: int) -> tuple[int, int]:
    """Columns and rows; what a terminal without a size (a serial line) commonly has."""
    with suppress(OSError):
        found = os.get_terminal_size(fd)
        if found.columns > 0 and found.lines > 0:
            return found.columns, found.lines
    return 80, 24


class Screen:
    """Draws below everything else; whoever writes to the terminal erases first.

    The cursor stays at the end of the last line, so that nothing scrolls but for what is really new.
    """

    def __init__(self, fd: int, size: Callable[[int], tuple[int, int]] = terminal_size) -> None:
        self._fd, self._size = fd, size
        self._drawn: list[str] = []

    @property
    def size(self) -> tuple[int, int]:
        """What a line may take, and how many there may be: the last column and two rows stay free."""
        columns, rows = self._size(self._fd)
        return max(1, columns - 1), max(1, rows - 2)

    def _home(self) -> str:
        # A terminal that became narrower has broken what was drawn into more rows.
        columns = max(1, self._size(self._fd)[0])
        rows = sum(max(1, -(-width(line) // columns)) for line in self._drawn)
        return "\r" + (UP.format(rows - 1) if rows > 1 else "")

    def draw(self, lines: Sequence[str]) -> None:
        if list(lines) == self._drawn:
            return
        if not lines:
            self.erase()
            return
        text = (self._home() if self._drawn else "") + f"{CLEAR_LINE}\n".join(lines) + CLEAR_LINE
        if len(self._drawn) > len(lines):
            text += CLEAR_BELOW
        self._write(text)
        self._drawn = list(lines)

    def erase(self) -> None:
        if self._drawn:
            self._write(self._home() + CLEAR_BELOW)
            self._drawn = []

    def _write(self, text: str) -> None:
        data = text.encode("utf-8", "replace")
        with suppress(OSError):  # a terminal that is gone is Ansible's to find out
            while data:
                data = data[os.write(self._fd, data) :]


__all__ = ["Screen", "terminal_size"]
