# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""VHDX (MS-VHDX): headers, region tables, log, metadata, block table, then every block of 16 MiB."""

from __future__ import annotations

import struct
from typing import List

from ..job import Job
from ..sink import Sink
from ..uuids import encoded
from .rounding import grow

NAME = "vhdx"
DESCRIPTION = "Virtual Hard Disk, version 2"
_BLOCK = 16 << 20
_KIB64 = 64 << 10
_MIB = 1 << 20
_PRESENT = 6
_REQUIRED, _VIRTUAL_DISK = 4, 2
_POLYNOMIAL = 0x82F63B78  # CRC-32C, reflected


def _crc_table() -> List[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return table


def crc32c(data: bytes) -> int:
    table, crc = _crc_table(), 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def _checked(data: bytes) -> bytes:
    """With the checksum, four bytes at offset 4, filled in."""
    return data[:4] + struct.pack("<I", crc32c(data)) + data[8:]


def resize(job: Job, blocks: int) -> None:
    grow(job, blocks, _BLOCK)


def _header(sequence: int) -> bytes:
    fields = struct.pack("<4sIQ48sHHIQ", b"head", 0, sequence, b"", 0, 1, _MIB, _MIB)
    return _checked(fields.ljust(4096, b"\0")).ljust(_KIB64, b"\0")


def _regions() -> bytes:
    table = struct.pack("<4sIII", b"regi", 0, 2, 0)
    for guid, start in (
        ("8b7ca206-4790-4b9a-b8fe-575f050f886e", 2 * _MIB),  # metadata
        ("2dc27766-f623-4200-9d64-115e9bfd4a08", 3 * _MIB),  # block table
    ):
        table += encoded(guid) + struct.pack("<QII", start, _MIB, 0)
    return _checked(table.ljust(_KIB64, b"\0"))


def _metadata(job: Job, size: int) -> bytes:
    disk = _REQUIRED | _VIRTUAL_DISK
    items = (
        ("caa16737-fa36-4d43-b3b6-33f0aa44e76b", _REQUIRED, struct.pack("<II", _BLOCK, 0)),
        ("2fa54224-cd1b-4876-b211-5dbed83bf4b8", disk, struct.pack("<Q", size)),
        ("beca12ab-b2e6-4523-93ef-c309e000c746", disk, job.uuid()),
        ("8141bf1d-a96f-4709-ba47-f233a8faab5f", disk, struct.pack("<I", job.geometry.sector)),
        ("cda348c7-445d-4471-9cc9-e9885251c556", disk, struct.pack("<I", job.geometry.block)),
    )
    table = struct.pack("<8sHH20s", b"metadata", 0, len(items), b"")
    values = b""
    for guid, flags, value in items:
        table += encoded(guid) + struct.pack("<IIII", _KIB64 + len(values), len(value), flags, 0)
        values += value
    return (table.ljust(_KIB64, b"\0") + values).ljust(_MIB, b"\0")


def _block_table(job: Job, size: int) -> bytes:
    ratio = (_MIB * 8 * job.geometry.sector) // _BLOCK  # payload blocks between two bitmap entries
    count = size // _BLOCK
    length = ((count + (count - 1) // ratio) * 8 + _MIB - 1) // _MIB * _MIB
    payload = 3 + length // _MIB
    entries = []
    for index in range(count):
        entries.append(payload << 20 | _PRESENT)
        payload += _BLOCK // _MIB
        if (index + 1) % ratio == 0 and index != count - 1:
            entries.append(0)
    return struct.pack(f"<{len(entries)}Q", *entries).ljust(length, b"\0")


def write(job: Job, sink: Sink) -> None:
    size = job.image.size * job.geometry.sector
    regions = _regions()
    sink.put(b"vhdxfile".ljust(_KIB64, b"\0") + _header(0) + _header(1) + regions + regions)
    sink.skip(_MIB - 5 * _KIB64)
    sink.skip(_MIB)  # the log
    sink.put(_metadata(job, size))
    sink.put(_block_table(job, size))
    sink.region(job.image, 0, size)
    sink.done()
