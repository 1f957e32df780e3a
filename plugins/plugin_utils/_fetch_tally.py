# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What became of a file's bytes: the figures of the result."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Tally:
    """All in bytes; ``done`` is how far the file is, holes included."""

    size: int = 0
    done: int = 0
    fetched: int = 0  # of the file, before compression
    moved: int = 0  # on the wire, both ways
    reused: int = 0  # from seeds and an earlier run
    repeated: int = 0  # chunks that occur twice
    holes: int = 0

    def as_result(self) -> dict[str, int]:
        names = ("fetched", "moved", "reused", "repeated", "holes")
        return {name: getattr(self, name) for name in names}
