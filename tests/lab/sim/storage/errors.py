# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""How a simulated storage command fails, and how its messages leave."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Fail(Exception):
    """A command's error: the text for stderr as it stands (no newline at the end) and the exit status."""

    def __init__(self, text: str, rc: int = 1) -> None:
        super().__init__(text)
        self.text = text
        self.rc = rc


_FREEBSD = {16: "Device busy", 40: "Too many levels of symbolic links", 95: "Operation not supported"}


def strerror(number: int | None) -> str:
    """strerror(3) of FreeBSD for a Linux error number."""
    return _FREEBSD.get(number or 0) or os.strerror(number or 0)


def warn(text: str) -> None:
    """One line on stderr, after what stdout holds already."""
    sys.stdout.flush()
    sys.stderr.write(text + "\n")


def guarded(body: Callable[[list[str]], int], argv: list[str]) -> int:
    """Run *body*, turning ``Fail`` into a message and an exit status."""
    try:
        return body(argv)
    except Fail as error:
        if error.text:
            warn(error.text)
        return error.rc
    except BrokenPipeError:
        return 141


__all__ = ["Fail", "guarded", "strerror", "warn"]
