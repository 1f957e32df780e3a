# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""SHA256SUMS, in the form of sha256sum(1) or of FreeBSD's sha256(1)."""

from __future__ import annotations

import posixpath
import re

from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_errors import FetchError

_GNU = re.compile(r"([0-9a-fA-F]{64}) [ *](.+)")
_BSD = re.compile(r"SHA256 \((.+)\) = ([0-9a-fA-F]{64})")


def parse_sums(text: str, path: str) -> dict[str, str]:
    """Digest by path; names in the list are relative to the directory of the list.

    :raises FetchError: a line is neither.
    """
    found: dict[str, str] = {}
    directory = posixpath.dirname(path)
    for number, row in enumerate(text.splitlines(), 1):
        if not row.strip() or row.startswith("#"):
            continue
        gnu, bsd = _GNU.fullmatch(row), _BSD.fullmatch(row)
        if gnu is None and bsd is None:
            raise FetchError(f"sums '{path}': line {number} is no checksum; make the list again")
        name, digest = (gnu[2], gnu[1]) if gnu else (bsd[1], bsd[2]) if bsd else ("", "")
        found[posixpath.normpath(posixpath.join(directory, name))] = digest.lower()
    return found
