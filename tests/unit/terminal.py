# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What a reader sees: a terminal that knows the few sequences that Ansible and the progress callback send.

Anything else that is a control character is an error of what is tested.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\x1b\[(?P<number>[0-9;]*)(?P<command>[A-Za-z])|(?P<char>.)", re.DOTALL)

_PART = re.compile(r"(?:\x1b(?:\[[0-9;]*)?)?\Z")


class Terminal:
    """Lines wrap at ``columns`` as on a VT100: the cursor waits in the last column until there is more."""

    def __init__(self, columns: int = 80) -> None:
        self.columns = columns
        self.rows: list[list[str]] = [[]]
        self.row = self.column = 0
        self.colours = 0
        self._rest = ""

    def feed(self, text: str) -> None:
        # A sequence may come in two pieces.
        text = self._rest + text
        part = _PART.search(text)
        self._rest = part[0] if part else ""
        text = text[: len(text) - len(self._rest)]
        for token in _TOKEN.finditer(text):
            if token["char"] is not None:
                self._char(token["char"])
            else:
                self._command(token["command"], token["number"])

    @property
    def lines(self) -> list[str]:
        """Everything from the first line on, as if nothing ever left the screen."""
        return ["".join(row).rstrip() for row in self.rows]

    def _char(self, char: str) -> None:
        if char == "\r":
            self.column = 0
        elif char == "\n":
            self._down()
        elif char.isprintable():
            if self.column == self.columns:
                self.column = 0
                self._down()
            row = self.rows[self.row]
            row.extend(" " * (self.column + 1 - len(row)))
            row[self.column] = char
            self.column += 1
        else:
            raise AssertionError(f"control character {char!r}")

    def _down(self) -> None:
        self.row += 1
        if self.row == len(self.rows):
            self.rows.append([])

    def _command(self, command: str, number: str) -> None:
        if command == "m":
            self.colours += 1
        elif command == "A":
            self.row = max(0, self.row - int(number or 1))
        elif command == "K" and number in ("", "0"):
            del self.rows[self.row][self.column :]
        elif command == "J" and number in ("", "0"):
            del self.rows[self.row][self.column :]
            del self.rows[self.row + 1 :]
        else:
            raise AssertionError(f"sequence ESC [ {number} {command}")


def final_screen(text: str, columns: int = 80) -> list[str]:
    """The lines that are left when everything was written; a pseudo-terminal sends CR LF."""
    terminal = Terminal(columns)
    terminal.feed(text)
    return terminal.lines


__all__ = ["Terminal", "final_screen"]
