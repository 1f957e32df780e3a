# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Versions of FreeBSD: what a jail's own files say, and what follows from a release's name."""

from __future__ import annotations

import os
import re

#: Where the plain rule (major and minor, then zeros) is not what the release said.
KNOWN = {"13.2": 1302001, "14.3": 1403000, "15.1": 1501000}


def osversion_of(mount: str) -> str:
    """Return __FreeBSD_version of a populated jail, nothing when its headers are not there."""
    try:
        with open(os.path.join(mount, "usr/include/sys/param.h"), encoding="utf-8", errors="replace") as stream:
            match = re.search(r"^#define\s+__FreeBSD_version\s+(\d+)", stream.read(), re.MULTILINE)
    except OSError:
        return ""
    return match.group(1) if match else ""


def osversion(release: str, mount: str) -> int:
    """Return __FreeBSD_version of a jail, guessed from its release when it does not say."""
    found = osversion_of(mount)
    if found:
        return int(found)
    number = release.partition("-")[0]
    if number in KNOWN:
        return KNOWN[number]
    major, _dot, minor = number.partition(".")
    return int(major or 0) * 100000 + int(minor or 0) * 1000 if major.isdigit() else 0


def abi(release: str, arch: str) -> str:
    """Return the ABI of packages built in a jail, such as ``FreeBSD:13:amd64``."""
    return f"FreeBSD:{release.partition('.')[0]}:{arch.rpartition('.')[2]}"
