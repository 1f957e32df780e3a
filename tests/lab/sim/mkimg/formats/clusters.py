# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The layout that both versions of qcow share (docs/interop/qcow2 of QEMU).

In order: header, L1 table, [reference table], L2 tables, [reference blocks], data. The tables are sized for a
full image; only clusters with data, and the L2 tables that lead to them, are stored.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import List

from ..job import Job
from ..sink import Sink
from .rounding import grow

_MAGIC = 0x514649FB
_COPIED = 1 << 63


@dataclass(frozen=True)
class Version:
    number: int
    cluster_bits: int

    @property
    def cluster(self) -> int:
        return 1 << self.cluster_bits

    def count(self, size: int) -> int:
        """Clusters that ``size`` bytes need."""
        return (size + self.cluster - 1) >> self.cluster_bits


VERSION_1 = Version(1, 12)
VERSION_2 = Version(2, 16)


def resize(job: Job, blocks: int, version: Version) -> None:
    size = grow(job, blocks, version.cluster)
    job.verbose(f"QCOW: image size = {size}, cluster size = {version.cluster}\n")


def _header(version: Version, size: int, l1: int, l1_entries: int, table: int, table_clusters: int) -> bytes:
    if version.number == 1:
        tail = struct.pack(">BBHIQ", version.cluster_bits, version.cluster_bits - 3, 0, 0, l1)
        bits = 0
    else:
        tail = struct.pack(">IIQQIIQ", 0, l1_entries, l1, table, table_clusters, 0, 0)
        bits = version.cluster_bits
    return struct.pack(">IIQIIQ", _MAGIC, version.number, 0, 0, bits, size) + tail


def _reference_sizes(version: Version, clusters: int) -> "tuple[int, int]":
    """Clusters for reference blocks and for their table, when they count themselves too."""
    blocks = table = 0
    while True:
        before = blocks + table
        blocks = version.count((clusters + before) * 2)
        table = version.count(blocks * 8)
        if blocks + table <= before:
            return blocks, table


def write(job: Job, sink: Sink, version: Version) -> None:
    cluster, counted = version.cluster, version.number > 1
    size = job.image.size * job.geometry.sector
    total = size >> version.cluster_bits
    l2_tables = version.count(total * 8)
    l1_clusters = version.count(l2_tables * 8)
    _, table_clusters = _reference_sizes(version, total + l2_tables + l1_clusters + 1)
    l1_at, table_at = cluster, cluster * (1 + l1_clusters)
    flags = _COPIED if counted else 0

    per_table = cluster >> 3
    used = job.image.used(cluster)
    wanted: List[int] = sorted({number // per_table for number in used})
    offset = table_at + (table_clusters * cluster if counted else 0)
    l1 = bytearray(l1_clusters * cluster)
    for index in wanted:
        struct.pack_into(">Q", l1, index * 8, offset + flags)
        offset += cluster

    clusters = 1 + l1_clusters + table_clusters + len(wanted) + len(used)
    blocks = 0
    if counted:
        while version.count((clusters + blocks) * 2) > blocks:
            blocks = version.count((clusters + blocks) * 2)
        clusters += blocks
    table = bytearray(table_clusters * cluster)
    for index in range(blocks):
        struct.pack_into(">Q", table, index * 8, offset)
        offset += cluster

    sink.put(_header(version, size, l1_at, l2_tables, table_at, table_clusters).ljust(cluster, b"\0"))
    sink.put(bytes(l1))
    if counted:
        sink.put(bytes(table))
    tables = {index: bytearray(cluster) for index in wanted}
    for number in used:
        struct.pack_into(">Q", tables[number // per_table], number % per_table * 8, offset + flags)
        offset += cluster
    for index in wanted:
        sink.put(bytes(tables[index]))
    if counted:
        sink.put((b"\0\1" * clusters).ljust(blocks * cluster, b"\0"))
    for number in used:
        sink.region(job.image, number * cluster, (number + 1) * cluster)
    sink.done()
