# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""A lab started with --fresh is stripped to what an installer leaves, and gets a package repository on its mirror."""

from __future__ import annotations

from ..fresh import host


def setup() -> None:
    if host.is_fresh():
        from ..fresh import site

        site.setup()
        host.strip()


def boot() -> None:
    if host.is_fresh():
        host.load_modules()
