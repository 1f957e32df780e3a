# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The helpers that mount(8) runs: mount_nullfs(8), mount_msdosfs(8)."""

from __future__ import annotations

from .. import state
from ..storage import mountcmd
from ..storage.errors import Fail, guarded
from ..storage.options import OptionError, getopt

PATHS = ("/sbin/mount_nullfs", "/sbin/mount_msdosfs")


def body(argv: list[str]) -> int:
    name = argv[0].rpartition("/")[2]
    kind = name.removeprefix("mount_")
    try:
        found, operands = getopt(argv[1:], "o:u:g:m:M:sl9L:D:W:")
    except OptionError as error:
        raise Fail(f"{name}: illegal option -- {error.letter}\n{usage(name)}", 64) from None
    if len(operands) != 2:
        raise Fail(usage(name), 64)
    options = [word for letter, value in found if letter == "o" for word in value.split(",")]
    with state.edit() as s:
        return mountcmd.mount_one(s, kind, operands[0], operands[1], options)


def usage(name: str) -> str:
    if name == "mount_nullfs":
        return "usage: mount_nullfs [-o options] target mount-point"
    return (
        "usage: mount_msdosfs [-9ls] [-D DOS_codepage] [-g gid] [-L locale]\n"
        "                     [-M mask] [-m mask] [-o options] [-u uid]\n"
        "                     [-W table] special node"
    )


def main(argv: list[str]) -> int:
    return guarded(body, argv)
