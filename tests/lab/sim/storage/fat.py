# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""FAT12, FAT16 and FAT32 as they lie on a device: make, read into a directory, write back from one.

Layout after Microsoft's "FAT: General Overview of On-Disk Format"; sizes as newfs_msdos(8) computes them.
"""

from __future__ import annotations

import os
import stat
import struct
import time

from .errors import Fail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .window import Window

_SHORT = set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'()-@^_`{}~")
_END = {12: 0xFFF, 16: 0xFFFF, 32: 0x0FFFFFFF}


class Volume:
    """The parameters of a FAT file system."""

    def __init__(self) -> None:
        self.sector = 512
        self.per_cluster = 1
        self.reserved = 32
        self.fats = 2
        self.root_entries = 0
        self.sectors = 0
        self.media = 0xF0
        self.fat_sectors = 0
        self.track = 63
        self.heads = 255
        self.hidden = 0
        self.bits = 32
        self.root_cluster = 2
        self.info = 1
        self.backup = 2
        self.serial = 0
        self.label = b"NO NAME    "
        self.oem = b"BSD4.4  "
        self._window: Window | None = None

    @property
    def root_sectors(self) -> int:
        return -(-self.root_entries * 32 // self.sector)

    @property
    def data_start(self) -> int:
        """First sector of cluster 2."""
        return self.reserved + self.fats * self.fat_sectors + self.root_sectors

    @property
    def clusters(self) -> int:
        return (self.sectors - self.data_start) // self.per_cluster

    @property
    def cluster_size(self) -> int:
        return self.sector * self.per_cluster

    def data_bytes(self) -> int:
        """What files and directories can take."""
        return self.clusters * self.cluster_size

    def unpack(self, target: str) -> None:
        """Write the tree into directory *target*."""
        window = self._window
        if window is None:
            return
        table = _entries(self, window.read(self.reserved * self.sector, self.fat_sectors * self.sector))
        if self.bits == 32:
            root = _chain_bytes(self, window, table, self.root_cluster)
        else:
            start = (self.reserved + self.fats * self.fat_sectors) * self.sector
            root = window.read(start, self.root_sectors * self.sector)
        _unpack_directory(self, window, table, root, target)


def read(window: Window) -> Volume | None:
    """The FAT file system on *window*, None if there is none."""
    boot = window.read(0, 512)
    if len(boot) < 512 or boot[510:512] != b"\x55\xaa" or boot[0] not in (0xEB, 0xE9):
        return None
    volume = Volume()
    (
        volume.oem,
        volume.sector,
        volume.per_cluster,
        volume.reserved,
        volume.fats,
        volume.root_entries,
        small,
        volume.media,
        short_fat,
        volume.track,
        volume.heads,
        volume.hidden,
        large,
    ) = struct.unpack("<8sHBHBHHBHHHII", boot[3:36])
    if volume.sector not in (512, 1024, 2048, 4096) or not volume.per_cluster or not volume.fats:
        return None
    volume.sectors = small or large
    volume.fat_sectors = short_fat
    at = 36
    if not short_fat:
        volume.fat_sectors, _flags, _version, volume.root_cluster, volume.info, volume.backup = struct.unpack(
            "<IHHIHH", boot[36:52]
        )
        at = 64
    volume.serial, volume.label = struct.unpack("<I11s", boot[at + 3 : at + 18])
    if not volume.fat_sectors or volume.sectors <= volume.data_start:
        return None
    volume.bits = 32 if not short_fat else 12 if volume.clusters < 4085 else 16
    volume._window = window
    return volume


def _entries(volume: Volume, raw: bytes) -> list[int]:
    if volume.bits == 32:
        return [value & 0x0FFFFFFF for value in struct.unpack(f"<{len(raw) // 4}I", raw[: len(raw) // 4 * 4])]
    if volume.bits == 16:
        return list(struct.unpack(f"<{len(raw) // 2}H", raw[: len(raw) // 2 * 2]))
    found = []
    for index in range(len(raw) * 2 // 3):
        at = index * 3 // 2
        pair = int.from_bytes(raw[at : at + 2].ljust(2, b"\0"), "little")
        found.append(pair >> 4 if index % 2 else pair & 0xFFF)
    return found


def _chain(volume: Volume, table: list[int], first: int) -> list[int]:
    found: list[int] = []
    limit = _END[volume.bits] - 8
    while 2 <= first <= limit and first < len(table) and len(found) <= volume.clusters:
        found.append(first)
        first = table[first]
    return found


def _chain_bytes(volume: Volume, window: Window, table: list[int], first: int) -> bytes:
    size = volume.cluster_size
    out = bytearray()
    run: list[int] = []
    for cluster in [*_chain(volume, table, first), -1]:
        if run and cluster != run[-1] + 1:
            out += window.read(volume.data_start * volume.sector + (run[0] - 2) * size, len(run) * size)
            run = []
        run.append(cluster)
    return bytes(out)


def _unpack_directory(volume: Volume, window: Window, table: list[int], raw: bytes, target: str) -> None:
    long: dict[int, bytes] = {}
    for at in range(0, len(raw), 32):
        entry = raw[at : at + 32]
        if entry[0] == 0:
            break
        if entry[0] == 0xE5:
            long = {}
            continue
        if entry[11] == 0x0F:
            long[entry[0] & 0x3F] = entry[1:11] + entry[14:26] + entry[28:32]
            continue
        name = _name(entry, long)
        long = {}
        if entry[11] & 0x08 or name in (".", ".."):
            continue
        path = f"{target}/{name}"
        first = struct.unpack("<H", entry[20:22])[0] << 16 | struct.unpack("<H", entry[26:28])[0]
        if volume.bits != 32:
            first &= 0xFFFF
        when = _from_dos(*struct.unpack("<HH", entry[22:26]))
        if entry[11] & 0x10:
            os.mkdir(path)
            _unpack_directory(volume, window, table, _chain_bytes(volume, window, table, first), path)
        else:
            size = struct.unpack("<I", entry[28:32])[0]
            with open(path, "wb") as handle:
                handle.write(_chain_bytes(volume, window, table, first)[:size] if size else b"")
        os.chmod(path, 0o755)
        os.utime(path, (when, when))


def _name(entry: bytes, long: dict[int, bytes]) -> str:
    if long:
        raw = b"".join(long[index] for index in sorted(long))
        return raw.decode("utf-16-le", "replace").split("\0")[0].rstrip("\uffff")
    base = entry[:8].rstrip(b" ").replace(b"\x05", b"\xe5", 1).decode("latin-1")
    extension = entry[8:11].rstrip(b" ").decode("latin-1")
    if entry[12] & 0x08:
        base = base.lower()
    if entry[12] & 0x10:
        extension = extension.lower()
    return base + ("." + extension if extension else "")


def _from_dos(clock: int, date: int) -> float:
    parts = (
        1980 + (date >> 9),
        date >> 5 & 15 or 1,
        date & 31 or 1,
        clock >> 11,
        clock >> 5 & 63,
        (clock & 31) * 2,
        0,
        0,
        -1,
    )
    return time.mktime(parts)


def _to_dos(when: float) -> tuple[int, int]:
    now = time.localtime(max(when, 315619200))
    return now.tm_hour << 11 | now.tm_min << 5 | now.tm_sec // 2, (
        now.tm_year - 1980
    ) << 9 | now.tm_mon << 5 | now.tm_mday


# --- writing ---


class _Packer:
    """Lays a directory tree out in clusters."""

    def __init__(self, volume: Volume, window: Window) -> None:
        self.volume = volume
        self.window = window
        self.table = [0] * (volume.clusters + 2)
        end = _END[volume.bits]
        self.table[0] = end & ~0xFF | volume.media
        self.table[1] = end
        self.next = 2

    def allocate(self, size: int) -> int:
        """First cluster of a run that holds *size* bytes, 0 for none."""
        count = -(-size // self.volume.cluster_size)
        if not count:
            return 0
        if self.next + count > len(self.table):
            raise Fail("msdosfs: No space left on device")
        first = self.next
        for cluster in range(first, first + count - 1):
            self.table[cluster] = cluster + 1
        self.table[first + count - 1] = _END[self.volume.bits]
        self.next += count
        return first

    def place(self, cluster: int) -> int:
        """Byte offset of a cluster in the window."""
        return self.volume.data_start * self.volume.sector + (cluster - 2) * self.volume.cluster_size

    def file(self, path: str, size: int) -> int:
        first = self.allocate(size)
        if first:
            with open(path, "rb") as handle:
                at = self.place(first)
                while data := handle.read(1 << 20):
                    self.window.write(at, data)
                    at += len(data)
        return first

    def directory(self, path: str, own: int, parent: int) -> bytes:
        """The entries of a directory, its content laid out already; *own* 0 for the root."""
        out = b""
        if own:
            info = os.stat(path)
            out += _entry(b".          ", 0x10, own, 0, info.st_mtime) + _entry(
                b"..         ", 0x10, parent, 0, info.st_mtime
            )
        used: set[bytes] = set()
        with os.scandir(path) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
        for entry in entries:
            info = entry.stat(follow_symlinks=False)
            short = _short_name(entry.name, used)
            used.add(short)
            if stat.S_ISDIR(info.st_mode):
                first = self.allocate(self._directory_size(entry.path))
                body = self.directory(entry.path, first, own)
                self.window.write(self.place(first), body)
                line = _entry(short, 0x10, first, 0, info.st_mtime)
            elif stat.S_ISREG(info.st_mode):
                first = self.file(entry.path, info.st_size)
                line = _entry(short, 0x20, first, info.st_size, info.st_mtime)
            else:
                continue
            out += _long_entries(entry.name, short) + line
        return out

    def _directory_size(self, path: str) -> int:
        count = 2
        used: set[bytes] = set()
        for name in sorted(os.listdir(path)):
            short = _short_name(name, used)
            used.add(short)
            count += 1 + len(_long_entries(name, short)) // 32
        return count * 32

    def finish(self) -> None:
        """Write the tables."""
        volume = self.volume
        if volume.bits == 32:
            raw = struct.pack(f"<{len(self.table)}I", *self.table)
        elif volume.bits == 16:
            raw = struct.pack(f"<{len(self.table)}H", *(value & 0xFFFF for value in self.table))
        else:
            packed = bytearray()
            for index in range(0, len(self.table), 2):
                one = self.table[index] & 0xFFF
                two = self.table[index + 1] & 0xFFF if index + 1 < len(self.table) else 0
                packed += (one | two << 12).to_bytes(3, "little")
            raw = bytes(packed)
        for number in range(volume.fats):
            start = (volume.reserved + number * volume.fat_sectors) * volume.sector
            self.window.discard(start, volume.fat_sectors * volume.sector)
            self.window.write(start, raw.rstrip(b"\0"))
        if volume.bits == 32:
            info = bytearray(512)
            info[0:4], info[484:488], info[508:512] = b"RRaA", b"rrAa", b"\0\0\x55\xaa"
            info[488:496] = struct.pack("<II", volume.clusters + 2 - self.next, self.next)
            self.window.write(volume.info * volume.sector, bytes(info))


def _entry(name: bytes, attributes: int, first: int, size: int, when: float) -> bytes:
    clock, date = _to_dos(when)
    return struct.pack(
        "<11sBBBHHHHHHHI", name, attributes, 0, 0, clock, date, date, first >> 16, clock, date, first & 0xFFFF, size
    )


def _short_name(name: str, used: set[bytes]) -> bytes:
    base, dot, extension = name.rpartition(".")
    if not dot or not base:
        base, extension = name, ""
    upper, tail = base.upper(), extension.upper()
    if 0 < len(upper) <= 8 and len(tail) <= 3 and set(upper + tail) <= _SHORT:
        exact = upper.ljust(8).encode() + tail.ljust(3).encode()
        if exact not in used:
            return exact
    clean = "".join(char if char in _SHORT else "_" for char in upper.replace(" ", "").replace(".", "")) or "_"
    ending = "".join(char if char in _SHORT else "_" for char in tail)[:3].ljust(3).encode()
    for number in range(1, 1000000):
        suffix = f"~{number}"
        candidate = (clean[: 8 - len(suffix)] + suffix).ljust(8).encode() + ending
        if candidate not in used:
            return candidate
    raise Fail("msdosfs: File exists")


def _long_entries(name: str, short: bytes) -> bytes:
    base, extension = short[:8].rstrip().decode(), short[8:].rstrip().decode()
    if name == base + ("." + extension if extension else ""):
        return b""
    checksum = 0
    for byte in short:
        checksum = ((checksum & 1) << 7 | checksum >> 1) + byte & 0xFF
    raw = name.encode("utf-16-le")
    if len(raw) % 26:
        raw += b"\0\0"
    raw = raw.ljust(-(-len(raw) // 26) * 26, b"\xff")
    count = len(raw) // 26
    out = b""
    for number in range(count, 0, -1):
        piece = raw[(number - 1) * 26 : number * 26]
        order = number | (0x40 if number == count else 0)
        out += bytes([order]) + piece[:10] + b"\x0f\0" + bytes([checksum]) + piece[10:22] + b"\0\0" + piece[22:26]
    return out


def pack(window: Window, volume: Volume, source: str | None) -> None:
    """Make the file system hold what directory *source* holds, nothing if None. Raises Fail when it does not fit."""
    window.discard(volume.data_start * volume.sector, window.size)
    packer = _Packer(volume, window)
    label = b"" if volume.label.strip() in (b"", b"NO NAME") else _entry(volume.label, 0x08, 0, 0, time.time())
    if volume.bits == 32:
        first = packer.allocate(len(label) + (packer._directory_size(source) if source else 0) or 1)
        volume.root_cluster = first
        body = label + (packer.directory(source, 0, 0) if source else b"")
        window.write(packer.place(first), body)
    else:
        body = label + (packer.directory(source, 0, 0) if source else b"")
        if len(body) > volume.root_entries * 32:
            raise Fail("msdosfs: No space left on device")
        start = (volume.reserved + volume.fats * volume.fat_sectors) * volume.sector
        window.write(start, body.ljust(volume.root_entries * 32, b"\0"))
    packer.finish()


def write_boot(window: Window, volume: Volume) -> None:
    """Write boot sector, its backup and reserved sectors."""
    small = volume.bits != 32 and volume.sectors < 65536
    body = struct.pack(
        "<3s8sHBHBHHBHHHII",
        b"\xeb\x58\x90" if volume.bits == 32 else b"\xeb\x3c\x90",
        volume.oem,
        volume.sector,
        volume.per_cluster,
        volume.reserved,
        volume.fats,
        volume.root_entries,
        volume.sectors if small else 0,
        volume.media,
        0 if volume.bits == 32 else volume.fat_sectors,
        volume.track,
        volume.heads,
        volume.hidden,
        0 if small else volume.sectors,
    )
    if volume.bits == 32:
        body += struct.pack("<IHHIHH12x", volume.fat_sectors, 0, 0, volume.root_cluster, volume.info, volume.backup)
    kind = f"FAT{volume.bits}".ljust(8).encode()
    body += struct.pack("<BBBI11s8s", 0x80, 0, 0x29, volume.serial, volume.label, kind)
    sector = body.ljust(510, b"\0") + b"\x55\xaa"
    window.discard(0, volume.reserved * volume.sector)
    window.write(0, sector)
    if volume.bits == 32 and volume.backup:
        window.write(volume.backup * volume.sector, sector)


__all__ = ["Volume", "pack", "read", "write_boot"]
