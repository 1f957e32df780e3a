# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""A window into a file: what a disk, an md unit or a partition is in the lab."""

from __future__ import annotations

import os


class Window:
    """Bytes ``offset`` to ``offset + size`` of the file at ``path``."""

    __slots__ = ("offset", "path", "sector", "size")

    def __init__(self, path: str, offset: int, size: int, sector: int = 512) -> None:
        self.path = path
        self.offset = offset
        self.size = size
        self.sector = sector

    def read(self, offset: int, length: int) -> bytes:
        """*length* bytes at *offset*, zero-filled where the file is shorter."""
        length = max(0, min(length, self.size - offset))
        try:
            with open(self.path, "rb") as handle:
                handle.seek(self.offset + offset)
                data = handle.read(length)
        except FileNotFoundError:
            data = b""
        return data.ljust(length, b"\0")

    def write(self, offset: int, data: bytes) -> None:
        """Put *data* at *offset*."""
        with open(self.path, "r+b") as handle:
            handle.seek(self.offset + offset)
            handle.write(data)

    def discard(self, offset: int, length: int) -> None:
        """Make a range read as zeros again, as a hole where the file system can do it."""
        from . import kernel

        length = max(0, min(length, self.size - offset))
        end = os.stat(self.path).st_size
        length = min(length, max(0, end - self.offset - offset))
        if length:
            kernel.punch_hole(self.path, self.offset + offset, length)


__all__ = ["Window"]
