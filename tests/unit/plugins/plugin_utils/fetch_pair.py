# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Both ends of fetch_artifact in one process, over a socket that can be cut or tampered with."""

from __future__ import annotations

import itertools
import json
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from ansible_collections.freehyve.builder.plugins.module_utils import _artifact_helper as far
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_command import RemoteCommand
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_errors import Unreachable
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_run import Fetched, Item, Options, Run
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_session import Session

Tamper = Callable[[bytes, bytes], bytes]
Cut = int | list[int | None] | None


class Wire:
    """What the far end writes to: frames are seen whole, may be changed, and end after ``cut`` bytes."""

    def __init__(self, sock: socket.socket, cut: int | None, tamper: Tamper | None) -> None:
        self._sock, self._cut, self._tamper = sock, cut, tamper
        self._pending = b""
        self.ends: list[int] = []
        self.kinds: list[bytes] = []
        self.total = 0

    def write(self, data: bytes) -> int:
        self._pending += data
        while len(self._pending) >= far.FRAME.size:
            kind, length = far.FRAME.unpack_from(self._pending)
            if len(self._pending) < far.FRAME.size + length:
                break
            payload = self._pending[far.FRAME.size : far.FRAME.size + length]
            self._pending = self._pending[far.FRAME.size + length :]
            if self._tamper is not None:
                payload = self._tamper(kind, payload)
            self._send(far.FRAME.pack(kind, len(payload)) + payload)
            self.ends.append(self.total)
            self.kinds.append(kind)
        return len(data)

    def _send(self, frame: bytes) -> None:
        if self._cut is not None and self.total + len(frame) > self._cut:
            with suppress(OSError):
                self._sock.sendall(frame[: max(self._cut - self.total, 0)])
                self._sock.shutdown(socket.SHUT_RDWR)
            self.total += len(frame)
            raise OSError("cut")
        self._sock.sendall(frame)
        self.total += len(frame)

    def flush(self) -> None:
        """Frames go off at once."""


class PairTransport:
    """A helper in a thread of this process."""

    status: int | None = None

    def __init__(self, cache: Path | None, cut: int | None = None, tamper: Tamper | None = None) -> None:
        near, distant = socket.socketpair()
        self._near, self._distant = near, distant
        self.reader = cast(BinaryIO, near.makefile("rb"))
        self.writer = cast(BinaryIO, near.makefile("wb"))
        self.wire = Wire(distant, cut, tamper)
        self._options = {"cache": str(cache) if cache else ""}
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def start(self, command: str) -> None:
        marker = command
        self._distant.sendall(b"Welcome to the builder\n" + marker.encode())
        self._thread.start()

    def _serve(self) -> None:
        source = cast(BinaryIO, self._distant.makefile("rb"))
        size = _skip_greeting(source)
        source.read(size)
        with suppress(OSError):
            far.Server(source, cast(BinaryIO, self.wire), self._options).serve()
        with suppress(OSError):
            self._distant.shutdown(socket.SHUT_RDWR)

    def said(self) -> str:
        return ""

    def close(self, abort: bool = False) -> None:
        with suppress(OSError):
            self._near.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)


def _skip_greeting(source: BinaryIO) -> int:
    line = source.readline()
    size: int = json.loads(line[line.index(b"{") :])["size"]
    return size


class Pair:
    """``src`` and ``dest`` below one directory; :meth:`fetch` runs a whole transfer."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.src = directory / "far" / "image"
        self.dest = directory / "near" / "1.0" / "image"
        self.src.parent.mkdir()
        self.dest.parent.mkdir(parents=True)
        self.warnings: list[str] = []
        self.events: list[Any] = []
        self.transports: list[PairTransport] = []

    def fetch(self, cut: Cut = None, tamper: Tamper | None = None, item: Item | None = None, **options: Any) -> Fetched:
        return self.fetch_all([item or Item(str(self.src), self.dest)], cut, tamper, **options)[0]

    def fetch_all(
        self, items: list[Item], cut: Cut = None, tamper: Tamper | None = None, refuse: int = 0, **options: Any
    ) -> list[Fetched]:
        """:param cut: bytes after which the connection ends; a list has one for each connection.

        :param refuse: how many connections are not made at first.
        """
        refusals = iter([Unreachable("no way")] * refuse)
        cuts = iter(cut) if isinstance(cut, list) else itertools.repeat(cut)

        def connect() -> Session:
            for refusal in refusals:
                raise refusal
            command = RemoteCommand(["python3"], {}, helper=b"")
            transport = PairTransport(self.directory / "far-cache", next(cuts), tamper)
            self.transports.append(transport)
            return Session("b", transport, command, lambda *_: None).start(command.marker)

        given = {
            "cache": str(self.directory / "near-cache"),
            "tell": self.events.append,
            "warn": self.warnings.append,
            "retries": 0,
            **options,
        }
        return Run(connect, Options(**given)).fetch(items)

    @property
    def part(self) -> Path:
        return self.dest.with_name("image.part")

    @property
    def journal(self) -> Path:
        return self.dest.with_name("image.part.journal")

    def same(self) -> bool:
        return self.src.read_bytes() == self.dest.read_bytes()

    def leftovers(self) -> list[str]:
        return sorted(path.name for path in self.dest.parent.iterdir() if path.name != self.dest.name)


def flip(kind: bytes, times: int = 1 << 30) -> Tamper:
    """Change the last byte of frames of one kind, as often as told."""
    left = times

    def tamper(got: bytes, payload: bytes) -> bytes:
        nonlocal left
        if got == kind and left > 0:
            left -= 1
            return payload[:-1] + struct.pack("B", payload[-1] ^ 1)
        return payload

    return tamper
