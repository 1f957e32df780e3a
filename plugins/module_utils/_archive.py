# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Compressed artifacts and their SHA256SUMS."""

from __future__ import annotations

import os
import re
from typing import Dict, List, Mapping

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError

SUFFIXES = {"zstd": ".zst", "xz": ".xz", "none": ""}
# zstd(1) of 13.2 is 1.4.8: levels above 19 need --ultra.
LEVELS = {"zstd": (1, 22), "xz": (0, 9), "none": (0, 0)}
DEFAULT_LEVELS = {"zstd": 3, "xz": 6, "none": 0}

_SUM = re.compile(r"^([0-9a-f]{64}) [ *](\S.*)$")


def check_level(method: str, level: int) -> None:
    """:raises ToolError: a level that the method does not have."""
    least, most = LEVELS[method]
    if not least <= level <= most:
        raise ToolError(f"compression {method}: has levels {least} to {most}, not {level}")


def compress_argv(method: str, level: int, threads: int) -> List[str]:
    """The command that compresses standard input to standard output; ``threads`` 0 takes every CPU."""
    if method == "zstd":
        ultra = ["--ultra"] if level > 19 else []
        return ["zstd", "-q", "-c", "-f", f"-T{threads}", *ultra, f"-{level}"]
    if method == "xz":
        return ["xz", "-q", "-c", f"-T{threads}", f"-{level}"]
    return ["cat"]


def parse_sums(text: str, path: str = "SHA256SUMS") -> Dict[str, str]:
    """``{file name: digest}`` of a SHA256SUMS file.

    :raises ToolError: a line that is not ``<64 hexadecimal digits>  <name>``.
    """
    sums: Dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        match = _SUM.match(line)
        if match is None:
            raise ToolError(f"'{path}': line {number} is not '<sha256>  <name>'; remove the file to write it again")
        sums[match.group(2)] = match.group(1)
    return sums


def render_sums(sums: Mapping[str, str]) -> str:
    """The form that ``sha256sum -c`` and FreeBSD's ``shasum -c`` read, by name."""
    return "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))


def merge_sums(directory: str, before: Mapping[str, str], new: Mapping[str, str]) -> Dict[str, str]:
    """Digests after an update: the new ones, and the earlier ones whose files are still there."""
    kept = {name: digest for name, digest in before.items() if os.path.isfile(os.path.join(directory, name))}
    kept.update(new)
    return kept


__all__ = [
    "DEFAULT_LEVELS",
    "LEVELS",
    "SUFFIXES",
    "check_level",
    "compress_argv",
    "merge_sums",
    "parse_sums",
    "render_sums",
]
