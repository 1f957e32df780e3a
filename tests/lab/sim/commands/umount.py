# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""umount(8)."""

from __future__ import annotations

from .. import state
from ..storage import mountcmd
from ..storage.errors import guarded

PATHS = ("/sbin/umount",)


def body(argv: list[str]) -> int:
    with state.edit() as s:
        return mountcmd.umount_command(s, argv)


def main(argv: list[str]) -> int:
    return guarded(body, argv)
