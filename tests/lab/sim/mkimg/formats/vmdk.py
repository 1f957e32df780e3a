# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""VMDK, monolithic sparse: header, descriptor, grain directory and tables twice, grains with data."""

from __future__ import annotations

import struct

from ..job import Job
from ..sink import Sink
from .rounding import grow

NAME = "vmdk"
DESCRIPTION = "Virtual Machine Disk"
_ROUND = 1 << 20
_GRAIN = 8192  # smallest
_SECTOR = 512
_ENTRIES = 512  # in a grain table
_DESCRIPTOR = """\
# Disk DescriptorFile
version=1
CID=00000000
parentCID=ffffffff
createType="monolithicSparse"
# Extent description
RW {sectors} SPARSE ""
# The Disk Data Base
#DDB
ddb.adapterType = "ide"
ddb.geometry.cylinders = "{cylinders}"
ddb.geometry.heads = "{heads}"
ddb.geometry.sectors = "{track}"
"""


def _grain(job: Job) -> int:
    return max(job.geometry.block, _GRAIN)


def resize(job: Job, blocks: int) -> None:
    size = grow(job, blocks, _ROUND)
    job.verbose(f"VMDK: image size = {size}, grain size = {_grain(job)}\n")


def _sectors(data: bytes) -> bytes:
    return data.ljust((len(data) + _SECTOR - 1) // _SECTOR * _SECTOR, b"\0")


def write(job: Job, sink: Sink) -> None:
    grain = _grain(job)
    size = job.image.size * job.geometry.sector
    geometry = job.geometry
    text = _DESCRIPTOR.format(
        sectors=size // _SECTOR, cylinders=geometry.cylinders, heads=geometry.heads, track=geometry.sectors
    )
    descriptor = _sectors(text.encode("ascii"))
    grains = size // grain
    tables = (grains + _ENTRIES - 1) // _ENTRIES
    sector = 1 + len(descriptor) // _SECTOR
    places, directories = [], []
    for _ in range(2):
        places.append(sector)
        sector += len(_sectors(bytes(tables * 4))) // _SECTOR
        step = _ENTRIES * 4 // _SECTOR
        directories.append(_sectors(struct.pack(f"<{tables}I", *range(sector, sector + tables * step, step))))
        sector += tables * step
    per_grain = grain // _SECTOR
    overhead = (sector + per_grain - 1) // per_grain * per_grain
    job.verbose(f"VMDK: overhead = {overhead * _SECTOR}\n")
    used = job.image.used(grain)
    table = bytearray(tables * _ENTRIES * 4)
    for order, number in enumerate(used):
        struct.pack_into("<I", table, number * 4, overhead + order * per_grain)
    header = struct.pack("<4sIIQQQQ", b"KDMV", 1, 3, size // _SECTOR, per_grain, 1, len(descriptor) // _SECTOR)
    header += struct.pack("<IQQQB4sH", _ENTRIES, places[1], places[0], overhead, 0, b"\n \r\n", 0)
    sink.put(_sectors(header) + descriptor)
    for directory in directories:
        sink.put(directory + bytes(table))
    sink.skip((overhead - sector) * _SECTOR)
    for number in used:
        sink.region(job.image, number * grain, (number + 1) * grain)
    sink.done()
