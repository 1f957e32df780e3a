# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Checkpoints of a real builder: snapshots of the workspace and of all below it."""

from __future__ import annotations

import subprocess
from typing import Any, Dict, List

SNAPSHOT = "fhfault"


def zfs(*words: str, check: bool = True) -> List[str]:
    done = subprocess.run(["zfs", *words], stdout=subprocess.PIPE, check=check)
    return done.stdout.decode().splitlines()


class ZfsDisk:
    """One checkpoint at a time; what a module makes is destroyed, what it changes is rolled back."""

    def __init__(self, workspace: str) -> None:
        self._workspace = workspace
        self._filler = workspace + "-fhfault-filler"
        self._kept: List[str] = []
        self.settings: Dict[str, Any] = {"kind": "zfs", "filler": self._filler}

    def prepare(self) -> None:
        zfs("create", "-o", "canmount=off", self._filler)

    def finish(self) -> None:
        self._forget()
        zfs("destroy", self._filler, check=False)

    def _datasets(self) -> List[str]:
        return zfs("list", "-H", "-o", "name", "-r", self._workspace, check=False)

    def _forget(self) -> None:
        if self._kept:
            zfs("destroy", "-r", f"{self._workspace}@{SNAPSHOT}", check=False)

    def checkpoint(self) -> None:
        self._forget()
        self._kept = self._datasets()
        if self._kept:
            zfs("snapshot", "-r", f"{self._workspace}@{SNAPSHOT}")

    def restore(self) -> None:
        """:raises RuntimeError: a dataset of the checkpoint is gone."""
        now = self._datasets()
        gone = [name for name in self._kept if name not in now]
        if gone:
            raise RuntimeError(f"datasets {gone} cannot be taken back")
        for name in reversed(now):
            if name not in self._kept:
                zfs("destroy", "-r", "-f", name)
        for name in self._kept:
            zfs("rollback", "-r", f"{name}@{SNAPSHOT}")
