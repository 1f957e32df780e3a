# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""One run of mkimg."""

from __future__ import annotations

import errno
import sys
from typing import List

from .errors import EX_IOERR, EX_USAGE, Exit, UsageError, strerror
from .getopt import BadOption
from .image import Image
from .job import Job
from .layout import lay_out
from .settings import Listing, Settings, read, read_bootcode
from .sink import Sink
from .usage import usage
from .uuids import generator


def _nothing(text: str) -> None:
    del text


def _say(text: str) -> None:
    sys.stderr.write(text)


def _introduce(settings: Settings) -> None:
    geometry = settings.geometry
    _say(f"Logical sector size: {geometry.sector}\n")
    _say(f"Physical block size: {geometry.block}\n")
    _say(f"Sectors per track:   {geometry.sectors}\n")
    _say(f"Number of heads:     {geometry.heads}\n\n")
    if settings.scheme is not None:
        _say(f"Partitioning scheme: {settings.scheme.NAME}\n")
    _say(f"Output file format:  {settings.format.NAME}\n\n")


def _make(settings: Settings) -> None:
    job = Job(
        settings.geometry,
        Image(settings.geometry.sector),
        generator(settings.unit_testing),
        settings.partitions,
        settings.entries,
        settings.active,
        read_bootcode(settings),
        settings.unit_testing,
        _say if settings.verbose else _nothing,
    )
    if settings.verbose:
        _introduce(settings)
    lay_out(job, settings)
    job.verbose(f"\nNumber of cylinders: {job.geometry.cylinders}\n")
    try:
        settings.format.write(job, Sink(settings.output))
    except OSError as exc:
        raise Exit(EX_IOERR, f"mkimg: writing image: {strerror(exc.errno or errno.EIO)}\n") from exc


def run(arguments: List[str]) -> int:
    """Exit status of ``mkimg ARGUMENTS``."""
    try:
        _make(read(arguments))
    except Listing as exc:
        print(exc)
    except UsageError as exc:
        if isinstance(exc, BadOption):
            _say(f"mkimg: {exc.complaint}\n")
        _say(usage(str(exc)))
        return EX_USAGE
    except Exit as exc:
        _say(exc.text)
        return exc.status
    return 0
