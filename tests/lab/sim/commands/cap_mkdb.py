# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""cap_mkdb(1): writes FILE.db, whose content only says what it was made from."""

from __future__ import annotations

import os
import sys

from ..base.options import Usage, complain, getopt

PATHS = ("/usr/bin/cap_mkdb",)
USAGE = "usage: cap_mkdb [-b | -l] [-v] [-f outfile] file ...\n"


def main(argv: list[str]) -> int:
    try:
        options, paths = getopt(argv, "blf:v")
        if not paths:
            raise Usage
    except Usage as error:
        return complain(error, USAGE, 1)
    letters = dict(options)
    content = ""
    for path in paths:
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                content += file.read()
        except OSError as error:
            sys.stderr.write(f"cap_mkdb: {path}: {os.strerror(error.errno or 0)}\n")
            return 1
    target = letters.get("f", paths[0]) + ".db"
    with open(target, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(f"lab {os.path.basename(target)}\n{content}")
    if "v" in letters:
        records = [line for line in content.splitlines() if line and line[0] not in "# \t"]
        print(f"cap_mkdb: {len(records)} capability records")
    return 0
