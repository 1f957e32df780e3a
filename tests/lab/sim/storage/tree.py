# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Directory trees: copy, measure, compare, remove. Owners, modes, times, holes and hard links are kept."""

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 20
_HOLES_FROM = 1 << 17


def own(path: str, info: os.stat_result) -> None:
    """Give *path* the owner, mode and times of *info*."""
    try:
        os.lchown(path, info.st_uid, info.st_gid)
    except OSError as error:
        # In a user namespace an owner that is not mapped cannot be set.
        if error.errno not in (errno.EINVAL, errno.EPERM):
            raise
    if not stat.S_ISLNK(info.st_mode):
        os.chmod(path, stat.S_IMODE(info.st_mode))
    os.utime(path, ns=(info.st_mtime_ns, info.st_mtime_ns), follow_symlinks=False)


def copy_data(source: int, target: int, size: int, blocks: int) -> None:
    """Copy *size* bytes between descriptors, leaving holes as holes."""
    if size >= _HOLES_FROM and blocks * 512 < size:
        os.ftruncate(target, size)
        for start, end in segments(source, size):
            _copy_range(source, target, start, end)
        return
    _copy_range(source, target, 0, size)


def _copy_range(source: int, target: int, start: int, end: int) -> None:
    os.lseek(source, start, os.SEEK_SET)
    os.lseek(target, start, os.SEEK_SET)
    while start < end:
        done = os.sendfile(target, source, start, min(_CHUNK * 64, end - start))
        if done == 0:
            break
        start += done


def segments(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """(start, end) of the parts of a file that hold data."""
    at = 0
    while at < size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        if start >= size:
            return
        at = min(size, os.lseek(fd, start, os.SEEK_HOLE))
        yield start, at


def copy_file(source: str, target: str, info: os.stat_result) -> None:
    """Copy one regular file, with everything."""
    fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        out = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            if info.st_size:
                copy_data(fd, out, info.st_size, info.st_blocks)
        finally:
            os.close(out)
    finally:
        os.close(fd)
    own(target, info)


def copy(source: str, target: str, skip: frozenset[str] = frozenset()) -> None:
    """Copy directory *source* to *target*, which exists; *skip* holds paths below *source* to leave empty."""
    _copy_dir(source, target, skip, {})
    own(target, os.lstat(source))


def _copy_dir(source: str, target: str, skip: frozenset[str], links: dict[tuple[int, int], str]) -> None:
    with os.scandir(source) as entries:
        for entry in entries:
            path = entry.path
            place = f"{target}/{entry.name}"
            info = entry.stat(follow_symlinks=False)
            mode = info.st_mode
            if stat.S_ISDIR(mode):
                os.mkdir(place, 0o700)
                if path not in skip:
                    _copy_dir(path, place, skip, links)
                own(place, info)
                continue
            if info.st_nlink > 1:
                key = (info.st_dev, info.st_ino)
                if key in links:
                    os.link(links[key], place, follow_symlinks=False)
                    continue
                links[key] = place
            copy_one(path, place, info)


def copy_one(path: str, place: str, info: os.stat_result) -> None:
    """Copy anything but a directory; sockets and devices are left out."""
    if stat.S_ISREG(info.st_mode):
        copy_file(path, place, info)
    elif stat.S_ISLNK(info.st_mode):
        os.symlink(os.readlink(path), place)
        own(place, info)
    elif stat.S_ISFIFO(info.st_mode):
        os.mkfifo(place)
        own(place, info)


def charge(info: os.stat_result) -> int:
    """What ZFS would charge for a file: 512-byte sectors of its data, one at least."""
    if stat.S_ISREG(info.st_mode):
        return max(512, -(-min(info.st_size, info.st_blocks * 512) // 512) * 512)
    return 512


def usage(path: str, skip: frozenset[str] = frozenset()) -> tuple[int, int]:
    """(bytes that ZFS would charge, bytes that the host's file system holds) below *path*, itself not counted."""
    charged = held = 0
    seen = set()
    stack = [path]
    while stack:
        # Somebody may be removing files at the same time: what has gone counts nothing.
        try:
            with os.scandir(stack.pop()) as scan:
                entries = list(scan)
        except FileNotFoundError:
            continue
        for entry in entries:
            try:
                info = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISDIR(info.st_mode):
                if entry.path not in skip:
                    stack.append(entry.path)
            elif info.st_nlink > 1:
                key = (info.st_dev, info.st_ino)
                if key in seen:
                    continue
                seen.add(key)
            charged += charge(info)
            held += info.st_blocks * 512
    return charged, held


def remove(path: str) -> None:
    """Remove a file or a whole tree; nothing there is fine."""
    try:
        info = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(info.st_mode):
        os.unlink(path)
        return
    if info.st_mode & 0o700 != 0o700:
        os.chmod(path, 0o700)
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                remove(entry.path)
            else:
                os.unlink(entry.path)
    os.rmdir(path)


def walk(path: str, prefix: str = "") -> Iterator[tuple[str, str, os.stat_result]]:
    """(relative path, path, lstat) of everything below, a directory before its content, names in order."""
    with os.scandir(path) as scan:
        entries = sorted(scan, key=lambda entry: entry.name)
    for entry in entries:
        relative = f"{prefix}{entry.name}"
        info = entry.stat(follow_symlinks=False)
        yield relative, entry.path, info
        if stat.S_ISDIR(info.st_mode):
            yield from walk(entry.path, relative + "/")


def same_content(one: str, other: str, first: os.stat_result, second: os.stat_result) -> bool:
    """Whether two non-directories hold the same."""
    if stat.S_IFMT(first.st_mode) != stat.S_IFMT(second.st_mode):
        return False
    if stat.S_ISLNK(first.st_mode):
        return os.readlink(one) == os.readlink(other)
    if not stat.S_ISREG(first.st_mode):
        return True
    if first.st_size != second.st_size:
        return False
    if not first.st_size:
        return True
    with open(one, "rb", buffering=0) as left, open(other, "rb", buffering=0) as right:
        while True:
            block = left.read(_CHUNK)
            if block != right.read(_CHUNK):
                return False
            if not block:
                return True


def same_attributes(first: os.stat_result, second: os.stat_result) -> bool:
    """Whether owner, mode and (but for directories) time agree."""
    if (first.st_mode, first.st_uid, first.st_gid) != (second.st_mode, second.st_uid, second.st_gid):
        return False
    return stat.S_ISDIR(first.st_mode) or first.st_mtime_ns == second.st_mtime_ns


class Change:
    """One difference between two trees: ``+`` added, ``-`` removed, ``M`` modified."""

    __slots__ = ("kind", "new", "path")

    def __init__(self, kind: str, path: str, new: os.stat_result | None) -> None:
        self.kind = kind
        self.path = path
        self.new = new


def compare(old: str, new: str) -> list[Change]:
    """What turns tree *old* into tree *new*, in path order."""
    before = {relative: (path, info) for relative, path, info in walk(old)}
    changes = []
    touched = set()
    for relative, path, info in walk(new):
        was = before.pop(relative, None)
        if was is None:
            changes.append(Change("+", relative, info))
            touched.add(relative.rpartition("/")[0])
        elif stat.S_IFMT(was[1].st_mode) != stat.S_IFMT(info.st_mode):
            changes.append(Change("-", relative, None))
            changes.append(Change("+", relative, info))
        elif not same_attributes(was[1], info) or (
            not stat.S_ISDIR(info.st_mode) and not same_content(was[0], path, was[1], info)
        ):
            changes.append(Change("M", relative, info))
    for relative in before:
        changes.append(Change("-", relative, None))
        touched.add(relative.rpartition("/")[0])
    known = {change.path for change in changes}
    for parent in touched - known:
        place = f"{new}/{parent}" if parent else new
        if os.path.isdir(place):
            changes.append(Change("M", parent, os.lstat(place)))
    return sorted(changes, key=lambda change: (change.path, change.kind != "-"))


__all__ = [
    "Change",
    "charge",
    "compare",
    "copy",
    "copy_data",
    "copy_file",
    "copy_one",
    "own",
    "remove",
    "same_attributes",
    "same_content",
    "segments",
    "usage",
    "walk",
]
