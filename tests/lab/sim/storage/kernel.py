# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The few Linux system calls that the simulation stands on."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ctypes import CDLL

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_PRIVATE = 1 << 18
_KEEP_SIZE_PUNCH = 3

_loaded: list[CDLL] = []


def _libc() -> CDLL:
    """libc, loaded at the first call: a command that only looks does not pay for ctypes."""
    if not _loaded:
        import ctypes

        _loaded.append(ctypes.CDLL(None, use_errno=True))
    return _loaded[0]


def _check(result: int, path: str) -> None:
    if result != 0:
        import ctypes

        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)


def mount(source: str, target: str, kind: str, flags: int = 0, data: str = "") -> None:
    """mount(2)."""
    words = [os.fsencode(word) for word in (source, target, kind)]
    _check(_libc().mount(*words, flags, os.fsencode(data)), target)


def bind(source: str, target: str, read_only: bool = False) -> None:
    """Show *source* at *target*."""
    mount(source, target, "none", MS_BIND)
    if read_only:
        remount(target, True)


def remount(target: str, read_only: bool) -> None:
    """Make one mount read-only or writable."""
    # In a user namespace the flags that the source is locked to must be repeated.
    now = os.statvfs(target).f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("none", target, "none", MS_BIND | MS_REMOUNT | (MS_RDONLY if read_only else 0) | now)


def tmpfs(target: str, size: int) -> None:
    """A file system of *size* bytes."""
    mount("tmpfs", target, "tmpfs", 0, f"size={max(size, 65536)},mode=0755,nr_inodes=0")


def resize_tmpfs(target: str, size: int) -> None:
    """Change a tmpfs's limit; never below what it holds, which the kernel refuses."""
    mount("tmpfs", target, "tmpfs", MS_REMOUNT, f"size={max(size, 65536)},nr_inodes=0")


def umount(target: str, force: bool = False) -> None:
    """umount2(2); *force* detaches lazily, for FreeBSD's forced unmount leaves nobody waiting either."""
    _check(_libc().umount2(os.fsencode(target), 2 if force else 0), target)


def punch_hole(path: str, offset: int, length: int) -> None:
    """Deallocate a range, or write zeros where that is not possible."""
    import ctypes

    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        done = _libc().fallocate(fd, _KEEP_SIZE_PUNCH, ctypes.c_long(offset), ctypes.c_long(length))
        if done != 0:
            os.lseek(fd, offset, os.SEEK_SET)
            zeros = bytes(1 << 16)
            while length > 0:
                length -= os.write(fd, zeros[:length])
    finally:
        os.close(fd)


__all__ = ["bind", "mount", "punch_hole", "remount", "resize_tmpfs", "tmpfs", "umount"]
