# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""pkg(7): the base system's pkg, which fetches pkg(8) and from then on only calls it."""

from __future__ import annotations

import os

from ..pkg import bootstrap
from ..pkg.cli import main as pkg

PATHS = ("/usr/sbin/pkg",)


def main(argv: list[str]) -> int:
    if os.access(bootstrap.PKG, os.X_OK) and argv[1:2] != ["bootstrap"]:
        return pkg(argv)
    return bootstrap.main(argv)
