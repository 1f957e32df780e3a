# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""A chunk on its way: what is known of it, what is asked for, what has been put together."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import Enum

from ansible_collections.freehyve.builder.plugins.module_utils import _artifact_helper as far


class State(Enum):
    """NEW: nothing decided. PUSHED: its pages come unasked. ASKED: an answer is awaited. READY: can be finished."""

    NEW = 0
    PUSHED = 1
    ASKED = 2
    READY = 3


class Origin(Enum):
    """Where a chunk's content is taken from when it is finished."""

    WIRE = 0
    HELD = 1  # in .part since an earlier run
    REPEAT = 2  # in .part since this run
    SEED = 3


@dataclass
class Chunk:
    """``wanted`` is the map of pages that the far end was asked for, ``fetched`` the bytes it sent of them."""

    index: int
    sha256: bytes
    pages: bytes
    length: int
    state: State = State.NEW
    origin: Origin = Origin.WIRE
    same_as: int = 0
    wanted: bytes = b""
    attempts: int = 0
    fetched: int = 0
    saved: bool = False  # checked and written
    beside: bytes = b""
    data: bytes | bytearray | memoryview = b""

    def room(self) -> bytearray:
        if not isinstance(self.data, bytearray):
            self.data = bytearray(self.length)
        return self.data

    def fill(self, piece: bytes | memoryview) -> bool:
        """Put the wanted pages in their places; False when their number is not right."""
        expected = far.page_bytes(self.wanted, self.length)
        if len(piece) != expected:
            return False
        if expected == self.length:
            self.data = piece
        else:
            at, data = 0, self.room()
            for start, end in far.page_runs(self.wanted, self.length):
                data[start:end] = piece[at : at + end - start]
                at += end - start
        self.fetched += expected
        return True

    def copy_block(self, block: int, piece: bytes) -> None:
        """A block that a seed has."""
        start = block * far.BLOCK
        end = min(start + far.BLOCK, self.length)
        self.room()[start:end] = piece[: end - start].ljust(end - start, b"\0")

    def pages_of_block(self, block: int) -> int:
        """The part of the page map that is this block's, as a number."""
        per_block = far.BLOCK // far.PAGE
        return int.from_bytes(self.pages, "little") >> (block * per_block) & ((1 << per_block) - 1)

    def want_pages(self, block: int, pages: int) -> None:
        per_block = far.BLOCK // far.PAGE
        wanted = int.from_bytes(self.wanted, "little") | pages << (block * per_block)
        self.wanted = wanted.to_bytes(far.PAGES // 8, "little")

    def compare_pages(self, block: int, checks: list[int]) -> None:
        """Take from ``beside`` the pages of a block whose checksums agree; want the others."""
        wanted, data = 0, self.room()
        mapped = self.pages_of_block(block)
        for page, check in enumerate(checks):
            if not mapped >> page & 1:
                continue
            start = block * far.BLOCK + page * far.PAGE
            end = min(start + far.PAGE, self.length)
            piece = self.beside[start:end]
            if len(piece) == end - start and zlib.crc32(piece) == check:
                data[start:end] = piece
            else:
                wanted |= 1 << page
        self.want_pages(block, wanted)
