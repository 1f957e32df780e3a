# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""getopt(3) as the BSDs have it: options end at the first operand."""

from __future__ import annotations


class OptionError(Exception):
    """``missing`` tells an option without its argument from an unknown one."""

    def __init__(self, letter: str, missing: bool) -> None:
        super().__init__(letter)
        self.letter = letter
        self.missing = missing


def getopt(args: list[str], spec: str) -> tuple[list[tuple[str, str]], list[str]]:
    """((letter, argument) …, operands). Raises OptionError."""
    found: list[tuple[str, str]] = []
    index = 0
    while index < len(args):
        word = args[index]
        if word == "--":
            index += 1
            break
        if len(word) < 2 or word[0] != "-":
            break
        index += 1
        at = 1
        while at < len(word):
            letter = word[at]
            at += 1
            place = spec.find(letter)
            if place < 0 or letter == ":":
                raise OptionError(letter, False)
            if spec[place + 1 : place + 2] != ":":
                found.append((letter, ""))
                continue
            if at < len(word):
                found.append((letter, word[at:]))
            elif index < len(args):
                found.append((letter, args[index]))
                index += 1
            else:
                raise OptionError(letter, True)
            break
    return found, args[index:]


__all__ = ["OptionError", "getopt"]
