# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Where partitions of a disk image lie: pure arithmetic, so that every mkimg(1) gives the same layout.

13.2's mkimg writes a GPT with as many entries as there are partitions, 14.0 and newer one with 128; left to itself the
first partition starts at sector 3 or 34. Partitions of a GPT are therefore always placed by absolute offsets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError

MIB = 1 << 20  # bytes
GPT_ENTRY = 128  # bytes
GPT_TABLE = 16384  # bytes: 128 entries, the least that UEFI asks for
BSD_BOOT_AREA = 8192  # bytes: BBSIZE of sys/disklabel.h
SLACK = 64 * MIB  # bytes that a scheme other than GPT may add for its tables and tracks


@dataclass(frozen=True)
class Partition:
    """A partition as a caller describes it; sizes and offsets in bytes.

    ``offset`` is absolute, or relative to the end of the partition before when ``relative``.
    """

    type: str
    size: int
    label: str = ""
    file: Optional[str] = None
    align: int = 0
    offset: Optional[int] = None
    relative: bool = False

    @property
    def name(self) -> str:
        """How a message names it."""
        return f"{self.type}/{self.label}" if self.label else self.type


@dataclass(frozen=True)
class Placed:
    """A partition with its place: ``start`` is None where only mkimg knows it."""

    partition: Partition
    start: Optional[int]
    size: int

    @property
    def end(self) -> Optional[int]:
        return None if self.start is None else self.start + self.size


def round_up(value: int, unit: int) -> int:
    """The least multiple of ``unit`` that is not below ``value``."""
    return -(-value // unit) * unit if unit > 1 else value


def gpt_table_sizes(entries: int, sector: int) -> Tuple[int, int]:
    """Bytes of the partition table: as 13.2's mkimg writes it, and as 14.0's and newer do."""
    short = round_up(entries * GPT_ENTRY, sector)
    return short, round_up(max(entries * GPT_ENTRY, GPT_TABLE), sector)


def first_usable(scheme: str, entries: int, sector: int, physical: int) -> int:
    """The least offset at which a partition may start, the same for every release."""
    if scheme == "gpt":
        head = 2 * sector + gpt_table_sizes(entries, sector)[1]
    elif scheme == "apm":
        head = (entries + 2) * sector
    elif scheme == "bsd":
        head = BSD_BOOT_AREA
    else:
        head = sector
    return round_up(head, physical)


def place(scheme: str, partitions: Sequence[Partition], sector: int = 512, physical: int = 512) -> List[Placed]:
    """Give every partition its place.

    :raises ToolError: an offset that overlaps, is not a multiple of the sector, or goes backwards.
    """
    cursor = first_usable(scheme, len(partitions), sector, physical)
    placed: List[Placed] = []
    for number, part in enumerate(partitions, 1):
        what = f"partition {number} ({part.name})"
        _check_numbers(what, part, sector)
        size = round_up(part.size, sector)
        cursor = round_up(cursor, physical)
        if part.offset is None:
            start = round_up(cursor, part.align)
        else:
            start = cursor + part.offset if part.relative else part.offset
            if start < cursor:
                raise ToolError(
                    f"{what}: refusing offset {part.offset}, it overlaps what lies before it; "
                    f"the least possible offset is {cursor}"
                )
            if part.align and start % part.align:
                raise ToolError(f"{what}: refusing offset {start}, it is not a multiple of align {part.align}")
        explicit = scheme == "gpt" or part.offset is not None or part.align > 0
        placed.append(Placed(part, start if explicit else None, size))
        cursor = start + size
    return placed


def _check_numbers(what: str, part: Partition, sector: int) -> None:
    if part.size <= 0:
        raise ToolError(f"{what}: refusing size {part.size}, it must be greater than 0")
    if part.align < 0 or part.align % sector:
        raise ToolError(f"{what}: refusing align {part.align}, it must be a multiple of the sector of {sector} bytes")
    if part.offset is not None and (part.offset < 0 or part.offset % sector):
        raise ToolError(f"{what}: refusing offset {part.offset}, it must be a multiple of the sector of {sector} bytes")


def content_end(scheme: str, placed: Sequence[Placed], sector: int = 512, physical: int = 512) -> int:
    """The end of the last partition; a lower bound where mkimg chooses the places."""
    cursor = first_usable(scheme, len(placed), sector, physical)
    for item in placed:
        start = cursor if item.start is None else item.start
        cursor = start + item.size
    return cursor


def raw_sizes(
    scheme: str, placed: Sequence[Placed], sector: int = 512, physical: int = 512, capacity: int = 0
) -> Tuple[int, int]:
    """The least and the greatest size that a raw image may have, in bytes.

    For a GPT both are exact values (short and full table at the end); they are one when ``capacity`` decides.
    """
    end = content_end(scheme, placed, sector, physical)
    if scheme == "gpt":
        short, full = gpt_table_sizes(len(placed), sector)
        least = round_up(end + sector + short, physical)
        most = round_up(end + sector + full, physical)
    else:
        # The lower bound leaves out the tables: mkimg knows better what a scheme needs there.
        least, most = sum(item.size for item in placed), end + SLACK
    wanted = round_up(capacity, physical)
    return max(least, wanted), max(most, wanted)


def check_capacity(scheme: str, placed: Sequence[Placed], sector: int, physical: int, capacity: int) -> None:
    """:raises ToolError: the content needs more than ``capacity``, which mkimg would quietly exceed."""
    if not capacity:
        return
    needed = raw_sizes(scheme, placed, sector, physical)[1] if scheme == "gpt" else sum(i.size for i in placed)
    if needed > round_up(capacity, physical):
        raise ToolError(
            f"disk image: capacity of {capacity} bytes is too small, the partitions need {needed}; "
            f"make the image larger or the partitions smaller"
        )


def pool_partition_size(disk: int, before: Sequence[int], align: int = MIB) -> int:
    """Bytes left for the last partition of a GPT disk, a multiple of ``align``.

    :param disk: size of the whole disk.
    :param before: sizes of the partitions before it, each aligned.
    """
    cursor = align
    for size in before:
        cursor = round_up(cursor, align) + size
    tail = round_up(512 + GPT_TABLE, align)
    return (disk - round_up(cursor, align) - tail) // align * align


__all__ = [
    "MIB",
    "Partition",
    "Placed",
    "check_capacity",
    "content_end",
    "first_usable",
    "gpt_table_sizes",
    "place",
    "pool_partition_size",
    "raw_sizes",
    "round_up",
]
