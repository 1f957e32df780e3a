# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""newfs_msdos(8): a real FAT on an md device or partition, with the lines that FreeBSD prints."""

from __future__ import annotations

import os
import sys
import time

from .. import state
from ..storage import fat, geom, units
from ..storage.errors import Fail, guarded, warn
from ..storage.options import OptionError, getopt
from ..storage.window import Window

PATHS = ("/sbin/newfs_msdos",)
USAGE = """\
usage: newfs_msdos [ -options ] special [disktype]
where the options are:
\t-@ create file system at specified offset
\t-A Attempt to cluster align root directory
\t-B get bootstrap from file
\t-C create image file with specified size
\t-F FAT type (12, 16, or 32)
\t-I volume ID
\t-L volume label
\t-N don't create file system: just print out parameters
\t-O OEM string
\t-S bytes/sector
\t-T timestamp
\t-a sectors/FAT
\t-b block size
\t-c sectors/cluster
\t-e root directory entries
\t-f standard format
\t-h drive heads
\t-i file system info sector
\t-k backup boot sector
\t-m media descriptor
\t-n number of FATs
\t-o hidden sectors
\t-r reserved sectors
\t-s file system size (sectors)
\t-u sectors/track"""
_LEAST = {12: 2, 16: 4085, 32: 65525}
_MOST = {12: 4084, 16: 65524, 32: 0x0FFFFFF4}


def _number(letter: str, text: str, low: int, high: int) -> int:
    try:
        value = int(text, 0)
    except ValueError:
        value = -1
    if not low <= value <= high:
        names = {
            "c": "sectors/cluster",
            "n": "number of FATs",
            "r": "reserved sectors",
            "F": "FAT type",
            "b": "block size",
        }
        raise Fail(f"newfs_msdos: {text}: bad {names.get(letter, 'value')}")
    return value


def _open(name: str, offset: int) -> tuple[str, Window, geom.Provider | None]:
    path = name if "/" in name else f"/dev/{name}"
    with state.read() as s:
        provider = geom.lookup(s, path) if path.startswith("/dev/") else None
        busy = provider is not None and any(geom.strip(user) == geom.strip(path) for user in geom.users(s))
    if provider is not None:
        if busy:
            raise Fail(f"newfs_msdos: {path}: Operation not permitted")
        return path, provider.window, provider
    if path.startswith("/dev/") or not os.path.exists(path):
        raise Fail(f"newfs_msdos: {path}: No such file or directory")
    size = os.stat(path).st_size
    return path, Window(path, offset, size - offset), None


def _geometry(volume: fat.Volume, provider: geom.Provider | None, sectors: int) -> None:
    if provider is not None and provider.part is not None:
        disk = provider.disk
        volume.heads, volume.track = disk.heads, disk.track
        return
    if provider is not None and provider.disk.fixed:
        volume.heads, volume.track = provider.disk.heads, provider.disk.track
        return
    reason = "Operation not supported" if provider is not None else "Inappropriate ioctl for device"
    warn(f"newfs_msdos: cannot get number of sectors per track: {reason}")
    warn(f"newfs_msdos: cannot get number of heads: {reason}")
    volume.track = 63
    volume.heads = 1 if sectors <= 63 * 1024 else 16 if sectors <= 63 * 16 * 1024 else 255


def lay_out(volume: fat.Volume, bits: int, per_cluster: int, fat_sectors: int) -> int:
    """Fill in the sizes and return the number of clusters (sbin/newfs_msdos/mkfs_msdos.c)."""
    if not bits:
        bits = 12 if volume.sectors < 8400 else 16 if volume.sectors < 1048576 else 32
    volume.bits = bits
    if not per_cluster:
        per_cluster = 1
        if bits == 32:
            steps = ((6000, 1), (1 << 17, 8), (1 << 19, 16), (1 << 21, 32))
            per_cluster = next((count for limit, count in steps if volume.sectors <= limit), 64)
        else:
            while volume.sectors // per_cluster > _MOST[bits] and per_cluster < 128:
                per_cluster *= 2
    volume.per_cluster = per_cluster
    if bits != 32:
        volume.root_entries = volume.root_entries or 512
        volume.reserved = volume.reserved or 1
    else:
        volume.reserved = volume.reserved or 32
        volume.root_entries = 0
    first = volume.reserved + volume.root_sectors
    if first + volume.fats > volume.sectors:
        raise Fail("newfs_msdos: meta data exceeds file system size")
    nibbles = bits // 4
    at = first + volume.fats
    room = (volume.sectors - at) * volume.sector * 2 // (per_cluster * volume.sector * 2 + nibbles * volume.fats)
    needed = -(-(2 + min(room, _MOST[bits])) * nibbles // (volume.sector * 2))
    volume.fat_sectors = fat_sectors or needed
    clusters = (volume.sectors - first - volume.fats * volume.fat_sectors) // per_cluster
    clusters = min(clusters, volume.fat_sectors * volume.sector * 2 // nibbles - 2)
    if clusters < _LEAST[bits]:
        raise Fail(f"newfs_msdos: {clusters} clusters too few clusters for FAT{bits}, need {_LEAST[bits]}")
    if clusters > _MOST[bits]:
        clusters = _MOST[bits]
        volume.sectors = first + volume.fats * volume.fat_sectors + (clusters + 1) * per_cluster - 1
        warn(f"newfs_msdos: warning: FAT type limits file system to {volume.sectors} sectors")
    return clusters


def describe(volume: fat.Volume, path: str, clusters: int) -> str:
    """The two lines on stdout."""
    count = clusters * volume.per_cluster
    out = (
        f"{path}: {count} sector{'' if count == 1 else 's'} in {clusters} FAT{volume.bits} "
        f"cluster{'' if clusters == 1 else 's'} ({volume.cluster_size} bytes/cluster)\n"
        f"BytesPerSec={volume.sector} SecPerClust={volume.per_cluster} ResSectors={volume.reserved} FATs={volume.fats}"
    )
    if volume.root_entries:
        out += f" RootDirEnts={volume.root_entries}"
    small = volume.bits != 32 and volume.sectors < 65536
    if small:
        out += f" Sectors={volume.sectors}"
    out += f" Media={volume.media:#x}"
    if volume.bits != 32:
        out += f" FATsecs={volume.fat_sectors}"
    out += f" SecPerTrack={volume.track} Heads={volume.heads} HiddenSecs={volume.hidden}"
    if not small:
        out += f" HugeSectors={volume.sectors}"
    if volume.bits == 32:
        out += f" FATsecs={volume.fat_sectors} RootCluster=2 FSInfo={volume.info} Backup={volume.backup}"
    return out + "\n"


def body(argv: list[str]) -> int:
    try:
        found, operands = getopt(argv[1:], "@:AB:C:F:I:L:NO:S:T:a:b:c:e:f:h:i:k:m:n:o:r:s:u:")
    except OptionError as error:
        kind = "option requires an argument" if error.missing else "illegal option"
        raise Fail(f"newfs_msdos: {kind} -- {error.letter}\n{USAGE}") from None
    flags = dict(found)
    if not operands or len(operands) > 2:
        raise Fail(USAGE)
    bits = _number("F", flags["F"], 12, 32) if "F" in flags else 0
    if bits not in (0, 12, 16, 32):
        raise Fail(f"newfs_msdos: {flags['F']}: bad FAT type")
    if "C" in flags:
        with open(operands[0], "wb") as handle:
            handle.truncate(units.expand(flags["C"]))
    offset = units.expand(flags["@"]) if "@" in flags else 0
    path, window, provider = _open(operands[0], offset)
    volume = fat.Volume()
    volume.sector = _number("S", flags["S"], 512, 32768) if "S" in flags else window.sector
    volume.sectors = _number("s", flags["s"], 1, 1 << 32) if "s" in flags else window.size // volume.sector
    _geometry(volume, provider, volume.sectors)
    volume.reserved = _number("r", flags["r"], 1, 65535) if "r" in flags else 0
    volume.fats = _number("n", flags["n"], 1, 16) if "n" in flags else 2
    volume.root_entries = _number("e", flags["e"], 1, 65535) if "e" in flags else 0
    volume.heads = _number("h", flags["h"], 1, 65535) if "h" in flags else volume.heads
    volume.track = _number("u", flags["u"], 1, 65535) if "u" in flags else volume.track
    volume.hidden = _number("o", flags["o"], 0, 1 << 32) if "o" in flags else 0
    volume.media = _number("m", flags["m"], 0xF0, 0xFF) if "m" in flags else 0xF0 if not volume.hidden else 0xF8
    per_cluster = _number("c", flags["c"], 1, 128) if "c" in flags else 0
    if "b" in flags:
        per_cluster = max(1, _number("b", flags["b"], 1, 1 << 20) // volume.sector)
    if per_cluster & (per_cluster - 1):
        raise Fail(f"newfs_msdos: {flags.get('c', flags.get('b'))}: bad sectors/cluster")
    if "L" in flags:
        label = flags["L"].upper()
        if len(label) > 11:
            raise Fail(f"newfs_msdos: {flags['L']}: bad volume label")
        volume.label = label.ljust(11).encode("latin-1", "replace")
    clusters = lay_out(volume, bits, per_cluster, _number("a", flags["a"], 1, 1 << 32) if "a" in flags else 0)
    volume.serial = _number("I", flags["I"], 0, (1 << 32) - 1) if "I" in flags else int(time.time()) & 0xFFFFFFFF
    sys.stdout.write(describe(volume, path, clusters))
    if "N" in flags:
        return 0
    fat.write_boot(window, volume)
    fat.pack(window, volume, None)
    return 0


def main(argv: list[str]) -> int:
    return guarded(body, argv)
