# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""hostname(1)."""

from __future__ import annotations

import os
import socket
import sys

from ..base.options import Usage, complain, getopt

PATHS = ("/bin/hostname",)


def main(argv: list[str]) -> int:
    try:
        options, rest = getopt(argv, "fsd")
        if len(rest) > 1:
            raise Usage
    except Usage as error:
        return complain(error, "usage: hostname [-f] [-s | -d] [name-of-host]\n", 1)
    if rest:
        try:
            socket.sethostname(rest[0])
        except OSError as error:
            sys.stderr.write(f"hostname: sethostname: {os.strerror(error.errno or 0)}\n")
            return 1
        return 0
    short, _, domain = socket.gethostname().partition(".")
    if ("s", "") in options:
        print(short)
    elif ("d", "") in options:
        print(domain)
    else:
        print(socket.gethostname())
    return 0
