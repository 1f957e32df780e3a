# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The command line, in effect as it is read: ``-o`` truncates its file before a later option is found wrong."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from typing import Any, Callable, List, Optional

from . import formats, partitions, schemes
from .errors import EX_CANTCREAT, EX_DATAERR, EX_UNAVAILABLE, Exit, UsageError, err, errx
from .geometry import Geometry
from .getopt import options
from .numbers import INT64_MAX, NumberError, bounded, power_of_two
from .usage import VERSION

_LARGEST_SECTOR = 1 << 31


@dataclass
class Settings:
    """``output`` and ``bootcode`` are descriptors."""

    geometry: Geometry = field(default_factory=Geometry)
    scheme: Any = None
    format: Any = None
    partitions: List[partitions.Partition] = field(default_factory=list)
    entries: int = 0
    output: int = 1
    bootcode: int = -1
    least: int = 0
    most: int = 0
    active: int = 0
    unit_testing: bool = False
    verbose: bool = False


class Listing(Exception):
    """An option that only prints: the text for standard output."""


def _number(parse: Callable[[str, int, int], int], low: int, high: int, value: str, what: str) -> int:
    try:
        return parse(value, low, high)
    except NumberError as exc:
        err(EX_DATAERR, exc.number, what)


def _open(path: str, flags: int, status: int) -> int:
    try:
        return os.open(path, flags, 0o644)
    except OSError as exc:
        err(status, exc.errno or errno.EIO, path)


def _selected(entry: Any, what: str) -> Any:
    if entry is None:
        err(EX_DATAERR, errno.EINVAL, what)
    return entry


def _add_partition(settings: Settings, spec: str) -> None:
    try:
        part = partitions.parse(spec, settings.entries)
    except partitions.SpecError as exc:
        err(EX_DATAERR, exc.number, "partition")
    settings.entries += 1
    if part is not None:
        settings.partitions.append(part)


def _apply(settings: Settings, option: str, value: str) -> None:
    geometry = settings.geometry
    if option == "-a":
        settings.active = _number(bounded, 1, 100, value, "Partition ordinal")
    elif option == "-b":
        if settings.bootcode != -1:
            raise UsageError("multiple bootcode given")
        settings.bootcode = _open(value, os.O_RDONLY, EX_UNAVAILABLE)
    elif option == "-c":
        settings.least = _number(bounded, 1, INT64_MAX, value, "minimum capacity in bytes")
    elif option == "-C":
        settings.most = _number(bounded, 1, INT64_MAX, value, "maximum capacity in bytes")
    elif option == "--capacity":
        settings.least = settings.most = _number(bounded, 1, INT64_MAX, value, "capacity in bytes")
    elif option == "-f":
        if settings.format is not None:
            raise UsageError("multiple formats given")
        settings.format = _selected(formats.select(value), "format")
    elif option == "-o":
        if settings.output != 1:
            raise UsageError("multiple output files given")
        settings.output = _open(value, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, EX_CANTCREAT)
    elif option == "-p":
        _add_partition(settings, value)
    elif option == "-s":
        if settings.scheme is not None:
            raise UsageError("multiple schemes given")
        settings.scheme = _selected(schemes.select(value), "scheme")
    elif option == "-y":
        settings.unit_testing = True
    elif option == "-v":
        settings.verbose = True
    elif option == "-H":
        geometry.heads = _number(bounded, 1, 255, value, "number of heads")
    elif option == "-T":
        geometry.sectors = _number(bounded, 1, 63, value, "track size")
    elif option == "-P":
        geometry.block = _number(power_of_two, 512, _LARGEST_SECTOR, value, "physical sector size")
    elif option == "-S":
        geometry.sector = _number(power_of_two, 512, _LARGEST_SECTOR, value, "logical sector size")
    elif option == "--formats":
        raise Listing(" ".join(entry.NAME for entry in formats.ALL))
    elif option == "--schemes":
        raise Listing(" ".join(entry.NAME for entry in schemes.ALL))
    elif option == "--version":
        raise Listing(VERSION)


def read(arguments: List[str]) -> Settings:
    """:raises UsageError, Exit, Listing: as mkimg ends there."""
    settings = Settings()
    left: List[str] = []
    for option, value in options(arguments, left):
        _apply(settings, option, value)
    if left:
        raise UsageError("trailing arguments")
    if settings.scheme is None and settings.entries > 0:
        raise UsageError("no scheme")
    if settings.entries == 0 and settings.least == 0:
        raise UsageError("no partitions")
    if settings.most and settings.least > settings.most:
        raise UsageError("minimum capacity cannot be larger than the maximum one")
    _check_limits(settings)
    if settings.format is None:
        settings.format = formats.select("raw")
    return settings


def _check_limits(settings: Settings) -> None:
    geometry, scheme = settings.geometry, settings.scheme
    if geometry.sector > geometry.block:
        if geometry.block:
            errx(EX_DATAERR, "the physical block size cannot be smaller than the sector size")
        geometry.block = geometry.sector
    largest = scheme.SECTOR if scheme is not None else _LARGEST_SECTOR
    if geometry.sector > largest:
        errx(EX_DATAERR, f"maximum sector size supported is {largest}; size specified is {geometry.sector}")
    most = scheme.PARTITIONS if scheme is not None else 0
    if settings.entries > most:
        errx(EX_DATAERR, f"{most} partitions supported; {settings.entries} given")


def read_bootcode(settings: Settings) -> Optional[bytes]:
    """The boot code, padded to the scheme's limit."""
    if settings.bootcode == -1:
        return None
    limit = settings.scheme.BOOTCODE if settings.scheme is not None else 0
    if not limit:
        err(EX_DATAERR, errno.ENXIO, "boot code")
    size = os.fstat(settings.bootcode).st_size
    if size > limit:
        err(EX_DATAERR, errno.EFBIG, "boot code")
    return os.pread(settings.bootcode, size, 0).ljust(limit, b"\0")


__all__ = ["Exit", "Listing", "Settings", "read", "read_bootcode"]
