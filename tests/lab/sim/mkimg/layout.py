# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Placing the partitions, then the metadata: the middle of a run."""

from __future__ import annotations

import errno
import os
from typing import Tuple

from .errors import EX_DATAERR, EX_IOERR, err, errx
from .image import ImageError
from .job import Job
from .numbers import NumberError, expand_number
from .partitions import ALIASES, FILE, PIPE, SIZE, Partition
from .schemes import places
from .settings import Settings


def _check(job: Job, settings: Settings) -> None:
    for part in job.partitions:
        alias = part.alias.lower()
        kind = settings.scheme.TYPES.get(alias) if alias in ALIASES else None
        if kind is None or len((part.label or "").encode("utf-8", "surrogateescape")) > settings.scheme.LABEL:
            err(EX_DATAERR, errno.EINVAL, f"partition {part.index + 1}")
        part.type = kind


def _spec(part: Partition) -> Tuple[str, int, bool, int]:
    """File name or size, offset in bytes, whether that is absolute, and an errno that may be overwritten later."""
    if part.kind == PIPE:
        return part.contents, 0, False, 0
    contents, colon, text = part.contents.partition(":")
    offset, absolute, failure = 0, False, 0
    if colon:
        absolute = not text.startswith("+")
        try:
            offset = expand_number(text if absolute else text[1:])
        except NumberError as exc:
            failure = exc.number
    return contents, offset, absolute, failure


def _content(job: Job, part: Partition, contents: str) -> int:
    """Take the content in; returns its size in bytes."""
    if part.kind == SIZE:
        return expand_number(contents)
    if part.kind == FILE:
        fd = os.open(contents, os.O_RDONLY)
        try:
            return job.image.copy_in(part.block, fd)
        finally:
            os.close(fd)
    import subprocess  # costs more than the rest of a short run

    process = subprocess.Popen(["/bin/sh", "-c", contents], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process, process.stdout:
        return job.image.copy_in(part.block, process.stdout.fileno())  # its exit status is nobody's business


def _place(job: Job, settings: Settings, part: Partition, block: int) -> int:
    sector = job.geometry.sector
    contents, offset, absolute, failure = _spec(part)
    blocks = (offset + sector - 1) // sector
    where = places.ABSOLUTE if absolute else places.BEFORE
    part.block = settings.scheme.place(job, where, blocks if absolute else block + blocks)
    job.verbose(f"partition {part.index + 1}: starting block {part.block} ... ")
    size = 0
    try:
        size = _content(job, part, contents)
        if part.kind != SIZE:
            failure = 0  # a bad offset is forgotten once the content is in
    except (NumberError, ImageError) as exc:
        failure = failure or exc.number
    except OSError as exc:
        failure = exc.errno or errno.EIO
    if failure:
        err(EX_IOERR, failure, f"partition {part.index + 1}")
    part.size = (size + sector - 1) // sector
    job.verbose(f"size {part.size * sector} bytes ({part.size} blocks)\n")
    if absolute:
        job.verbose(f"    location {offset} bytes ({blocks} blocks)\n")
    elif blocks:
        job.verbose(f"    offset {offset} bytes ({blocks} blocks)\n")
    return int(settings.scheme.place(job, places.AFTER, part.block + part.size))


def _refuse_overlaps(job: Job) -> None:
    for index, part in enumerate(job.partitions):
        start, end = part.block, part.block + part.size
        for other, second in enumerate(job.partitions[index + 1 :], index + 1):
            low, high = second.block, second.block + second.size
            if low <= start < high or low < end <= high:
                errx(1, f"partition {index} overlaps partition {other}")


def _size(job: Job, settings: Settings, block: int) -> None:
    sector = job.geometry.sector
    job.image.set_size(block)
    least, most = ((value + sector - 1) // sector for value in (settings.least, settings.most))
    if most and block > most:
        raise ImageError(errno.ENOSPC)
    if block < least:
        job.image.set_size(least)
    settings.format.resize(job, job.image.size)


def lay_out(job: Job, settings: Settings) -> None:
    """Fill the image."""
    scheme, block = settings.scheme, 0
    if scheme is not None:
        _check(job, settings)
        block = scheme.place(job, places.IMAGE_START, 0)
        for part in job.partitions:
            block = _place(job, settings, part, block)
        _refuse_overlaps(job)
        block = scheme.place(job, places.IMAGE_END, block)
    try:
        _size(job, settings, block)
    except ImageError as exc:
        err(EX_IOERR, exc.number, "image sizing")
    geometry = job.geometry
    geometry.cylinders = job.image.size // (geometry.sectors * geometry.heads)
    if scheme is not None:
        try:
            scheme.write(job, job.image.size)
        except ImageError as exc:
            err(EX_IOERR, exc.number, "writing metadata")
