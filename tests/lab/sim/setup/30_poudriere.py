# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""poudriere and pkg of the recorded host: configuration, jail, ports tree, and the builds that had happened."""

from __future__ import annotations

from ..fresh import host
from ..poudriere import recorded


def setup() -> None:
    if not host.is_fresh():
        recorded.setup()


def boot() -> None:
    if not host.is_fresh():
        recorded.boot()
