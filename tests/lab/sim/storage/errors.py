# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""How a simulated storage command fails, and how its messages leave."""

from __future__ import annotations

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


__all__ = ["Fail", "guarded", "warn"]
