# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""poudriere(8)."""

from __future__ import annotations

from ..poudriere.cli import main

PATHS = ("/usr/local/bin/poudriere",)

__all__ = ["PATHS", "main"]
