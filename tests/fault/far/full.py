# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Make the disk of the workspace really full, at once: ``full.py RUN``; or free again: ``full.py RUN free``.

In the lab the pool lives in a tmpfs, which is shrunk to what it holds. On a real builder a dataset beside the workspace
reserves all that is left.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys

MS_REMOUNT = 32
ROOM = 24 << 30  # bytes that the tmpfs of the lab says it has, as the pool that it plays


def resize(place: str, size: int, inodes: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    data = ("size=%d,nr_inodes=%d" % (size, inodes)).encode()
    if libc.mount(b"tmpfs", place.encode(), b"tmpfs", ctypes.c_ulong(MS_REMOUNT), data) != 0:
        raise OSError(ctypes.get_errno(), "remount " + place)


def lab(place: str, free: bool) -> None:
    if free:
        resize(place, ROOM, 1 << 20)
        return
    used = os.statvfs(place)
    blocks = used.f_blocks - used.f_bfree
    resize(place, max(1, blocks) * used.f_frsize, used.f_files - used.f_ffree)


def reserve(filler: str, free: bool) -> None:
    value = "none"
    if not free:
        argv = ["zfs", "get", "-Hp", "-o", "value", "available", filler]
        value = subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout.decode().strip()
    subprocess.run(["zfs", "set", "reservation=" + value, filler], check=True)


def main(run: str, free: bool) -> None:
    with open(os.path.join(os.path.dirname(run), "disk.json"), encoding="utf-8") as stream:
        disk = json.load(stream)
    if disk["kind"] == "lab":
        lab(disk["place"], free)
    else:
        reserve(disk["filler"], free)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:] == ["free"])
