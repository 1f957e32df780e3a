# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""poudriere's messages and its one way to fail."""

from __future__ import annotations

import sys
import threading
from typing import TextIO

from .clock import Clock, duration

SCRIPTS = "/usr/local/share/poudriere"
EX_USAGE = 64


class Failure(Exception):
    """What err() does: a message with the script's line, then the end with this status.

    :param where: ``function:line`` or ``line`` inside the script.
    """

    def __init__(self, status: int, message: str, where: str) -> None:
        super().__init__(message)
        self.status = status
        self.where = where


class Usage(Exception):
    """The command's usage is to be printed.

    :param missing: what was missing, said on standard error first.
    """

    def __init__(self, missing: str | None = None, note: str | None = None) -> None:
        super().__init__(missing or "")
        self.missing = missing
        self.note = note


class Output:
    """Messages of one call, each with the time since its start.

    :param script: name of poudriere's script for the command, such as ``jail.sh``.
    :param elapsed: False for the commands that never start their clock and print ``=>>`` instead.
    """

    def __init__(self, script: str, clock: Clock, elapsed: bool = True, quiet: bool = False) -> None:
        self.script = script
        self.clock = clock
        self.elapsed = elapsed
        self.quiet = quiet
        self.dry = ""
        self.verbose = 0
        self.deaf = False
        self.started = clock.monotonic()
        self._lock = threading.Lock()

    def prefix(self) -> str:
        mark = f"[{duration(self.clock.monotonic() - self.started)}] " if self.elapsed else "=>> "
        return mark + self.dry

    def raw(self, text: str, error: bool = False) -> None:
        """Print text as it is."""
        if self.quiet:
            return
        stream: TextIO = sys.stderr if error else sys.stdout
        with self._lock:
            try:
                stream.write(text)
                stream.flush()
            except BrokenPipeError:
                # Nobody listens: poudriere traps SIGPIPE, and ignores it while it cleans up (common.sh, sig_handler).
                if not self.deaf:
                    raise

    def msg(self, text: str, error: bool = False) -> None:
        self.raw(self.prefix() + text + "\n", error)

    def begin(self, text: str) -> None:
        """Print a message whose line is finished later."""
        self.raw(self.prefix() + text)

    def warn(self, text: str) -> None:
        self.msg("Warning: " + text, error=True)

    def error(self, text: str) -> None:
        self.msg("Error: " + text, error=True)

    def failure(self, failure: Failure) -> None:
        where = f"{SCRIPTS}/{self.script}:{failure.where}:" if failure.where else ""
        self.error(where + str(failure))


def table(header: list[str], rows: list[list[str]], right: range = range(0), quiet: bool = False,
          last_padded: bool = False) -> str:
    """Return aligned columns; widths count the header even when it is not printed.

    :param right: columns that are aligned to the right.
    """
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = []
    for row in ([] if quiet else [header]) + rows:
        cells = [cell.rjust(width) if column in right else cell.ljust(width)
                 for column, (cell, width) in enumerate(zip(row, widths, strict=True))]
        if not last_padded:
            cells[-1] = row[-1]
        lines.append(" ".join(cells) + "\n")
    return "".join(lines)
