# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Disks: what GEOM knows of them, and what their first and last sectors give away."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Dict, FrozenSet, List, Tuple
from xml.etree import ElementTree

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner

MIB = 1 << 20
_LABEL = 256 << 10  # vdev_label_t, which a pool writes twice at each end of a device (OpenZFS vdev_impl.h)
_UBERBLOCK = bytes.fromhex("0cb1ba0000000000")  # UBERBLOCK_MAGIC, little endian, 64 bits

# (offset, bytes, name): where on-disk formats put their magic number; see libfstyp of fstyp(8) and gpart(8).
_MAGIC: Tuple[Tuple[int, bytes, str], ...] = (
    (3, b"NTFS    ", "an NTFS file system"),
    (3, b"EXFAT   ", "an exFAT file system"),
    (54, b"FAT1", "a FAT file system"),
    (82, b"FAT32", "a FAT file system"),
    (512, b"EFI PART", "a GPT"),
    (4096, b"EFI PART", "a GPT"),
    (512, bytes.fromhex("57455682"), "a BSD disk label"),
    (8192 + 1372, bytes.fromhex("54190100"), "a UFS file system"),
    (65536 + 1372, bytes.fromhex("19015419"), "a UFS file system"),
    (262144 + 1372, bytes.fromhex("19015419"), "a UFS file system"),
    (1080, bytes.fromhex("53ef"), "an ext file system"),
    (32769, b"CD001", "an ISO 9660 file system"),
    (0, b"XFSB", "an XFS file system"),
    (65536 + 64, b"_BHRfS_M", "a btrfs file system"),
    (512, b"LABELONE", "an LVM volume"),
    (0, b"LUKS\xba\xbe", "a LUKS volume"),
    (4086, b"SWAPSPACE2", "Linux swap space"),
)
_BOOT_SIGNATURE = (510, b"\x55\xaa")
_GEOM = re.compile(rb"GEOM::([A-Z0-9]+)")


@dataclass(frozen=True)
class Mesh:
    """GEOM of a builder: size in bytes of every provider, those that are open, and disks with a partition table."""

    sizes: Dict[str, int]
    opened: FrozenSet[str]
    tables: Dict[str, Tuple[str, ...]]

    def is_open(self, name: str) -> bool:
        """Whether a disk, or a partition of it, is in use (mounted, swap, part of a pool …)."""
        return name in self.opened or any(part in self.opened for part in self.tables.get(name, ()))


def mesh_argv() -> List[str]:
    return ["sysctl", "-n", "kern.geom.confxml"]


def parse_mesh(xml: str) -> Mesh:
    """``kern.geom.confxml``: classes of geoms of providers; ``mode`` counts the openers (sys/geom/geom_dump.c).

    :raises ToolError: not that.
    """
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as exc:
        raise ToolError(f"disks: kern.geom.confxml cannot be read: {exc}") from exc
    sizes: Dict[str, int] = {}
    opened = set()
    tables: Dict[str, Tuple[str, ...]] = {}
    for kind in root.iterfind("class"):
        for geom in kind.iterfind("geom"):
            names = []
            for provider in geom.iterfind("provider"):
                name, size = provider.findtext("name", ""), provider.findtext("mediasize", "")
                names.append(name)
                sizes[name] = int(size) if size.isdigit() else 0
                if provider.findtext("mode", "r0w0e0") != "r0w0e0":
                    opened.add(name)
            if kind.findtext("name") == "PART":
                tables[geom.findtext("name", "")] = tuple(names)
    return Mesh(sizes, frozenset(opened), tables)


def mesh(runner: Runner) -> Mesh:
    return parse_mesh(runner.run(mesh_argv(), failed="disks: listing failed").stdout)


def contents(head: bytes, tail: bytes) -> List[str]:
    """What the ends of a device say that it carries, in words; empty when both are nothing but zeros.

    :param head: its beginning, from a multiple of 256 KiB on, best a MiB or more.
    :param tail: its end, from a multiple of 256 KiB on to the last byte.
    """
    found = [name for offset, magic, name in _MAGIC if head[offset : offset + len(magic)] == magic]
    if any(_has_uberblock(part) for part in (head, tail)):
        found.append("a ZFS pool")
    geom = _GEOM.search(tail[-4096:])
    if geom:
        found.append(f"metadata of GEOM ({geom.group(1).decode('ascii')})")
    if any(tail[-sector:].startswith(b"EFI PART") for sector in (512, 4096)):
        found.append("a GPT")
    offset, magic = _BOOT_SIGNATURE
    if not found and head[offset : offset + len(magic)] == magic:
        found.append("an MBR or a boot sector")
    if not found and (head.strip(b"\0") or tail.strip(b"\0")):
        found.append("data of an unknown kind")
    return list(dict.fromkeys(found))


def _has_uberblock(part: bytes) -> bool:
    """Uberblocks fill the second half of a label, at multiples of 1 KiB or more."""
    labels = range(0, len(part) - _LABEL + 1, _LABEL)
    return any(
        part.startswith(_UBERBLOCK, label + half) for label in labels for half in range(_LABEL // 2, _LABEL, 1024)
    )


def _ends(size: int) -> Tuple[int, int]:
    """(bytes of the head, offset of the tail): a MiB each, the tail where a pool's labels begin."""
    return min(MIB, size), max(0, size // _LABEL * _LABEL - MIB)


def read_ends(path: str, size: int) -> Tuple[bytes, bytes]:
    """Head and tail of a device or file, as :func:`contents` wants them. A raw device is read by whole sectors."""
    head, tail = _ends(size)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.pread(descriptor, head, 0), os.pread(descriptor, size - tail, tail)
    finally:
        os.close(descriptor)


def clear_ends(path: str, size: int) -> None:
    """Write zeros over what :func:`read_ends` reads."""
    head, tail = _ends(size)
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.pwrite(descriptor, bytes(head), 0)
        os.pwrite(descriptor, bytes(size - tail), tail)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


__all__ = ["MIB", "Mesh", "clear_ends", "contents", "mesh", "mesh_argv", "parse_mesh", "read_ends"]
