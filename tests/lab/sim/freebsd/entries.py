# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""One file of the made-up tree, and the bytes of those that only need a size."""

from __future__ import annotations

import random
from typing import NamedTuple

RELEASE = "13.2-RELEASE"
OSRELDATE = 1302001
# Every file carries this time, so that the sets are the same on every machine: 2023-04-07, as 13.2's own.
TIME = 1680840000


class Entry(NamedTuple):
    """``kind``: d directory, f file, l symbolic link, h hard link; ``data`` is content or the link's target."""

    path: str
    kind: str = "f"
    mode: int = 0o644
    data: bytes = b""
    uid: int = 0
    gid: int = 0


def text(path: str, content: str, mode: int = 0o644, uid: int = 0, gid: int = 0) -> Entry:
    return Entry(path, "f", mode, content.encode(), uid, gid)


def directory(path: str, mode: int = 0o755, uid: int = 0, gid: int = 0) -> Entry:
    return Entry(path, "d", mode, b"", uid, gid)


def link(path: str, target: str) -> Entry:
    return Entry(path, "l", 0o755, target.encode())


def hard_link(path: str, target: str) -> Entry:
    return Entry(path, "h", 0o644, target.encode())


def filler(path: str, size: int, mode: int = 0o444, packed: bool = False, tail: bytes = b"") -> Entry:
    """A file of exactly ``size`` bytes: a note, then zeros, or noise that does not compress when ``packed``."""
    note = f"Placeholder for /{path} of FreeBSD {RELEASE}, made by tests/lab.\n".encode()[: size - len(tail)]
    rest = size - len(note) - len(tail)
    body = random.Random(path).randbytes(rest) if packed else bytes(rest)
    return Entry(path, "f", mode, note + body + tail)


def program(path: str, mode: int = 0o555, size: int = 4096) -> Entry:
    return filler(path, size, mode, packed=True)


__all__ = ["OSRELDATE", "RELEASE", "TIME", "Entry", "directory", "filler", "hard_link", "link", "program", "text"]
