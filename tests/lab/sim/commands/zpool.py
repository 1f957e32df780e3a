# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""zpool(8)."""

from __future__ import annotations

from .. import state
from ..storage import zpool_base
from ..storage.errors import Fail, guarded

PATHS = ("/sbin/zpool",)


def body(argv: list[str]) -> int:
    if len(argv) < 2:
        raise Fail(f"missing command\n{zpool_base.main_usage()}", 2)
    verb = argv[1]
    if verb in ("version", "-V", "--version"):
        print("zfs-2.1.9-FreeBSD_g92e0d9d18\nzfs-kmod-2.1.9-FreeBSD_g92e0d9d18")
        return 0
    if verb in ("-?", "--help", "help"):
        print(zpool_base.main_usage())
        return 0
    if verb not in zpool_base.COMMANDS:
        raise Fail(f"unrecognized command '{verb}'\n{zpool_base.main_usage()}", 2)
    with state.edit() as s:
        return _dispatch(s, verb, argv)


def _dispatch(s: dict[str, object], verb: str, argv: list[str]) -> int:
    if verb in ("list", "get", "status", "history", "iostat"):
        from ..storage import zpool_show as show

        return {
            "list": show.show_list,
            "get": show.get,
            "status": show.status,
            "history": show.history,
            "iostat": show.iostat,
        }[verb](s, argv)
    if verb in ("create", "destroy", "set", "labelclear", "online"):
        from ..storage import zpool_create as create

        return {
            "create": create.create,
            "destroy": create.destroy,
            "set": create.set_property,
            "labelclear": create.labelclear,
            "online": create.online,
        }[verb](s, argv)
    if verb in ("import", "export"):
        from ..storage import zpool_import

        return {"import": zpool_import.do_import, "export": zpool_import.export}[verb](s, argv)
    from ..storage import zpool_misc as misc

    handlers = {
        "reguid": misc.reguid,
        "scrub": misc.scrub,
        "trim": misc.trim,
        "upgrade": misc.upgrade,
        "sync": misc.sync,
        "checkpoint": misc.checkpoint,
        "events": misc.events,
    }
    if verb in ("clear", "reopen", "resilver", "initialize", "wait"):
        return misc.quiet(s, argv)
    return handlers.get(verb, misc.topology)(s, argv)


def main(argv: list[str]) -> int:
    return guarded(body, argv)
