# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What a file looks like on ZFS under FreeBSD: sizes of directories, blocks, flags."""

from __future__ import annotations

import os
import stat

_FLAGS_ATTRIBUTE = "user.freehyve.flags"
# Letters of strmode(3).
_TYPES = {
    stat.S_IFDIR: "d",
    stat.S_IFLNK: "l",
    stat.S_IFREG: "-",
    stat.S_IFCHR: "c",
    stat.S_IFBLK: "b",
    stat.S_IFIFO: "p",
    stat.S_IFSOCK: "s",
}


def mode_string(mode: int) -> str:
    """Eleven characters, the last one blank: there are no ACLs here."""
    return _TYPES.get(stat.S_IFMT(mode), "?") + stat.filemode(mode)[1:] + " "


def look(path: str, follow: bool = False) -> os.stat_result:
    """stat(2) or lstat(2); a symbolic link has FreeBSD's mode, made with umask 022, where Linux has none."""
    state = os.stat(path) if follow else os.lstat(path)
    if not stat.S_ISLNK(state.st_mode):
        return state
    return os.stat_result((state.st_mode & ~0o022, *state[1:]), _extra(state))


def _extra(state: os.stat_result) -> dict[str, float]:
    names = ("st_atime", "st_mtime", "st_ctime", "st_blocks", "st_blksize", "st_rdev")
    return {name: getattr(state, name) for name in names}


def size(path: str, state: os.stat_result) -> int:
    """A directory of ZFS is as large as it has entries, its own two included."""
    if stat.S_ISDIR(state.st_mode):
        try:
            return len(os.listdir(path)) + 2
        except OSError:
            return 2
    return state.st_size


def blocks(state: os.stat_result) -> int:
    """512-byte blocks: nothing is smaller than one on ZFS; a hole takes none."""
    if stat.S_ISDIR(state.st_mode) or stat.S_ISLNK(state.st_mode):
        return 1
    return max(state.st_blocks, 1)


def flags(path: str) -> str:
    """File flags as chflags(1) stored them: comma separated names, '-' for none."""
    try:
        return os.getxattr(path, _FLAGS_ATTRIBUTE, follow_symlinks=False).decode() or "-"
    except OSError:
        return "-"


def set_flags(path: str, names: str) -> None:
    if names in ("", "-"):
        if flags(path) != "-":
            os.removexattr(path, _FLAGS_ATTRIBUTE, follow_symlinks=False)
        return
    os.setxattr(path, _FLAGS_ATTRIBUTE, names.encode(), follow_symlinks=False)


def immutable(path: str) -> bool:
    """Neither root nor anyone may remove or change it."""
    return any(name in ("schg", "uchg", "sunlnk", "uunlnk", "sappnd", "uappnd") for name in flags(path).split(","))


__all__ = ["blocks", "flags", "immutable", "look", "mode_string", "set_flags", "size"]
