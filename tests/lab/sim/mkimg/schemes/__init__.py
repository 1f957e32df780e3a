# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Partition schemes, in the order in which mkimg of 13.2 lists them.

Each module has NAME, DESCRIPTION, TYPES (alias to scheme's type), PARTITIONS (most), LABEL (longest, bytes),
BOOTCODE (most bytes, 0 none), SECTOR (largest), ``place(job, where, lba)`` and ``write(job, blocks)``.
"""

from __future__ import annotations

from typing import Any, Tuple

from . import apm, bsd, ebr, gpt, mbr, vtoc8

ALL: Tuple[Any, ...] = (vtoc8, mbr, gpt, ebr, bsd, apm)


def select(name: str) -> Any:
    """The scheme of that name, in any case; None when there is none."""
    return next((entry for entry in ALL if name.lower() == entry.NAME), None)
