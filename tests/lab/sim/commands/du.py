# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""du(1): 512-byte blocks unless told, as FreeBSD counts them on ZFS."""

from __future__ import annotations

import os
import stat
import sys

from ..base import files
from ..base.options import Usage, complain, getopt

PATHS = ("/usr/bin/du",)
USAGE = """usage: du [-Aclnx] [-H | -L | -P] [-g | -h | -k | -m] [-a | -s | -d depth] [-B blocksize] [-I mask] \
[-t threshold] [file ...]
"""


class Count:
    def __init__(self, letters: dict[str, str]) -> None:
        self.letters = letters
        self.unit = 2 if "k" in letters else 2048 if "m" in letters else 1 << 21 if "g" in letters else 1
        if "B" in letters:
            self.unit = max(1, int(letters["B"]) // 512)
        self.depth = 0 if "s" in letters else int(letters.get("d", "1000000"))
        self.seen: set[tuple[int, int]] = set()
        self.code = 0

    def walk(self, path: str, level: int = 0, device: int | None = None) -> int:
        try:
            state = os.stat(path) if "L" in self.letters or (level == 0 and "H" in self.letters) else os.lstat(path)
        except OSError as error:
            sys.stderr.write(f"du: {path}: {os.strerror(error.errno or 0)}\n")
            self.code = 1
            return 0
        if "x" in self.letters and device not in (None, state.st_dev):
            return 0
        known = (state.st_dev, state.st_ino)
        is_directory = stat.S_ISDIR(state.st_mode)
        if not is_directory and state.st_nlink > 1:
            if known in self.seen and "l" not in self.letters:
                return 0
            self.seen.add(known)
        total = -(-state.st_size // 512) if "A" in self.letters else files.blocks(state)
        if is_directory:
            for name in sorted(os.listdir(path)):
                total += self.walk(f"{path.rstrip('/')}/{name}" if path != "/" else f"/{name}", level + 1, state.st_dev)
        if level <= self.depth and (is_directory or level == 0 or "a" in self.letters):
            print(f"{self.show(total)}\t{path}")
        return total

    def show(self, blocks: int) -> str:
        if "h" not in self.letters:
            return str(-(-blocks // self.unit))
        value, place = blocks * 512.0, 0
        while value >= 999.5 and place < 6:
            value, place = value / 1024, place + 1
        return (
            f"{value:.1f}{'BKMGTPE'[place]}".rjust(4)
            if place and value < 9.95
            else f"{value:.0f}{'BKMGTPE'[place]}".rjust(4)
        )


def main(argv: list[str]) -> int:
    try:
        options, paths = getopt(argv, "AB:HI:LPacd:ghklmnrst:x")
    except Usage as error:
        return complain(error, USAGE, 1)
    count = Count(dict(options))
    total = sum([count.walk(path) for path in paths or ["."]])
    if "c" in count.letters:
        print(f"{count.show(total)}\ttotal")
    return count.code
