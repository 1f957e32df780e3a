# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Facts of the recorded host that more than one command tells."""

from __future__ import annotations

import json

RELEASE = "13.2-RELEASE"
OSRELDATE = 1302001
IDENT = "BUILDER"
VERSION = f"FreeBSD {RELEASE}  {IDENT}"
MACHINE = "amd64"


def boot_time() -> int:
    """When this lab was started, seconds since 1970."""
    try:
        with open("/lab/run/boot.json", encoding="utf-8") as file:
            return int(json.load(file)["time"])
    except OSError:
        return 0


__all__ = ["IDENT", "MACHINE", "OSRELDATE", "RELEASE", "VERSION", "boot_time"]
