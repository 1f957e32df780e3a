# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Fixed VHD: the raw image, grown to whole cylinders and megabytes, and a footer."""

from __future__ import annotations

from ..job import Job
from ..sink import Sink
from . import vhd_common

NAME = "vhdf"
DESCRIPTION = "Fixed Virtual Hard Disk"
_MIB = 1 << 20


def resize(job: Job, blocks: int) -> None:
    size = vhd_common.whole_cylinders(job, blocks * job.geometry.sector)
    size = (size + _MIB - 1) // _MIB * _MIB  # Azure takes whole megabytes only
    job.image.set_size(size // job.geometry.sector)


def write(job: Job, sink: Sink) -> None:
    size = job.image.size * job.geometry.sector
    sink.region(job.image, 0, size)
    sink.put(vhd_common.footer(job, size, vhd_common.FIXED, vhd_common.NOWHERE))
    sink.done()
