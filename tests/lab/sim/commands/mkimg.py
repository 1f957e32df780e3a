# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""mkimg(1)."""

from __future__ import annotations

from ..mkimg.cli import run

PATHS = ("/usr/bin/mkimg",)


def main(argv: list[str]) -> int:
    return run(argv[1:])
