# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""zfs(8)."""

from __future__ import annotations

import sys

from .. import state
from ..storage import zfs_base
from ..storage.errors import Fail, guarded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PATHS = ("/sbin/zfs",)
_CHANGE = ("create", "clone", "inherit", "mount", "promote", "rename", "set", "unmount")
_SNAP = ("bookmark", "destroy", "diff", "hold", "holds", "release", "rollback", "snapshot")


def body(argv: list[str]) -> int:
    if len(argv) < 2:
        raise Fail(f"missing command\n{zfs_base.main_usage()}", 2)
    verb = zfs_base.ALIASES.get(argv[1], argv[1])
    if verb in ("version", "-V", "--version"):
        print("zfs-2.1.9-FreeBSD_g92e0d9d18\nzfs-kmod-2.1.9-FreeBSD_g92e0d9d18")
        return 0
    if verb in ("-?", "--help", "help"):
        print(zfs_base.main_usage())
        return 0
    if verb not in zfs_base.COMMANDS:
        raise Fail(f"unrecognized command '{argv[1]}'\n{zfs_base.main_usage()}", 2)
    if verb == "send":
        return send(argv)
    if verb == "receive":
        from ..storage.receive import receive

        return receive(argv, sys.stdin.buffer)
    with state.edit() as s:
        return _dispatch(s, verb, argv)


def send(argv: list[str]) -> int:
    """``zfs send``: the lock is held for the plan only; snapshots do not change."""
    from ..storage import streams

    request, operands = streams.parse(argv[2:])
    if not operands:
        raise zfs_base.usage("send", "missing snapshot argument")
    if len(operands) > 1:
        raise zfs_base.usage("send", "too many arguments")
    if not request.dry and sys.stdout.isatty():
        raise Fail("Error: Stream can not be written to a terminal.\nYou must redirect standard output.")
    with state.read() as s:
        parts = streams.plan(s, request, operands[0])
    if request.verbose:
        streams.tell(request, parts)
    if not request.dry:
        sys.stdout.flush()
        streams.write(request, parts, operands[0], sys.stdout.buffer)
        sys.stdout.buffer.flush()
    return 0


def _dispatch(s: dict[str, Any], verb: str, argv: list[str]) -> int:
    if verb in ("list", "get"):
        from ..storage import zfs_show

        return zfs_show.show_list(s, argv) if verb == "list" else zfs_show.get(s, argv)
    if verb in _CHANGE:
        from ..storage import zfs_change as change

        return {
            "create": change.create,
            "clone": change.clone,
            "inherit": change.inherit,
            "mount": change.mount,
            "promote": change.promote,
            "rename": change.rename,
            "set": change.set_property,
            "unmount": change.unmount,
        }[verb](s, argv)
    if verb in _SNAP:
        from ..storage import zfs_snap as snap

        return {
            "bookmark": snap.bookmark,
            "destroy": snap.destroy,
            "diff": snap.diff,
            "hold": snap.hold,
            "holds": snap.holds,
            "release": snap.release,
            "rollback": snap.rollback,
            "snapshot": snap.snapshot,
        }[verb](s, argv)
    if verb in ("jail", "unjail", "share", "unshare", "wait", "allow", "unallow"):
        return 0
    if verb == "upgrade":
        print("This system is currently running ZFS filesystem version 5.\n")
        print("All filesystems are formatted with the current version.")
        return 0
    raise Fail(f"zfs {verb}: not simulated in the lab")


def main(argv: list[str]) -> int:
    return guarded(body, argv)
