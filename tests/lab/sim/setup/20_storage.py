# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Storage of the recorded host: disks, pools, mounts; and what a start after a stop or a crash finds of it."""

from __future__ import annotations

from .. import state
from ..storage import host


def setup() -> None:
    host.first_start()


def boot() -> None:
    with state.read() as s:
        running = host.still_running(s)
    if not running:
        host.recover()


def shutdown() -> None:
    host.flush_all()
