# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""A way to run one command at the far end and talk to it: two streams and what it said when it failed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Sequence
from typing import IO, Any, BinaryIO, Protocol, cast

_SAID_LIMIT = 16384  # bytes of standard error that are looked at


class Transport(Protocol):
    """``start`` raises FetchError; ``status`` is the exit status after ``close``, None when there is none."""

    reader: BinaryIO
    writer: BinaryIO
    status: int | None

    def start(self, command: str) -> None: ...

    def said(self) -> str: ...

    def close(self, abort: bool = False) -> None: ...


class ProcessTransport:
    """A local process: ssh, or for a local connection the command itself."""

    def __init__(self, argv: Sequence[str | bytes], pass_fds: Sequence[int] = (), **popen: Any) -> None:
        self._argv, self._pass_fds, self._popen = list(argv), tuple(pass_fds), popen
        self._process: subprocess.Popen[bytes] | None = None
        # A file, not a pipe: a ControlPersist master inherits it and would hold a pipe open for ever.
        self._stderr = _unnamed_file()
        self._said = ""
        self.status: int | None = None

    def start(self, command: str) -> None:
        self._process = subprocess.Popen(
            [*self._argv, command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            pass_fds=self._pass_fds,
            bufsize=1 << 18,
            **self._popen,
        )
        self.reader = cast(BinaryIO, self._process.stdout)
        self.writer = cast(BinaryIO, self._process.stdin)
        _widen(self.reader)

    def said(self) -> str:
        if self._stderr.closed:
            return self._said
        self._stderr.seek(0, 2)
        self._stderr.seek(max(self._stderr.tell() - _SAID_LIMIT, 0))
        return self._stderr.read().decode("utf-8", "replace")

    def close(self, abort: bool = False) -> None:
        if self._process is None or self.status is not None:
            return
        if abort:
            self._process.terminate()
        with contextlib.suppress(OSError, ValueError):
            self.writer.close()
        try:
            self.status = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self.status = self._process.wait()
        self._said = self.said()
        self._stderr.close()


def _unnamed_file() -> IO[bytes]:
    fd, path = tempfile.mkstemp(prefix="fetch_artifact-")
    os.unlink(path)
    return os.fdopen(fd, "w+b")


def _widen(pipe: IO[bytes]) -> None:
    """A larger pipe saves half of the system calls, where the system has that (Linux)."""
    import fcntl

    resize = getattr(fcntl, "F_SETPIPE_SZ", None)
    if resize is not None:
        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe.fileno(), resize, 1 << 20)


def local_transport() -> ProcessTransport:
    """For ``ansible_connection: local``."""
    return ProcessTransport(["/bin/sh", "-c"])
