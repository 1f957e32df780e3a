# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""sh(1)'s getopts: options in order, one at a time, so that a check made on the way comes before a later error."""

from __future__ import annotations

import sys
from typing import Iterator


class Options:
    """Iterates ``(letter, argument)``; ``rest`` holds the operands afterwards. An error gives the letter ``?``."""

    def __init__(self, arguments: list[str], letters: str) -> None:
        self._letters = letters
        self.rest = list(arguments)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        while self.rest and self.rest[0].startswith("-") and self.rest[0] != "-":
            word = self.rest.pop(0)
            if word == "--":
                return
            position = 1
            while position < len(word):
                letter = word[position]
                position += 1
                place = self._letters.find(letter)
                if place < 0 or letter == ":":
                    print(f"Illegal option -{letter}", file=sys.stderr, flush=True)
                    yield "?", ""
                elif self._letters[place + 1:place + 2] == ":":
                    if position < len(word):
                        yield letter, word[position:]
                    elif self.rest:
                        yield letter, self.rest.pop(0)
                    else:
                        print(f"No arg for -{letter} option", file=sys.stderr, flush=True)
                        yield "?", ""
                    break
                else:
                    yield letter, ""
