# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Leases: what we hold on the builder (md units, pools, mounts), written down before it is taken.

One JSON file each below ``P/leases``. A run that dies leaves its leases; the next one can tell from them what is ours.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import time
from dataclasses import asdict, dataclass
from typing import Any, Dict, Iterator, List, Optional

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._files import fsync_directory, read_json, write_json
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner

_KIND = re.compile(r"[a-z][a-z0-9-]*")
_SECONDS = re.compile(r"sec = (\d+)")


@dataclass(frozen=True)
class Owner:
    """A process of one boot: a process id alone is used again. ``start`` is what ps(1) prints."""

    pid: int
    start: str
    boot: str


@dataclass(frozen=True)
class Lease:
    """Something held: ``kind`` as md or pool, ``identity`` as a backing file or a GUID, ``made`` in epoch seconds."""

    kind: str
    identity: str
    owner: Owner
    job: Optional[str]
    made: int
    path: str


def boot_argv() -> List[str]:
    return ["sysctl", "kern.boot_id", "kern.boottime"]


def start_argv(pid: int) -> List[str]:
    return ["ps", "-o", "lstart=", "-p", str(pid)]


def parse_boot(stdout: str) -> str:
    """The boot's identity: ``kern.boot_id`` where it exists, else the second of ``kern.boottime``, else empty."""
    values = dict(line.split(": ", 1) for line in stdout.splitlines() if ": " in line)
    seconds = _SECONDS.search(values.get("kern.boottime", ""))
    return values.get("kern.boot_id", "").strip() or (seconds.group(1) if seconds else "")


def owner_of(runner: Runner, pid: int) -> Optional[Owner]:
    """The process with an id, or None when there is none."""
    start = runner.run(start_argv(pid), ok=range(256)).stdout.strip()
    if not start:
        return None
    return Owner(pid, " ".join(start.split()), parse_boot(runner.run(boot_argv(), ok=range(256)).stdout))


def _self(runner: Runner) -> Owner:
    found = owner_of(runner, os.getpid())
    return found if found is not None else Owner(os.getpid(), "", "")


def lease_path(directory: str, kind: str, identity: str) -> str:
    """One file for one thing, so that two owners meet."""
    if not _KIND.fullmatch(kind):
        raise ToolError(f"lease '{kind}': a kind has lower-case letters, digits and - only")
    digest = hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()
    return os.path.join(directory, f"{kind}-{digest[:24]}.json")


def _parse(path: str, value: Dict[str, Any]) -> Lease:
    try:
        owner = value["owner"]
        return Lease(
            str(value["kind"]),
            str(value["identity"]),
            Owner(int(owner["pid"]), str(owner["start"]), str(owner["boot"])),
            value.get("job"),
            int(value["made"]),
            path,
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise ToolError(f"lease '{path}': not a lease; look at what it names, then remove it") from exc


def read(path: str) -> Optional[Lease]:
    """A lease, or None when there is none.

    :raises ToolError: the file is there and no lease.
    """
    value = read_json(path)
    return _parse(path, value) if value is not None else None


def leases(directory: str) -> List[Lease]:
    """All leases, oldest first; none when there is no such directory."""
    try:
        names = sorted(name for name in os.listdir(directory) if name.endswith(".json") and not name.startswith("."))
    except FileNotFoundError:
        return []
    found = [lease for lease in (read(os.path.join(directory, name)) for name in names) if lease is not None]
    return sorted(found, key=lambda lease: (lease.made, lease.path))


def is_held(runner: Runner, lease: Lease) -> bool:
    """Does the owner still live? Same process id, start and boot."""
    now = owner_of(runner, lease.owner.pid)
    return now is not None and now == lease.owner


def _place(lease: Lease) -> None:
    """Write a lease, durably before anything is acquired."""
    write_json(lease.path, {key: item for key, item in asdict(lease).items() if key != "path"})


@contextlib.contextmanager
def _alone(directory: str) -> Iterator[None]:
    """One process at a time looks at a lease and replaces it."""
    fd = os.open(os.path.join(directory, ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def take(runner: Runner, directory: str, kind: str, identity: str, job: Optional[str] = None) -> Lease:
    """Write the lease of something before acquiring it.

    A lease whose owner is dead is taken over: its thing may still be there, look before acquiring.

    :raises ToolError: somebody alive holds it.
    """
    path = lease_path(directory, kind, identity)
    lease = Lease(kind, identity, _self(runner), job, int(time.time()), path)
    os.makedirs(directory, mode=0o755, exist_ok=True)
    with _alone(directory):
        found = read(path)
        if found is not None and found.owner != lease.owner and is_held(runner, found):
            holder = found.owner.pid
            raise ToolError(f"{kind} '{identity}': held by another build (process {holder}); wait for it, see '{path}'")
        _place(lease)
    return lease


def release(lease: Lease) -> None:
    """Remove a lease after its thing is gone; only our own."""
    found = read(lease.path)
    if found is None or found.owner != lease.owner:
        return
    os.unlink(lease.path)
    fsync_directory(os.path.dirname(lease.path))


@contextlib.contextmanager
def held(runner: Runner, directory: str, kind: str, identity: str, job: Optional[str] = None) -> Iterator[Lease]:
    """A lease for the time of a block that itself acquires and releases the thing.

    The lease stays when the block fails, for the thing may still be there: it is released by whoever removes that.
    """
    lease = take(runner, directory, kind, identity, job)
    yield lease
    release(lease)


__all__ = [
    "Lease",
    "Owner",
    "boot_argv",
    "held",
    "is_held",
    "lease_path",
    "leases",
    "owner_of",
    "parse_boot",
    "read",
    "release",
    "start_argv",
    "take",
]
