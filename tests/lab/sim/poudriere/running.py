# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The jails that run, where jls(8) finds them, and the locks that keep two builds apart."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .. import state
from .config import Config

Jails = dict[str, dict[str, Any]]

LAB_STATE = "/lab/state"


def _boot() -> str:
    """Return what tells one start of the machine from another: the start time of process 1."""
    try:
        with open("/proc/1/stat", encoding="ascii", errors="replace") as stream:
            return stream.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


class RunningJails:
    """The jails that run: in the lab's state, where jls(8) looks, or outside a lab in a file of their own.

    A jail outlives its poudriere, but not a restart of the machine.
    """

    def __init__(self, config: Config) -> None:
        self.path = "" if os.path.isdir(LAB_STATE) else os.path.join(config.get("SHARED_LOCK_DIR"), "jails.json")

    @contextmanager
    def _edit(self) -> Iterator[Jails]:
        if not self.path:
            with state.edit() as known:
                yield known.setdefault("jails", {})
            return
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        with open(self.path + ".lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            found = self._load()
            yield found
            with open(self.path + ".new", "w", encoding="utf-8") as stream:
                json.dump(found, stream)
            os.replace(self.path + ".new", self.path)

    def _load(self) -> Jails:
        try:
            with open(self.path, encoding="utf-8") as stream:
                found: Jails = json.load(stream)
                return found
        except (OSError, ValueError):
            return {}

    def _read(self) -> Jails:
        if self.path:
            return self._load()
        with state.read() as known:
            found: Jails = dict(known.get("jails", {}))
            return found

    def exists(self, name: str) -> bool:
        jail = self._read().get(name)
        return jail is not None and jail.get("boot") == _boot()

    def add(self, jails: dict[str, str]) -> list[int]:
        """Start jails, given as name and path; return their ids, above those of the running ones."""
        with self._edit() as found:
            last = max([0, *(int(jail["jid"]) for jail in found.values())], default=0)
            ids = [last + number for number in range(1, len(jails) + 1)]
            for identity, (name, path) in zip(ids, jails.items(), strict=True):
                found[name] = {"jid": identity, "path": path, "hostname": name, "ip": "127.0.0.1", "boot": _boot()}
            return ids

    def remove(self, prefix: str) -> None:
        """Stop the jail of that name, its twin with network, and its builders."""
        with self._edit() as found:
            for name in list(found):
                if name in (prefix, prefix + "-n") or name.startswith(prefix + "-job-"):
                    del found[name]

    def clear(self) -> None:
        """Forget every jail, as a restart does."""
        with self._edit() as found:
            found.clear()


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
