# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The jails that run, in a file that jls(8) reads, and the locks that keep two builds apart."""

from __future__ import annotations

import fcntl
import json
import os
from typing import Any

from .config import Config

LAB_STATE = "/lab/state"


def _boot() -> str:
    """Return what tells one start of the machine from another: the start time of process 1."""
    try:
        with open("/proc/1/stat", encoding="ascii", errors="replace") as stream:
            return stream.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


class RunningJails:
    """Jails by id: name, path, hostname, ip. A jail outlives its poudriere, but not a restart of the machine."""

    def __init__(self, config: Config) -> None:
        directory = LAB_STATE if os.path.isdir(LAB_STATE) else config.get("SHARED_LOCK_DIR")
        os.makedirs(directory, exist_ok=True)
        self.path = os.path.join(directory, "jails.json")
        self._lock_path = os.path.join(directory, "jails.lock")

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            with open(self.path, encoding="utf-8") as stream:
                found: dict[str, dict[str, Any]] = json.load(stream)
        except (OSError, ValueError):
            return {}
        boot = _boot()
        return {jid: jail for jid, jail in found.items() if jail.get("boot", boot) == boot}

    def exists(self, name: str) -> bool:
        return any(jail.get("name") == name for jail in self._read().values())

    def _last(self, found: dict[str, dict[str, Any]]) -> int:
        """Return the highest id ever given: ids are not used again."""
        try:
            with open(self._lock_path + ".jid", encoding="ascii") as stream:
                return int(stream.read())
        except (OSError, ValueError):
            return max([0, *(int(jid) for jid in found)])

    def add(self, jails: dict[str, str]) -> list[int]:
        """Start jails, given as name and path; return their ids."""
        with open(self._lock_path, "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            found = self._read()
            last, ids = self._last(found), []
            for name, path in jails.items():
                last += 1
                ids.append(last)
                found[str(last)] = {"name": name, "path": path, "hostname": name, "ip": "127.0.0.1", "boot": _boot()}
            with open(self._lock_path + ".jid", "w", encoding="ascii") as stream:
                stream.write(str(last))
            self._write(found)
            return ids

    def remove(self, prefix: str) -> None:
        """Stop the jail of that name, its twin with network, and its builders."""
        with open(self._lock_path, "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            found = self._read()
            self._write({jid: jail for jid, jail in found.items()
                         if jail["name"] not in (prefix, prefix + "-n")
                         and not jail["name"].startswith(prefix + "-job-")})

    def _write(self, found: dict[str, dict[str, Any]]) -> None:
        with open(self.path + ".new", "w", encoding="utf-8") as stream:
            json.dump(found, stream)
        os.replace(self.path + ".new", self.path)


class Lock:
    """A named lock that dies with the process.

    :param name: such as ``jail_start_base-default``.
    """

    def __init__(self, config: Config, name: str) -> None:
        directory = config.get("SHARED_LOCK_DIR")
        os.makedirs(directory, exist_ok=True)
        self._path = os.path.join(directory, f"lock-{name}")
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
