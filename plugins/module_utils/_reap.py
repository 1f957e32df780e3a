# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Reaping: undo what dead owners left on the builder, newest first, and only what is provably ours.

A lease gives the right to look at one thing; the thing itself must still be what the lease says: a memory disk by its
backing file, a pool by its temporary name and GUID, a mount by its file system, a dataset by its key. Whatever is
something else by now is foreign and left alone, and the lease goes. Nothing is destroyed but scratch datasets and
temporary files of the workspace: pools are exported. What cannot be undone keeps its lease.
"""

from __future__ import annotations

import contextlib
import glob
import os
import time
from dataclasses import dataclass, field
from typing import Callable, Dict, List, Sequence, Tuple

from ansible_collections.freehyve.builder.plugins.module_utils import (
    _job,
    _lease,
    _md,
    _mounts,
    _product,
    _zfs,
    _zpool,
)
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._files import left, read_json, remove, remove_empty
from ansible_collections.freehyve.builder.plugins.module_utils._plan import Step
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner, patiently

PATIENCE = 30.0  # seconds: an orphaned tar or zfs receive ends, what a person left open does not
COMMAND_SECONDS = 120.0  # a pool without its device answers never
STOP_SECONDS = 900.0  # for poudriere to undo the mounts and clones of all its builders, each of which may be many
HALF_WRITTEN = "left by a writer that is dead"


@dataclass(frozen=True)
class Todo:
    """One thing to undo. ``do`` raises ToolError when it cannot be undone."""

    action: str
    do: Callable[[], None]


@dataclass(frozen=True)
class Kept:
    """A stale lease that stays, and why."""

    lease: str
    reason: str


@dataclass
class Reaped:
    """What was or would be done, and what could not be."""

    steps: List[Step] = field(default_factory=list)
    kept: List[Kept] = field(default_factory=list)

    @property
    def warnings(self) -> List[str]:
        return [f"{item.lease}: left by a dead build and not removed: {item.reason}" for item in self.kept]


class Foreign(Exception):
    """The thing is not, or no longer, what the lease says."""


class Reaper:
    """Undoes the things of one directory of leases.

    :param workspace: directory outside of which no file is touched.
    """

    def __init__(self, runner: Runner, workspace: str, patience: float = PATIENCE) -> None:
        self._runner = runner
        self._workspace = os.path.realpath(workspace)
        self._deadline = time.monotonic() + patience
        self._kinds: Dict[str, Callable[[_lease.Lease], List[Todo]]] = {
            "file": self._file,
            "md": self._md,
            "pool": self._pool,
            "mount": self._mount,
            "layer": self._layer,
            "bulk": self._bulk,
        }

    def plan(self, lease: _lease.Lease) -> List[Todo]:
        """What is there of a lease's thing, as it is to be undone; empty when it is gone.

        :raises Foreign: something else is there.
        :raises ToolError: it cannot be told, or the kind is not known.
        """
        look = self._kinds.get(lease.kind)
        if look is None:
            raise ToolError(f"{lease.title}: a kind that this version does not know")
        return look(lease)

    # Each looks at one kind of thing. What only one of them needs is loaded by it: mostly nothing is left.

    def _file(self, lease: _lease.Lease) -> List[Todo]:
        path = lease.identity
        if not os.path.lexists(path):
            return []
        name, place = os.path.basename(path), os.path.realpath(os.path.dirname(path))
        if not _zfs.is_below(place, self._workspace) or not (name.startswith(".") or name.endswith(".part")):
            raise Foreign(f"'{path}' is no temporary file of '{self._workspace}'")
        return [Todo(f"remove {path}", lambda: self._remove(path))]

    def _remove(self, path: str) -> None:
        units = _md.of_file(_md.units(self._runner), path)
        if units:
            raise ToolError(f"file '{path}': {units[0].name} lies on it; detach it, see mdconfig -l -v")
        inside = _mounts.below(_mounts.mounts(self._runner), os.path.realpath(path))
        if inside:
            raise ToolError(f"directory '{path}': {inside[0].source} is mounted in it; unmount it")
        try:
            remove(path)
        except OSError as exc:
            raise ToolError(f"file '{path}': cannot be removed: {exc.strerror or exc}") from exc

    def _units(self, lease: _lease.Lease, file: str) -> List[_md.MdUnit]:
        """The units that a lease's file backs: that very file, and that very unit once it was known."""
        if not os.path.exists(file):
            # A unit keeps a removed file open under its old name.
            same = [unit for unit in _md.units(self._runner) if unit.file == os.path.realpath(file)]
        else:
            now = _lease.identity_of(file)
            if any(lease.details.get(name, value) != value for name, value in now.items()):
                raise Foreign(f"'{file}' is another file now")
            same = _md.of_file(_md.units(self._runner), file)
        unit = lease.details.get("unit")
        if not same:
            return []
        if unit is None:
            if len(same) > 1:
                names = ", ".join(found.name for found in same)
                raise ToolError(f"file '{file}': attached as {names}, and not known which of them is ours; detach them")
            return same
        mine = [found for found in same if found.name == unit]
        others = [found.name for found in same if found.name != unit]
        if not mine:
            raise Foreign(f"'{file}' is attached as {', '.join(others)}, which was not us")
        return mine

    def _md(self, lease: _lease.Lease) -> List[Todo]:
        def detach(unit: str) -> Callable[[], None]:
            return lambda: self._patiently(lambda: _md.detach(self._runner, unit, lease.identity, patience=0.0))

        self._same_boot(lease)
        return [Todo(f"detach {unit.name}", detach(unit.name)) for unit in self._units(lease, lease.identity)]

    def _same_boot(self, lease: _lease.Lease) -> None:
        """Memory disks, imports without cache file and mounts do not outlive a boot."""
        boot = self._runner.run(_lease.boot_argv(), ok=range(256)).stdout.encode("utf-8", "surrogateescape").hex()
        if lease.owner.boot and boot and lease.owner.boot != boot:
            raise Foreign("the builder was booted since")

    def _pool(self, lease: _lease.Lease) -> List[Todo]:
        name, guid = lease.identity, lease.details.get("guid")
        altroot = lease.details.get("altroot", "")
        found = _zpool.pools(self._runner).get(name)
        if found is None:
            return [Todo(f"remove {altroot}", lambda: self._prune(altroot))] if os.path.isdir(altroot) else []
        if guid is not None and found.guid != guid:
            raise Foreign(f"pool '{name}' has another GUID, {found.guid}")
        if guid is None:
            # Created, and its GUID not written down any more: then it lies on our file and nowhere else.
            devices = _zpool.devices(_zpool.status_vdevs(self._runner, name))
            units = _md.of_file(_md.units(self._runner), lease.details.get("file", ""))
            if len(devices) != 1 or devices[0] not in [unit.device for unit in units]:
                raise Foreign(f"pool '{name}' does not lie on '{lease.details.get('file')}'")

        def export() -> None:
            try:
                self._patiently(lambda: self._export(name, found.guid, force=False))
            except ToolError:
                self._export(name, found.guid, force=True)
            self._prune(altroot)

        return [Todo(f"export pool {name}", export)]

    def _export(self, name: str, guid: str, force: bool) -> None:
        if _zpool.guid(self._runner, name) != guid:
            raise ToolError(f"pool '{name}': another pool took its name")
        self._runner.run(
            _zpool.export_argv(name, force), timeout=COMMAND_SECONDS, failed=f"pool '{name}': exporting failed"
        )

    def _prune(self, path: str) -> None:
        """Directories that mounts left, as far as they are empty."""
        if path and _zfs.is_below(os.path.realpath(path), self._workspace):
            remove_empty(path)

    def _mount(self, lease: _lease.Lease) -> List[Todo]:
        path, source, file = lease.identity, lease.details.get("source"), lease.details.get("file")
        found = _mounts.at(_mounts.mounts(self._runner), os.path.realpath(path))
        if found is None:
            return [Todo(f"remove {path}", lambda: self._prune(path))] if os.path.isdir(path) else []
        fsid = lease.details.get("fsid")
        if fsid is not None and _lease.identity_of(path)["fsid"] != fsid:
            raise Foreign(f"another file system is mounted at '{path}': {found.source}")
        if source is not None and found.source != source:
            raise Foreign(f"'{found.source}' is mounted at '{path}', not '{source}'")
        if fsid is None and source is None:
            raise ToolError(f"mount '{path}': the lease does not say what was mounted; unmount it")
        if file is not None:
            units = _md.of_file(_md.units(self._runner), file)
            if found.source not in [unit.device for unit in units]:
                raise Foreign(f"'{found.source}' at '{path}' does not lie on '{file}'")

        def unmount() -> None:
            self._patiently(lambda: self._run(["umount", path], f"mount '{path}': cannot be undone"))
            self._prune(path)

        return [Todo(f"unmount {path}", unmount)]

    def _layer(self, lease: _lease.Lease) -> List[Todo]:
        from ansible_collections.freehyve.builder.plugins.module_utils._layers import KEY_PROPERTY

        name, key, snapshot = lease.identity, lease.details.get("key"), lease.details.get("snapshot")
        wanted = [name] + ([snapshot] if snapshot else [])
        found = _zfs.named(self._runner, wanted, (KEY_PROPERTY,), "filesystem,snapshot")
        if name not in found or snapshot in found:
            return []
        if key is None or found[name].value(KEY_PROPERTY) != key:
            raise Foreign(f"dataset '{name}' was made by somebody else")

        def destroy() -> None:
            self._patiently(lambda: _zfs.destroy(self._runner, name, recursive=True))

        return [Todo(f"destroy {name}", destroy)]

    def _bulk(self, lease: _lease.Lease) -> List[Todo]:
        from ansible_collections.freehyve.builder.plugins.module_utils import _poudriere

        details, master = lease.details, lease.identity
        if lease.job is None or "etcdir" not in details:
            raise ToolError(f"poudriere '{master}': the lease names no job")
        if not _is_newest(lease.job, details["etcdir"], master):
            # Another build has used the jails since: they are not ours any more.
            return []
        words = [details[name] for name in ("jail", "ports", "set") if details.get(name)]
        argv = _poudriere.base_argv(details["etcdir"]) + ["jail", "-k"]
        argv += [word for flag, value in zip(("-j", "-p", "-z"), words) for word in (flag, value)]
        if not _poudriere.jails_run(self._runner, master):
            return []
        failed = f"poudriere '{master}': cannot be stopped"
        return [Todo(f"stop poudriere {master}", lambda: self._run(argv, failed, STOP_SECONDS))]

    def _run(self, argv: Sequence[str], failed: str, seconds: float = COMMAND_SECONDS) -> None:
        self._runner.run(argv, timeout=seconds, failed=failed)

    def _patiently(self, do: Callable[[], None]) -> None:
        """Try again while the thing is busy: what a killed build was running may still come to its end."""
        patiently(do, self._deadline - time.monotonic())


def _is_newest(job: str, etcdir: str, master: str) -> bool:
    """Whether no other build of the same jail and tree came after a job (common.sh makes ``latest`` at every start)."""
    from ansible_collections.freehyve.builder.plugins.module_utils import _poudriere

    log_dir = _poudriere.log_dir_of(_job.head(os.path.join(job, "log")))
    if log_dir is not None:
        return os.path.realpath(os.path.join(os.path.dirname(log_dir), "latest")) == os.path.realpath(log_dir)
    # Killed before it said where it logs, which is some seconds after it has started its jail.
    since = int((read_json(os.path.join(job, "job.json")) or {}).get("since", 0))
    try:
        return os.lstat(os.path.join(_poudriere.logs_dir(etcdir, master), "latest")).st_mtime < since
    except FileNotFoundError:
        return True


def stale(runner: Runner, directory: str) -> Tuple[List[_lease.Lease], List[Kept]]:
    """Leases of dead owners, newest first, and files that are no leases."""
    found: List[_lease.Lease] = []
    kept: List[Kept] = []
    for name in _lease.names(directory):
        try:
            lease = _lease.read(os.path.join(directory, name))
        except ToolError as exc:
            kept.append(Kept(f"lease '{name}'", exc.message))
            continue
        if lease is not None and not _lease.is_held(runner, lease):
            found.append(lease)
    return sorted(found, key=_lease.age, reverse=True), kept


def _why(lease: _lease.Lease) -> str:
    return f"left by {lease.holder}, which is dead"


def scraps(runner: Runner, workspace: str) -> List[str]:
    """Half-written small files whose writer is dead, where a build writes such files."""
    places = ["stages", "leases", "dists/*", "images/*", "work/*", "jobs/*", "record"]
    places += [f"poudriere/{place}" for place in ("etc/poudriere.d/jails", "etc/poudriere.d/jails/*", "ports/*/.git")]
    root = glob.escape(workspace)
    found = [path for place in places for here in sorted(glob.glob(os.path.join(root, place))) for path in left(here)]
    return found + _job.scraps(runner, os.path.join(workspace, "jobs")) + superseded(workspace)


def superseded(workspace: str) -> List[str]:
    """What a finished image was made from, where who made it died before it was gone: the very files of its receipt."""
    root, found = os.path.realpath(workspace), []
    for receipt in sorted(glob.glob(os.path.join(glob.escape(workspace), "stages", "*.json"))):
        with contextlib.suppress(ToolError):
            for path, stamp in ((read_json(receipt) or {}).get("superseded") or {}).items():
                below = _zfs.is_below(os.path.realpath(os.path.dirname(path)), root)
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    found += [path] if below and _product.stamp(path) == stamp else []
    return found


def _sweep(runner: Runner, workspace: str) -> List[Step]:
    steps = []
    for path in scraps(runner, workspace):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
            steps.append(Step(f"remove {path}", HALF_WRITTEN))
    return steps


def look(runner: Runner, directory: str, workspace: str) -> Reaped:
    """What :func:`reap` would do; changes nothing."""
    done = Reaped()
    found, done.kept = stale(runner, directory)
    reaper = Reaper(runner, workspace, 0.0)
    for lease in found:
        try:
            todo = reaper.plan(lease)
        except Foreign as exc:
            done.steps.append(Step(f"forget {lease.title}", str(exc)))
        except ToolError as exc:
            done.kept.append(Kept(lease.title, exc.message))
        else:
            done.steps += [Step(item.action, _why(lease)) for item in todo]
            done.steps += [] if todo else [Step(f"forget {lease.title}", "gone")]
    done.steps += [Step(f"remove {path}", HALF_WRITTEN) for path in scraps(runner, workspace)]
    return done


def reap(runner: Runner, directory: str, workspace: str, patience: float = PATIENCE) -> Reaped:
    """Undo what dead owners left below ``workspace``, newest first, waiting ``patience`` seconds for what is busy."""
    done = Reaped()
    found, done.kept = stale(runner, directory)
    if found:
        with _lease.alone(directory):
            # Once more: another run may have done it meanwhile.
            found, done.kept = stale(runner, directory)
            reaper = Reaper(runner, workspace, patience)
            for lease in found:
                _one(reaper, lease, done)
    done.steps += _sweep(runner, workspace)
    return done


def _one(reaper: Reaper, lease: _lease.Lease, done: Reaped) -> None:
    try:
        todo = reaper.plan(lease)
        for item in todo:
            item.do()
            done.steps.append(Step(item.action, _why(lease)))
    except Foreign as exc:
        done.steps.append(Step(f"forget {lease.title}", str(exc)))
    except ToolError as exc:
        done.kept.append(Kept(lease.title, exc.message))
        return
    else:
        if not todo:
            done.steps.append(Step(f"forget {lease.title}", "gone"))
    _lease.drop(lease)


__all__ = ["PATIENCE", "Foreign", "Kept", "Reaped", "Reaper", "Todo", "look", "reap", "scraps", "stale"]
