# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Where a scheme is asked to make room: at both ends of the image and round a partition."""

from __future__ import annotations

IMAGE_START, IMAGE_END, BEFORE, AFTER, ABSOLUTE = range(5)
