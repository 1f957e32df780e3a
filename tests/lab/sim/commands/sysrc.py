# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""sysrc(8)."""

from __future__ import annotations

import os
import re
import sys

from ..base import rcconf
from ..base.options import Usage, complain, getopt

PATHS = ("/usr/sbin/sysrc",)
USAGE = """Usage: sysrc [OPTIONS] {name[[+|-]=value] ...}
       sysrc [OPTIONS] {-a | -A | -l}
       sysrc [OPTIONS] {-L | -s name} [name ...]
       sysrc [OPTIONS] -x name ...
Try `sysrc --help' for more information.
"""
_WORD = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:([-+]?=)(.*))?\Z", re.DOTALL)


def main(argv: list[str]) -> int:
    if argv[1:] == ["--version"]:
        print("7.6")
        return 0
    try:
        options, words = getopt(argv, "aAcdDeEf:Fhij:klLnNqR:s:vx")
    except Usage as error:
        return complain(error, USAGE, 1)
    letters = {letter for letter, _ in options}
    root = next((value for letter, value in options if letter == "R"), "")
    files = [value for letter, value in options if letter == "f"] or [root + path for path in rcconf.FILES]
    own = "f" in letters
    known: dict[str, str] = {} if own else rcconf.assignments(root + rcconf.DEFAULTS)
    set_here: dict[str, str] = {}
    for path in files:
        set_here |= rcconf.assignments(path)
    if letters & {"a", "A"}:
        _show_all(set_here if "a" in letters else known | set_here, letters)
        return 0
    if "l" in letters:
        print(" ".join(files))
        return 0
    if not words:
        return complain(Usage(), USAGE, 1)
    return max([_one(word, letters, files, known, set_here) for word in words])


def _show_all(values: dict[str, str], letters: set[str]) -> None:
    for name, value in sorted(values.items()):
        _show(name, value, letters)


def _show(name: str, value: str, letters: set[str]) -> None:
    if "e" in letters:
        print(f'{name}="{value}"')
    elif "n" in letters:
        print(value)
    elif "N" in letters:
        print(name)
    else:
        print(f"{name}: {value}")


def _one(word: str, letters: set[str], files: list[str], known: dict[str, str], set_here: dict[str, str]) -> int:
    found = _WORD.match(word)
    if not found:
        sys.stderr.write(f"sysrc: {word}: name contains characters not allowed in shell\n")
        return 1
    name, operator, given = found.groups()
    old = set_here.get(name, known.get(name))
    if "x" in letters:
        return _remove(name, letters, files, set_here)
    if operator is None:
        return _print(name, old, letters)
    new = _combine(operator, old or "", given)
    if "c" in letters:
        return 0 if old == new else 1
    try:
        rcconf.write(_file_of(name, files), name, new)
    except OSError as error:
        sys.stderr.write(f"sysrc: cannot create {files[0]}: {os.strerror(error.errno or 0)}\n")
        return 1
    set_here[name] = new
    if "q" not in letters:
        if "n" in letters:
            print(new)
        elif "e" in letters:
            print(f'{name}="{new}"')
        else:
            print(f"{name}: {old or ''} -> {new}")
    return 0


def _print(name: str, value: str | None, letters: set[str]) -> int:
    if "c" in letters:
        return 0 if value is not None else 1
    if value is None:
        if not letters & {"i", "q"}:
            sys.stderr.write(f"sysrc: unknown variable '{name}'\n")
        return 0 if "i" in letters else 1
    _show(name, value, letters)
    return 0


def _remove(name: str, letters: set[str], files: list[str], set_here: dict[str, str]) -> int:
    holders = [path for path in files if name in rcconf.assignments(path)]
    if not holders:
        if "i" not in letters:
            sys.stderr.write(f"sysrc: unknown variable '{name}'\n")
        return 0 if "i" in letters else 1
    for path in holders:
        rcconf.remove(path, name)
    set_here.pop(name, None)
    return 0


def _file_of(name: str, files: list[str]) -> str:
    return next((path for path in reversed(files) if name in rcconf.assignments(path)), files[0])


def _combine(operator: str, old: str, given: str) -> str:
    """'+=' and '-=' work on words; the first character names another separator."""
    if operator == "=":
        return given
    separator = given[0] if given and not given[0].isalnum() and given[0] not in "/_-" else " "
    word = given[1:] if separator != " " or given[:1] == " " else given
    words = [part for part in old.split(separator) if part]
    if operator == "+=":
        return old if word in words else separator.join([*words, word])
    return separator.join(part for part in words if part != word)
