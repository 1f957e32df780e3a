# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Rows of the recorded transcripts in tests/fixtures/transcripts/<release>/<tool>.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1] / "fixtures" / "transcripts"
RELEASES = ("13.2", "15.1")


@dataclass(frozen=True)
class Row:
    """One recorded command: shell text, exit status, output."""

    cmd: str
    rc: int
    stdout: str
    stderr: str


@lru_cache(maxsize=None)
def rows(release: str, tool: str) -> tuple[Row, ...]:
    """All rows of a tool's recording, in order."""
    data = json.loads((ROOT / release / f"{tool}.json").read_text(encoding="utf-8"))
    return tuple(Row(r["cmd"], r["rc"], r["stdout"], r["stderr"]) for r in data)


def row(release: str, tool: str, index: int) -> Row:
    """The row at a position, as `tests/lab/replay` numbers them."""
    return rows(release, tool)[index]


def find(release: str, tool: str, cmd: str) -> Row:
    """The first row whose command is exactly ``cmd``."""
    for candidate in rows(release, tool):
        if candidate.cmd == cmd:
            return candidate
    raise LookupError(f"{release}/{tool}.json has no row {cmd!r}")
