# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Files of the builder: whole or absent, never half."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
from typing import Any, Dict, List, Optional, Tuple

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError

CHUNK = 1 << 20  # bytes
_TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}")  # what mkstemp(3) of Python makes of a name


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


def _temporary(directory: str, base: str) -> Tuple[int, str]:
    """A new file for what will be ``base``, locked: nobody takes it for what a dead writer left (see :func:`left`)."""
    while True:
        fd, temporary = tempfile.mkstemp(prefix=f".{base}.", dir=directory)
        fcntl.flock(fd, fcntl.LOCK_EX)
        if os.fstat(fd).st_nlink:
            return fd, temporary
        # Somebody tidied up between the two.
        os.close(fd)


def left(directory: str) -> List[str]:
    """Temporary files of :func:`write_file` whose writer is dead."""
    try:
        names = sorted(name for name in os.listdir(directory) if _TEMPORARY.fullmatch(name))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [path for path in (os.path.join(directory, name) for name in names) if _unlocked(path)]


def _unlocked(path: str) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return False
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


def write_file(path: str, data: bytes, mode: int = 0o644, durable: bool = True) -> None:
    """Write a small file atomically.

    :param durable: wait until it would survive a power loss, which on a busy disk takes long.
    """
    directory = os.path.dirname(path) or "."
    fd, temporary = _temporary(directory, os.path.basename(path))
    try:
        rest = data
        while rest:
            rest = rest[os.write(fd, rest) :]
        os.fchmod(fd, mode)
        if durable:
            replace_file(temporary, path)
        else:
            os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    finally:
        os.close(fd)


def remove(path: str) -> None:
    """Remove a file, a link or a whole directory, if it is there."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def remove_empty(path: str) -> None:
    """Remove a directory and those below it as far as they are empty: what mounts left, never a file."""
    if not os.path.islink(path):
        for parent, _directories, _names in os.walk(path, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(parent)


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


def free_bytes(path: str) -> int:
    """Bytes that root may use on the file system of ``path``, or of the nearest parent that is there."""
    while not os.path.isdir(path):
        path = os.path.dirname(path) or "/"
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


__all__ = [
    "CHUNK",
    "dump_json",
    "free_bytes",
    "fsync_directory",
    "left",
    "read_json",
    "remove",
    "remove_empty",
    "replace_file",
    "sha256_file",
    "write_file",
    "write_json",
]
