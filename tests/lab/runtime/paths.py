# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Where a lab keeps its things on the controller."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError

TESTS_LAB = Path(__file__).resolve().parent.parent
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")


@dataclass(frozen=True)
class LabPaths:
    """All paths of one lab; nothing is created by making this object."""

    name: str
    base: Path

    @classmethod
    def of(cls, name: str) -> LabPaths:
        """The paths of lab ``name`` below FREEHYVE_LAB_DIR or /var/tmp/freehyve-lab-UID."""
        if not _NAME.match(name):
            raise LabError(f"lab '{name}': bad name; use letters, digits, '_', '.', '-', at most 64 characters")
        base = os.environ.get("FREEHYVE_LAB_DIR") or f"/var/tmp/freehyve-lab-{os.getuid()}"
        return cls(name, Path(base))

    @property
    def dir(self) -> Path:
        return self.base / self.name

    @property
    def root(self) -> Path:
        """The private root: '/' as seen inside."""
        return self.dir / "root"

    @property
    def fresh_mark(self) -> Path:
        """There in a lab that plays a fresh installation; /lab/fresh inside."""
        return self.root / "lab/fresh"

    @property
    def state(self) -> Path:
        """/lab/state inside: what the simulation remembers."""
        return self.dir / "state"

    @property
    def ssh(self) -> Path:
        return self.dir / "ssh"

    @property
    def mirror(self) -> Path:
        return self.dir / "mirror"

    @property
    def log(self) -> Path:
        return self.dir / "log"

    @property
    def init_file(self) -> Path:
        """{pid, started} of the running init, as the controller sees it."""
        return self.dir / "init.json"

    @property
    def connection_file(self) -> Path:
        return self.dir / "connection.json"

    @property
    def cache(self) -> Path:
        """Shared by all labs below one base: things that are slow to make and always the same."""
        return self.base / ".cache"

    @property
    def lock_file(self) -> Path:
        return self.base / f".{self.name}.lock"


__all__ = ["TESTS_LAB", "LabPaths"]
