# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""uname(1)."""

from __future__ import annotations

import os

from ..base import host
from ..base.options import Usage, complain, getopt

PATHS = ("/usr/bin/uname",)


def main(argv: list[str]) -> int:
    try:
        options, rest = getopt(argv, "abiKmnoprsUv")
        if rest:
            raise Usage
    except Usage as error:
        return complain(error, "usage: uname [-abiKmnoprsUv]\n", 1)
    wanted = {letter for letter, _ in options} or {"s"}
    if "a" in wanted:
        wanted |= set("snrvm")
    values = (
        ("so", "FreeBSD"),
        ("n", os.uname().nodename),
        ("r", host.RELEASE),
        ("v", host.VERSION),
        ("m", host.MACHINE),
        ("p", host.MACHINE),
        ("i", host.IDENT),
        ("K", str(host.OSRELDATE)),
        ("U", str(host.OSRELDATE)),
        ("b", "0123456789abcdef0123456789abcdef01234567"),
    )
    print(" ".join(value for letters, value in values if wanted & set(letters)))
    return 0
