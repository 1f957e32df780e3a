# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""chflags(1): flags are remembered beside the file; rm(1), ls -lo and stat(1) know them, other programs do not."""

from __future__ import annotations

import os
import sys

from ..base import files
from ..base.options import Usage, complain, getopt

PATHS = ("/bin/chflags",)
USAGE = "usage: chflags [-fhvx] [-R [-H | -L | -P]] flags file ...\n"
_SAME = {
    "simmutable": "schg",
    "schange": "schg",
    "uimmutable": "uchg",
    "uchange": "uchg",
    "sappend": "sappnd",
    "uappend": "uappnd",
    "sunlink": "sunlnk",
    "uunlink": "uunlnk",
    "arch": "arch",
    "archived": "arch",
    "nodump": "nodump",
    "hidden": "uhidden",
    "uhidden": "uhidden",
}
_KNOWN = {
    "schg",
    "uchg",
    "sappnd",
    "uappnd",
    "sunlnk",
    "uunlnk",
    "arch",
    "nodump",
    "uhidden",
    "opaque",
    "rdonly",
    "system",
}


def main(argv: list[str]) -> int:
    try:
        options, rest = getopt(argv, "HLPRfhvx")
        if len(rest) < 2:
            raise Usage
    except Usage as error:
        return complain(error, USAGE, 1)
    letters = {letter for letter, _ in options}
    changes = [_parse(word) for word in rest[0].split(",")] if rest[0] != "0" else []
    for name, _ in changes:
        if name not in _KNOWN:
            sys.stderr.write(f"chflags: invalid flag: {name}\n")
            return 1
    code = 0
    for path in rest[1:]:
        if not os.path.lexists(path):
            if "f" not in letters:
                sys.stderr.write(f"chflags: {path}: No such file or directory\n")
                code = 1
            continue
        for one in _walk(path, "R" in letters):
            _change(one, changes, rest[0] == "0")
    return code


def _parse(word: str) -> tuple[str, bool]:
    """(canonical name, set?): 'noschg' clears, 'dump' is how nodump is cleared."""
    if word == "dump":
        return "nodump", False
    if word.startswith("no") and word != "nodump":
        return _SAME.get(word[2:], word[2:]), False
    return _SAME.get(word, word), True


def _walk(path: str, deep: bool) -> list[str]:
    found = [path]
    if deep and not os.path.islink(path):
        for place, directories, names in os.walk(path):
            found += [f"{place}/{name}" for name in directories + names]
    return found


def _change(path: str, changes: list[tuple[str, bool]], clear: bool) -> None:
    have = files.flags(path)
    now = set() if clear or have == "-" else set(have.split(","))
    for name, wanted in changes:
        now = now | {name} if wanted else now - {name}
    text = ",".join(sorted(now)) or "-"
    if text != have:
        files.set_flags(path, text)
