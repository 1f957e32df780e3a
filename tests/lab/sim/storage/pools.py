# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Pools: sizes, life in a tmpfs while imported, and the trip to the device and back.

A pool other than the host's own lives in a tmpfs whose limit is the pool's usable size, so "No space left on device" is
the kernel's. Snapshots are copies there; what they share with the live content is granted on top of the limit.
"""

from __future__ import annotations

import os
import time

from . import archive, geom, kernel, label, mounts, tree
from . import datasets as ds
from .window import Window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    State = dict[str, Any]
    Record = dict[str, Any]

ROOT = "/lab/state/pools"
MINIMUM = 64 << 20


def metaslab_shift(size: int) -> int:
    """The size of a metaslab as vdev_metaslab_set_size() picks it, as a power of two (sys/zfs, vdev.c)."""
    usable = size - (4 << 20) - (512 << 10)
    count = usable >> 29
    if count < 16:
        shift = (usable // 16).bit_length()
    elif count > 200:
        shift = min(34, (usable // 200).bit_length())
    else:
        shift = 29
    return max(24, shift)


def allocatable(size: int, shift: int) -> int:
    """The ``size`` property of a pool on a device of *size* bytes."""
    usable = size - (4 << 20) - (512 << 10)
    return usable >> shift << shift


def slop(size: int) -> int:
    """What ZFS keeps for itself (spa_get_slop_space())."""
    return min(128 << 30, max(size >> 5, min(size >> 1, 128 << 20)))


def usable(pool: Record) -> int:
    """Bytes that datasets can have together."""
    return int(pool["size"]) - slop(int(pool["size"]))


def used(s: State, pname: str) -> int:
    """``used`` of the pool's root."""
    return ds.used_map(s, pname)[""]["used"]


def available(s: State, pname: str) -> int:
    """``available`` of the pool's root."""
    return max(0, usable(s["pools"][pname]) - used(s, pname))


def allocated(s: State, pname: str) -> int:
    """``alloc`` of the pool: datasets (what is reserved does not count) and overhead."""
    rows = ds.used_map(s, pname)
    total = sum(row["own"] + row["snapshots"] for row in rows.values())
    pool = s["pools"][pname]
    return min(int(pool["size"]), total + int(pool["mos"]) + int(pool["overhead"]))


def new_pool(name: str, vdevs: list[Record], size: int, ashift: int) -> Record:
    """The state of a pool to be."""
    shift = metaslab_shift(size)
    guid = ds.fresh_guid()
    return {
        "guid": guid,
        "load_guid": ds.fresh_guid(),
        "dir": f"{ROOT}/{guid}",
        "host": False,
        "altroot": "",
        "realname": name,
        "props": {},
        "features": [],
        "activated": [],
        "vdevs": vdevs,
        "raw": size,
        "shift": shift,
        "size": allocatable(size, shift),
        "ashift": ashift,
        "mos": 89088 if ashift < 12 else 331776,
        "overhead": 22528 if ashift < 12 else 86016,
        "txg": 4,
        "next": 0,
        "history": [],
        "datasets": {},
        "created": int(time.time()),
    }


def window(s: State, vdev: Record) -> Window | None:
    """The bytes behind a vdev, None if it is gone."""
    if vdev["kind"] == "file":
        if not os.path.isfile(vdev["path"]):
            return None
        return Window(vdev["path"], 0, os.stat(vdev["path"]).st_size)
    provider = geom.lookup(s, vdev["path"])
    return None if provider is None else provider.window


def bring_up(pool: Record) -> None:
    """Make the empty tmpfs of an imported pool."""
    os.makedirs(pool["dir"], exist_ok=True)
    kernel.tmpfs(pool["dir"], usable(pool) + (4 << 20))
    for part in ("ds", "snap"):
        os.mkdir(f"{pool['dir']}/{part}")


def take_down(pool: Record) -> None:
    """Drop the tmpfs; what is in it is gone."""
    if os.path.ismount(pool["dir"]):
        kernel.umount(pool["dir"], True)
    try:
        os.rmdir(pool["dir"])
    except OSError:
        return


def snapshot_bytes(pool: Record) -> int:
    """What the copies that stand for snapshots hold in the tmpfs."""
    return sum(int(snap["held"]) for data in pool["datasets"].values() for snap in data["snaps"].values())


def fit(s: State, pname: str, extra: int = 0) -> None:
    """Set the tmpfs's limit from what is usable, reserved, and granted for copies; *extra* for a copy to be made."""
    pool = s["pools"][pname]
    if pool["host"]:
        return
    clones = sum(int(data.get("granted", 0)) for data in pool["datasets"].values())
    reserved = ds.reserved_space(s, pname)
    slack = 16384 * (len(pool["datasets"]) + 4)
    limit = usable(pool) - reserved + snapshot_bytes(pool) + clones + extra + slack
    state = os.statvfs(pool["dir"])
    holds = (state.f_blocks - state.f_bfree) * state.f_frsize
    kernel.resize_tmpfs(pool["dir"], max(limit, holds + 4096))


def room(s: State, pname: str) -> int:
    """Bytes that can still be written to a pool now."""
    pool = s["pools"][pname]
    if pool["host"]:
        return available(s, pname) - ds.reserved_space(s, pname)
    state = os.statvfs(pool["dir"])
    return int(state.f_bavail * state.f_frsize)


def flush(s: State, pname: str, condition: str) -> None:
    """Write the pool, *condition* active, exported or destroyed, to its first vdev, and labels to all."""
    pool = s["pools"][pname]
    if pool["host"]:
        return
    kept = {key: value for key, value in pool.items() if key not in ("altroot", "dir")}
    kept["datasets"] = {
        rel: {key: value for key, value in data.items() if key != "size"} for rel, data in pool["datasets"].items()
    }
    for index, vdev in enumerate(pool["vdevs"]):
        dev = window(s, vdev)
        if dev is None:
            continue
        mark: Record = {
            "state": condition,
            "guid": pool["guid"],
            "name": pool["realname"],
            "vdev": index,
            "path": vdev["path"],
            "kind": vdev["kind"],
            "pool": kept,
            "content": 0,
        }
        if index == 0:
            mark["content"] = label.content_offset(mark)
            dev.discard(mark["content"], dev.size)
            with open(dev.path, "r+b", buffering=1 << 20) as out:
                out.seek(dev.offset + mark["content"])
                _save(pool, archive.Writer(out))
        label.write(dev, mark)


def mark(s: State, pname: str, condition: str) -> None:
    """Change what the labels say without writing the content again."""
    pool = s["pools"][pname]
    for vdev in pool["vdevs"]:
        dev = window(s, vdev)
        found = label.read(dev) if dev is not None else None
        if dev is not None and found is not None:
            found.update(state=condition, guid=pool["guid"], name=pool["realname"])
            found["pool"]["guid"] = pool["guid"]
            label.write(dev, found)


def _save(pool: Record, writer: archive.Writer) -> None:
    for data in sorted(pool["datasets"].values(), key=lambda data: (data["origin"] is not None, data["txg"])):
        live = (f"ds/{data['id']}", f"{pool['dir']}/ds/{data['id']}")
        model = _origin_member(pool, data["origin"])
        if data["type"] == "volume":
            writer.member(live[0], live[1], os.lstat(live[1]))
            for snap in data["snaps"].values():
                path = f"{pool['dir']}/snap/{snap['id']}"
                writer.member(f"snap/{snap['id']}", path, os.lstat(path))
            continue
        writer.add_tree(live[0], live[1], model)
        for snap in data["snaps"].values():
            writer.add_tree(f"snap/{snap['id']}", f"{pool['dir']}/snap/{snap['id']}", live)
    writer.end()


def _origin_member(pool: Record, mark: str | None) -> tuple[str, str] | None:
    if mark is None:
        return None
    for data in pool["datasets"].values():
        for snap in data["snaps"].values():
            if snap["id"] == mark and data["origin"] is None:
                return f"snap/{snap['id']}", f"{pool['dir']}/snap/{snap['id']}"
    return None


def load(s: State, pname: str) -> None:
    """Fill the tmpfs of a pool just put into the state from its first vdev."""
    pool = s["pools"][pname]
    dev = window(s, pool["vdevs"][0])
    mark = label.read(dev) if dev is not None else None
    if dev is None or mark is None:
        return
    bring_up(pool)
    kernel.resize_tmpfs(pool["dir"], usable(pool) * 2 + snapshot_bytes(pool) * 2)
    with open(dev.path, "rb", buffering=1 << 20) as stream:
        stream.seek(dev.offset + mark["content"])
        archive.read(stream, pool["dir"])
    fit(s, pname)


class Found:
    """A label found on a device."""

    __slots__ = ("device", "kind", "mark", "window")

    def __init__(self, device: str, kind: str, dev: Window, mark: Record) -> None:
        self.device = device
        self.kind = kind
        self.window = dev
        self.mark = mark


def search(s: State, places: list[str] | None = None) -> list[Found]:
    """Labels on all providers, or on those and the files that *places* (directories, devices, files) name."""
    found = []
    seen = set()
    if places is None:
        places = ["/dev"]
    for place in places:
        place = os.path.realpath(place) if os.path.isdir(place) else place
        if place == "/dev":
            candidates = [(f"/dev/{p.name}", "disk", p.window) for p in geom.providers(s)]
        elif os.path.isdir(place):
            candidates = _in_directory(s, place)
        else:
            candidates = _one(s, place)
        for device, kind, dev in candidates:
            if device in seen:
                continue
            seen.add(device)
            mark = label.read(dev)
            if mark is not None:
                found.append(Found(device, kind, dev, mark))
    return found


def _in_directory(s: State, place: str) -> list[tuple[str, str, Window]]:
    found: list[tuple[str, str, Window]] = []
    for name in sorted(os.listdir(place)):
        found.extend(_one(s, f"{place}/{name}"))
    return found


def _one(s: State, path: str) -> list[tuple[str, str, Window]]:
    if path.startswith("/dev/"):
        provider = geom.lookup(s, path)
        return [] if provider is None else [(path, "disk", provider.window)]
    if os.path.isfile(path):
        return [(path, "file", Window(path, 0, os.stat(path).st_size))]
    return []


def pool_mounts(s: State, pname: str) -> list[Record]:
    """The mounts of a pool's datasets, last first."""
    guids = {data["guid"] for data in s["pools"][pname]["datasets"].values()}
    return [entry for entry in reversed(mounts.table(s)) if entry.get("dataset") in guids]


def forget(s: State, pname: str) -> None:
    """Take an unmounted pool out of the state."""
    pool = s["pools"].pop(pname)
    tree.remove(f"/dev/zvol/{pname}")
    if os.path.isdir("/dev/zvol") and not os.listdir("/dev/zvol"):
        os.rmdir("/dev/zvol")
    take_down(pool)
    for vdev in pool["vdevs"]:
        if vdev["kind"] == "disk":
            geom.retaste_user(s, vdev["path"])


def zvol_nodes(s: State, pname: str) -> None:
    """Make /dev/zvol/<pool> what the pool's volumes are."""
    tree.remove(f"/dev/zvol/{pname}")
    pool = s["pools"][pname]
    for rel, data in pool["datasets"].items():
        if data["type"] == "volume":
            node = f"/dev/zvol/{pname}/{rel}"
            os.makedirs(os.path.dirname(node), exist_ok=True)
            if not os.path.lexists(node):
                os.symlink(f"{pool['dir']}/ds/{data['id']}", node)


__all__ = [
    "MINIMUM",
    "ROOT",
    "Found",
    "allocatable",
    "allocated",
    "available",
    "bring_up",
    "fit",
    "flush",
    "forget",
    "load",
    "mark",
    "metaslab_shift",
    "new_pool",
    "pool_mounts",
    "room",
    "search",
    "slop",
    "take_down",
    "usable",
    "used",
    "window",
    "zvol_nodes",
]
