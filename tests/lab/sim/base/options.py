# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Options as FreeBSD's getopt(3) reads them: the first operand ends them, long ones do not exist."""

from __future__ import annotations

import sys
from collections.abc import Sequence


class Usage(Exception):
    """The arguments make no sense; ``complaint`` is what getopt says first, if anything."""

    def __init__(self, complaint: str = "") -> None:
        super().__init__(complaint)
        self.complaint = complaint


def getopt(argv: Sequence[str], spec: str) -> tuple[list[tuple[str, str]], list[str]]:
    """((letter, value), …) and the operands; Usage carries ``name: illegal option -- x``."""
    name, words = argv[0], list(argv[1:])
    found: list[tuple[str, str]] = []
    while words and len(words[0]) > 1 and words[0][0] == "-":
        word = words.pop(0)
        if word == "--":
            break
        while len(word) > 1:
            letter, word = word[1], "-" + word[2:]
            place = spec.find(letter)
            if place < 0 or letter == ":":
                raise Usage(f"{name}: illegal option -- {letter}")
            if spec[place + 1 : place + 2] != ":":
                found.append((letter, ""))
                continue
            if len(word) == 1 and not words:
                raise Usage(f"{name}: option requires an argument -- {letter}")
            found.append((letter, word[1:] if len(word) > 1 else words.pop(0)))
            break
    return found, words


def complain(error: Usage, usage: str, code: int) -> int:
    """Print what FreeBSD prints for a wrong command line; returns ``code``."""
    if error.complaint:
        sys.stderr.write(error.complaint + "\n")
    sys.stderr.write(usage)
    return code


__all__ = ["Usage", "complain", "getopt"]
