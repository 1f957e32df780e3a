# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""ls(1): FreeBSD's long format; like there, one name a line when the output is no terminal."""

from __future__ import annotations

import os
import stat
import sys
import time
from typing import NamedTuple

from ..base import files, names
from ..base.options import Usage, complain, getopt

PATHS = ("/bin/ls",)
USAGE = "usage: ls [-ABCFGHILPRSTUWZabcdfghiklmnopqrstuwxy1,] [--color=when] [-D format] [file ...]\n"


class Item(NamedTuple):
    path: str
    name: str
    state: os.stat_result


def main(argv: list[str]) -> int:
    try:
        options, rest = getopt(argv, "1ABCD:FGHILPRSTUWZabcdfghiklmnopqrstuwxy,")
    except Usage as error:
        return complain(error, USAGE, 1)
    return Listing({letter for letter, _ in options}).show(rest or ["."], bool(rest))


class Listing:
    def __init__(self, letters: set[str]) -> None:
        self.letters = letters
        self.long = bool(letters & set("lnog"))
        self.failed = False
        self.printed = False

    def show(self, paths: list[str], named: bool) -> int:
        items = [item for item in (self._look(path, path) for path in sorted(paths)) if item]
        flat = [item for item in items if "d" in self.letters or not self._descends(item)]
        directories = [item for item in items if item not in flat]
        if flat:
            self._print(self._sorted(flat))
        many = len(items) > 1 or ("R" in self.letters and named)
        for item in self._sorted(directories):
            self._directory(item.path, many)
        return 1 if self.failed else 0

    def _descends(self, item: Item) -> bool:
        if stat.S_ISLNK(item.state.st_mode) and not self.long and "F" not in self.letters:
            return os.path.isdir(item.path)
        return stat.S_ISDIR(item.state.st_mode)

    def _look(self, path: str, name: str) -> Item | None:
        try:
            follow = bool(self.letters & set("LH"))
            return Item(path, name, files.look(path, follow))
        except OSError as error:
            sys.stdout.flush()
            sys.stderr.write(f"ls: {path}: {os.strerror(error.errno or 0)}\n")
            self.failed = True
            return None

    def _sorted(self, items: list[Item]) -> list[Item]:
        found = sorted(items, key=lambda item: os.fsencode(item.name))
        if "S" in self.letters:
            found.sort(key=lambda item: -item.state.st_size)
        elif "t" in self.letters:
            found.sort(key=lambda item: -item.state.st_mtime)
        return found[::-1] if "r" in self.letters else found

    def _directory(self, path: str, headed: bool) -> None:
        try:
            listed = os.listdir(path)
        except OSError as error:
            sys.stderr.write(f"ls: {path}: {os.strerror(error.errno or 0)}\n")
            self.failed = True
            return
        if "a" in self.letters:
            listed += [".", ".."]
        elif "A" not in self.letters:
            listed = [name for name in listed if not name.startswith(".")]
        if headed:
            print(f"{chr(10) if self.printed else ''}{path}:")
        items = [item for item in (self._look(f"{path}/{name}", name) for name in listed) if item]
        if (self.long or "s" in self.letters) and items:
            print(f"total {self._units(sum(files.blocks(item.state) for item in items))}")
        self.printed = self.printed or headed
        self._print(self._sorted(items))
        if "R" in self.letters:
            for item in self._sorted(items):
                if stat.S_ISDIR(item.state.st_mode) and item.name not in (".", ".."):
                    self._directory(item.path, True)

    def _units(self, blocks: int) -> int:
        return -(-blocks // 2) if "k" in self.letters else blocks

    def _print(self, items: list[Item]) -> None:
        self.printed = True
        if self.long:
            self._print_long(items)
            return
        block_width = max((len(str(self._units(files.blocks(item.state)))) for item in items), default=0)
        for item in items:
            prefix = f"{item.state.st_ino} " if "i" in self.letters else ""
            prefix += f"{self._units(files.blocks(item.state)):>{block_width}} " if "s" in self.letters else ""
            print(prefix + item.name + self._suffix(item))

    def _suffix(self, item: Item) -> str:
        mode = item.state.st_mode
        if stat.S_ISDIR(mode) and self.letters & set("Fp"):
            return "/"
        if "F" not in self.letters:
            return ""
        return "@" if stat.S_ISLNK(mode) else "*" if mode & 0o111 else ""

    def _print_long(self, items: list[Item]) -> None:
        numeric = "n" in self.letters
        rows = []
        for item in items:
            state = item.state
            rows.append(
                (
                    str(self._units(files.blocks(state))),
                    files.mode_string(state.st_mode),
                    str(state.st_nlink),
                    str(state.st_uid) if numeric else names.user(state.st_uid),
                    str(state.st_gid) if numeric else names.group(state.st_gid),
                    files.flags(item.path) if "o" in self.letters else "",
                    self._size(item),
                    self._time(state),
                    item.name + self._suffix(item) + self._target(item),
                    str(state.st_ino),
                )
            )
        wide = [max(len(row[column]) for row in rows) for column in range(10)] if rows else []
        for block, mode, links, user, group, flag, size, when, name, inode in rows:
            line = f"{inode:>{wide[9]}} " if "i" in self.letters else ""
            line += f"{block:>{wide[0]}} " if "s" in self.letters else ""
            line += f"{mode} {links:>{wide[2]}} "
            line += "" if "g" in self.letters and "l" not in self.letters else f"{user:<{wide[3]}}  "
            line += f"{group:<{wide[4]}}  "
            line += f"{flag:<{wide[5]}} " if "o" in self.letters else ""
            print(f"{line}{size:>{wide[6]}} {when} {name}")

    def _size(self, item: Item) -> str:
        mode = item.state.st_mode
        if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            return f"{item.state.st_rdev:#x}"
        size = files.size(item.path, item.state)
        return _human(size) if "h" in self.letters else str(size)

    def _time(self, state: os.stat_result) -> str:
        when = state.st_ctime if "c" in self.letters else state.st_atime if "u" in self.letters else state.st_mtime
        moment = time.localtime(when)
        if "T" in self.letters:
            return time.strftime("%b %e %H:%M:%S %Y", moment)
        near = abs(time.time() - when) < 365 * 86400 / 2
        return time.strftime("%b %e %H:%M" if near else "%b %e  %Y", moment)

    def _target(self, item: Item) -> str:
        return f" -> {os.readlink(item.path)}" if stat.S_ISLNK(item.state.st_mode) else ""


def _human(size: int) -> str:
    """humanize_number(3) as ls -h uses it: at most three digits, B included."""
    value, units = float(size), "BKMGTPE"
    place = 0
    while value >= 999.5 and place < len(units) - 1:
        value, place = value / 1024, place + 1
    number = f"{value:.1f}" if place and value < 9.95 else f"{value:.0f}"
    return f"{number}{units[place]}"
