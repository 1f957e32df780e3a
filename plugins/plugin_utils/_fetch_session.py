# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""A conversation with the helper at the far end: frames out, frames in, both counted."""

from __future__ import annotations

import json
import struct
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from ansible_collections.freehyve.builder.plugins.module_utils import _artifact_helper as far
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_command import (
    NO_PYTHON,
    OLD_PYTHON,
    RemoteCommand,
)
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_errors import (
    ConnectionLost,
    FetchError,
    SourceChanged,
    SourceMissing,
)
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_transport import Transport

WAITING = 12 << 20  # bytes of frames that may wait to be handled
_NOISE = 1 << 20  # bytes that a login may print before the helper speaks
Explain = Callable[[str, "int | None", str], "FetchError | None"]


class _Inbox:
    """Frames between the reading thread and the one that handles them, bounded by bytes."""

    def __init__(self) -> None:
        self._frames: deque[tuple[bytes, bytes]] = deque()
        self._bytes = 0
        self._end: str | None = None
        self._change = threading.Condition()

    def put(self, frame: tuple[bytes, bytes]) -> None:
        with self._change:
            while self._bytes > WAITING and self._end is None:
                self._change.wait()
            self._frames.append(frame)
            self._bytes += len(frame[1])
            self._change.notify_all()

    def end(self, why: str) -> None:
        with self._change:
            self._end = self._end or why
            self._change.notify_all()

    def get(self) -> tuple[bytes, bytes]:
        """:raises ConnectionLost: nothing more will come."""
        with self._change:
            while not self._frames:
                if self._end is not None:
                    raise ConnectionLost(self._end)
                self._change.wait()
            frame = self._frames.popleft()
            self._bytes -= len(frame[1])
            self._change.notify_all()
            return frame


class Session:
    """One run of the helper. Use as a context manager."""

    def __init__(self, host: str, transport: Transport, command: RemoteCommand, explain: Explain) -> None:
        self.host = host
        self.received = 0
        self.sent = 0
        self.hello: dict[str, Any] = {}
        self._transport, self._command, self._explain = transport, command, explain
        self._inbox = _Inbox()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def start(self, text: str, secret: str | None = None) -> Session:
        """:param text: the command as the far shell gets it; :param secret: the line that become asks for."""
        self._transport.start(text)
        try:
            self._write((secret + "\n").encode() if secret else b"", self._command.greeting)
            self._skip_noise()
        except (OSError, EOFError) as exc:
            raise self._start_failure() from exc
        self._thread.start()
        kind, payload = self.next()
        if kind != far.HELLO:
            raise FetchError(f"builder '{self.host}': the helper does not speak our protocol")
        self.hello = json.loads(payload)
        return self

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: object, *more: object) -> None:
        self.close(abort=kind is not None)

    def close(self, abort: bool = False) -> None:
        if not abort:
            self.send(far.QUIT)
        self._inbox.end("closed")
        self._transport.close(abort)

    def _skip_noise(self) -> None:
        """Read up to the marker: shells greet, sudo lectures."""
        marker, seen = self._command.marker.encode(), b""
        while not seen.endswith(marker):
            byte = self._transport.reader.read(1)
            if not byte or len(seen) > _NOISE:
                raise EOFError("no marker")
            seen += byte
        self.received += len(seen)

    def _start_failure(self) -> FetchError:
        self._transport.close()
        said, status = self._transport.said(), self._transport.status
        if NO_PYTHON in said:
            return FetchError(
                f"builder '{self.host}': cannot run the helper, no Python 3 was found; "
                "run provision.yml or set ansible_python_interpreter"
            )
        if OLD_PYTHON in said:
            return FetchError(f"builder '{self.host}': cannot run the helper, its Python is older than 3.8")
        explained = self._explain(self.host, status, said)
        if explained is not None:
            return explained
        last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "it gave no reason")
        if "assword" in last:
            return FetchError(f"builder '{self.host}': become was refused: {last}; check ansible_become_password")
        return FetchError(f"builder '{self.host}': the helper did not start (exit status {status}): {last}")

    def _read(self) -> None:
        reader = self._transport.reader
        try:
            while True:
                frame = far.read_frame(reader)
                self.received += far.FRAME.size + len(frame[1])
                self._inbox.put(frame)
        except ValueError:
            self._inbox.end(f"builder '{self.host}': the connection carries something else than our frames")
        except (EOFError, OSError):
            self._inbox.end(f"builder '{self.host}': the connection was lost; run again to resume")

    def _write(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._transport.writer.write(piece)
            self.sent += len(piece)
        self._transport.writer.flush()

    def send(self, kind: bytes, payload: bytes = b"") -> None:
        """What has arrived before a loss is worth having: the loss shows in :meth:`next`, after that."""
        try:
            self._write(far.FRAME.pack(kind, len(payload)) + payload)
        except (OSError, ValueError):
            self._inbox.end(f"builder '{self.host}': the connection was lost; run again to resume")

    def send_json(self, kind: bytes, value: dict[str, Any]) -> None:
        self.send(kind, json.dumps(value).encode())

    def credit(self, count: int) -> None:
        self.send(far.CREDIT, struct.pack(">I", count))

    def next(self) -> tuple[bytes, bytes]:
        return self._inbox.get()

    def ask(self, kind: bytes, path: str, number: int, answer: bytes) -> dict[str, Any]:
        """One question about a path; frames left over from an abandoned scan are passed over.

        :raises FetchError: the builder refuses, in words.
        """
        self.send_json(kind, {"id": number, "path": path})
        while True:
            got, payload = self.next()
            if got == far.FAILED:
                raise source_error(self.host, path, json.loads(payload))
            if got == answer:
                value: dict[str, Any] = json.loads(payload)
                return value


def source_error(host: str, path: str, told: dict[str, Any]) -> FetchError:
    """A refusal of the helper as one line."""
    text = f"source '{path}': {told['text']} on builder '{host}'"
    if told["kind"] == "changed":
        return SourceChanged(f"{text}; fetch it when its writer is done")
    if told["kind"] == "missing":
        return SourceMissing(f"{text}; build it first")
    if told["kind"] == "directory":
        return FetchError(f"{text}; name a file, or set recurse")
    if told["kind"] == "unreadable":
        return FetchError(f"{text}; use become, or change its permissions")
    return FetchError(text)
