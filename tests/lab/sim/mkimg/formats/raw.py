# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Raw disk: the image itself, holes kept."""

from __future__ import annotations

from ..job import Job
from ..sink import Sink

NAME = "raw"
DESCRIPTION = "Raw Disk"


def resize(job: Job, blocks: int) -> None:
    job.image.set_size(blocks)


def write(job: Job, sink: Sink) -> None:
    sink.region(job.image, 0, job.image.size * job.geometry.sector)
    sink.done()
