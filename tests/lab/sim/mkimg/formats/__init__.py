# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Image formats, in the order in which mkimg lists them.

Each module has NAME, DESCRIPTION, ``resize(job, blocks)``, which rounds the image up, and ``write(job, sink)``.
"""

from __future__ import annotations

from typing import Any, Tuple

from . import qcow, qcow2, raw, vhd, vhdf, vhdx, vmdk

ALL: Tuple[Any, ...] = (vmdk, vhdx, vhdf, vhd, raw, qcow2, qcow)


def select(name: str) -> Any:
    """The format of that name, in any case; None when there is none."""
    return next((entry for entry in ALL if name.lower() == entry.NAME), None)
