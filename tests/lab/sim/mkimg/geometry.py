# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Sizes that the options set: sector, block, track, cylinder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

_NONE = 0xFFFFFFFF


def _up(value: int, unit: int) -> int:
    return (value + unit - 1) // unit * unit


@dataclass
class Geometry:
    """``sector`` and ``block`` in bytes, the rest in counts."""

    sector: int = 512
    block: int = 0
    heads: int = 1
    sectors: int = 1
    cylinders: int = 0

    def round_block(self, lba: int) -> int:
        return _up(lba, self.block // self.sector)

    def round_track(self, lba: int) -> int:
        return _up(lba, self.sectors)

    def round_cylinder(self, lba: int) -> int:
        return _up(lba, self.sectors * self.heads)

    def chs(self, lba: int, last_cylinder: int) -> Tuple[int, int, int]:
        """Cylinder, head, sector; all ones where there is no such address."""
        if self.sectors == 1 or self.heads == 1:
            return _NONE, _NONE, _NONE
        track, sector = divmod(lba, self.sectors)
        cylinder, head = divmod(track, self.heads)
        if cylinder > last_cylinder:
            return _NONE, _NONE, _NONE
        return cylinder, head, sector + 1

    def dos_chs(self, lba: int) -> bytes:
        """Head, sector, cylinder as the three bytes of a DOS partition entry."""
        cylinder, head, sector = self.chs(lba, 1023)
        return bytes([head & 0xFF, (sector & 0x3F) | ((cylinder >> 2) & 0xC0), cylinder & 0xFF])
