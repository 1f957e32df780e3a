# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""BSD disk label (bsdlabel(5)): eight partitions and more, ``c`` is the whole disk."""

from __future__ import annotations

import struct

from ..job import Job
from . import places

NAME = "bsd"
DESCRIPTION = "BSD disk label"
PARTITIONS = 19
LABEL = 0
_BOOT_AREA = 8192
BOOTCODE = _BOOT_AREA
SECTOR = 512
TYPES = {"freebsd-nandfs": 30, "freebsd-swap": 1, "freebsd-ufs": 7, "freebsd-vinum": 14, "freebsd-zfs": 27}
_MAGIC = 0x82564557
_WHOLE = 2  # index of partition c
_FEWEST = 8
_TABLE = 148  # offset of the entries in the label


def place(job: Job, where: int, lba: int) -> int:
    if where == places.IMAGE_START:
        return lba + _BOOT_AREA // job.geometry.sector
    if where == places.IMAGE_END:
        return job.geometry.round_cylinder(lba)
    return job.geometry.round_block(lba)


def write(job: Job, blocks: int) -> None:
    geometry = job.geometry
    area = bytearray(job.bootcode if job.bootcode is not None else _BOOT_AREA)
    count = max(job.entries + 1, _FEWEST)
    total = geometry.cylinders * geometry.heads * geometry.sectors
    label = bytearray(_TABLE + 16 * count)
    struct.pack_into("<I", label, 0, _MAGIC)
    cylinder = geometry.sectors * geometry.heads
    numbers = (geometry.sector, geometry.sectors, geometry.heads, geometry.cylinders, cylinder, total)
    struct.pack_into("<6I", label, 40, *numbers)
    struct.pack_into("<H", label, 72, 3600)  # revolutions per minute
    struct.pack_into("<I", label, 132, _MAGIC)
    struct.pack_into("<HI", label, 138, count, _BOOT_AREA)
    struct.pack_into("<I", label, _TABLE + 16 * _WHOLE, total)
    for part in job.partitions:
        at = _TABLE + 16 * (part.index + (1 if part.index >= _WHOLE else 0))
        struct.pack_into("<II", label, at, part.size, part.block)
        label[at + 12] = part.type
    checksum = 0
    for (word,) in struct.iter_unpack("<H", label[: _TABLE + 16 * count]):
        checksum ^= word
    struct.pack_into("<H", label, 136, checksum)
    area[geometry.sector : geometry.sector + len(label)] = label
    job.image.write(0, bytes(area))
