# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Apple partition map."""

from __future__ import annotations

import struct

from ..job import Job
from . import places

NAME = "apm"
DESCRIPTION = "Apple Partition Map"
PARTITIONS = 4096
LABEL = 31
BOOTCODE = 0
SECTOR = 4096
TYPES = {
    "freebsd": "FreeBSD",
    "freebsd-boot": "Apple_Bootstrap",
    "freebsd-nandfs": "FreeBSD-nandfs",
    "freebsd-swap": "FreeBSD-swap",
    "freebsd-ufs": "FreeBSD-UFS",
    "freebsd-vinum": "FreeBSD-Vinum",
    "freebsd-zfs": "FreeBSD-ZFS",
}


def place(job: Job, where: int, lba: int) -> int:
    return job.geometry.round_block(lba + (job.entries + 2 if where == places.IMAGE_START else 0))


def write(job: Job, blocks: int) -> None:
    sector, entries = job.geometry.sector, job.entries + 1
    area = bytearray((job.entries + 2) * sector)
    struct.pack_into(">2sHI", area, 0, b"ER", sector & 0xFFFF, blocks & 0xFFFFFFFF)

    def entry(index: int, start: int, size: int, name: str, kind: str) -> None:
        text = (name.encode("utf-8", "surrogateescape"), kind.encode("ascii"))
        struct.pack_into(">2sHIII32s32s", area, index * sector, b"PM", 0, entries, start, size, *text)

    entry(1, 1, entries, "Apple", "Apple_partition_map")
    for part in job.partitions:
        entry(part.index + 2, part.block, part.size, part.label or "", part.type)
    job.image.write(0, bytes(area))
