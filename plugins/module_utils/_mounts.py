# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What is mounted where, read from ``mount -p`` (fstab(5) format)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner

_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Mount:
    """A mounted file system; ``source`` is a device or a dataset."""

    source: str
    path: str
    type: str
    options: Tuple[str, ...]


def mounts_argv() -> List[str]:
    return ["mount", "-p"]


def _plain(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match.group(1), 8)), text)


def parse_mounts(stdout: str) -> List[Mount]:
    """Rows of ``mount -p``: source, path, type, options, dump, pass; spaces inside a path are written ``\\040``."""
    found = []
    for line in stdout.splitlines():
        fields = line.split()
        if len(fields) >= 4:
            found.append(Mount(_plain(fields[0]), _plain(fields[1]), fields[2], tuple(fields[3].split(","))))
    return found


def mounts(runner: Runner) -> List[Mount]:
    """All mounts, in the order they were made."""
    return parse_mounts(runner.run(mounts_argv(), failed="mounts: listing failed").stdout)


def at(found: Sequence[Mount], path: str) -> Optional[Mount]:
    """The mount that one sees at a mount point: the last one made there."""
    return next((mount for mount in reversed(found) if mount.path == path), None)


def below(found: Sequence[Mount], path: str) -> List[Mount]:
    """Mounts at or below a directory, in the order in which they can be unmounted."""
    prefix = path.rstrip("/") + "/"
    return [mount for mount in reversed(found) if mount.path == path or mount.path.startswith(prefix)]


def root_dataset(found: Sequence[Mount]) -> Optional[str]:
    """The dataset mounted at ``/``, or None when root is not ZFS."""
    root = at(found, "/")
    return root.source if root is not None and root.type == "zfs" else None


def root_pool(found: Sequence[Mount]) -> Optional[str]:
    """The pool that holds the running system, or None when root is not ZFS."""
    dataset = root_dataset(found)
    return dataset.split("/")[0] if dataset else None


__all__ = ["Mount", "at", "below", "mounts", "mounts_argv", "parse_mounts", "root_dataset", "root_pool"]
