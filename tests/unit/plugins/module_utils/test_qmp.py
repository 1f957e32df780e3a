# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Against a server that speaks as QEMU does."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Optional

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._qmp import Qmp, tell

Serve = Callable[[dict[str, Optional[list[dict[str, Any]]]]], Path]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Answers by command; None closes the connection. The directory's path is longer than an address may be."""
    place = tmp_path / ("d" * 120)
    place.mkdir()
    listeners = []

    def talk(listener: socket.socket, answers: dict[str, list[dict[str, Any]] | None]) -> None:
        while True:
            try:
                connection, _peer = listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as stream:
                stream.write(b'{"QMP": {"version": {}}}\r\n')
                stream.flush()
                for line in stream:
                    replies = answers.get(json.loads(line)["execute"], [{"return": {}}])
                    if replies is None:
                        break
                    for reply in replies:
                        stream.write(json.dumps(reply).encode() + b"\r\n")
                    stream.flush()

    def start(answers: dict[str, list[dict[str, Any]] | None]) -> Path:
        listener = socket.socket(socket.AF_UNIX)
        listeners.append(listener)
        with contextlib.chdir(place):
            listener.bind("qmp.sock")
        listener.listen(1)
        threading.Thread(target=talk, args=(listener, answers), daemon=True).start()
        return place / "qmp.sock"

    yield start
    for listener in listeners:
        listener.close()


def test_events_in_between_are_passed_over(serve: Serve) -> None:
    path = serve({"query-status": [{"event": "RESUME"}, {"return": {"status": "running"}}]})
    with Qmp(str(path)) as machine:
        assert machine.execute("query-status") == {"status": "running"}


def test_an_error_is_one_line(serve: Serve) -> None:
    path = serve({"nosuch": [{"error": {"class": "CommandNotFound", "desc": "The command nosuch has not been found"}}]})
    with pytest.raises(ToolError, match="nosuch: The command nosuch has not been found"), Qmp(str(path)) as machine:
        machine.execute("nosuch")


def test_a_machine_that_goes_away_instead_of_answering(serve: Serve) -> None:
    assert tell(str(serve({"quit": None})), "quit") is None


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="machine's socket"):
        tell(str(tmp_path / "qmp.sock"), "quit", patience=0.3, pause=0.1)
