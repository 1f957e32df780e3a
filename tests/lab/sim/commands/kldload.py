# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""kldload(8)."""

from __future__ import annotations

import sys

from ..base import modules
from ..base.options import Usage, complain, getopt

PATHS = ("/sbin/kldload",)


def main(argv: list[str]) -> int:
    try:
        options, names = getopt(argv, "nqv")
        if not names:
            raise Usage
    except Usage as error:
        return complain(error, "usage: kldload [-nqv] file ...\n", 1)
    letters = {letter for letter, _ in options}
    code = 0
    for given in names:
        name = modules.plain(given)
        if modules.present(name):
            if "n" not in letters:
                sys.stderr.write(f"kldload: can't load {given}: module already loaded or in kernel\n")
                code = 1
        elif not modules.exists(name):
            sys.stderr.write(f"kldload: can't load {given}: No such file or directory\n")
            code = 1
        else:
            modules.save([*modules.loaded(), name])
            if "v" in letters:
                print(f"Loaded {given}, id={len(modules.loaded()) + 1}")
    return code
