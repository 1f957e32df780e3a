# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Leases: what we hold on the builder (md units, pools, mounts), written down before it is taken.

One JSON file each below ``P/leases``. A run that dies leaves its leases; the next one can tell from them what is ours.

Whether an owner lives is not guessed from process ids and clocks: it keeps its lease locked (flock(2)), and the kernel
gives the lock back when the process ends, however it ends, as it does at a power loss. A process id that is used again,
a clock that was set or another boot change nothing about that. Process, start and boot are written down for people.
What is entrusted to a detached job is held for as long as the job runs.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import tempfile
import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from ansible_collections.freehyve.builder.plugins.module_utils import _job
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._files import (
    dump_json,
    fsync_directory,
    read_json,
    remove,
)
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner

JOB_VARIABLE = "FREEHYVE_JOB"  # a detached job tells what runs in it its directory
WAIT_STEP = 0.25  # seconds between two looks at a lease that somebody else holds

_KIND = re.compile(r"[a-z][a-z0-9-]*")
# Descriptors of the leases of this process by path: closing one gives its lock back.
_LOCKS: Dict[str, int] = {}


@dataclass(frozen=True)
class Owner:
    """A process: ``start`` is what ps(1) prints, ``boot`` empty where FreeBSD does not tell."""

    pid: int
    start: str
    boot: str


@dataclass(frozen=True)
class Lease:
    """Something held: ``kind`` as md or pool, ``identity`` as a backing file or a name, ``made`` in epoch seconds.

    ``details`` tell the very thing from another of the same name. ``order`` counts up: what was taken later goes first.
    ``job`` is the directory of the detached job in which it was taken. It is ``entrusted`` when the job itself has it:
    a command that knows nothing of leases.
    """

    kind: str
    identity: str
    owner: Owner
    job: Optional[str]
    made: int
    path: str
    order: int = 0
    details: Mapping[str, str] = field(default_factory=dict)
    entrusted: bool = False

    @property
    def title(self) -> str:
        return f"{self.kind} '{self.identity}'"

    @property
    def holder(self) -> str:
        """Who, in words: process and job, and since when."""
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.made))
        job = f"job {os.path.basename(self.job)[:12]}" if self.job else ""
        if self.entrusted:
            return f"{job}, since {since}"
        return f"process {self.owner.pid}{' of ' if job else ''}{job}, since {since}"


def boot_argv() -> List[str]:
    """Sixteen random bytes of every boot; without ``-b`` sysctl(8) does not print such a value at all."""
    return ["sysctl", "-b", "kern.boot_id"]


def start_argv(pid: int) -> List[str]:
    return ["ps", "-o", "lstart=", "-p", str(pid)]


def _owner(runner: Runner) -> Owner:
    pid = os.getpid()
    start = " ".join(runner.run(start_argv(pid), ok=range(256)).stdout.split())
    boot = runner.run(boot_argv(), ok=range(256)).stdout.encode("utf-8", "surrogateescape").hex()
    return Owner(pid, start, boot)


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
            int(value.get("order", 0)),
            {str(name): str(item) for name, item in (value.get("details") or {}).items()},
            bool(value.get("entrusted")),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise ToolError(f"lease '{path}': not a lease; look at what it names, then remove it") from exc


def read(path: str) -> Optional[Lease]:
    """A lease, or None when there is none.

    :raises ToolError: the file is there and no lease.
    """
    value = read_json(path)
    return _parse(path, value) if value is not None else None


def names(directory: str) -> List[str]:
    """Names of the files of leases; none when there is no such directory."""
    try:
        return sorted(name for name in os.listdir(directory) if name.endswith(".json") and not name.startswith("."))
    except FileNotFoundError:
        return []


def leases(directory: str) -> List[Lease]:
    """All leases, oldest first."""
    found = [read(os.path.join(directory, name)) for name in names(directory)]
    return sorted((lease for lease in found if lease is not None), key=age)


def age(lease: Lease) -> Tuple[int, int, str]:
    """By this leases are put in order, the oldest first."""
    return lease.order, lease.made, lease.path


def _unlocked(fd: int) -> bool:
    """Whether no owner has a file locked. A shared lock: two who look do not take each other for owners."""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _free(path: str) -> bool:
    """Whether nobody keeps a lease's file locked. Its owner replaces the file whole, so look again when it did."""
    while True:
        try:
            fd = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return True
        try:
            free = _unlocked(fd)
            here = os.fstat(fd)
            try:
                there = os.stat(path)
            except FileNotFoundError:
                return True
        finally:
            os.close(fd)
        if (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino):
            return free


def is_held(runner: Runner, lease: Lease) -> bool:
    """Does the owner still live? The process that took it, or the job that it was entrusted to."""
    if lease.path in _LOCKS or not _free(lease.path):
        return True
    if lease.job is None or not lease.entrusted:
        return False
    jobs_dir, key = os.path.split(lease.job)
    return _job.observe(runner, _job.Job(jobs_dir, key)).state == _job.RUNNING


def _place(lease: Lease) -> None:
    """Write a lease and keep it locked, durably before anything is acquired."""
    directory = os.path.dirname(lease.path)
    value = {key: item for key, item in asdict(lease).items() if key != "path"}
    fd, temporary = tempfile.mkstemp(prefix=".lease.", dir=directory)
    try:
        # Before it has its name, so that nobody ever sees it unlocked.
        fcntl.flock(fd, fcntl.LOCK_EX)
        data = dump_json(value)
        while data:
            data = data[os.write(fd, data) :]
        os.fchmod(fd, 0o644)
        os.fsync(fd)
        os.replace(temporary, lease.path)
        fsync_directory(directory)
    except BaseException:
        os.close(fd)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    old = _LOCKS.pop(lease.path, None)
    _LOCKS[lease.path] = fd
    if old is not None:
        os.close(old)


@contextlib.contextmanager
def alone(directory: str) -> Iterator[None]:
    """One process at a time takes leases, or removes what dead owners left."""
    os.makedirs(directory, mode=0o755, exist_ok=True)
    fd = os.open(os.path.join(directory, ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def take(
    runner: Runner,
    directory: str,
    kind: str,
    identity: str,
    job: Optional[str] = None,
    details: Optional[Mapping[str, str]] = None,
    wait: float = 0.0,
) -> Lease:
    """Write the lease of something before acquiring it.

    A lease whose owner is dead is taken over: its thing may still be there, look before acquiring.

    :param job: directory of a job; the default is the one that this process runs in, if any.
    :param wait: seconds to wait for somebody alive who holds it.
    :raises ToolError: somebody alive holds it.
    """
    job = job or os.environ.get(JOB_VARIABLE)
    path = lease_path(directory, kind, identity)
    owner = _owner(runner)
    deadline = time.monotonic() + wait
    while True:
        with alone(directory):
            found = read(path)
            if found is None or path in _LOCKS or not is_held(runner, found):
                order = 1 + max((other.order for other in leases(directory)), default=0)
                lease = Lease(kind, identity, owner, job, int(time.time()), path, order, dict(details or {}))
                _place(lease)
                return lease
        if time.monotonic() >= deadline:
            raise ToolError(
                f"{found.title}: held by another build ({found.holder}); wait for it, or see playbooks/cancel.yml"
            )
        time.sleep(WAIT_STEP)


def note(lease: Lease, **details: str) -> Lease:
    """Write down more of the thing, known only since it is there."""
    known = replace(lease, details={**lease.details, **details})
    _place(known)
    return known


def release(lease: Lease) -> None:
    """Remove a lease after its thing is gone; only our own."""
    found = read(lease.path)
    if found is not None and found.owner == lease.owner and found.order == lease.order:
        os.unlink(lease.path)
        fsync_directory(os.path.dirname(lease.path))
    _unlock(lease)


def drop(lease: Lease) -> None:
    """Remove the lease of a dead owner, unless somebody took it over meanwhile. Call it from within :func:`alone`."""
    if read(lease.path) == lease:
        os.unlink(lease.path)
        fsync_directory(os.path.dirname(lease.path))


def entrust(lease: Lease) -> Lease:
    """Say, before the job begins, that the lease is going to be left to it."""
    left = replace(lease, entrusted=True)
    _place(left)
    return left


def leave(lease: Lease) -> None:
    """Leave an entrusted lease to its job, which runs by now."""
    _unlock(lease)


def _unlock(lease: Lease) -> None:
    fd = _LOCKS.pop(lease.path, None)
    if fd is not None:
        os.close(fd)


@contextlib.contextmanager
def held(
    runner: Runner,
    directory: str,
    kind: str,
    identity: str,
    job: Optional[str] = None,
    details: Optional[Mapping[str, str]] = None,
    wait: float = 0.0,
) -> Iterator[Lease]:
    """A lease for the time of a block that itself acquires and releases the thing.

    The lease stays when the block fails, for the thing may still be there: it is released by whoever removes that.
    """
    lease = take(runner, directory, kind, identity, job, details, wait)
    yield lease
    release(lease)


def directory_of(params: Mapping[str, Any]) -> Optional[str]:
    """Where a module writes its leases: where it is told to, else beside its jobs; None when it has neither."""
    found: Optional[str] = params.get("leases")
    jobs_dir = params.get("jobs_dir")
    if found is None and jobs_dir:
        found = os.path.join(os.path.dirname(jobs_dir.rstrip("/")), "leases")
    return found


@contextlib.contextmanager
def temporary(runner: Runner, directory: Optional[str], *paths: str) -> Iterator[None]:
    """Leases of temporary files for the time of a block; what an earlier run left under their names goes first.

    The lease of what is still there in the end stays, so that a later run removes both.
    """
    taken = [take(runner, directory, "file", path) for path in paths] if directory else []
    for path in paths:
        remove(path)
    try:
        yield
    finally:
        for lease in taken:
            if not os.path.lexists(lease.identity):
                release(lease)


def identity_of(path: str) -> Dict[str, str]:
    """What tells a file or a mounted directory from another at the same path: file system and inode."""
    info = os.stat(path)
    return {"fsid": str(info.st_dev), "inode": str(info.st_ino)}


__all__ = [
    "JOB_VARIABLE",
    "Lease",
    "Owner",
    "age",
    "alone",
    "boot_argv",
    "directory_of",
    "drop",
    "entrust",
    "held",
    "identity_of",
    "is_held",
    "lease_path",
    "leases",
    "leave",
    "names",
    "note",
    "read",
    "release",
    "start_argv",
    "take",
    "temporary",
]
