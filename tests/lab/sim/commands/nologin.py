# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""nologin(8)."""

from __future__ import annotations

PATHS = ("/usr/sbin/nologin",)


def main(argv: list[str]) -> int:
    del argv
    print("This account is currently not available.")
    return 1
