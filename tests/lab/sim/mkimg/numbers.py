# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Numbers on the command line: expand_number(3)."""

from __future__ import annotations

import errno
import re

UINT32_MAX = (1 << 32) - 1
INT64_MAX = (1 << 63) - 1
UINT64_MAX = (1 << 64) - 1

_NUMBER = re.compile(r"[ \t\n\v\f\r]*([+-]?)(0[xX][0-9a-fA-F]+|[0-9]+)(.?)", re.S)
_SHIFTS = {"e": 60, "p": 50, "t": 40, "g": 30, "m": 20, "k": 10}


class NumberError(Exception):
    """Not a number; ``number`` is the errno."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def expand_number(text: str) -> int:
    """A number with a power-of-two suffix; base as strtoumax(3) guesses it."""
    match = _NUMBER.match(text)
    if match is None:
        raise NumberError(errno.EINVAL)
    sign, digits, suffix = match.groups()
    if digits[:2].lower() == "0x":
        value = int(digits, 16)
    elif digits.startswith("0"):
        octal = re.match("[0-7]+", digits)
        assert octal is not None
        if octal.end() < len(digits):
            suffix = digits[octal.end()]
        value = int(octal.group(), 8)
    else:
        value = int(digits)
    if value > UINT64_MAX:
        raise NumberError(errno.ERANGE)
    if sign == "-":
        value = -value & UINT64_MAX
    suffix = suffix.lower()
    if suffix in ("", "b"):
        return value
    if suffix not in _SHIFTS:
        raise NumberError(errno.EINVAL)
    value <<= _SHIFTS[suffix]
    if value > UINT64_MAX:
        raise NumberError(errno.ERANGE)
    return value


def bounded(text: str, low: int, high: int) -> int:
    """A number between two bounds, both included."""
    value = expand_number(text)
    if not low <= value <= high:
        raise NumberError(errno.EINVAL)
    return value


def power_of_two(text: str, low: int, high: int) -> int:
    """A sector size."""
    value = bounded(text, low, high)
    if value & (value - 1):
        raise NumberError(errno.EINVAL)
    return value
