# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""DOS partition entries, shared by MBR, EBR and the protective MBR of GPT."""

from __future__ import annotations

import struct

from ..geometry import Geometry

TABLE = 446  # offset of the four entries
MAGIC_AT = 510
MAGIC = b"\x55\xaa"


def entry(geometry: Geometry, flag: int, kind: int, chs: "tuple[int, int]", start: int, size: int) -> bytes:
    """Sixteen bytes; ``chs`` are the blocks whose addresses are stored, ``start`` and ``size`` are in sectors."""
    first, last = geometry.dos_chs(chs[0]), geometry.dos_chs(chs[1])
    return struct.pack("<B3sB3sII", flag, first, kind, last, start & 0xFFFFFFFF, size & 0xFFFFFFFF)
