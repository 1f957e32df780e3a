# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""mkimg(1): what it knows, its argument list, and proofs that an output is what was asked for.

Types per scheme are from usr.bin/mkimg/{gpt,mbr,ebr,bsd,apm,vtoc8}.c of 13.2 and 15.1.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import Any, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._geometry import Placed

# What 13.2 and 15.1 print; a builder's own answer is asked as well.
FORMATS = ("qcow", "qcow2", "raw", "vhd", "vhdf", "vhdx", "vmdk")
SCHEMES = ("apm", "bsd", "ebr", "gpt", "mbr", "vtoc8")

_FREEBSD = ("freebsd-nandfs", "freebsd-swap", "freebsd-ufs", "freebsd-vinum", "freebsd-zfs")
TYPES: Dict[str, FrozenSet[str]] = {
    "gpt": frozenset(("efi", "freebsd", "freebsd-boot", "mbr", "ntfs", "prepboot") + _FREEBSD),
    "mbr": frozenset(("ebr", "efi", "fat16b", "fat32", "fat32lba", "freebsd", "ntfs", "prepboot")),
    "ebr": frozenset(("ebr", "efi", "fat16b", "fat32", "fat32lba", "freebsd", "ntfs")),
    "bsd": frozenset(_FREEBSD),
    "apm": frozenset(("freebsd", "freebsd-boot") + _FREEBSD),
    "vtoc8": frozenset(_FREEBSD),
}
# Bytes of boot code that a scheme takes; the others take none.
BOOTCODE = {"gpt": 512, "mbr": 512, "bsd": 8192}
GPT_LABEL = 36  # UTF-16 units

# 0xEFI PART, UEFI 2.10 section 5.3.2
_GPT_HEADER = struct.Struct("<8s4sII4xQQQQ16sQII")
_GPT_ENTRY = struct.Struct("<16s16sQQQ72s")


def words(text: str) -> List[str]:
    """Names from ``mkimg --formats`` or ``--schemes``: one line, separated by blanks."""
    return sorted(text.split())


@dataclass(frozen=True)
class Request:
    """Everything about an image but its format and path; sizes in bytes."""

    scheme: str
    placed: Tuple[Placed, ...]
    bootcode: Optional[str] = None
    capacity: int = 0
    sector: int = 512
    physical: int = 512
    active: Optional[int] = None
    heads: Optional[int] = None
    tracks: Optional[int] = None


def partition_spec(item: Placed) -> str:
    """The ``-p`` argument: ``<type>[/<label>]:(:<size>|=<file>)[:<offset>]``."""
    part = item.partition
    name = f"{part.type}/{part.label}" if part.label else part.type
    body = f"={part.file}" if part.file is not None else f":{item.size}"
    place = "" if item.start is None else f":{item.start}"
    return f"{name}:{body}{place}"


def image_argv(request: Request, image_format: str, path: str) -> List[str]:
    """The command that writes one image."""
    argv = ["mkimg", "-s", request.scheme, "-f", image_format]
    if request.bootcode is not None:
        argv += ["-b", request.bootcode]
    if request.capacity:
        argv += ["-c", str(request.capacity)]
    if request.sector != 512 or request.physical != 512:
        argv += ["-P", str(request.physical), "-S", str(request.sector)]
    if request.heads is not None:
        argv += ["-H", str(request.heads)]
    if request.tracks is not None:
        argv += ["-T", str(request.tracks)]
    if request.active is not None:
        argv += ["-a", str(request.active)]
    for item in request.placed:
        argv += ["-p", partition_spec(item)]
    return argv + ["-o", path]


def check_partition_words(scheme: str, number: int, data: Mapping[str, Any]) -> None:
    """Refuse what mkimg would misread or silently get wrong in one partition, given as data.

    :raises ToolError: a command partition, a name that splits its argument, a type or label it does not take.
    """
    kind = data.get("type") or ""
    what = f"partition {number} ({kind or 'no type'})"
    if data.get("command") is not None:
        raise ToolError(
            f"{what}: refusing a command, mkimg ignores its exit status and makes a truncated partition; "
            f"write its output to a file and name that"
        )
    if kind not in TYPES[scheme]:
        known = ", ".join(sorted(TYPES[scheme]))
        raise ToolError(f"{what}: scheme {scheme} has no such type; it knows {known}")
    path, size = data.get("file"), data.get("size")
    if (path is None) == (size is None):
        raise ToolError(f"{what}: needs either file or size, and not both")
    if path is not None:
        if ":" in path:
            raise ToolError(f"{what}: refusing file '{path}', mkimg cannot take a ':' in a file name; rename it")
        if not os.path.isabs(path):
            raise ToolError(f"{what}: refusing file '{path}', it must be an absolute path")
    label = data.get("label") or ""
    if len(label.encode("utf-16-le")) // 2 > GPT_LABEL:
        raise ToolError(f"{what}: refusing label '{label}', it is longer than {GPT_LABEL} characters")
    if any(c in label for c in ":/") or not label.isprintable():
        raise ToolError(f"{what}: refusing label '{label}', it must not contain ':', '/' or control characters")


def check_labels(labels: Sequence[str]) -> None:
    """:raises ToolError: two partitions would fight for one name in /dev/gpt."""
    seen = set()
    for label in labels:
        if label and label in seen:
            raise ToolError(f"partition label '{label}': given twice; every label names one device in /dev/gpt")
        seen.add(label)


def check_bootcode(scheme: str, path: str, size: int) -> None:
    """:raises ToolError: the scheme takes none, or less."""
    limit = BOOTCODE.get(scheme)
    if limit is None:
        raise ToolError(f"boot code '{path}': scheme {scheme} takes none; leave bootcode out")
    if not 0 < size <= limit:
        raise ToolError(f"boot code '{path}': is {size} bytes, scheme {scheme} takes 1 to {limit}")


def check_request(request: Request) -> None:
    """Refuse numbers that mkimg takes and gets wrong.

    :raises ToolError: sector sizes, active partition, heads or tracks out of range.
    """
    for name, value in (("sector_size", request.sector), ("physical_size", request.physical)):
        if value < 512 or value & (value - 1):
            raise ToolError(f"{name} {value}: must be a power of two, 512 or more")
    if request.physical < request.sector:
        raise ToolError(f"physical_size {request.physical}: must not be less than sector_size {request.sector}")
    if request.scheme == "gpt" and request.sector > 4096:
        raise ToolError(f"sector_size {request.sector}: a GPT takes 4096 at most")
    if request.active is not None:
        if request.scheme != "mbr":
            raise ToolError(f"active {request.active}: only scheme mbr has an active partition")
        if not 1 <= request.active <= len(request.placed):
            raise ToolError(f"active {request.active}: there are partitions 1 to {len(request.placed)}")
    for name, number, most in (("heads", request.heads, 255), ("tracks", request.tracks, 63)):
        if number is not None and not 1 <= number <= most:
            raise ToolError(f"{name} {number}: must be 1 to {most}")


@dataclass(frozen=True)
class GptEntry:
    """One used entry of a GPT; start and size in bytes."""

    start: int
    size: int
    label: str


def read_gpt(path: str, sector: int = 512) -> List[GptEntry]:
    """The used entries of the primary GPT of an image.

    :raises ToolError: there is no GPT.
    """
    with open(path, "rb") as stream:
        stream.seek(sector)
        head = stream.read(_GPT_HEADER.size)
        if len(head) < _GPT_HEADER.size or not head.startswith(b"EFI PART"):
            raise ToolError(f"image '{path}': has no GPT")
        fields = _GPT_HEADER.unpack(head)
        table, count, length = fields[9], fields[10], fields[11]
        if length < _GPT_ENTRY.size or count > 65536:
            raise ToolError(f"image '{path}': its GPT cannot be read")
        stream.seek(table * sector)
        data = stream.read(count * length)
    entries = []
    for at in range(0, len(data) - _GPT_ENTRY.size + 1, length):
        kind, _unique, first, last, _flags, name = _GPT_ENTRY.unpack_from(data, at)
        if any(kind):
            label = name.decode("utf-16-le", "replace").split("\0", 1)[0]
            entries.append(GptEntry(first * sector, (last - first + 1) * sector, label))
    return entries


def virtual_size(path: str, image_format: str) -> Optional[int]:
    """Size of the disk that an image file describes, in bytes; None when only its signature can be told.

    :raises ToolError: the file is not of that format.
    """
    length = os.path.getsize(path)
    with open(path, "rb") as stream:
        head = stream.read(64)
        if image_format in ("vhd", "vhdf"):
            stream.seek(max(0, length - 512))
            tail = stream.read(64)
            if not tail.startswith(b"conectix"):
                raise _not_of(path, image_format)
            return int(struct.unpack_from(">Q", tail, 48)[0])
    if image_format == "raw":
        return length
    if image_format in ("qcow", "qcow2"):
        magic, version = struct.unpack_from(">4sI", head.ljust(8, b"\0"))
        if magic != b"QFI\xfb" or version != (1 if image_format == "qcow" else 2) or len(head) < 32:
            raise _not_of(path, image_format)
        return int(struct.unpack_from(">Q", head, 24)[0])
    signature = {"vmdk": b"KDMV", "vhdx": b"vhdxfile"}[image_format]
    if not head.startswith(signature):
        raise _not_of(path, image_format)
    # A sparse VMDK counts its capacity in sectors of 512 bytes, at byte 12.
    return int(struct.unpack_from("<Q", head, 12)[0]) * 512 if image_format == "vmdk" else None


def _not_of(path: str, image_format: str) -> ToolError:
    return ToolError(f"image '{path}': mkimg wrote something that is not {image_format}")


def check_output(request: Request, image_format: str, path: str, sizes: Tuple[int, int]) -> int:
    """Prove that a written image is whole.

    :param sizes: least and greatest size of the raw disk, from ``_geometry.raw_sizes``.
    :returns: its length in bytes.
    :raises ToolError: size, signature or partition table are not what was asked for.
    """
    least, most = sizes
    size = virtual_size(path, image_format)
    if image_format == "raw" and size is not None:
        exact = request.scheme != "gpt" or size in (least, most)
        if not (least <= size <= most and exact):
            raise ToolError(f"image '{path}': is {size} bytes, expected {least} or {most}; is the disk full?")
        if request.scheme == "gpt":
            _check_table(path, request)
    elif size is not None and size < least:
        # The other formats round the capacity up to their clusters and cylinders, never down.
        raise ToolError(f"image '{path}': describes a disk of {size} bytes, expected {least} or more")
    return os.path.getsize(path)


def _check_table(path: str, request: Request) -> None:
    found = read_gpt(path, request.sector)
    wanted = [GptEntry(i.start, i.size, i.partition.label) for i in request.placed if i.start is not None]
    if found != wanted:
        for number, (want, have) in enumerate(zip(wanted, found), 1):
            if want != have:
                raise ToolError(
                    f"image '{path}': partition {number} is {have.size} bytes at {have.start} ('{have.label}'), "
                    f"expected {want.size} at {want.start} ('{want.label}')"
                )
        raise ToolError(f"image '{path}': has {len(found)} partitions, expected {len(wanted)}")


__all__ = [
    "FORMATS",
    "SCHEMES",
    "TYPES",
    "GptEntry",
    "Request",
    "check_bootcode",
    "check_labels",
    "check_output",
    "check_partition_words",
    "check_request",
    "image_argv",
    "partition_spec",
    "read_gpt",
    "virtual_size",
    "words",
]
