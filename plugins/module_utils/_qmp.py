# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""QEMU's machine protocol over its socket, as much as a machine's life needs (docs/interop/qmp-spec)."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from typing import Any, Dict, Iterator, Optional

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError


@contextlib.contextmanager
def _inside(directory: str) -> Iterator[None]:
    """A socket's address has about a hundred bytes, a directory's path has more: name the socket from inside."""
    before = os.getcwd()
    os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(before)


class Qmp:
    """One connection; QEMU serves one at a time.

    :raises ToolError: nobody listens, or the answer is an error.
    """

    def __init__(self, path: str, timeout: float = 10.0) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        try:
            with _inside(os.path.dirname(path)):
                self._socket.connect(os.path.basename(path))
            self._stream = self._socket.makefile("rwb")
            self._next("QMP")
            self.execute("qmp_capabilities")
        except OSError as exc:
            self._socket.close()
            raise ToolError(f"machine's socket '{path}': {exc.strerror or exc}") from exc
        except ToolError:
            self.close()
            raise

    def __enter__(self) -> "Qmp":
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.close()
        self._socket.close()

    def _next(self, *keys: str) -> Dict[str, Any]:
        """The next message that has one of the keys; events in between are not asked for."""
        while True:
            line = self._stream.readline()
            if not line:
                raise ToolError(f"machine's socket '{self._path}': closed")
            message = json.loads(line.decode("utf-8"))
            if any(key in message for key in keys):
                return dict(message)

    def execute(self, command: str, **arguments: Any) -> Any:
        """Run a command and return what it answers."""
        request: Dict[str, Any] = {"execute": command}
        if arguments:
            request["arguments"] = arguments
        try:
            self._stream.write(json.dumps(request).encode("utf-8") + b"\r\n")
            self._stream.flush()
            answer = self._next("return", "error")
        except OSError as exc:
            raise ToolError(f"machine's socket '{self._path}': {command}: {exc.strerror or exc}") from exc
        if "error" in answer:
            raise ToolError(f"machine's socket '{self._path}': {command}: {answer['error'].get('desc')}")
        return answer["return"]


def tell(path: str, command: str, patience: float = 10.0, pause: float = 0.2) -> Optional[Any]:
    """Run one command on a connection of its own; again while another client has the socket.

    :param patience: seconds.
    :returns: the answer, None when the machine went away instead of answering, as it does after ``quit``.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            with Qmp(path, timeout=max(1.0, deadline - time.monotonic())) as machine:
                try:
                    return machine.execute(command)
                except ToolError as exc:
                    if exc.message.endswith("closed"):
                        return None
                    raise
        except ToolError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(pause)


__all__ = ["Qmp", "tell"]
