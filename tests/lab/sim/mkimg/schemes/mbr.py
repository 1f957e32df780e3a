# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Master boot record."""

from __future__ import annotations

from ..job import Job
from . import dos, places

NAME = "mbr"
DESCRIPTION = "Master Boot Record"
PARTITIONS = 4
LABEL = 0
BOOTCODE = 512
SECTOR = 4096
TYPES = {"ebr": 0x05, "efi": 0xEF, "fat32": 0x0B, "freebsd": 0xA5, "ntfs": 0x07, "prepboot": 0x41}
TYPES.update({"fat16b": 0x06, "fat32lba": 0x0C})


def place(job: Job, where: int, lba: int) -> int:
    return job.geometry.round_track(lba + (1 if where == places.IMAGE_START else 0))


def write(job: Job, blocks: int) -> None:
    sector = bytearray(job.geometry.sector)
    if job.bootcode is not None:
        sector[: dos.TABLE] = job.bootcode[: dos.TABLE]
    sector[dos.MAGIC_AT : dos.MAGIC_AT + 2] = dos.MAGIC
    # Without -a, boot code makes the first partition active.
    active = job.active or (1 if job.bootcode is not None else 0)
    for part in job.partitions:
        size = job.geometry.round_track(part.size)
        flag = 0x80 if part.index + 1 == active else 0
        entry = dos.entry(job.geometry, flag, part.type, (part.block, part.block + size - 1), part.block, size)
        at = dos.TABLE + 16 * part.index
        sector[at : at + 16] = entry
    job.image.write(0, bytes(sector))
