# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""A small ISO 9660 file system with Rock Ridge names: what a seed needs, without a tool that few hosts have.

ECMA-119; names by SUSP and RRIP (IEEE P1281, P1282). A flat directory, whose records fit one sector.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import List, Sequence

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError

SECTOR = 2048  # bytes
_DESCRIPTORS, _PATHS_LITTLE, _PATHS_BIG, _ROOT, _FILES = 16, 18, 19, 20, 21  # sectors
# A fixed date, so that equal content gives equal images: years since 1900, month, day, hour, minute, second, zone.
_DATE = bytes((126, 1, 1, 0, 0, 0, 0))
_LONG_DATE = b"2026010100000000" + b"\0"
_SMALLEST = 64  # sectors; readers such as libarchive do not believe in smaller ones
_DIRECTORY = 0o40000
_REGULAR = 0o100000


@dataclass(frozen=True)
class Entry:
    """A file of the image: name, content, permission bits."""

    name: str
    data: bytes
    mode: int = 0o644


def _both32(value: int) -> bytes:
    """Little and big endian, one after the other (ECMA-119 7.3.3)."""
    return struct.pack("<I", value) + struct.pack(">I", value)


def _both16(value: int) -> bytes:
    return struct.pack("<H", value) + struct.pack(">H", value)


def _posix(mode: int, links: int) -> bytes:
    """RRIP PX: mode, links, owner, group."""
    return b"PX\x24\x01" + _both32(mode) + _both32(links) + _both32(0) + _both32(0)


def _record(identifier: bytes, sector: int, size: int, directory: bool, system_use: bytes) -> bytes:
    """A directory record (ECMA-119 9.1)."""
    body = b"\0" + _both32(sector) + _both32(size) + _DATE + bytes((2 if directory else 0, 0, 0)) + _both16(1)
    body += bytes((len(identifier),)) + identifier
    if len(identifier) % 2 == 0:
        body += b"\0"
    body += system_use
    if len(body) % 2 == 0:
        body += b"\0"
    return bytes((len(body) + 1,)) + body


def _plain_names(entries: Sequence[Entry]) -> List[bytes]:
    """Names for readers without Rock Ridge, unique and in the order that a directory must have."""
    return [
        re.sub(r"[^A-Z0-9_]", "_", entry.name.upper())[:6].encode("ascii") + b"%02d.;1" % number
        for number, entry in enumerate(entries)
    ]


def _root(entries: Sequence[Entry]) -> bytes:
    extension = b"ER" + bytes((18, 1, 10, 0, 0, 1)) + b"RRIP_1991A"
    here = b"SP\x07\x01\xbe\xef\x00" + _posix(_DIRECTORY | 0o755, 2)
    records = [
        _record(b"\0", _ROOT, SECTOR, True, here + extension),
        _record(b"\1", _ROOT, SECTOR, True, _posix(_DIRECTORY | 0o755, 2)),
    ]
    sector = _FILES
    named = []
    for plain, entry in zip(_plain_names(entries), entries):
        name = entry.name.encode("utf-8")
        use = _posix(_REGULAR | entry.mode, 1) + b"NM" + bytes((5 + len(name), 1, 0)) + name
        named.append((plain, _record(plain, sector, len(entry.data), False, use)))
        sector += _sectors(entry.data)
    whole = b"".join(records + [record for _plain, record in sorted(named)])
    if len(whole) > SECTOR:
        raise ToolError("seed: too many files for one directory sector")
    return whole


def _sectors(data: bytes) -> int:
    return max(1, -(-len(data) // SECTOR))


def _pad(data: bytes) -> bytes:
    return data + bytes(-len(data) % SECTOR)


def _primary(label: str, sectors: int) -> bytes:
    """The primary volume descriptor (ECMA-119 8.4)."""
    text = b"\x01CD001\x01\x00" + b" " * 32 + label.encode("ascii").ljust(32) + bytes(8) + _both32(sectors) + bytes(32)
    text += _both16(1) + _both16(1) + _both16(SECTOR) + _both32(10)
    text += struct.pack("<II", _PATHS_LITTLE, 0) + struct.pack(">II", _PATHS_BIG, 0)
    text += _record(b"\0", _ROOT, SECTOR, True, b"")
    text += b" " * (128 * 4 + 37 * 3)
    text += _LONG_DATE * 2 + (b"0" * 16 + b"\0") * 2 + b"\x01"
    return _pad(text)


def image(label: str, entries: Sequence[Entry]) -> bytes:
    """The file system as a whole.

    :param label: volume identifier, at most 32 ASCII characters; kept as written, which readers of seeds rely on.
    """
    path_entry = struct.pack("<BBIH", 1, 0, _ROOT, 1) + b"\0\0"
    path_entry_big = struct.pack(">BBIH", 1, 0, _ROOT, 1) + b"\0\0"
    total = max(_SMALLEST, _FILES + sum(_sectors(entry.data) for entry in entries))
    parts = [
        bytes(SECTOR * _DESCRIPTORS),
        _primary(label, total),
        _pad(b"\xffCD001\x01"),
        _pad(path_entry),
        _pad(path_entry_big),
        _pad(_root(entries)),
    ]
    parts += [_pad(entry.data or b"\0") for entry in entries]
    return b"".join(parts).ljust(total * SECTOR, b"\0")


__all__ = ["SECTOR", "Entry", "image"]
