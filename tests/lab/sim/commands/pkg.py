# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""pkg(8); /usr/sbin/pkg is pkg_bootstrap.py."""

from __future__ import annotations

from ..pkg.cli import main

PATHS = ("/usr/local/sbin/pkg",)

__all__ = ["PATHS", "main"]
