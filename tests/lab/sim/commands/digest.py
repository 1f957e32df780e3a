# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""md5(1) and its family."""

from __future__ import annotations

import hashlib
import os
import sys

from ..base.options import Usage, complain, getopt

PATHS = (
    "/sbin/md5",
    "/sbin/rmd160",
    "/sbin/sha1",
    "/sbin/sha224",
    "/sbin/sha256",
    "/sbin/sha384",
    "/sbin/sha512",
    "/sbin/sha512t256",
)
_NAMES = {"rmd160": ("RMD160", "ripemd160"), "sha512t256": ("SHA512t256", "sha512_256")}


def main(argv: list[str]) -> int:
    name = argv[0]
    label, algorithm = _NAMES.get(name, (name.upper(), name))
    try:
        options, paths = getopt(argv, "bc:pqrs:tx")
    except Usage as error:
        return complain(error, f"usage: {name} [-pqrtx] [-c string] [-s string] [files ...]\n", 1)
    letters = dict(options)
    quiet, reverse, expected = "q" in letters, "r" in letters, letters.get("c")
    code = 0
    if "s" in letters:
        text = letters["s"]
        _say(
            hashlib.new(algorithm, text.encode(errors="surrogateescape")).hexdigest(),
            label,
            f'"{text}"',
            quiet,
            reverse,
        )
        if not paths:
            return 0
    if not paths:
        digest = hashlib.new(algorithm, sys.stdin.buffer.read()).hexdigest()
        print(digest)
        return 0 if expected in (None, digest) else 2
    for path in paths:
        try:
            digest = _of_file(path, algorithm)
        except OSError as error:
            sys.stdout.flush()
            sys.stderr.write(f"{name}: {path}: {os.strerror(error.errno or 0)}\n")
            code = 1
            continue
        failed = expected is not None and digest != expected.lower()
        _say(digest, label, path, quiet, reverse, " [ Failed ]" if failed else "")
        code = 2 if failed else code
    return code


def _of_file(path: str, algorithm: str) -> str:
    digest = hashlib.new(algorithm)
    with open(path, "rb", buffering=0) as file:
        while data := file.read(1 << 20):
            digest.update(data)
    return digest.hexdigest()


def _say(digest: str, label: str, name: str, quiet: bool, reverse: bool, tail: str = "") -> None:
    if quiet:
        print(digest + tail)
    elif reverse:
        print(f"{digest} {name}{tail}")
    else:
        print(f"{label} ({name}) = {digest}{tail}")
