# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""protect(1): accepted and without effect; nothing here runs out of swap."""

from __future__ import annotations

import os
import sys

from ..base.options import Usage, complain, getopt

PATHS = ("/usr/bin/protect",)
USAGE = "usage: protect [-i] command\n       protect [-cdi] -g pgrp | -p pid\n"


def main(argv: list[str]) -> int:
    try:
        options, command = getopt(argv, "cdig:p:")
        letters = dict(options)
        if bool(letters.keys() & {"g", "p"}) == bool(command):
            raise Usage
    except Usage as error:
        return complain(error, USAGE, 1)
    if command:
        try:
            os.execvp(command[0], command)
        except OSError as error:
            sys.stderr.write(f"protect: {command[0]}: {os.strerror(error.errno or 0)}\n")
            return 1
    number = letters.get("p", letters.get("g", ""))
    if not number.isdigit() or not os.path.exists(f"/lab/proc/{number}"):
        sys.stderr.write("protect: procctl: No such process\n")
        return 1
    return 0
