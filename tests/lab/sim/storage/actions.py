# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What happens to datasets: mount, create, snapshot, clone, rename, destroy … (libzfs and the kernel behind it)."""

from __future__ import annotations

import errno
import os
import stat
import time

from . import datasets as ds
from . import kernel, mounts, pools, tree
from .datasets import Dataset
from .errors import Fail, strerror

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    State = dict[str, Any]
    Record = dict[str, Any]

BUSY = "pool or dataset is busy"


# --- mounting ---


def mount_flags(dataset: Dataset) -> list[str]:
    """Mount options that follow from properties."""
    flags = []
    if ds.on(dataset, "readonly") or dataset.pool["props"].get("readonly") == "on":
        flags.append("ro")
    if not ds.on(dataset, "exec"):
        flags.append("noexec")
    if not ds.on(dataset, "setuid"):
        flags.append("nosuid")
    if not ds.on(dataset, "atime"):
        flags.append("noatime")
    flags.append("nfsv4acls")
    return flags


def mountable(dataset: Dataset) -> bool:
    """Whether it mounts by itself: canmount=on and a mount point."""
    if dataset.volume or ds.setting(dataset, "canmount")[0] != "on":
        return False
    return ds.mountpoint(dataset) not in ("none", "legacy")


def mount_at(dataset: Dataset, target: str, flags: list[str] | None = None) -> None:
    """Mount at *target*, making the directory. Raises OSError."""
    flags = mount_flags(dataset) if flags is None else flags
    os.makedirs(target, exist_ok=True)
    place = os.path.realpath(target)
    if place != mounts.RESERVED:
        kernel.bind(dataset.directory, place, "ro" in flags)
    mounts.add(dataset.s, dataset.name, place, "zfs", flags, dataset=dataset.data["guid"])


def mount(dataset: Dataset) -> None:
    """``zfs mount``: mount at its mount point. Raises Fail."""
    try:
        mount_at(dataset, ds.mountpoint(dataset))
    except OSError as error:
        raise Fail(f"cannot mount '{ds.mountpoint(dataset)}': {_reason(error)}") from None


def _reason(error: OSError) -> str:
    if error.errno == errno.ENOTDIR:
        return "failed to create mountpoint: Not a directory"
    if error.errno == errno.EROFS:
        return "failed to create mountpoint: Read-only file system"
    return strerror(error.errno)


def unmount(dataset: Dataset, force: bool = False) -> None:
    """Unmount it where it is mounted; not mounted is fine. Raises Fail when busy."""
    entry = dataset.mount()
    if entry is not None:
        unmount_entry(dataset.s, entry, force)


def unmount_entry(s: State, entry: Record, force: bool = False) -> None:
    """Unmount one entry of the table. Raises Fail when busy."""
    try:
        mounts.unmount(s, entry, force)
    except OSError:
        raise Fail(f"cannot unmount '{entry['target']}': {BUSY}") from None


def unmount_tree(dataset: Dataset, force: bool = False) -> list[Dataset]:
    """Unmount it and all below, deepest first; what was mounted comes back. Raises Fail with all mounted again."""
    family = [dataset, *dataset.descendants()]
    mounted = [one for one in family if one.mount() is not None]
    mounted.sort(key=lambda one: mounts.table(one.s).index(one.mount() or {}), reverse=True)
    done: list[Dataset] = []
    try:
        for one in mounted:
            unmount(one, force)
            done.append(one)
    except Fail:
        for one in reversed(done):
            mount(one)
        raise
    return done


def remove_mountpoint(dataset: Dataset) -> None:
    """libzfs takes away the directory that it made for a mount point that nobody set (libzfs_mount.c)."""
    if dataset.volume:
        return
    value, source = ds.setting(dataset, "mountpoint")
    if value in ("none", "legacy") or (source != "default" and not source.startswith("inherited")):
        return
    try:
        os.rmdir(ds.mountpoint(dataset))
    except OSError:
        return


def mount_all(s: State, pname: str) -> list[str]:
    """Mount all of a pool that mounts by itself, parents first. Complaints come back."""
    problems = []
    pool = s["pools"][pname]
    every = [Dataset(s, pname, rel) for rel in sorted(pool["datasets"])]
    for one in sorted((one for one in every if mountable(one)), key=ds.mountpoint):
        if one.mount() is None:
            try:
                mount(one)
            except Fail as error:
                problems.append(error.text)
    return problems


def unmount_pool(s: State, pname: str, force: bool = False) -> None:
    """Unmount a whole pool, the last mounted first. Raises Fail at the first that is busy."""
    by_guid = {data["guid"]: rel for rel, data in s["pools"][pname]["datasets"].items()}
    gone = []
    for entry in pools.pool_mounts(s, pname):
        unmount_entry(s, entry, force)
        gone.append(Dataset(s, pname, by_guid[entry["dataset"]]))
    for one in gone:
        remove_mountpoint(one)


# --- creating ---


def create(
    s: State, pname: str, rel: str, kind: str, values: dict[str, str], volsize: int = 0, source: str = "local"
) -> Dataset:
    """Make an empty file system or volume with checked property values; no mounting."""
    pool = s["pools"][pname]
    record = ds.new_record(pool, kind)
    for name, value in values.items():
        record["props"][name] = [value, source]
    pool["datasets"][rel] = record
    dataset = Dataset(s, pname, rel)
    if kind == "volume":
        record["volsize"] = volsize
        with open(dataset.directory, "wb") as handle:
            handle.truncate(volsize)
        pools.zvol_nodes(s, pname)
    else:
        try:
            os.makedirs(dataset.directory)
        except OSError as error:
            del pool["datasets"][rel]
            raise Fail(f"cannot create '{dataset.name}': {_space(error)}") from None
        os.chmod(dataset.directory, 0o755)
    pools.fit(s, pname)
    return dataset


def volume_refreservation(volsize: int) -> int:
    """What ``zfs create -V`` reserves: the data and twice its metadata (zvol_volsize_to_reservation() of libzfs)."""
    metadata = 7
    left = volsize // 8192
    while left > 1:
        left = (left + 1023) // 1024
        metadata += left
    return volsize + 2 * metadata * 131072


# --- snapshots ---


def _skip(dataset: Dataset) -> frozenset[str]:
    """Paths that are not part of a dataset although they lie in its directory: only the lab's root has such."""
    if not dataset.data.get("dir"):
        return frozenset()
    paths = {entry["target"] for entry in mounts.table(dataset.s)}
    paths |= {"/lab", "/.host", "/dev", "/proc"}
    with open("/lab/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as handle:
        paths |= {line.split()[4] for line in handle}
    return frozenset({"/" + path for path in paths} | paths)


def snapshot(dataset: Dataset, name: str, values: dict[str, str], txg: int, guid: str = "") -> None:
    """Keep the live content as a snapshot. Raises Fail when the copy finds no room."""
    pool = dataset.pool
    ds.forget_size(dataset)
    held = ds.measured(dataset)[1]
    pool["next"] = int(pool["next"]) + 1
    record: Record = {
        "id": f"s{pool['next']}",
        "guid": guid or ds.fresh_guid(),
        "created": int(time.time()),
        "txg": txg,
        "props": {key: [value, "local"] for key, value in values.items()},
        "holds": {},
        "refer": ds.referenced(dataset),
        "held": held,
    }
    if dataset.volume:
        record["volsize"] = dataset.data["volsize"]
    pools.fit(dataset.s, dataset.pname, held + (1 << 20))
    dataset.data["snaps"][name] = record
    try:
        _copy(dataset, dataset.directory, dataset.snapshot_path(name))
    except OSError as error:
        tree.remove(dataset.snapshot_path(name))
        del dataset.data["snaps"][name]
        pools.fit(dataset.s, dataset.pname)
        raise Fail(f"cannot create snapshot '{dataset.name}@{name}': {_space(error)}") from None
    pools.fit(dataset.s, dataset.pname)


def _space(error: OSError) -> str:
    return "out of space" if error.errno == errno.ENOSPC else strerror(error.errno)


def _copy(dataset: Dataset, source: str, target: str) -> None:
    if dataset.volume:
        tree.copy_file(source, target, os.lstat(source))
    else:
        os.mkdir(target, 0o700)
        tree.copy(source, target, _skip(dataset))


def drop_snapshot(dataset: Dataset, name: str) -> None:
    """Remove a snapshot that nothing depends on."""
    tree.remove(dataset.snapshot_path(name))
    del dataset.data["snaps"][name]
    pools.fit(dataset.s, dataset.pname)


def restore(dataset: Dataset, name: str) -> None:
    """Make the live content what a snapshot holds."""
    source = dataset.snapshot_path(name)
    if dataset.volume:
        tree.remove(dataset.directory)
        tree.copy_file(source, dataset.directory, os.lstat(source))
    else:
        _bring_to(source, dataset.directory)
    ds.forget_size(dataset)
    pools.fit(dataset.s, dataset.pname)


def _bring_to(source: str, target: str) -> None:
    """Make *target*, which may be mounted, what *source* is; a directory that something is mounted on stays."""
    changes = tree.compare(target, source)
    for change in changes:
        if change.kind == "-":
            try:
                tree.remove(f"{target}/{change.path}")
            except OSError as error:
                if error.errno not in (errno.EBUSY, errno.ENOTEMPTY):
                    raise
    directories = [("", os.lstat(source))]
    for change in changes:
        if change.new is None:
            continue
        place = f"{target}/{change.path}"
        if stat.S_ISDIR(change.new.st_mode):
            if not os.path.isdir(place):
                os.mkdir(place, 0o700)
            directories.append((change.path, change.new))
            continue
        tree.remove(place)
        tree.copy_one(f"{source}/{change.path}", place, change.new)
    for path, info in reversed(directories):
        tree.own(f"{target}/{path}", info)


def modified_since(dataset: Dataset, name: str) -> bool:
    """Whether the live content differs from a snapshot."""
    source = dataset.snapshot_path(name)
    if dataset.volume:
        return not tree.same_content(source, dataset.directory, os.lstat(source), os.lstat(dataset.directory))
    return bool(tree.compare(source, dataset.directory))


def clone(dataset: Dataset, snap: str, pname: str, rel: str, values: dict[str, str]) -> Dataset:
    """A new dataset that starts as the snapshot is. Raises Fail when there is no room for the copy."""
    pool = dataset.pool
    record = ds.new_record(pool, dataset.data["type"])
    origin = dataset.data["snaps"][snap]
    record["origin"] = origin["id"]
    record["granted"] = origin["held"]
    if dataset.volume:
        record["volsize"] = origin["volsize"]
    record["props"] = {name: [value, "local"] for name, value in values.items()}
    pool["datasets"][rel] = record
    made = Dataset(dataset.s, pname, rel)
    pools.fit(dataset.s, pname, 1 << 20)
    try:
        _copy(dataset, dataset.snapshot_path(snap), made.directory)
    except OSError as error:
        tree.remove(made.directory)
        del pool["datasets"][rel]
        raise Fail(f"cannot create '{made.name}': {_space(error)}") from None
    if dataset.volume:
        pools.zvol_nodes(dataset.s, pname)
    pools.fit(dataset.s, pname)
    return made


def drop(dataset: Dataset) -> None:
    """Remove a dataset that nothing depends on and that is not mounted."""
    remove_mountpoint(dataset)
    try:
        tree.remove(dataset.directory)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        raise Fail(f"cannot destroy '{dataset.name}': dataset is busy") from None
    for name in list(dataset.data["snaps"]):
        tree.remove(dataset.snapshot_path(name))
    s, pname = dataset.s, dataset.pname
    del dataset.pool["datasets"][dataset.rel]
    if dataset.volume:
        pools.zvol_nodes(s, pname)
    pools.fit(s, pname)


def promote(dataset: Dataset) -> None:
    """Swap a clone with its origin: the origin's snapshots up to that point move over. Raises Fail on a name clash."""
    source = ds.origin(dataset)
    if source is None:
        raise Fail(f"cannot promote '{dataset.name}': not a cloned filesystem")
    parent, snap = source
    limit = parent.data["snaps"][snap]["txg"]
    moving = [name for name in parent.snapshots() if parent.data["snaps"][name]["txg"] <= limit]
    clashes = [name for name in moving if name in dataset.data["snaps"]]
    if clashes:
        raise Fail(f"cannot promote '{dataset.name}': conflicting snapshot '{clashes[0]}' from parent '{parent.name}'")
    dataset.data["origin"], parent.data["origin"] = parent.data["origin"], parent.data["snaps"][snap]["id"]
    granted = dataset.data.pop("granted", 0)
    if granted:
        parent.data["granted"] = granted
    for name in moving:
        dataset.data["snaps"][name] = parent.data["snaps"].pop(name)


def rename(dataset: Dataset, rel: str) -> None:
    """Move a dataset and all below to another name in its pool, remounting what is mounted. Raises Fail when busy."""
    s, pname = dataset.s, dataset.pname
    was = dataset.rel
    old_points = {one.rel: ds.mountpoint(one) for one in [dataset, *dataset.descendants()] if not one.volume}
    mounted = unmount_tree(dataset)
    for one in mounted:
        remove_mountpoint(one)
    table = dataset.pool["datasets"]
    renamed = {}
    for key in list(table):
        if key == was or key.startswith(was + "/"):
            renamed[key] = rel + key[len(was) :]
    dataset.pool["datasets"] = {renamed.get(key, key): data for key, data in table.items()}
    pools.zvol_nodes(s, pname)
    for one in reversed(mounted):
        again = Dataset(s, pname, renamed[one.rel])
        if ds.mountpoint(again) not in ("none", "legacy") or old_points.get(one.rel) in ("none", "legacy"):
            mount(again)


__all__ = [
    "BUSY",
    "clone",
    "create",
    "drop",
    "drop_snapshot",
    "modified_since",
    "mount",
    "mount_all",
    "mount_at",
    "mount_flags",
    "mountable",
    "promote",
    "remove_mountpoint",
    "rename",
    "restore",
    "snapshot",
    "unmount",
    "unmount_entry",
    "unmount_pool",
    "unmount_tree",
    "volume_refreservation",
]
