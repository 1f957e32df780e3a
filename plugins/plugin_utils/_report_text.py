# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Values of a build record as people read them. Takes anything that JSON can hold, and never fails on it."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Sequence
from typing import Any

NOTHING = "\u2013"  # a dash
LARGEST = 1e24  # more than there is of anything; sums of such numbers are still finite
LONGEST = 300  # characters of one value; a log line has its own limit
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
# ECMA-48: a control sequence, a control string (title, hyperlink) up to its end, any other escape.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)"
    r"|\x1b[ -/]*[0-~]?"
)
# What would hide, reorder or break text: controls, marks of direction, invisible characters, halves of pairs.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def _shown(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def clean(value: Any) -> str:
    """Text without terminal escapes, and with everything invisible made visible; line feeds and tabs stay."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = _ESCAPES.sub("", value if isinstance(value, str) else str(value))
    return _INVISIBLE.sub(_shown, text.replace("\r\n", "\n"))


def line(value: Any, longest: int = LONGEST) -> str:
    """One line of text, its middle left out where it is absurdly long."""
    text = " ".join(clean(value).split())
    if len(text) <= longest:
        return text
    head = longest * 2 // 3
    return f"{text[:head]} … {text[head - longest + 3 :]}"


def number(value: Any) -> float | None:
    """A number that is not negative, of a number or its text; None of anything else. Absurd ones are cut."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return min(found, LARGEST) if math.isfinite(found) and found >= 0 else None


def whole(value: Any) -> int:
    """A count; 0 when there is none."""
    found = number(value)
    return 0 if found is None else int(found)


def count(value: Any, one: str, many: str | None = None) -> str:
    """``1 port``, ``12 ports``, ``31,207 ports``."""
    found = whole(value)
    shown = f"{found:,}" if found < 10**15 else "absurdly many"
    return f"{shown} {one if found == 1 else many or one + 's'}"


def enumerate_words(parts: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""


def size(value: Any) -> str:
    """Bytes in the largest binary unit that leaves a whole part: ``512 KiB``, ``1.5 GiB``."""
    found = number(value)
    if found is None:
        return NOTHING
    power = 0
    while found >= 1024 and power < len(_UNITS) - 1:
        found /= 1024
        power += 1
    if found >= 1024:
        return "more than 1024 EiB"
    digits = 2 if found < 10 else 1 if found < 100 else 0
    return f"{_plain(found, digits)} {_UNITS[power]}"


def _plain(value: float, digits: int) -> str:
    """A number without zeros behind its point."""
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if digits else text


def duration(value: Any) -> str:
    """Seconds with two units at most: ``0.4 s``, ``12 s``, ``3 min 20 s``, ``1 h 42 min``, ``3 d 4 h``."""
    found = number(value)
    if found is None:
        return NOTHING
    if found < 0.05:
        return "0 s"
    if found < 9.95:
        return f"{_plain(found, 1)} s"
    seconds = int(found + 0.5)
    if seconds < 60:
        return f"{seconds} s"
    left = seconds
    for big, small, per, limit in (("min", "s", 60, 60), ("h", "min", 60, 48), ("d", "h", 24, 10_000)):
        left, rest = divmod(left, per)
        if left < limit:
            return f"{left} {big} {rest} {small}" if rest else f"{left} {big}"
    return "more than 27 years"


def moment(value: Any) -> datetime.datetime | None:
    """A point in time of seconds since the epoch or of ISO 8601 text, in UTC."""
    try:
        if isinstance(value, str) and not value.replace(".", "", 1).isdigit():
            found = datetime.datetime.fromisoformat(value)
            return found.astimezone(datetime.UTC) if found.tzinfo else found.replace(tzinfo=datetime.UTC)
        seconds = number(value)
        return None if seconds is None else datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        return None


def when(value: Any) -> str:
    """``2026-11-23 02:10 UTC``."""
    found = moment(value)
    return f"{found:%Y-%m-%d %H:%M} UTC" if found else NOTHING


def table(value: Any) -> dict[str, Any]:
    """A JSON object; an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}


def rows(value: Any) -> list[dict[str, Any]]:
    """The objects in a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def words(value: Any) -> list[str]:
    """The texts in a list, one line each."""
    return [line(item) for item in value if not isinstance(item, dict | list)] if isinstance(value, list) else []


__all__ = [
    "NOTHING",
    "clean",
    "count",
    "duration",
    "enumerate_words",
    "line",
    "moment",
    "number",
    "rows",
    "size",
    "table",
    "when",
    "whole",
    "words",
]
