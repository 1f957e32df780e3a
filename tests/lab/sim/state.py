# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The lab's one state file: a JSON document under a lock, written atomically.

``with edit() as s`` changes it, ``with read() as s`` only looks. Never hold it while reading stdin or waiting for
another command: ``zfs send | zfs receive`` would wait for itself.
"""

from __future__ import annotations

import fcntl
import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DIRECTORY = "/lab/state"
FILE = DIRECTORY + "/state.json"
LOCK = DIRECTORY + "/lock"


def _load() -> tuple[str, dict[str, Any]]:
    try:
        with open(FILE, encoding="utf-8", errors="surrogateescape") as handle:
            text = handle.read()
    except FileNotFoundError:
        return "", {}
    return text, json.loads(text) if text else {}


class _Access:
    """Holds the lock for as long as the ``with`` block runs."""

    def __init__(self, exclusive: bool) -> None:
        self._exclusive = exclusive
        self._before = ""
        self._state: dict[str, Any] = {}
        self._fd = -1

    def __enter__(self) -> dict[str, Any]:
        os.makedirs(DIRECTORY, exist_ok=True)
        self._fd = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(self._fd, fcntl.LOCK_EX if self._exclusive else fcntl.LOCK_SH)
        self._before, self._state = _load()
        return self._state

    def __exit__(self, *exc: object) -> None:
        # Written even when the block raised: mounts and files that it made before failing are real.
        try:
            if self._exclusive:
                text = json.dumps(self._state, separators=(",", ":"))
                if text != self._before:
                    temporary = f"{FILE}.{os.getpid()}"
                    with open(temporary, "w", encoding="utf-8", errors="surrogateescape") as handle:
                        handle.write(text)
                    os.replace(temporary, FILE)
        finally:
            os.close(self._fd)


def edit() -> _Access:
    """Exclusive access; changes to the dict are written when the block ends."""
    return _Access(True)


def read() -> _Access:
    """Shared access; changes to the dict are lost."""
    return _Access(False)
