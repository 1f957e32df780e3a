# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""poudriere's own records, one value per file: ``jails/<name>/…`` and ``ports/<name>/…``."""

from __future__ import annotations

import os
import shutil


class Records:
    """The records of one kind.

    :param directory: ``poudriere.d/jails`` or ``poudriere.d/ports``.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def exists(self, name: str) -> bool:
        return bool(name) and os.path.isdir(os.path.join(self.directory, name))

    def names(self) -> list[str]:
        try:
            return sorted(entry.name for entry in os.scandir(self.directory) if entry.is_dir())
        except OSError:
            return []

    def get(self, name: str, key: str, default: str = "") -> str:
        try:
            with open(os.path.join(self.directory, name, key), encoding="utf-8") as stream:
                return stream.readline().rstrip("\n")
        except OSError:
            return default

    def set(self, name: str, key: str, value: object) -> None:
        directory = os.path.join(self.directory, name)
        os.makedirs(directory, exist_ok=True)
        path = os.path.join(directory, key)
        with open(path + ".new", "w", encoding="utf-8") as stream:
            stream.write(f"{value}\n")
        os.replace(path + ".new", path)

    def remove(self, name: str) -> None:
        shutil.rmtree(os.path.join(self.directory, name), ignore_errors=True)
