# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What one recording left behind for the next, so that each can be replayed alone."""

from __future__ import annotations

import os


def setup() -> None:
    # zpool.json imports pools below it; files.json mounts on it.
    os.makedirs("/tank/alt", exist_ok=True)
    # mkimg.json works in it without making it.
    os.makedirs("/tank/lab/mk", exist_ok=True)
