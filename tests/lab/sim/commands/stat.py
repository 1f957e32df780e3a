# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""stat(1): FreeBSD's -f formats; GNU's -c does not exist."""

from __future__ import annotations

import os
import re
import stat as modes
import sys
import time

from ..base import files, names
from ..base.options import Usage, complain, getopt

PATHS = ("/usr/bin/stat",)
USAGE = """usage: stat [-FHLnq] [-f format | -l | -r | -s | -x] [-t timefmt] [file|handle ...]
"""
_DIRECTIVE = re.compile(r"%([-+# 0]*)(\d*)(?:\.(\d+))?([DOUXFS]?)([HML]?)([dipugrlambcBzkfvTNYZn%@])")
DEFAULT = '%d %i %Sp %l %Su %Sg %r %z "%Sa" "%Sm" "%Sc" "%SB" %k %b %#Xf %N'
RAW = "%d %i %#p %l %u %g %r %z %a %m %c %B %k %b %f %N"
SHELL = "st_dev=%d st_ino=%i st_mode=%#p st_nlink=%l st_uid=%u st_gid=%g st_rdev=%r st_size=%z st_atime=%a st_mtime=%m \
st_ctime=%c st_birthtime=%B st_blksize=%k st_blocks=%b st_flags=%f"
LONG = "%Sp %l %Su %Sg %Z %Sm %N%SY"


def main(argv: list[str]) -> int:
    try:
        options, paths = getopt(argv, "f:FHlLnqrst:x")
    except Usage as error:
        return complain(error, USAGE, 1)
    letters = dict(options)
    form = letters.get("f", RAW if "r" in letters else SHELL if "s" in letters else LONG if "l" in letters else DEFAULT)
    clock = letters.get("t", "%b %e %H:%M:%S %Y")
    code = 0
    for path in paths or ["(stdin)"]:
        try:
            state = os.fstat(0) if path == "(stdin)" else files.look(path, "L" in letters)
        except OSError as error:
            if "q" not in letters:
                sys.stderr.write(f"stat: {path}: stat: {os.strerror(error.errno or 0)}\n")
            code = 1
            continue
        sys.stdout.write(render(form, path, state, clock) + ("" if "n" in letters else "\n"))
    return code


def render(form: str, path: str, state: os.stat_result, clock: str) -> str:
    return _DIRECTIVE.sub(lambda found: _one(found, path, state, clock), form)


def _one(found: re.Match[str], path: str, state: os.stat_result, clock: str) -> str:
    flags, width, precision, form, sub, datum = found.groups()
    if datum in "n%@":
        return {"n": "\n", "%": "%", "@": "1"}[datum]
    value = _value(datum, form, sub, path, state, clock)
    if isinstance(value, int):
        value = _number(value, form or _DEFAULT_FORM.get(datum, "U"), "#" in flags)
    if precision is not None and form == "S":
        value = value[: int(precision)]
    if width and len(value) < int(width):
        if "-" in flags:
            return value.ljust(int(width))
        return value.rjust(int(width), "0" if "0" in flags and form != "S" else " ")
    return value


_DEFAULT_FORM = {"p": "O"}


def _number(value: int, form: str, prefixed: bool) -> str:
    if form == "O":
        return ("0" if prefixed and value else "") + f"{value:o}"
    if form == "X":
        return ("0x" if prefixed and value else "") + f"{value:x}"
    return str(value)


def _value(datum: str, form: str, sub: str, path: str, state: os.stat_result, clock: str) -> int | str:
    if datum == "p":
        return _mode(state.st_mode, form, sub)
    if datum in "amcB":
        when = {"a": state.st_atime, "m": state.st_mtime, "c": state.st_ctime, "B": state.st_mtime}[datum]
        if form == "F":
            return f"{when:.9f}"
        return time.strftime(clock, time.localtime(when)) if form == "S" else int(when)
    if datum == "u":
        return names.user(state.st_uid) if form == "S" else state.st_uid
    if datum == "g":
        return names.group(state.st_gid) if form == "S" else state.st_gid
    if datum == "T":
        return _type_name(state.st_mode) if sub == "H" else _type_mark(state.st_mode)
    if datum == "Y":
        target = os.readlink(path) if modes.S_ISLNK(state.st_mode) else ""
        return f" -> {target}" if target and form == "S" else target
    if datum == "N":
        return path
    if datum == "f":
        return files.flags(path) if form == "S" else 0
    numbers = {
        "d": state.st_dev,
        "i": state.st_ino,
        "l": state.st_nlink,
        "r": state.st_rdev,
        "b": files.blocks(state),
        "k": 131072,
        "z": files.size(path, state),
        "Z": files.size(path, state),
        "v": 0,
    }
    return numbers[datum]


def _mode(mode: int, form: str, sub: str) -> int | str:
    if form == "S":
        text = files.mode_string(mode)
        return {"H": text[1:4], "M": text[4:7], "L": text[7:10], "": text[:10]}[sub]
    return {"H": mode >> 12, "M": mode >> 9 & 7, "L": mode & 0o777, "": mode}[sub]


def _type_name(mode: int) -> str:
    known = {
        modes.S_IFDIR: "Directory",
        modes.S_IFREG: "Regular File",
        modes.S_IFLNK: "Symbolic Link",
        modes.S_IFCHR: "Character Device",
        modes.S_IFBLK: "Block Device",
        modes.S_IFIFO: "Fifo File",
        modes.S_IFSOCK: "Socket",
    }
    return known.get(modes.S_IFMT(mode), "???")


def _type_mark(mode: int) -> str:
    known = {modes.S_IFDIR: "/", modes.S_IFLNK: "@", modes.S_IFIFO: "|", modes.S_IFSOCK: "="}
    return known.get(modes.S_IFMT(mode), "*" if modes.S_ISREG(mode) and mode & 0o111 else "")
