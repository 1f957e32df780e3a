# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""truncate(1): sizes with k, m, g, t in either case."""

from __future__ import annotations

import os
import re
import sys

from ..base.options import Usage, complain, getopt

PATHS = ("/usr/bin/truncate",)
USAGE = """usage: truncate [-c] -s [+|-|%|/]size[K|k|M|m|G|g|T|t] file ...
       truncate [-c] -r rfile file ...
       truncate [-c] -d [-o offset[K|k|M|m|G|g|T|t]] -l length[K|k|M|m|G|g|T|t] file ...
"""
_SIZE = re.compile(r"([-+%/]?)(\d+)([kKmMgGtT]?)\Z")
_UNITS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}


def main(argv: list[str]) -> int:
    try:
        options, paths = getopt(argv, "cr:s:dl:o:")
        letters = dict(options)
        if not paths or ("s" in letters) == ("r" in letters):
            raise Usage
    except Usage as error:
        return complain(error, USAGE, 1)
    sign, size = "", 0
    if "s" in letters:
        found = _SIZE.match(letters["s"])
        if not found:
            sys.stderr.write(f"truncate: invalid size argument `{letters['s']}'\n")
            return 1
        sign, size = found[1], int(found[2]) << _UNITS[found[3].lower()]
    else:
        try:
            size = os.stat(letters["r"]).st_size
        except OSError as error:
            sys.stderr.write(f"truncate: {letters['r']}: {os.strerror(error.errno or 0)}\n")
            return 1
    code = 0
    for path in paths:
        try:
            _resize(path, sign, size, "c" not in letters)
        except FileNotFoundError as error:
            if "c" not in letters:
                code = _say(path, error)
        except OSError as error:
            code = _say(path, error)
    return code


def _say(path: str, error: OSError) -> int:
    sys.stderr.write(f"truncate: {path}: {os.strerror(error.errno or 0)}\n")
    return 1


def _resize(path: str, sign: str, size: int, create: bool) -> None:
    descriptor = os.open(path, os.O_WRONLY | (os.O_CREAT if create else 0), 0o666)
    try:
        now = os.fstat(descriptor).st_size
        wanted = {
            "": size,
            "+": now + size,
            "-": max(0, now - size),
            "%": -(-now // size) * size if size else now,
            "/": now // size * size if size else now,
        }[sign]
        os.ftruncate(descriptor, wanted)
    finally:
        os.close(descriptor)
