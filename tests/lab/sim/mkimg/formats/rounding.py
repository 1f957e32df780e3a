# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Formats store whole blocks only: the image grows to the next one."""

from __future__ import annotations

from ..job import Job


def grow(job: Job, blocks: int, unit: int) -> int:
    """Set the image's size to a multiple of ``unit`` bytes and return it in bytes."""
    size = (blocks * job.geometry.sector + unit - 1) // unit * unit
    job.image.set_size(size // job.geometry.sector)
    return size
