# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Everything one run of mkimg knows; schemes and formats work on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, List, Optional

from .geometry import Geometry
from .image import Image
from .partitions import Partition


@dataclass
class Job:
    """``entries`` counts the unused partitions too; ``bootcode`` is padded to the scheme's limit."""

    geometry: Geometry
    image: Image
    uuid: Callable[[], bytes]
    partitions: List[Partition] = field(default_factory=list)
    entries: int = 0
    active: int = 0
    bootcode: Optional[bytes] = None
    unit_testing: bool = False
    verbose: Callable[[str], None] = lambda text: None
