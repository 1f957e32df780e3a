# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Extended boot record: a chain of records, each in the track before its partition."""

from __future__ import annotations

from ..job import Job
from . import dos, places

NAME = "ebr"
DESCRIPTION = "Extended Boot Record"
PARTITIONS = 4096
LABEL = 0
BOOTCODE = 0
SECTOR = 4096
TYPES = {"fat16b": 0x06, "fat32": 0x0B, "fat32lba": 0x0C, "freebsd": 0xA5}
_EXTENDED = 0x05


def place(job: Job, where: int, lba: int) -> int:
    return job.geometry.round_track(lba + (1 if where == places.BEFORE else 0))


def write(job: Job, blocks: int) -> None:
    geometry, track = job.geometry, job.geometry.sectors
    for part, following in zip(job.partitions, [*job.partitions[1:], None], strict=True):
        sector = bytearray(geometry.sector)
        size = geometry.round_track(part.size)
        entries = dos.entry(geometry, 0, part.type, (track, part.block + size - 1), track, size)
        if following is not None:
            start, size = following.block - track, geometry.round_track(following.size)
            entries += dos.entry(geometry, 0, _EXTENDED, (start, following.block + size - 1), start, size + track)
        sector[dos.TABLE : dos.TABLE + len(entries)] = entries
        sector[dos.MAGIC_AT : dos.MAGIC_AT + 2] = dos.MAGIC
        job.image.write(part.block - track, bytes(sector))
