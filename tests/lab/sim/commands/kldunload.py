# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""kldunload(8)."""

from __future__ import annotations

import sys

from ..base import modules
from ..base.options import Usage, complain, getopt

PATHS = ("/sbin/kldunload",)


def main(argv: list[str]) -> int:
    try:
        options, names = getopt(argv, "fi:n:v")
        names += [value for letter, value in options if letter == "n"]
        if not names:
            raise Usage
    except Usage as error:
        return complain(error, "usage: kldunload [-fv] [-n] name ...\n       kldunload [-fv] -i id ...\n", 1)
    code = 0
    for given in names:
        name = modules.plain(given)
        if name == "zfs":
            sys.stderr.write("kldunload: can't unload file: Device busy\n")
            code = 1
        elif name not in modules.loaded():
            sys.stderr.write(f"kldunload: can't find file {given}: No such file or directory\n")
            code = 1
        else:
            modules.save([loaded for loaded in modules.loaded() if loaded != name])
    return code
