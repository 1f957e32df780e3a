# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Dynamic VHD: footer, header, block table, blocks of 2 MiB with data, footer."""

from __future__ import annotations

import struct

from ..job import Job
from ..sink import Sink
from . import vhd_common

NAME = "vhd"
DESCRIPTION = "Virtual Hard Disk"


def resize(job: Job, blocks: int) -> None:
    size = vhd_common.whole_cylinders(job, blocks * job.geometry.sector)
    job.image.set_size(size // job.geometry.sector)


def _header(entries: int) -> bytes:
    first = struct.pack(">8sQQIII", b"cxsparse", vhd_common.NOWHERE, 1536, 0x10000, entries, vhd_common.BLOCK)
    return (first + struct.pack(">I", vhd_common.checksum(first))).ljust(1024, b"\0")


def write(job: Job, sink: Sink) -> None:
    size = job.image.size * job.geometry.sector
    footer = vhd_common.footer(job, size, vhd_common.DYNAMIC, len(_header(0)) // 2)
    entries = (size + vhd_common.BLOCK - 1) // vhd_common.BLOCK
    used = job.image.used(vhd_common.BLOCK)
    table = bytearray(b"\xff" * ((entries * 4 + 511) // 512 * 512))
    sector = (len(footer) + 1024 + len(table)) // vhd_common.SECTOR
    for number in used:
        struct.pack_into(">I", table, number * 4, sector)
        sector += vhd_common.BLOCK // vhd_common.SECTOR + 1
    sink.put(footer + _header(entries) + bytes(table))
    for number in used:
        sink.write(b"\xff" * vhd_common.SECTOR)
        sink.region(job.image, number * vhd_common.BLOCK, min((number + 1) * vhd_common.BLOCK, size))
    sink.skip(entries * vhd_common.BLOCK - size)
    sink.put(footer)
    sink.done()
