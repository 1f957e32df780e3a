# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Simulated commands, found by file name; each has ``PATHS`` and ``main(argv) -> int``."""
