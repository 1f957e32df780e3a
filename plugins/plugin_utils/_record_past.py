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


def _identity(record: Mapping[str, Any]) -> tuple[Any, Any]:
    image = record.get("image")
    return (image.get("name"), image.get("arch")) if isinstance(image, Mapping) else (None, None)


def last_record(
    directory: str | Path, file: str = RECORD, image: Mapping[str, Any] | None = None
) -> dict[str, Any] | None:
    """The record in a version's directory of results, else the newest one of other versions beside it.

    :param image: name and arch of the image; a record of another version must be of the same.
    """
    place = Path(directory)
    own = read_record(place / file)
    if own is not None:
        return own
    try:
        others = sorted(place.parent.glob("*/build*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    except OSError:
        return None
    wanted = None if image is None else _identity({"image": image})
    records = (record for record in map(read_record, others) if record is not None)
    return next((record for record in records if wanted is None or _identity(record) == wanted), None)


def expected_seconds(record: Mapping[str, Any] | None) -> dict[str, float]:
    """How long each stage took when it last did something, by the stage's name; stages never seen are missing."""
    rows = (record or {}).get("stages")
    found: dict[str, float] = {}
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, Mapping) and isinstance(row.get("work_seconds"), (int, float)):
            found[str(row.get("name"))] = float(row["work_seconds"])
    return found


__all__ = ["RECORD", "SCHEMA", "expected_seconds", "last_record", "read_record"]
