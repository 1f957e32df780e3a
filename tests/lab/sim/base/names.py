# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Names of users and groups from the lab's own /etc, without the C library's caches."""

from __future__ import annotations


def _table(file: str) -> dict[int, str]:
    found: dict[int, str] = {}
    try:
        with open(file, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                fields = line.split(":")
                if len(fields) > 2 and fields[2].isdigit():
                    found.setdefault(int(fields[2]), fields[0])
    except OSError:
        pass
    return found


_users: dict[int, str] = {}
_groups: dict[int, str] = {}


def user(uid: int) -> str:
    if not _users:
        _users.update(_table("/etc/passwd") or {0: "root"})
    return _users.get(uid, str(uid))


def group(gid: int) -> str:
    if not _groups:
        _groups.update(_table("/etc/group") or {0: "wheel"})
    return _groups.get(gid, str(gid))


__all__ = ["group", "user"]
