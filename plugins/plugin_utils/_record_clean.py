# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What goes into a record is text for everybody: no control characters, no passwords in URLs, no paths of this host."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

LINE_CHARS = 400
LOG_LINES = 20

# CSI, OSC and two-character escapes (ECMA-48, 5.4 and 5.6; OSC ends with BEL or ST).
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
# C0 but tab and newline, DEL, C1, and what turns the direction of text around.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")


def text_of(value: Any) -> str:
    """A value as harmless text."""
    return _CREDENTIALS.sub("", _CONTROLS.sub("", _ESCAPES.sub("", str(value))))


def line_of(value: Any) -> str:
    """One line of bounded length."""
    line = " ".join(text_of(value).split())
    return line if len(line) <= LINE_CHARS else line[: LINE_CHARS - 1] + "…"


def log_of(lines: Any) -> list[str]:
    """The last lines of a log; indentation stays, for carets that point at something."""
    rows = [text_of(line).replace("\t", "        ").rstrip() for line in lines or []]
    rows = [row if len(row) <= LINE_CHARS else row[: LINE_CHARS - 1] + "…" for row in rows]
    return rows[-LOG_LINES:]


def clean(value: Any) -> Any:
    """Data of the kinds that JSON has, every string of it harmless; what JSON has no kind for becomes text."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {text_of(name): clean(item) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [clean(item) for item in value]
    return text_of(value)


class Places:
    """Directories of the controller, and the word that stands for each in what tasks say.

    Only in that: a path elsewhere in a record is one of the image or of the builder, whatever it looks like.
    """

    def __init__(self, words: Mapping[str | Path, str]) -> None:
        known = {str(place).rstrip("/"): word for place, word in words.items()}
        # The longest first, so that a directory goes before what it lies in.
        self._words = {place: known[place] for place in sorted(known, key=len, reverse=True) if place}
        found = "|".join(re.escape(place) for place in self._words)
        self._places = re.compile(rf"(?<![\w./-])(?:{found})(?=/|$|[^\w.-])") if found else None

    def hide(self, text: str) -> str:
        return text if self._places is None else self._places.sub(lambda match: self._words[match.group(0)], text)

    def hide_in(self, record: dict[str, Any]) -> None:
        """Hide them in the words of stages, of a failure, and in warnings."""
        for stage in record["stages"]:
            stage["reasons"] = [self.hide(text) for text in stage["reasons"]]
            stage["actions"] = [{name: self.hide(text) for name, text in row.items()} for row in stage["actions"]]
        if record["failure"]:
            record["failure"]["message"] = self.hide(record["failure"]["message"])
        record["warnings"] = [self.hide(text) for text in record["warnings"]]


__all__ = ["LINE_CHARS", "LOG_LINES", "Places", "clean", "line_of", "log_of", "text_of"]
