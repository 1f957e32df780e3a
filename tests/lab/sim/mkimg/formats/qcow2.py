# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""QEMU copy-on-write, version 2: as version 1, with reference counts; clusters of 64 KiB."""

from __future__ import annotations

from ..job import Job
from ..sink import Sink
from . import clusters

NAME = "qcow2"
DESCRIPTION = "QEMU Copy-On-Write, version 2"


def resize(job: Job, blocks: int) -> None:
    clusters.resize(job, blocks, clusters.VERSION_2)


def write(job: Job, sink: Sink) -> None:
    clusters.write(job, sink, clusters.VERSION_2)
