# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""geom(8): the classes PART, DISK and MD."""

from __future__ import annotations

from .. import state
from ..storage import geomlist, gpart
from ..storage.errors import Fail, guarded

PATHS = ("/sbin/geom",)
USAGE = """\
usage: geom <class> help
       geom <class> <command> [options]
       geom -p <provider-name>
       geom -t"""


def body(argv: list[str]) -> int:
    if len(argv) < 3:
        raise Fail(USAGE)
    kind, verb, names = argv[1].lower(), argv[2], [word for word in argv[3:] if word not in ("-a", "-g", "-s")]
    if kind == "part":
        with state.edit() as s:
            return gpart.run(s, ["gpart", *argv[2:]])
    if kind not in ("disk", "md"):
        raise Fail(f"geom: Class '{argv[1]}' not found.")
    if verb != "list":
        raise Fail(f"geom: Unknown command: {verb}.\n{USAGE}")
    with state.read() as s:
        return geomlist.disk_list(s, names, kind)


def main(argv: list[str]) -> int:
    return guarded(body, argv)
