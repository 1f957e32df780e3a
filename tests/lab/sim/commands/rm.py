# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""rm(1): refuses what chflags(1) made immutable, else the host's rm does the work."""

from __future__ import annotations

import os
import sys

from ..base import files
from ..base.options import Usage, complain, getopt

PATHS = ("/bin/rm",)
USAGE = "usage: rm [-f | -i] [-dIPRrvWx] file ...\n       unlink [--] file\n"


def main(argv: list[str]) -> int:
    try:
        options, paths = getopt(argv, "dfiIPRrvWx")
        letters = {letter for letter, _ in options}
        if not paths and "f" not in letters:
            raise Usage
    except Usage as error:
        return complain(error, USAGE, 64)
    allowed, code = [], 0
    for path in paths:
        if path.rstrip("/") == "" and path:
            sys.stderr.write('rm: "/" may not be removed\n')
            code = 1
        elif path.rstrip("/").rpartition("/")[2] in (".", ".."):
            sys.stderr.write('rm: "." and ".." may not be removed\n')
            code = 1
        elif _blocked(path, bool(letters & {"r", "R"})):
            code = 1
        else:
            allowed.append(path)
    return Remover(letters).remove(allowed) or code


def _blocked(path: str, deep: bool) -> bool:
    """Says so when ``path`` or anything below it is immutable."""
    if os.path.lexists(path) and files.immutable(path):
        sys.stderr.write(f"rm: {path}: Operation not permitted\n")
        return True
    hit = False
    if deep and os.path.isdir(path) and not os.path.islink(path):
        for place, directories, names in os.walk(path):
            for name in directories + names:
                if files.immutable(f"{place}/{name}"):
                    sys.stderr.write(f"rm: {place}/{name}: Operation not permitted\n")
                    hit = True
    return hit


class Remover:
    def __init__(self, letters: set[str]) -> None:
        self.letters = letters
        self.code = 0

    def remove(self, paths: list[str]) -> int:
        for path in paths:
            self._one(path)
        return self.code

    def _one(self, path: str) -> None:
        try:
            if os.path.isdir(path) and not os.path.islink(path):
                self._directory(path)
            else:
                os.unlink(path)
                self._say(path)
        except FileNotFoundError:
            if "f" not in self.letters:
                self._fail(path, "No such file or directory")
        except OSError as error:
            self._fail(path, os.strerror(error.errno or 0))

    def _directory(self, path: str) -> None:
        if self.letters & {"r", "R"}:
            for name in os.listdir(path):
                self._one(f"{path.rstrip('/')}/{name}")
            os.rmdir(path)
            self._say(path)
        elif "d" in self.letters:
            os.rmdir(path)
            self._say(path)
        else:
            self._fail(path, "is a directory")

    def _say(self, path: str) -> None:
        if "v" in self.letters:
            print(path)

    def _fail(self, path: str, why: str) -> None:
        sys.stderr.write(f"rm: {path}: {why}\n")
        self.code = 1
