# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""A partition: as given by ``-p`` and as placed in the image."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import Any, Optional

SIZE, FILE, PIPE = ":", "=", "-"

# Type names that no scheme need know; the comparison ignores case (strcasecmp(3)).
ALIASES = (
    *("ebr", "efi", "fat16b", "fat32", "fat32lba", "mbr", "ntfs", "prepboot", "freebsd", "freebsd-boot"),
    *("freebsd-nandfs", "freebsd-swap", "freebsd-ufs", "freebsd-vinum", "freebsd-zfs"),
)


class SpecError(Exception):
    """A bad specification; ``number`` is the errno."""

    def __init__(self, number: int = errno.EINVAL) -> None:
        super().__init__(number)
        self.number = number


@dataclass
class Partition:
    """``index`` counts unused entries too; ``block`` and ``size`` are in sectors."""

    index: int
    alias: str
    label: Optional[str]
    kind: str
    contents: str
    type: Any = None
    block: int = 0
    size: int = 0


def parse(spec: str, index: int) -> Optional[Partition]:
    """``<type>[/<label>]:<kind><contents>``; None is an unused entry.

    :raises SpecError: not of that form.
    """
    if spec == "-":
        return None
    alias, colon, rest = spec.partition(":")
    if not colon or not alias or rest[:1] not in (SIZE, FILE, PIPE) or not rest:
        raise SpecError
    name, slash, label = alias.partition("/")
    if slash and not (name and label):
        raise SpecError
    return Partition(index, name, label if slash else None, rest[0], rest[1:])
