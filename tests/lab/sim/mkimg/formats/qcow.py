# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""QEMU copy-on-write, version 1: header, L1, L2 tables, data; clusters of 4 KiB."""

from __future__ import annotations

from ..job import Job
from ..sink import Sink
from . import clusters

NAME = "qcow"
DESCRIPTION = "QEMU Copy-On-Write, version 1"


def resize(job: Job, blocks: int) -> None:
    clusters.resize(job, blocks, clusters.VERSION_1)


def write(job: Job, sink: Sink) -> None:
    clusters.write(job, sink, clusters.VERSION_1)
