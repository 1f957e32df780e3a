# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""lockf(1)."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time

from ..base.options import Usage, complain, getopt

PATHS = ("/usr/bin/lockf",)
USAGE = "usage: lockf [-knsw] [-t seconds] file command [arguments]\n"


def main(argv: list[str]) -> int:
    try:
        options, words = getopt(argv, "knst:w")
        letters = dict(options)
        if len(words) < 2 or not letters.get("t", "0").isdigit():
            raise Usage
    except Usage as error:
        return complain(error, USAGE, 64)
    path, command = words[0], words[1:]
    end = time.monotonic() + float(letters["t"]) if "t" in letters else float("inf")
    descriptor = _acquire(path, end, "n" not in letters)
    if descriptor < 0:
        if "s" not in letters:
            why = "No such file or directory" if descriptor == -2 else "already locked"
            sys.stderr.write(f"lockf: {path}: {why}\n")
        return 69 if descriptor == -2 else 75
    try:
        code = subprocess.run(command, check=False).returncode
    except OSError as error:
        sys.stderr.write(f"lockf: {command[0]}: {os.strerror(error.errno or 0)}\n")
        code = 71
    if "k" not in letters:
        os.unlink(path)
    return code if code >= 0 else 70


def _acquire(path: str, end: float, create: bool) -> int:
    """Descriptor of the locked file, -1 when the time is over, -2 when there is no such file."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDONLY | (os.O_CREAT if create else 0), 0o666)
        except FileNotFoundError:
            return -2
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            if time.monotonic() >= end:
                return -1
            time.sleep(0.05)
            continue
        try:
            if os.stat(path).st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)
