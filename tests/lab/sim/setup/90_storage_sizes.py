# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Takes the size of the host's datasets once all else is set up."""

from __future__ import annotations

from ..storage import host


def setup() -> None:
    host.measure_base()
