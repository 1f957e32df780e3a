# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""pwd_mkdb(8)."""

from __future__ import annotations

import os
import sys

from ..base.accounts import Malformed, parse_users, write_databases
from ..base.options import Usage, complain, getopt

PATHS = ("/usr/sbin/pwd_mkdb",)
USAGE = "usage: pwd_mkdb [-BCiLNp] [-d directory] [-s cachesize] [-u username] file\n"


def main(argv: list[str]) -> int:
    try:
        options, paths = getopt(argv, "BCd:iLNps:u:v")
        if len(paths) != 1:
            raise Usage
    except Usage as error:
        return complain(error, USAGE, 1)
    letters = dict(options)
    directory = letters.get("d", "/etc")
    path = paths[0]
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            users = parse_users([line.rstrip("\n") for line in file if line.strip() and not line.startswith("#")])
    except OSError as error:
        sys.stderr.write(f"pwd_mkdb: {path}: {os.strerror(error.errno or 0)}\n")
        return 1
    except Malformed:
        sys.stderr.write(
            f"pwd_mkdb: corrupted entry\npwd_mkdb: at line #1\npwd_mkdb: {path}: Inappropriate file type or format\n"
        )
        return 1
    if "C" in letters:
        return 0
    write_databases(users, directory, passwd="p" in letters)
    # The checked file becomes master.passwd, as pwd_mkdb's own rename does.
    if os.path.abspath(path) != os.path.abspath(f"{directory}/master.passwd"):
        os.replace(path, f"{directory}/master.passwd")
    os.chmod(f"{directory}/master.passwd", 0o600)
    return 0
