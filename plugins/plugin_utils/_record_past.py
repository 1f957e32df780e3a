# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Earlier records: what to expect of the next run. Nothing heavy is imported here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RECORD = "build.json"
SCHEMA = 1


def read_record(path: str | Path) -> dict[str, Any] | None:
    """A record of this format; None when there is none, or it cannot be read."""
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) and value.get("schema") == SCHEMA else None


def last_record(directory: str | Path) -> dict[str, Any] | None:
    """The record in a version's directory of results, else the newest one of another version beside it."""
    place = Path(directory)
    own = read_record(place / RECORD)
    if own is not None:
        return own
    try:
        others = sorted(place.parent.glob(f"*/{RECORD}"), key=lambda path: path.stat().st_mtime, reverse=True)
    except OSError:
        return None
    return next((record for record in map(read_record, others) if record is not None), None)


def expected_seconds(record: Mapping[str, Any] | None) -> dict[str, float]:
    """How long each stage took when it last did something, by the stage's name; stages never seen are missing."""
    rows = (record or {}).get("stages")
    found: dict[str, float] = {}
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, Mapping) and isinstance(row.get("work_seconds"), (int, float)):
            found[str(row.get("name"))] = float(row["work_seconds"])
    return found


__all__ = ["RECORD", "SCHEMA", "expected_seconds", "last_record", "read_record"]
