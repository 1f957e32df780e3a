# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The mount table: FreeBSD's view of the lab's real bind mounts and tmpfs.

State: ``mounts`` [{source, target, type, flags: [...], local, uid, provider, pool, dataset}] in mount order.
"""

from __future__ import annotations

import os

from . import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    State = dict[str, Any]
    Entry = dict[str, Any]

# The lab's own directory: a dataset whose mount point this is counts as mounted, yet nothing is mounted over the lab.
RESERVED = "/lab"

# flag -> what mount(8) without -p calls it, in mount(8)'s order
LONG = (
    ("async", "asynchronous"),
    ("local", "local"),
    ("noatime", "noatime"),
    ("noexec", "noexec"),
    ("nosuid", "nosuid"),
    ("nosymfollow", "nosymfollow"),
    ("ro", "read-only"),
    ("sync", "synchronous"),
    ("union", "union"),
    ("acls", "acls"),
    ("nfsv4acls", "nfsv4acls"),
)
SHORT = ("sync", "noexec", "nosuid", "union", "async", "noatime", "nosymfollow", "acls", "nfsv4acls")


def table(s: State) -> list[Entry]:
    """The mounts in order."""
    found: list[Entry] = s.setdefault("mounts", [])
    return found


def add(s: State, source: str, target: str, kind: str, flags: list[str], **more: Any) -> Entry:
    """Record a mount that was made."""
    entry: Entry = {"source": source, "target": target, "type": kind, "flags": flags, **more}
    table(s).append(entry)
    return entry


def at(s: State, target: str) -> Entry | None:
    """The topmost mount whose mount point is *target*."""
    for entry in reversed(table(s)):
        if entry["target"] == target:
            return entry
    return None


def containing(s: State, path: str) -> Entry | None:
    """The mount that *path* (absolute, real) lies in."""
    best: Entry | None = None
    for entry in table(s):
        target = entry["target"]
        if (path == target or path.startswith(target.rstrip("/") + "/")) and (
            best is None or len(target) >= len(best["target"])
        ):
            best = entry
    return best


def below(s: State, target: str) -> list[Entry]:
    """Mounts under *target*, not counting those at it."""
    prefix = target.rstrip("/") + "/"
    return [entry for entry in table(s) if entry["target"].startswith(prefix)]


def unmount(s: State, entry: Entry, force: bool = False) -> None:
    """Undo a mount. Raises OSError(EBUSY) when it is in use."""
    if entry["target"] != RESERVED:
        kernel.umount(entry["target"], force)
    table(s).remove(entry)
    if force:
        # A lazy detach takes what was mounted below along.
        for child in below(s, entry["target"]):
            table(s).remove(child)


def flags_long(entry: Entry) -> str:
    """``zfs, local, noatime, nfsv4acls``."""
    flags = set(entry["flags"]) | ({"local"} if entry.get("local", True) else set())
    return ", ".join([entry["type"], *(text for flag, text in LONG if flag in flags)])


def flags_short(entry: Entry) -> str:
    """``rw,noatime,nfsv4acls``."""
    flags = entry["flags"]
    return ",".join(["ro" if "ro" in flags else "rw", *(flag for flag in SHORT if flag in flags)])


def _column(text: str) -> str:
    return text + ("\t" if len(text) < 8 else "") + ("\t" if len(text) < 16 else "") + ("\t" if len(text) < 24 else " ")


def fstab_line(entry: Entry) -> str:
    """A line of ``mount -p``."""
    options = flags_short(entry)
    pad = "\t" if len(options) < 8 else " "
    return f"{_column(entry['source'])}{_column(entry['target'])}{entry['type']}\t{options}{pad}\t0 0"


def plain_line(entry: Entry) -> str:
    """A line of ``mount``."""
    return f"{entry['source']} on {entry['target']} ({flags_long(entry)})"


def absolute(path: str) -> str:
    """The real path, as realpath(3) without the need that all of it exists."""
    return os.path.realpath(path)


__all__ = [
    "RESERVED",
    "absolute",
    "add",
    "at",
    "below",
    "containing",
    "flags_short",
    "fstab_line",
    "plain_line",
    "table",
    "unmount",
]
