# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What runs in a lab besides init."""

from __future__ import annotations


def start() -> None:
    """Start sshd and the mirror; return once both listen."""
