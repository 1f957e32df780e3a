# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What tests must leave on a builder as they found it."""

from __future__ import annotations

from tests.builders import Builder

_STATE = (
    ("mdconfig", "-l"),
    ("zpool", "list", "-H", "-o", "name,guid,altroot"),
    ("zfs", "list", "-H", "-o", "name,mountpoint"),
    ("mount", "-p"),
)


def state_of(builder: Builder) -> list[list[str]]:
    """Memory disks, pools, datasets and mounts, each as the lines that its command prints."""
    return [builder.run(argv).stdout.split("\n") for argv in _STATE]
