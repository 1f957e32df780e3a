# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The database of installed packages, ``var/db/pkg/local.sqlite`` below the root."""

from __future__ import annotations

import json
import os
import sqlite3
from dataclasses import dataclass, field
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS packages (
  id INTEGER PRIMARY KEY, origin TEXT NOT NULL, name TEXT NOT NULL UNIQUE, version TEXT NOT NULL, comment TEXT NOT NULL,
  desc TEXT NOT NULL, arch TEXT NOT NULL, maintainer TEXT NOT NULL, www TEXT, prefix TEXT NOT NULL,
  flatsize INTEGER NOT NULL, automatic INTEGER NOT NULL, locked INTEGER NOT NULL DEFAULT 0, time INTEGER,
  repository TEXT, manifest TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, sha256 TEXT, package_id INTEGER REFERENCES packages(id)
  ON DELETE CASCADE);
CREATE TABLE IF NOT EXISTS deps (origin TEXT, name TEXT NOT NULL, version TEXT, package_id INTEGER
  REFERENCES packages(id) ON DELETE CASCADE, UNIQUE (package_id, name));
"""


@dataclass
class Installed:
    """One installed package."""

    name: str
    version: str
    origin: str
    automatic: bool
    time: int
    repository: str
    locked: bool
    manifest: dict[str, Any]
    files: dict[str, str] = field(default_factory=dict)
    deps: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def full_name(self) -> str:
        return f"{self.name}-{self.version}"


class Database:
    """The installed packages of one root.

    :param directory: PKG_DBDIR of that root; made when something is written.
    """

    def __init__(self, directory: str) -> None:
        self.path = os.path.join(directory, "local.sqlite")
        self._connection: sqlite3.Connection | None = None

    def exists(self) -> bool:
        return os.path.exists(self.path)

    def _open(self, create: bool) -> sqlite3.Connection | None:
        if self._connection is None:
            if not create and not self.exists():
                return None
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            self._connection = sqlite3.connect(self.path)
            self._connection.execute("PRAGMA foreign_keys = ON")
            self._connection.executescript(SCHEMA)
        return self._connection

    def packages(self) -> list[Installed]:
        """Return the installed packages by name."""
        connection = self._open(create=False)
        if connection is None:
            return []
        found: dict[int, Installed] = {}
        for row in connection.execute("SELECT id, name, version, origin, automatic, time, repository, locked, manifest"
                                      " FROM packages ORDER BY name"):
            found[row[0]] = Installed(row[1], row[2], row[3], bool(row[4]), row[5], row[6] or "", bool(row[7]),
                                      json.loads(row[8]))
        for path, digest, identity in connection.execute("SELECT path, sha256, package_id FROM files ORDER BY path"):
            found[identity].files[path] = digest
        for name, origin, version, identity in connection.execute(
                "SELECT name, origin, version, package_id FROM deps ORDER BY name"):
            found[identity].deps.append((name, origin, version))
        return list(found.values())

    def register(self, manifest: dict[str, Any], automatic: bool, repository: str, stamp: int) -> None:
        """Record a package with its files and dependencies, replacing what has the same name."""
        connection = self._open(create=True)
        assert connection is not None
        with connection:
            connection.execute("DELETE FROM packages WHERE name = ?", (manifest["name"],))
            cursor = connection.execute(
                "INSERT INTO packages (origin, name, version, comment, desc, arch, maintainer, www, prefix, flatsize,"
                " automatic, time, repository, manifest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (manifest["origin"], manifest["name"], manifest["version"], manifest.get("comment", ""),
                 manifest.get("desc", ""), manifest.get("abi", ""), manifest.get("maintainer", ""),
                 manifest.get("www", ""), manifest.get("prefix", "/usr/local"), manifest.get("flatsize", 0),
                 int(automatic), stamp, repository,
                 json.dumps({key: value for key, value in manifest.items() if key != "files"})))
            identity = cursor.lastrowid
            connection.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?)",
                                   [(path, digest, identity) for path, digest in manifest.get("files", {}).items()])
            connection.executemany("INSERT INTO deps VALUES (?, ?, ?, ?)",
                                   [(dep.get("origin", ""), name, dep.get("version", ""), identity)
                                    for name, dep in manifest.get("deps", {}).items()])

    def remove(self, name: str) -> None:
        """Forget a package."""
        connection = self._open(create=False)
        if connection is not None:
            with connection:
                connection.execute("DELETE FROM packages WHERE name = ?", (name,))

    def set_flag(self, name: str, column: str, value: bool) -> None:
        """Set ``automatic`` or ``locked`` of a package."""
        if column not in ("automatic", "locked"):
            raise ValueError(column)
        connection = self._open(create=False)
        if connection is not None:
            with connection:
                connection.execute(f"UPDATE packages SET {column} = ? WHERE name = ?", (int(value), name))
