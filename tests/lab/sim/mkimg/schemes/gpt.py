# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""GUID partition table. The table of 13.2 is only as long as the partitions need (fixed in 14.0)."""

from __future__ import annotations

import struct
import zlib

from ..job import Job
from ..uuids import encoded
from . import dos, places

NAME = "gpt"
DESCRIPTION = "GUID Partition Table"
PARTITIONS = 4096
LABEL = 36
BOOTCODE = 512
SECTOR = 4096
TYPES = {
    "efi": "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
    "freebsd": "516e7cb4-6ecf-11d6-8ff8-00022d09712b",
    "freebsd-boot": "83bd6b9d-7f41-11dc-be0b-001560b84f0f",
    "freebsd-nandfs": "74ba7dd9-a689-11e1-bd04-00e081286acf",
    "freebsd-swap": "516e7cb5-6ecf-11d6-8ff8-00022d09712b",
    "freebsd-ufs": "516e7cb6-6ecf-11d6-8ff8-00022d09712b",
    "freebsd-vinum": "516e7cb8-6ecf-11d6-8ff8-00022d09712b",
    "freebsd-zfs": "516e7cba-6ecf-11d6-8ff8-00022d09712b",
    "mbr": "024dee41-33e7-11d3-9d69-0008c781f39f",
    "ntfs": "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7",
    "prepboot": "9e1a2d38-c612-4316-aa26-8b49521e5a8b",
}
_ENTRY = 128
_HEADER = 92


def _table_sectors(job: Job) -> int:
    per_sector = job.geometry.sector // _ENTRY
    return (job.entries + per_sector - 1) // per_sector


def place(job: Job, where: int, lba: int) -> int:
    if where == places.IMAGE_START:
        lba += _table_sectors(job) + 2
    elif where == places.IMAGE_END:
        lba += _table_sectors(job) + 1
    return job.geometry.round_block(lba)


def _protective(job: Job, blocks: int) -> bytes:
    sector = bytearray(job.geometry.sector)
    if job.bootcode is not None:
        sector[: dos.TABLE] = job.bootcode[: dos.TABLE]
    size = 0xFFFFFFFF if blocks > 0xFFFFFFFF else blocks - 1
    sector[dos.TABLE : dos.TABLE + 16] = struct.pack("<8sII", b"\0\0\2\0\xee\xff\xff\xff", 1, size)
    sector[dos.MAGIC_AT : dos.MAGIC_AT + 2] = dos.MAGIC
    return bytes(sector)


def _table(job: Job, sectors: int) -> bytes:
    table = bytearray(sectors * job.geometry.sector)
    for part in job.partitions:
        name = (part.label or "").encode("utf-8", "surrogateescape").decode("latin-1").encode("utf-16-le")
        table[part.index * _ENTRY : (part.index + 1) * _ENTRY] = struct.pack(
            "<16s16sQQQ72s", encoded(part.type), job.uuid(), part.block, part.block + part.size - 1, 0, name
        )
    return bytes(table)


def write(job: Job, blocks: int) -> None:
    job.image.write(0, _protective(job, blocks))
    sectors = _table_sectors(job)
    table = _table(job, sectors)
    job.image.write(2, table)
    job.image.write(blocks - sectors - 1, table)
    disk = job.uuid()
    crc = zlib.crc32(table)

    def header(self: int, other: int, at: int) -> bytes:
        fields = [self, other, 2 + sectors, blocks - sectors - 2, disk, at, len(table) // _ENTRY, _ENTRY, crc]
        text = struct.pack("<8sIIII4Q16sQIII", b"EFI PART", 0x10000, _HEADER, 0, 0, *fields)
        return (text[:16] + struct.pack("<I", zlib.crc32(text)) + text[20:]).ljust(job.geometry.sector, b"\0")

    job.image.write(1, header(1, blocks - 1, 2))
    job.image.write(blocks - 1, header(blocks - 1, 1, blocks - sectors - 1))
