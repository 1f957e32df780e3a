# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Users and groups that packages bring with them, in the password files below the root."""

from __future__ import annotations

import os
from typing import Any

#: Numbers of the ports tree's UIDs and GIDs files for accounts that made-up packages use.
FIRST_FREE = 900


def _lines(path: str) -> list[list[str]]:
    try:
        with open(path, encoding="utf-8") as stream:
            return [line.rstrip("\n").split(":") for line in stream if line.strip() and not line.startswith("#")]
    except OSError:
        return []


def _append(path: str, line: str) -> None:
    if os.path.exists(path):
        with open(path, "a", encoding="utf-8") as stream:
            stream.write(line + "\n")


def identities(root: str) -> tuple[dict[str, int], dict[str, int]]:
    """Return the numbers of the users and the groups known below a root."""
    etc = os.path.join(root, "etc")
    users = {row[0]: int(row[2]) for row in _lines(os.path.join(etc, "passwd")) if len(row) > 2 and row[2].isdigit()}
    if not users:
        users = {row[0]: int(row[2]) for row in _lines(os.path.join(etc, "master.passwd"))
                 if len(row) > 2 and row[2].isdigit()}
    groups = {row[0]: int(row[2]) for row in _lines(os.path.join(etc, "group")) if len(row) > 2 and row[2].isdigit()}
    return {"root": 0, **users}, {"wheel": 0, **groups}


def create(root: str, manifest: dict[str, Any]) -> list[str]:
    """Create the accounts that a manifest names; return what pkg prints about it."""
    wanted_users, wanted_groups = manifest.get("users", []), manifest.get("groups", [])
    if not wanted_users and not wanted_groups:
        return []
    users, groups = identities(root)
    etc = os.path.join(root, "etc")
    told = []
    if wanted_groups:
        told.append("===> Creating groups")
    for name in wanted_groups:
        if name in groups:
            told.append(f"Using existing group '{name}'")
            continue
        groups[name] = _free(groups)
        _append(os.path.join(etc, "group"), f"{name}:*:{groups[name]}:")
        told.append(f"Creating group '{name}' with gid '{groups[name]}'")
    if wanted_users:
        told.append("===> Creating users")
    for name in wanted_users:
        if name in users:
            told.append(f"Using existing user '{name}'")
            continue
        users[name] = _free(users)
        group = groups.get(name, 65534)
        tail = f"{name} daemon:/nonexistent:/usr/sbin/nologin"
        _append(os.path.join(etc, "passwd"), f"{name}:*:{users[name]}:{group}:{tail}")
        _append(os.path.join(etc, "master.passwd"), f"{name}:*:{users[name]}:{group}:daemon:0:0:{tail}")
        told.append(f"Creating user '{name}' with uid '{users[name]}'")
    return told


def _free(used: dict[str, int]) -> int:
    number = FIRST_FREE
    while number in used.values():
        number += 1
    return number
