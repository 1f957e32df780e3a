# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What dynamic and fixed VHD share: the footer and the disk geometry (Virtual Hard Disk specification 1.0)."""

from __future__ import annotations

import struct
import time
from typing import Tuple

from ..job import Job

SECTOR = 512
BLOCK = 4096 * SECTOR
FIXED, DYNAMIC = 2, 3
NOWHERE = 0xFFFFFFFFFFFFFFFF
_EPOCH = 0x386D4380  # 2000-01-01


def checksum(data: bytes) -> int:
    return ~sum(data) & 0xFFFFFFFF


def geometry(job: Job, size: int) -> Tuple[int, int, int]:
    """Cylinders, heads, sectors: the options' where they fit, else the specification's appendix."""
    sectors = size // SECTOR
    given = job.geometry
    if 1 < given.heads < 256 and 1 < given.sectors < 256 and given.cylinders < 65536:
        return given.cylinders or sectors // (given.heads * given.sectors), given.heads, given.sectors
    sectors = min(sectors, 65536 * 16 * 255)
    if sectors >= 65535 * 16 * 63:
        return sectors // (16 * 255), 16, 255
    track, tracks = 17, sectors // 17
    heads = max((tracks + 1023) // 1024 & 0xFF, 4)
    if tracks >= heads * 1024 or heads > 16:
        heads, track, tracks = 16, 31, sectors // 31
    if tracks >= heads * 1024:
        heads, track, tracks = 16, 63, sectors // 63
    return tracks // heads & 0xFFFF, heads, track


def whole_cylinders(job: Job, wanted: int) -> int:
    """The next size, in bytes, that a geometry describes exactly; the geometry changes with the size."""
    size = wanted
    while True:
        cylinders, heads, track = geometry(job, size)
        size = cylinders * heads * track * SECTOR
        if size >= wanted:
            return size
        size += heads * track * SECTOR


def _guid(encoded: bytes) -> bytes:
    """VHD is in network order throughout."""
    return encoded[3::-1] + encoded[5:3:-1] + encoded[7:5:-1] + encoded[8:]


def footer(job: Job, size: int, kind: int, data_offset: int) -> bytes:
    stamp = 0x01234567 if job.unit_testing else (int(time.time()) - _EPOCH) & 0xFFFFFFFF
    cylinders, heads, track = geometry(job, size)
    first = struct.pack(">8sIIQI4sI4s", b"conectix", 2, 0x10000, data_offset, stamp, b"*img", 0x10000, b"FBSD")
    first += struct.pack(">QQHBBI", size, size, cylinders & 0xFFFF, heads & 0xFF, track & 0xFF, kind)
    rest = _guid(job.uuid()).ljust(512 - len(first) - 4, b"\0")
    return first + struct.pack(">I", checksum(first + rest)) + rest
