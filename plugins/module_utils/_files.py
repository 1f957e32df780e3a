# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Files of the builder: whole or absent, never half."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from typing import Any, Dict, Optional

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError

CHUNK = 1 << 20  # bytes


def sha256_file(path: str) -> str:
    """SHA-256 of a file (64 hexadecimal digits), read once in chunks."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(CHUNK), b""):
            digest.update(block)
    return digest.hexdigest()


def fsync_directory(path: str) -> None:
    """Make a rename inside ``path`` survive a power loss."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def replace_file(temporary: str, path: str) -> None:
    """Rename a finished temporary file to its final name, durably."""
    fd = os.open(temporary, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    os.replace(temporary, path)
    fsync_directory(os.path.dirname(path) or ".")


def write_file(path: str, data: bytes, mode: int = 0o644) -> None:
    """Write a small file atomically."""
    directory = os.path.dirname(path) or "."
    fd, temporary = tempfile.mkstemp(prefix="." + os.path.basename(path) + ".", dir=directory)
    try:
        with os.fdopen(fd, "wb") as stream:
            stream.write(data)
        os.chmod(temporary, mode)
        replace_file(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def dump_json(value: Dict[str, Any]) -> bytes:
    """A receipt's text: indented, sorted JSON."""
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode("utf-8")


def write_json(path: str, value: Dict[str, Any]) -> None:
    """Write a receipt atomically."""
    write_file(path, dump_json(value))


def read_json(path: str) -> Optional[Dict[str, Any]]:
    """Read a receipt.

    :returns: None when there is none.
    :raises ToolError: it is there and cannot be read.
    """
    try:
        with open(path, "rb") as stream:
            value = json.loads(stream.read().decode("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as exc:
        raise ToolError(f"receipt '{path}': cannot be read: {exc}; remove it to build again") from exc
    if not isinstance(value, dict):
        raise ToolError(f"receipt '{path}': not a JSON object; remove it to build again")
    return value


__all__ = [
    "CHUNK",
    "dump_json",
    "fsync_directory",
    "read_json",
    "replace_file",
    "sha256_file",
    "write_file",
    "write_json",
]
