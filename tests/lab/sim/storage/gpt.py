# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Partition tables as they lie on a disk: GPT (UEFI specification, chapter 5) and MBR."""

from __future__ import annotations

import os
import struct
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .window import Window

GPT_TYPES = {
    "apple-apfs": "7c3457ef-0000-11aa-aa11-00306543ecac",
    "apple-boot": "426f6f74-0000-11aa-aa11-00306543ecac",
    "apple-hfs": "48465300-0000-11aa-aa11-00306543ecac",
    "bios-boot": "21686148-6449-6e6f-744e-656564454649",
    "efi": "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
    "freebsd": "516e7cb4-6ecf-11d6-8ff8-00022d09712b",
    "freebsd-boot": "83bd6b9d-7f41-11dc-be0b-001560b84f0f",
    "freebsd-nandfs": "74ba7dd9-a689-11e1-bd04-00e081286acf",
    "freebsd-swap": "516e7cb5-6ecf-11d6-8ff8-00022d09712b",
    "freebsd-ufs": "516e7cb6-6ecf-11d6-8ff8-00022d09712b",
    "freebsd-vinum": "516e7cb8-6ecf-11d6-8ff8-00022d09712b",
    "freebsd-zfs": "516e7cba-6ecf-11d6-8ff8-00022d09712b",
    "linux-data": "0fc63daf-8483-4772-8e79-3d69d8477de4",
    "linux-lvm": "e6d6d379-f507-44c2-a23c-238f2a3df928",
    "linux-raid": "a19d880f-05fc-4d3b-a006-743f0f84911e",
    "linux-swap": "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f",
    "mbr": "024dee41-33e7-11d3-9d69-0008c781f39f",
    "ms-basic-data": "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7",
    "ms-reserved": "e3c9e316-0b5c-4db8-817d-f92df00215ae",
    "ntfs": "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7",
    "prep-boot": "9e1a2d38-c612-4316-aa26-8b49521e5a8b",
}
MBR_TYPES = {
    "ebr": 0x05,
    "efi": 0xEF,
    "fat12": 0x01,
    "fat16": 0x06,
    "fat32": 0x0B,
    "fat32lba": 0x0C,
    "freebsd": 0xA5,
    "linux-data": 0x83,
    "linux-swap": 0x82,
    "ntfs": 0x07,
    "prep-boot": 0x41,
}
_GPT_NAMES = {guid: name for name, guid in GPT_TYPES.items() if name != "ntfs"}
_MBR_NAMES = {number: name for name, number in MBR_TYPES.items()}
GPT_ATTRIBUTES = {"bootme": 1 << 59, "bootonce": 1 << 58, "bootfailed": 1 << 57}
_HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")


def pack_guid(text: str) -> bytes:
    """The mixed-endian bytes of a GUID."""
    a, b, c, d, e = text.split("-")
    return struct.pack("<IHH", int(a, 16), int(b, 16), int(c, 16)) + bytes.fromhex(d + e)


def unpack_guid(raw: bytes) -> str:
    """The text of a GUID's mixed-endian bytes."""
    a, b, c = struct.unpack("<IHH", raw[:8])
    return f"{a:08x}-{b:04x}-{c:04x}-{raw[8:10].hex()}-{raw[10:16].hex()}"


def new_guid() -> str:
    """A GUID as FreeBSD's uuidgen(2) makes it: version 1, from the clock."""
    import time

    ticks = time.time_ns() // 100 + 0x01B21DD213814000
    node = 0x1F4444D01667
    clock = int.from_bytes(os.urandom(2), "big") & 0x3FFF | 0x8000
    low, middle, high = ticks & 0xFFFFFFFF, ticks >> 32 & 0xFFFF, ticks >> 48 & 0x0FFF | 0x1000
    return f"{low:08x}-{middle:04x}-{high:04x}-{clock:04x}-{node:012x}"


class Partition:
    """One entry: sectors *first* to *last*, inclusive."""

    __slots__ = ("attributes", "first", "index", "label", "last", "raw_type", "uuid")

    def __init__(
        self, index: int, raw_type: str, first: int, last: int, label: str = "", uuid: str = "", attributes: int = 0
    ) -> None:
        self.index = index
        self.raw_type = raw_type
        self.first = first
        self.last = last
        self.label = label
        self.uuid = uuid
        self.attributes = attributes

    @property
    def sectors(self) -> int:
        return self.last - self.first + 1


class Table:
    """A partition table; ``first`` to ``last`` are the usable sectors."""

    __slots__ = ("code", "corrupt", "entries", "first", "guid", "last", "parts", "pmbr_active", "scheme")

    def __init__(self, scheme: str, first: int, last: int, entries: int, guid: str = "") -> None:
        self.scheme = scheme
        self.first = first
        self.last = last
        self.entries = entries
        self.guid = guid
        self.parts: dict[int, Partition] = {}
        self.corrupt = False
        self.code = bytes(440)
        self.pmbr_active = False

    def type_name(self, part: Partition) -> str:
        """FreeBSD's name of a partition's type, or ``!guid`` / ``!number``."""
        if self.scheme == "GPT":
            return _GPT_NAMES.get(part.raw_type, "!" + part.raw_type)
        return _MBR_NAMES.get(int(part.raw_type), "!" + part.raw_type)

    def raw_type(self, name: str) -> str | None:
        """The on-disk type of *name*, None if this scheme has none."""
        if name.startswith("!"):
            return name[1:].lower()
        if self.scheme == "GPT":
            return GPT_TYPES.get(name)
        number = MBR_TYPES.get(name)
        return None if number is None else str(number)

    def separator(self) -> str:
        """What stands between the disk's name and the index in a provider's name."""
        return "p" if self.scheme == "GPT" else "s"

    def attribute_names(self, part: Partition) -> list[str]:
        """Names of the attributes that are set, in gpart(8)'s order."""
        if self.scheme == "GPT":
            return [name for name, bit in GPT_ATTRIBUTES.items() if part.attributes & bit]
        return ["active"] if part.attributes & 0x80 else []

    def gaps(self) -> list[tuple[int, int]]:
        """Free (first, last) ranges in order."""
        free = []
        at = self.first
        for part in sorted(self.parts.values(), key=lambda p: p.first):
            if part.first > at:
                free.append((at, part.first - 1))
            at = max(at, part.last + 1)
        if at <= self.last:
            free.append((at, self.last))
        return free


def blank_gpt(sectors: int, sector: int, entries: int = 128) -> Table:
    """A new GPT; FreeBSD aligns both ends of the usable space to 4 KiB."""
    first, last = gpt_bounds(sectors, sector, entries)
    return Table("GPT", first, last, entries, new_guid())


def gpt_bounds(sectors: int, sector: int, entries: int) -> tuple[int, int]:
    """First and last usable sector of a GPT that gpart makes or recovers."""
    size = -(-entries * 128 // sector)
    unit = max(1, 4096 // sector)
    first = -(-(2 + size) // unit) * unit
    last = (sectors - 1 - size) // unit * unit - 1
    return first, last


def blank_mbr(sectors: int) -> Table:
    """A new MBR; FreeBSD starts at the second track."""
    return Table("MBR", 63, sectors - 1, 4)


def _parse_header(raw: bytes, lba: int) -> tuple[int, int, int, int, int, str, int, int, int] | None:
    fields = _HEADER.unpack(raw[: _HEADER.size])
    magic, _revision, size, crc, _zero, mine, other, first, last, guid, table, count, width, table_crc = fields
    if magic != b"EFI PART" or not 92 <= size <= len(raw) or mine != lba:
        return None
    if zlib.crc32(raw[:16] + bytes(4) + raw[20:size]) != crc or width < 128:
        return None
    return other, first, last, count, width, unpack_guid(guid), table, table_crc, mine


def _read_entries(
    dev: Window, header: tuple[int, int, int, int, int, str, int, int, int]
) -> dict[int, Partition] | None:
    _other, _first, _last, count, width, _guid, at, crc, _mine = header
    raw = dev.read(at * dev.sector, count * width)
    if zlib.crc32(raw) != crc:
        return None
    parts = {}
    for index in range(count):
        entry = raw[index * width : index * width + 128]
        if entry[:16] == bytes(16):
            continue
        first, last, attributes = struct.unpack("<QQQ", entry[32:56])
        label = entry[56:128].decode("utf-16-le", "replace").split("\0")[0]
        parts[index + 1] = Partition(
            index + 1, unpack_guid(entry[:16]), first, last, label, unpack_guid(entry[16:32]), attributes
        )
    return parts


def read_table(dev: Window) -> Table | None:
    """The table on *dev*, or None. A GPT with one bad copy is read from the other and called corrupt."""
    if dev.size < 3 * dev.sector:
        return None
    boot = dev.read(0, dev.sector)
    if boot[510:512] != b"\x55\xaa":
        return None
    slots = [boot[446 + 16 * n : 462 + 16 * n] for n in range(4)]
    if any(slot[4] == 0xEE for slot in slots):
        table = _read_gpt(dev)
        if table is not None:
            table.code = boot[:440]
            table.pmbr_active = any(slot[0] & 0x80 for slot in slots)
        return table
    if boot[54:59] in (b"FAT12", b"FAT16") or boot[82:87] == b"FAT32":
        return None
    return _read_mbr(dev, boot, slots)


def _read_gpt(dev: Window) -> Table | None:
    last_lba = dev.size // dev.sector - 1
    primary = _parse_header(dev.read(dev.sector, dev.sector), 1)
    backup = _parse_header(dev.read(last_lba * dev.sector, dev.sector), last_lba)
    first_parts = _read_entries(dev, primary) if primary else None
    second_parts = _read_entries(dev, backup) if backup else None
    header = primary if first_parts is not None else backup
    parts = first_parts if first_parts is not None else second_parts
    if header is None or parts is None:
        return None
    table = Table("GPT", header[1], header[2], header[3], header[5])
    table.parts = parts
    table.corrupt = first_parts is None or second_parts is None
    return table


def _read_mbr(dev: Window, boot: bytes, slots: list[bytes]) -> Table | None:
    sectors = dev.size // dev.sector
    table = Table("MBR", 63, sectors - 1, 4)
    table.code = boot[:440]
    for number, slot in enumerate(slots, 1):
        first, count = struct.unpack("<II", slot[8:16])
        if slot[0] not in (0, 0x80):
            return None
        if slot[4] and count:
            if first + count > sectors:
                return None
            table.parts[number] = Partition(number, str(slot[4]), first, first + count - 1, attributes=slot[0])
    if table.parts:
        table.first = min(63, min(part.first for part in table.parts.values()))
    return table


def write_table(dev: Window, table: Table) -> None:
    """Write all copies of *table*."""
    sectors = dev.size // dev.sector
    if table.scheme == "MBR":
        rows = b"".join(_mbr_slot(table.parts.get(index)) for index in range(1, 5))
        dev.write(0, table.code.ljust(446, b"\0") + rows + b"\x55\xaa")
        return
    protective = struct.pack(
        "<B3sB3sII", 0x80 if table.pmbr_active else 0, b"\0\2\0", 0xEE, b"\xff\xff\xff", 1, min(sectors - 1, 0xFFFFFFFF)
    )
    dev.write(0, table.code.ljust(446, b"\0") + protective + bytes(48) + b"\x55\xaa")
    raw = bytearray(table.entries * 128)
    for part in table.parts.values():
        entry = (
            pack_guid(part.raw_type)
            + pack_guid(part.uuid)
            + struct.pack("<QQQ", part.first, part.last, part.attributes)
            + part.label.encode("utf-16-le")[:72].ljust(72, b"\0")
        )
        raw[(part.index - 1) * 128 : part.index * 128] = entry
    size = -(-len(raw) // dev.sector)
    raw = raw.ljust(size * dev.sector, b"\0")
    crc = zlib.crc32(bytes(raw[: table.entries * 128]))
    last_lba = sectors - 1
    for mine, other, at in ((1, last_lba, 2), (last_lba, 1, last_lba - size)):
        fields = (b"EFI PART", 0x10000, 92, 0, 0, mine, other, table.first, table.last, pack_guid(table.guid), at)
        header = bytearray(_HEADER.pack(*fields, table.entries, 128, crc))
        header[16:20] = struct.pack("<I", zlib.crc32(bytes(header)))
        dev.write(at * dev.sector, bytes(raw))
        dev.write(mine * dev.sector, bytes(header).ljust(dev.sector, b"\0"))


def _mbr_slot(part: Partition | None) -> bytes:
    if part is None:
        return bytes(16)
    chs = b"\xff\xff\xff"
    return struct.pack(
        "<B3sB3sII", part.attributes & 0x80, chs, int(part.raw_type) & 0xFF, chs, part.first, part.sectors
    )


def wipe_table(dev: Window) -> None:
    """Remove every trace that tasting would find."""
    dev.write(0, bytes(2 * dev.sector))
    dev.write((dev.size // dev.sector - 1) * dev.sector, bytes(dev.sector))


def geometry(sectors: int) -> tuple[int, int]:
    """(heads, sectors) that geom_part guesses for a disk that reports none (sys/geom/part/g_part.c)."""
    best = (0, 0, 0)
    for track in (1, 9, 17, 33, 63):
        chs, heads = 0, 0
        for candidate in (1, 2, 16, 32, 64, 128, 255):
            cylinders = sectors // candidate // track
            if cylinders < candidate or cylinders < track:
                break
            if cylinders > 1023:
                continue
            size = cylinders * candidate * track
            if size > chs or (size == chs and heads == 1):
                chs, heads = size, candidate
        if chs and (chs > best[0] or (chs == best[0] and heads > 1 and best[2] == 1)):
            best = (chs, heads, track)
    return (best[1], best[2]) if best[0] else (255, 63)


__all__ = [
    "GPT_ATTRIBUTES",
    "Partition",
    "Table",
    "blank_gpt",
    "blank_mbr",
    "geometry",
    "gpt_bounds",
    "new_guid",
    "read_table",
    "wipe_table",
    "write_table",
]
