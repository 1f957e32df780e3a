# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""which(1)."""

from __future__ import annotations

import os

from ..base.options import Usage, complain, getopt

PATHS = ("/usr/bin/which",)


def main(argv: list[str]) -> int:
    try:
        options, names = getopt(argv, "as")
        if not names:
            return 1
    except Usage as error:
        return complain(error, "usage: which [-as] program ...\n", 1)
    every, silent = ("a", "") in options, ("s", "") in options
    code = 0
    for name in names:
        found = _find(name)
        code = code if found else 1
        if not silent:
            for path in found if every else found[:1]:
                print(path)
    return code


def _find(name: str) -> list[str]:
    if "/" in name:
        return [name] if _executable(name) else []
    paths = [f"{place or '.'}/{name}" for place in os.environ.get("PATH", "").split(":")]
    return [path for path in paths if _executable(path)]


def _executable(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)
