# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""pkg-static(8), the statically linked twin of pkg."""

from __future__ import annotations

from ..pkg.cli import main

PATHS = ("/usr/local/sbin/pkg-static",)

__all__ = ["PATHS", "main"]
