# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""How mkimg gives up: a line on standard error and a sysexits(3) status."""

from __future__ import annotations

import os
from typing import NoReturn

EX_USAGE = 64
EX_DATAERR = 65
EX_UNAVAILABLE = 69
EX_OSERR = 71
EX_CANTCREAT = 73
EX_IOERR = 74
SIGABRT_STATUS = 134  # what sh(1) makes of abort(3)

# strerror(3) of FreeBSD where Linux words it otherwise.
_TEXTS = {6: "Device not configured", 78: "Function not implemented"}


class Exit(Exception):
    """The process ends with ``status`` after ``text`` was printed on standard error."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class UsageError(Exception):
    """``usage(why)``: the reason, then the whole usage text, status 64."""


def strerror(number: int) -> str:
    return _TEXTS.get(number) or os.strerror(number)


def err(status: int, number: int, what: str) -> NoReturn:
    """``errc(3)``."""
    raise Exit(status, f"mkimg: {what}: {strerror(number)}\n")


def errx(status: int, what: str) -> NoReturn:
    """``errx(3)``."""
    raise Exit(status, f"mkimg: {what}\n")


def assertion(expression: str, function: str, line: int) -> NoReturn:
    """``assert(3)``: the base system is built with assertions."""
    where = f"function {function}, file /usr/src/usr.bin/mkimg/image.c, line {line}."
    raise Exit(SIGABRT_STATUS, f"Assertion failed: ({expression}), {where}\nAbort trap (core dumped)\n")
