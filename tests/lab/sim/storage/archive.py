# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Trees as a tar archive: what a pool's device and a send stream carry.

Written and read here, not by tarfile: that costs a hundred microseconds a member. It is plain ustar with pax headers
for long names, so any tar lists it. Three private touches: nanoseconds of the time stand in the header's padding; a
link member marked there means "a file of its own with that member's content", which is how a snapshot costs nothing
next to the dataset it was taken of; files with holes carry only their data, and the pax key FREEHYVE.holes says where
it belongs.
"""

from __future__ import annotations

import errno
import os
import stat
import struct

from . import tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

_PAD = struct.Struct("<IB7x")
_COPY = 1
_CHUNK = 1 << 20
_SPARSE_FROM = 1 << 16


class Truncated(Exception):
    """The archive ends too early."""


def _number(value: int, width: int) -> bytes:
    text = b"%0*o" % (width - 1, value)
    if len(text) < width:
        return text + b"\0"
    return b"\x80" + value.to_bytes(width - 1, "big")


def _header(
    name: bytes, info: os.stat_result, size: int, kind: bytes, link: bytes, nanoseconds: int, mark: int
) -> bytes:
    seconds = max(0, nanoseconds // 1_000_000_000)
    head = (
        name[:100].ljust(100, b"\0")
        + _number(stat.S_IMODE(info.st_mode), 8)
        + _number(info.st_uid, 8)
        + _number(info.st_gid, 8)
        + _number(size, 12)
        + _number(seconds, 12)
        + b"        "
        + kind
        + link[:100].ljust(100, b"\0")
        + b"ustar\00000"
        + bytes(235)
        + _PAD.pack(nanoseconds % 1_000_000_000, mark)
    )
    return head[:148] + b"%06o\0 " % sum(head) + head[156:]


def _pax(records: dict[str, bytes], info: os.stat_result) -> bytes:
    body = b""
    for key, value in records.items():
        rest = b" " + key.encode() + b"=" + value + b"\n"
        length = len(rest) + len(str(len(rest)))
        if len(str(length)) + len(rest) != length:
            length += 1
        body += str(length).encode() + rest
    head = _header(b"PaxHeader", info, len(body), b"x", b"", 0, 0)
    return head + body.ljust(-(-len(body) // 512) * 512, b"\0")


class Writer:
    """Writes members to *out*."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._links: dict[tuple[int, int], str] = {}
        self.written = 0

    def _put(self, data: bytes) -> None:
        self._out.write(data)
        self.written += len(data)

    def member(self, name: str, path: str, info: os.stat_result, like: str | None = None) -> None:
        """Add one file, directory or link; *like* names a member with the very same content."""
        mode = info.st_mode
        kind, target, size = b"0", "", 0
        mark = 0
        records: dict[str, bytes] = {}
        parts: list[tuple[int, int]] = []
        if stat.S_ISDIR(mode):
            kind = b"5"
        elif stat.S_ISLNK(mode):
            kind, target = b"2", os.readlink(path)
        elif stat.S_ISFIFO(mode):
            kind = b"6"
        elif not stat.S_ISREG(mode):
            return
        elif info.st_nlink > 1 and (info.st_dev, info.st_ino) in self._links:
            kind, target = b"1", self._links[info.st_dev, info.st_ino]
        elif like is not None:
            kind, target, mark = b"1", like, _COPY
        else:
            size = info.st_size
        if stat.S_ISREG(mode) and info.st_nlink > 1:
            self._links.setdefault((info.st_dev, info.st_ino), name)
        encoded, link = os.fsencode(name), os.fsencode(target)
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC) if size else -1
        try:
            if size > _SPARSE_FROM and info.st_blocks * 512 < size:
                parts = list(tree.segments(fd, size))
                layout = ",".join(f"{start}-{end}" for start, end in parts)
                records["FREEHYVE.holes"] = f"{size}:{layout}".encode()
                size = sum(end - start for start, end in parts)
            elif size:
                parts = [(0, size)]
            if len(encoded) > 100:
                records["path"] = encoded
            if len(link) > 100:
                records["linkpath"] = link
            if records:
                self._put(_pax(records, info))
            self._put(_header(encoded, info, size, kind, link, info.st_mtime_ns, mark))
            for start, end in parts:
                self._data(fd, start, end)
            if size % 512:
                self._put(bytes(512 - size % 512))
        finally:
            if fd >= 0:
                os.close(fd)

    def _data(self, fd: int, start: int, end: int) -> None:
        while start < end:
            data = os.pread(fd, min(_CHUNK, end - start), start)
            if not data:
                data = bytes(min(_CHUNK, end - start))
            self._put(data)
            start += len(data)

    def add_tree(self, name: str, root: str, model: tuple[str, str] | None = None) -> None:
        """Add *root* and all below as *name*; *model* is (member name, path) of a tree that may hold the same files."""
        self.member(name, root, os.lstat(root))
        for relative, path, info in tree.walk(root):
            like = None
            if model is not None and stat.S_ISREG(info.st_mode) and info.st_size and info.st_nlink == 1:
                twin = f"{model[1]}/{relative}"
                try:
                    other = os.lstat(twin)
                except OSError as error:
                    if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                        raise
                else:
                    # A twin with several links may itself be written as a link, so it cannot be pointed at.
                    if other.st_nlink == 1 and tree.same_content(path, twin, info, other):
                        like = f"{model[0]}/{relative}"
            self.member(f"{name}/{relative}", path, info, like)

    def end(self) -> None:
        """The two zero blocks, padded to tar's record size."""
        self._put(bytes(1024))
        if self.written % 10240:
            self._put(bytes(10240 - self.written % 10240))


def read(stream: BinaryIO, root: str) -> int:
    """Unpack an archive below *root* and return the bytes that it took. Raises Truncated."""
    taken = 0
    records: dict[str, bytes] = {}
    directories: list[tuple[str, int, int]] = []
    while True:
        head = _exactly(stream, 512)
        taken += 512
        if head == bytes(512):
            break
        size = _parse(head[124:136])
        kind = head[156:157]
        padded = -(-size // 512) * 512
        taken += padded
        if kind == b"x":
            records = _parse_pax(_exactly(stream, padded)[:size])
            continue
        name = os.fsdecode(records.get("path") or head[:100].split(b"\0", 1)[0])
        link = os.fsdecode(records.get("linkpath") or head[157:257].split(b"\0", 1)[0])
        holes = records.get("FREEHYVE.holes")
        records = {}
        _extract(stream, root, name, link, head, size, padded, holes, directories)
    for path, mode, when in reversed(directories):
        os.chmod(path, mode)
        os.utime(path, ns=(when, when))
    rest = taken + 512
    _exactly(stream, 512)
    if rest % 10240:
        _exactly(stream, 10240 - rest % 10240)
        rest += 10240 - rest % 10240
    return rest


def _extract(
    stream: BinaryIO,
    root: str,
    name: str,
    link: str,
    head: bytes,
    size: int,
    padded: int,
    holes: bytes | None,
    directories: list[tuple[str, int, int]],
) -> None:
    kind = head[156:157]
    mode = _parse(head[100:108])
    nanoseconds, mark = _PAD.unpack(head[500:512])
    when = _parse(head[136:148]) * 1_000_000_000 + nanoseconds
    path = f"{root}/{name}"
    if kind == b"5":
        if not os.path.isdir(path) or os.path.islink(path):
            tree.remove(path)
            os.makedirs(path, 0o700)
        _chown(path, head)
        directories.append((path, mode, when))
        return
    if os.path.lexists(path):
        tree.remove(path)
    if kind == b"1" and mark != _COPY:
        os.link(f"{root}/{link}", path, follow_symlinks=False)
        return
    if kind == b"2":
        os.symlink(link, path)
    elif kind == b"6":
        os.mkfifo(path)
    else:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            if kind == b"1":
                source = os.open(f"{root}/{link}", os.O_RDONLY | os.O_CLOEXEC)
                try:
                    info = os.fstat(source)
                    tree.copy_data(source, fd, info.st_size, info.st_blocks)
                finally:
                    os.close(source)
            elif holes is not None:
                _sparse(stream, fd, holes)
                _exactly(stream, padded - size)
            else:
                _plain(stream, fd, size, padded)
        finally:
            os.close(fd)
    _chown(path, head)
    if kind != b"2":
        os.chmod(path, mode)
    os.utime(path, ns=(when, when), follow_symlinks=False)


def _chown(path: str, head: bytes) -> None:
    try:
        os.lchown(path, _parse(head[108:116]), _parse(head[116:124]))
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EPERM):
            raise


def _plain(stream: BinaryIO, fd: int, size: int, padded: int) -> None:
    left = size
    while left:
        data = _exactly(stream, min(_CHUNK, left))
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        left -= len(data)
    _exactly(stream, padded - size)


def _sparse(stream: BinaryIO, fd: int, holes: bytes) -> None:
    total, _, layout = holes.decode().partition(":")
    for part in filter(None, layout.split(",")):
        start, end = (int(number) for number in part.split("-"))
        os.lseek(fd, start, os.SEEK_SET)
        _plain(stream, fd, end - start, end - start)
    os.ftruncate(fd, int(total))


def _exactly(stream: BinaryIO, count: int) -> bytes:
    if not count:
        return b""
    data = stream.read(count)
    while len(data) < count:
        more = stream.read(count - len(data))
        if not more:
            raise Truncated
        data += more
    return data


def _parse(field: bytes) -> int:
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big")
    return int(field.split(b"\0", 1)[0].strip() or b"0", 8)


def _parse_pax(body: bytes) -> dict[str, bytes]:
    records = {}
    while body:
        length, _, _rest = body.partition(b" ")
        record = body[len(length) + 1 : int(length) - 1]
        key, _, value = record.partition(b"=")
        records[key.decode()] = value
        body = body[int(length) :]
    return records


__all__ = ["Truncated", "Writer", "read"]
