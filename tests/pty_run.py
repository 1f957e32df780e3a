# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Run a command on a pseudo-terminal and keep what it wrote, with the time of each piece."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Typescript:
    """What a terminal got: seconds since the begin, and text."""

    rc: int
    pieces: tuple[tuple[float, str], ...]

    @property
    def text(self) -> str:
        return "".join(text for _at, text in self.pieces)


def run_on_terminal(
    argv: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    columns: int = 100,
    rows: int = 30,
    timeout: float = 300,
) -> Typescript:
    """:raises TimeoutError: it took too long and was killed."""
    pid, fd = pty.fork()
    if pid == 0:
        try:
            # Before anything is run, so that the command never sees another size.
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.chdir(cwd)
            os.execvpe(argv[0], list(argv), {**environment, "TERM": "xterm"})
        finally:
            os._exit(127)
    begun = time.monotonic()
    pieces: list[tuple[float, str]] = []
    # A character may come in two pieces.
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while True:
        if not select.select([fd], [], [], max(0.0, begun + timeout - time.monotonic()))[0]:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(fd)
            raise TimeoutError(f"{' '.join(argv)}: still runs after {timeout} s")
        try:
            data = os.read(fd, 1 << 16)
        except OSError:  # Linux says EIO when the last writer is gone
            data = b""
        if not data:
            break
        text = decoder.decode(data)
        pieces.append((time.monotonic() - begun, text))
    os.close(fd)
    _pid, status = os.waitpid(pid, 0)
    return Typescript(os.waitstatus_to_exitcode(status), tuple(pieces))


__all__ = ["Typescript", "run_on_terminal"]
