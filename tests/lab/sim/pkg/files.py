# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Putting the files of one package below the root, and taking them away again."""

from __future__ import annotations

import contextlib
import errno
import os

from . import accounts, archive
from .database import Installed


def extract(root: str, package: archive.Package) -> None:
    """Write the files with their modes and owners; raises OSError."""
    users, groups = accounts.identities(root)
    for entry in package.entries:
        path = os.path.join(root, entry.path.lstrip("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        temporary = os.path.join(os.path.dirname(path), ".pkgtemp." + os.path.basename(path))
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        if entry.target is not None:
            os.symlink(entry.target, temporary)
        else:
            with open(temporary, "wb") as stream:
                stream.write(entry.content)
        _own(temporary, users.get(entry.owner, 0), groups.get(entry.group, 0))
        if entry.target is None:
            os.chmod(temporary, entry.mode)
        os.replace(temporary, path)
        if path.endswith(".sample") and entry.target is None:
            _sample(path, entry, users.get(entry.owner, 0), groups.get(entry.group, 0))


def _sample(path: str, entry: archive.Entry, user: int, group: int) -> None:
    """As ``@sample`` does: a first copy of a configuration file, never over an existing one."""
    real = path[: -len(".sample")]
    if not os.path.lexists(real):
        with open(real, "wb") as stream:
            stream.write(entry.content)
        os.chmod(real, entry.mode)
        _own(real, user, group)


def _own(path: str, user: int, group: int) -> None:
    try:
        os.chown(path, user, group, follow_symlinks=False)
    except OSError as error:
        # A user namespace with one mapped number cannot give files away; everything else must work.
        if error.errno not in (errno.EINVAL, errno.EPERM):
            raise


def remove(root: str, package: Installed) -> None:
    """Remove a package's files and the directories that this leaves empty."""
    for name in package.files:
        path = os.path.join(root, name.lstrip("/"))
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(path)
        parent = os.path.dirname(path)
        local = os.path.join(root, "usr/local")
        while parent.startswith(local + "/") and os.path.dirname(parent) != local:
            try:
                os.rmdir(parent)
            except OSError:
                break
            parent = os.path.dirname(parent)
