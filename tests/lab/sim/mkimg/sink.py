# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Where the image goes: a file that is seeked over holes, or a pipe that gets zeros."""

from __future__ import annotations

import os
import stat
from typing import Iterator, Union

from .image import IO_SIZE, Extent, Image


class Sink:
    """Sequential output that starts at the descriptor's own position."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.regular = stat.S_ISREG(os.fstat(fd).st_mode)
        try:
            self.position = os.lseek(fd, 0, os.SEEK_CUR)
            self.seekable = True
        except OSError:
            self.position = 0
            self.seekable = False

    def write(self, data: Union[bytes, memoryview]) -> None:
        view = memoryview(data)
        while view:
            done = os.write(self.fd, view)
            self.position += done
            view = view[done:]

    def skip(self, count: int) -> None:
        if self.seekable:
            self.position = os.lseek(self.fd, count, os.SEEK_CUR)
            return
        while count > 0:
            piece = min(count, IO_SIZE)
            self.write(bytes(piece))
            count -= piece

    def put(self, data: bytes) -> None:
        """Write a table; its blocks of zeros become holes."""
        for position in range(0, len(data), 512):
            end = min(position + 512, len(data))
            if data.count(0, position, end) == end - position:
                self.skip(end - position)
            else:
                self.write(data[position:end])

    def region(self, image: Image, start: int, end: int) -> None:
        """Copy a part of the image, holes as holes."""
        at = start
        for extent in image.region(start, end):
            self.skip(extent.start - at)
            for piece in _pieces(extent):
                self.write(piece)
            at = extent.end
        self.skip(end - at)

    def done(self) -> None:
        """Set the end of the file: the last hole counts."""
        if self.seekable and self.regular:
            os.ftruncate(self.fd, self.position)


def _pieces(extent: Extent) -> Iterator[bytes]:
    if isinstance(extent.source, bytes):
        yield extent.source
        return
    offset, left = extent.offset, extent.length
    while left > 0:
        piece = os.pread(extent.source, min(left, IO_SIZE), offset)
        if not piece:  # the last sector of a file whose size is no multiple of it
            piece = bytes(left)
        yield piece
        offset += len(piece)
        left -= len(piece)
