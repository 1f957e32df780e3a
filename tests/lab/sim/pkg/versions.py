# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Versions of packages, compared as pkg-version(8) does: epoch, parts, letters, then port revision."""

from __future__ import annotations

import re

#: Words that sort below the plain version, in order.
BELOW = {"alpha": -4, "a": -4, "beta": -3, "b": -3, "pre": -2, "p": -1, "rc": -1, "pl": 0}


def _key(version: str) -> tuple[int, list[tuple[int, int]], int]:
    version, _, epoch = version.partition(",")
    version, _, revision = version.partition("_")
    parts = []
    for part in re.findall(r"\d+|[A-Za-z]+|\*", version):
        if part.isdigit():
            parts.append((1, int(part)))
        else:
            parts.append((0, BELOW.get(part.lower(), ord(part[0].lower()) - 96 if part[:1].isalpha() else -9)))
    return int(epoch or 0), parts, int(revision or 0)


def compare(left: str, right: str) -> int:
    """Return -1, 0 or 1."""
    first, second = _key(left), _key(right)
    return (first > second) - (first < second)
