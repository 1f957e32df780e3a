# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""freebsd-version(1)."""

from __future__ import annotations

from ..base import host
from ..base.options import Usage, complain, getopt

PATHS = ("/bin/freebsd-version",)


def main(argv: list[str]) -> int:
    try:
        options, rest = getopt(argv, "kruj:")
        if rest:
            raise Usage
    except Usage as error:
        # A shell script: its getopts speaks otherwise than getopt(3).
        letter = error.complaint.rpartition(" ")[2]
        complaint = f"Illegal option -{letter}" if letter else ""
        return complain(Usage(complaint), "usage: freebsd-version [-kru] [-j jail]\n", 1)
    # Kernel, running kernel, userland: always in this order, whatever the order asked for.
    wanted = [letter for letter in "kru" if (letter, "") in options] or ["u"]
    print("\n".join(host.RELEASE for _ in wanted))
    return 0
