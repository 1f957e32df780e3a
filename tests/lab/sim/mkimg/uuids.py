# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""GUIDs: random ones, or the counting ones of ``-y``."""

from __future__ import annotations

import os
import time
from typing import Callable

_GREGORIAN = 0x01B21DD213814000  # 100 ns ticks from 1582 to 1970


def encoded(text: str) -> bytes:
    """A GUID in text as GPT and VHDX store it: the first three fields little-endian."""
    first, second, third, fourth, node = (bytes.fromhex(part) for part in text.split("-"))
    return first[::-1] + second[::-1] + third[::-1] + fourth + node


def _timed() -> bytes:
    ticks = _GREGORIAN + time.time_ns() // 100
    fields = ticks.to_bytes(8, "little")[:7] + bytes([(ticks >> 56) & 0x0F | 0x10])
    clock = os.urandom(8)
    return fields + bytes([clock[0] & 0x3F | 0x80]) + clock[1:2] + bytes([clock[2] | 1]) + clock[3:]


def generator(unit_testing: bool) -> Callable[[], bytes]:
    """A function that gives sixteen bytes, already encoded, at each call."""
    count = 0

    def counting() -> bytes:
        nonlocal count
        count += 1
        return bytes([count & 0xFF]) * 16

    return counting if unit_testing else _timed
