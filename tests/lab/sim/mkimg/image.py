# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The image before it is written: data extents over zeros.

Sectors of zeros are holes, wherever they come from, as in mkimg's image.c: that decides which clusters a
sparse format stores, and so its size.
"""

from __future__ import annotations

import bisect
import errno
import os
import stat
from dataclasses import dataclass
from typing import Dict, Iterator, List, Tuple, Union

from .errors import assertion
from .numbers import UINT64_MAX

IO_SIZE = 1 << 20
_ZEROS = bytes(IO_SIZE)


class ImageError(Exception):
    """An I/O error; ``number`` is the errno."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@dataclass
class Extent:
    """``length`` bytes at ``start`` of the image: ``source`` is memory, or a descriptor read from ``offset``."""

    start: int
    length: int
    source: Union[bytes, int]
    offset: int = 0

    @property
    def end(self) -> int:
        return self.start + self.length


def data_ranges(fd: int, size: int) -> Iterator[Tuple[int, int]]:
    """``(start, end)`` of a file's data, by SEEK_DATA and SEEK_HOLE."""
    position = 0
    while position < size:
        try:
            start = os.lseek(fd, position, os.SEEK_DATA)
        except OSError as exc:
            if exc.errno == errno.ENXIO:
                return
            yield position, size
            return
        position = min(os.lseek(fd, start, os.SEEK_HOLE), size)
        yield start, position


class Image:
    """Filled front to back by partitions, then overlaid with the scheme's metadata."""

    def __init__(self, sector: int) -> None:
        self.sector = sector
        self.size = 0  # sectors
        self._tail = 0  # sectors that chunks of mkimg would cover
        self._extents: List[Extent] = []
        self._metadata: Dict[int, bytes] = {}
        self._zero = bytes(sector)
        self._cache: Tuple[List[Extent], List[int]] = ([], [])
        self._dirty = True

    def skip_to(self, block: int) -> None:
        if block < self._tail:
            assertion("from <= to", "image_chunk_skipto", 236)
        if block * self.sector > UINT64_MAX:
            raise ImageError(errno.EFBIG)
        self._tail = block

    def set_size(self, block: int) -> None:
        self.skip_to(block)
        self.size = block
        self._dirty = True

    def copy_in(self, block: int, fd: int) -> int:
        """Take a file's or pipe's content; returns its size in bytes, files rounded up to sectors."""
        self.skip_to(block)
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            return self._copy_stream(block, fd)
        fd = os.dup(fd)
        rounded = (status.st_size + self.sector - 1) // self.sector * self.sector
        for start, end in data_ranges(fd, status.st_size):
            start -= start % self.sector
            while start < end:
                length = min(IO_SIZE, end - start)
                self._scan(block * self.sector, start, os.pread(fd, length, start), fd)
                start += length
        self._tail = block + rounded // self.sector
        return rounded

    def _copy_stream(self, block: int, fd: int) -> int:
        """A pipe is spooled to TMPDIR, as mkimg does."""
        import tempfile  # costs more than the rest of a short run

        try:
            keep, path = tempfile.mkstemp(prefix="mkimg-", dir=os.environ.get("TMPDIR") or "/tmp")
        except OSError as exc:
            raise ImageError(exc.errno or errno.EIO) from exc
        os.unlink(path)
        size = 0
        pending = b""
        while True:
            piece = os.read(fd, IO_SIZE)
            pending += piece
            if pending and (len(pending) >= IO_SIZE or not piece):
                os.pwrite(keep, pending, size)
                self._scan(block * self.sector, size, pending, keep)
                size += len(pending)
                pending = b""
            if not piece:
                break
        self._tail = block + (size + self.sector - 1) // self.sector
        return size

    def _scan(self, base: int, offset: int, data: bytes, fd: int) -> None:
        """Add the sectors of ``data`` that are not all zero; ``offset`` is its place in the source."""
        if data == _ZEROS[: len(data)]:
            return
        sector = self.sector
        if len(data) % sector:
            data += bytes(sector - len(data) % sector)
        run = -1
        for position in range(0, len(data), sector):
            if data.startswith(self._zero, position):
                if run >= 0:
                    self._append(base + offset + run, position - run, fd, offset + run)
                    run = -1
            elif run < 0:
                run = position
        if run >= 0:
            self._append(base + offset + run, len(data) - run, fd, offset + run)

    def _append(self, start: int, length: int, fd: int, offset: int) -> None:
        if self._extents:
            last = self._extents[-1]
            if last.end == start and last.source == fd and last.offset + last.length == offset:
                last.length += length
                return
        self._extents.append(Extent(start, length, fd, offset))

    def write(self, block: int, data: bytes) -> None:
        """Metadata of the scheme, whole sectors; sectors of zeros leave what is there."""
        for position in range(0, len(data), self.sector):
            piece = data[position : position + self.sector]
            if piece != self._zero:
                if block >= self._tail:
                    raise ImageError(errno.ENXIO)
                if self._in_partition(block):
                    raise ImageError(errno.EINVAL)
                self._metadata[block] = piece
            block += 1
        self._dirty = True

    def _in_partition(self, block: int) -> bool:
        start = block * self.sector
        index = bisect.bisect_right([extent.start for extent in self._extents], start) - 1
        return index >= 0 and self._extents[index].end > start

    def extents(self) -> List[Extent]:
        """All data, in order, inside the size."""
        if self._dirty:
            memory = [Extent(block * self.sector, self.sector, data) for block, data in self._metadata.items()]
            ordered = sorted(self._extents + memory, key=lambda extent: extent.start)
            self._cache = (ordered, [extent.start for extent in ordered])
            self._dirty = False
        return self._cache[0]

    def region(self, start: int, end: int) -> Iterator[Extent]:
        """The data inside ``start``..``end`` (bytes), cut to fit."""
        extents = self.extents()
        index = max(bisect.bisect_right(self._cache[1], start) - 1, 0)
        while index < len(extents) and extents[index].start < end:
            extent = extents[index]
            low, high = max(extent.start, start), min(extent.end, end)
            if low < high:
                if isinstance(extent.source, bytes):
                    piece = extent.source[low - extent.start : high - extent.start]
                    yield Extent(low, high - low, piece)
                else:
                    yield Extent(low, high - low, extent.source, extent.offset + low - extent.start)
            index += 1

    def used(self, unit: int) -> List[int]:
        """Numbers of the ``unit``-byte blocks that hold data, in order."""
        found: List[int] = []
        for extent in self.extents():
            first = extent.start // unit
            if found and found[-1] >= first:
                first = found[-1] + 1
            found.extend(range(first, (extent.end - 1) // unit + 1))
        return found
