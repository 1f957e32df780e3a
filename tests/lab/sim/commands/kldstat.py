# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""kldstat(8)."""

from __future__ import annotations

import sys

from ..base import modules
from ..base.options import Usage, complain, getopt

PATHS = ("/sbin/kldstat",)
USAGE = "usage: kldstat [-dhqv] [-i id] [-n filename]\n       kldstat [-dq] [-m modname]\n"


def main(argv: list[str]) -> int:
    try:
        options, rest = getopt(argv, "dhi:m:n:qv")
        if rest:
            raise Usage
    except Usage as error:
        return complain(error, USAGE, 1)
    letters = dict(options)
    quiet = "q" in letters
    loaded = ["kernel", *modules.loaded()]
    if "m" in letters:
        if not modules.present(letters["m"]):
            if not quiet:
                sys.stderr.write(f"kldstat: can't find module {letters['m']}: No such file or directory\n")
            return 1
        if not quiet:
            number = loaded.index(letters["m"]) + 1 if letters["m"] in loaded else 1
            print(f"Id  Refs Name\n{number:3}    1 {letters['m']}")
        return 0
    if "n" in letters:
        name = modules.plain(letters["n"])
        if name not in loaded:
            if not quiet:
                sys.stderr.write(f"kldstat: can't find file {letters['n']}: No such file or directory\n")
            return 1
        loaded = [name]
    if not quiet:
        print("Id Refs Address                Size Name")
        address = 0xFFFFFFFF80200000
        for number, name in enumerate(loaded, 1):
            file = name if name == "kernel" else name + ".ko"
            print(f"{number:2} {1 if name != 'kernel' else len(loaded):4} 0x{address:x} {modules.size(name):>8} {file}")
            address += int(modules.size(name), 16)
    return 0
