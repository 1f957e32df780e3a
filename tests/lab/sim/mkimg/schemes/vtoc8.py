# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""SMI VTOC8 disk label (sys/disk/vtoc.h); gone in 14.0."""

from __future__ import annotations

import struct

from ..job import Job
from . import places

NAME = "vtoc8"
DESCRIPTION = "SMI VTOC8 disk labels"
PARTITIONS = 7
LABEL = 0
BOOTCODE = 0
SECTOR = 512
# mkimg gives ZFS the tag of nandfs.
TYPES = {
    "freebsd-nandfs": 0x0905,
    "freebsd-swap": 0x0901,
    "freebsd-ufs": 0x0902,
    "freebsd-vinum": 0x0903,
    "freebsd-zfs": 0x0905,
}
_WHOLE = 2
_TAGS, _MAP = 142, 444  # offsets of the two tables


def place(job: Job, where: int, lba: int) -> int:
    return job.geometry.round_cylinder(lba + (1 if where == places.IMAGE_START else 0))


def write(job: Job, blocks: int) -> None:
    geometry = job.geometry
    cylinder = geometry.sectors * geometry.heads
    total = geometry.cylinders * cylinder
    label = bytearray(512)
    name = f"FreeBSD{total * geometry.sector // 1048576}M"
    struct.pack_into(">128sI8sH", label, 0, name.encode("ascii"), 1, b"", 8)
    struct.pack_into(">I", label, 188, 0x600DDEEE)
    struct.pack_into(">HH", label, 420, 3600, geometry.cylinders & 0xFFFF)
    struct.pack_into(">4H", label, 432, geometry.cylinders & 0xFFFF, 0, geometry.heads, geometry.sectors)
    struct.pack_into(">I", label, _MAP + 8 * _WHOLE + 4, total)
    for part in job.partitions:
        slot = part.index + (1 if part.index >= _WHOLE else 0)
        struct.pack_into(">H", label, _TAGS + 4 * slot, part.type)
        struct.pack_into(">II", label, _MAP + 8 * slot, part.block // cylinder, part.size)
    struct.pack_into(">H", label, 508, 0xDABE)
    checksum = 0
    for (word,) in struct.iter_unpack(">H", label[:510]):
        checksum ^= word
    struct.pack_into(">H", label, 510, checksum)
    job.image.write(0, bytes(label))
