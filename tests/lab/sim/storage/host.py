# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The recorded host: its disks, its two pools, and what a start and a stop of the lab do to storage."""

from __future__ import annotations

import os
import time

from . import actions, geom, gpt, mounts, poolprops, pools, tree
from . import datasets as ds
from .datasets import Dataset
from .errors import Fail
from .window import Window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    State = dict[str, Any]
    Record = dict[str, Any]

DISKS = "/lab/state/disks"
_BOOT_UUID = "621f7920-e6b9-11f1-8104-e193f59d7d3b"
_ZROOT_UUID = "62371de9-e6b9-11f1-8104-e193f59d7d3b"
# (path below the pool, referenced bytes as recorded, properties)
ZROOT: tuple[tuple[str, int, dict[str, str]], ...] = (
    ("", 24576, {"mountpoint": "none", "compression": "lz4", "atime": "off"}),
    ("ROOT", 24576, {"mountpoint": "none"}),
    ("ROOT/default", 189913600, {"mountpoint": "/", "canmount": "noauto"}),
    ("tmp", 54631424, {"mountpoint": "/tmp"}),
    ("usr", 24576, {"mountpoint": "/usr", "canmount": "off"}),
    ("usr/home", 24576, {}),
    ("var", 24576, {"mountpoint": "/var", "canmount": "off"}),
    ("var/log", 32256, {}),
)
_P = "/usr/local/poudriere"
TANK: tuple[tuple[str, int, dict[str, str]], ...] = (
    ("", 24576, {"compression": "lz4", "atime": "off"}),
    ("poudriere", 24576, {"mountpoint": _P}),
    ("poudriere/jails", 24576, {"mountpoint": f"{_P}/jails"}),
    ("poudriere/ports", 11379712, {"mountpoint": f"{_P}/ports"}),
    ("poudriere/data", 27648, {"mountpoint": f"{_P}/data"}),
    ("poudriere/data/.m", 24576, {"mountpoint": f"{_P}/data/.m"}),
    ("poudriere/data/cache", 43008, {"mountpoint": f"{_P}/data/cache"}),
    ("poudriere/data/images", 24576, {"mountpoint": f"{_P}/data/images"}),
    ("poudriere/data/logs", 846336, {"mountpoint": f"{_P}/data/logs"}),
    ("poudriere/data/packages", 5286912, {"mountpoint": f"{_P}/data/packages"}),
    ("poudriere/data/wrkdirs", 24576, {"mountpoint": f"{_P}/data/wrkdirs"}),
    ("poudriere/jails/base", 83781632, {"mountpoint": f"{_P}/jails/base"}),
)
_MODES = {"tmp": 0o1777}


def make_disks(s: State) -> None:
    """vtbd0 with its two partitions, vtbd1 bare; both sparse."""
    os.makedirs(DISKS, exist_ok=True)
    disks: Record = {}
    for name, size in (("vtbd0", 12 << 30), ("vtbd1", 24 << 30)):
        path = f"{DISKS}/{name}.img"
        with open(path, "wb") as handle:
            handle.truncate(size)
        disks[name] = {"file": path, "size": size, "heads": 16, "sectors": 63}
    s["geom"] = {"disks": disks}
    window = Window(disks["vtbd0"]["file"], 0, 12 << 30)
    table = gpt.blank_gpt(window.size // 512, 512)
    table.parts[1] = gpt.Partition(1, gpt.GPT_TYPES["freebsd-boot"], 40, 1063, "boot", _BOOT_UUID)
    table.parts[2] = gpt.Partition(2, gpt.GPT_TYPES["freebsd-zfs"], 1064, table.last, "zroot0", _ZROOT_UUID)
    gpt.write_table(window, table)
    geom.retaste_all(s)


def make_pool(
    s: State,
    name: str,
    device: str,
    guid: str,
    size: int,
    mos: int,
    overhead: int,
    layout: tuple[tuple[str, int, dict[str, str]], ...],
) -> None:
    """One of the host's own pools: plain directories below the lab's state, nothing on its disk."""
    pool = pools.new_pool(name, [{"path": f"/dev/{device}", "kind": "disk", "guid": ds.fresh_guid()}], size, 9)
    pool.update(guid=guid, host=True, dir=f"{pools.ROOT}/{name}", mos=mos, overhead=overhead)
    pool["features"] = list(poolprops.FEATURE_NAMES)
    options = "-o compression=lz4" if name == "zroot" else "-O compression=lz4 -O atime=off"
    pool["history"] = [[int(time.time()), f"zpool create {options} {name} /dev/{device}"]]
    s.setdefault("pools", {})[name] = pool
    os.makedirs(f"{pool['dir']}/snap", exist_ok=True)
    for rel, refer, values in layout:
        if (name, rel) == ("zroot", "ROOT/default"):
            record = ds.new_record(pool, "filesystem")
            record.update(dir="/", base=refer, props={key: [value, "local"] for key, value in values.items()})
            pool["datasets"][rel] = record
            continue
        dataset = actions.create(s, name, rel, "filesystem", values)
        dataset.data["base"] = refer
        os.chmod(dataset.directory, _MODES.get(rel, 0o755))
    if name == "zroot":
        pool["props"]["bootfs"] = "ROOT/default"


def adopt(dataset: Dataset) -> None:
    """Move what set-up put at the mount point before the dataset was mounted into the dataset."""
    point = ds.mountpoint(dataset)
    if not os.path.isdir(point):
        return
    with os.scandir(point) as entries:
        content = [entry.path for entry in entries]
    if content:
        tree.copy(point, dataset.directory)
        for path in content:
            tree.remove(path)


def first_start() -> None:
    """Make the recorded host's storage in an empty state."""
    from .. import state

    with state.edit() as s:
        s.clear()
        make_disks(s)
        make_pool(s, "zroot", "vtbd0p2", "1076897059890472053", (12 << 30) - 548352, 301056, 212992, ZROOT)
        make_pool(s, "tank", "vtbd1", "6493941557731488108", 24 << 30, 281088, 2190336, TANK)
        geom.retaste_all(s)
        s["mounts"] = []
        root = Dataset(s, "zroot", "ROOT/default")
        mounts.add(s, root.name, "/", "zfs", actions.mount_flags(root), dataset=root.data["guid"])
        mounts.add(s, "devfs", "/dev", "devfs", [], local=False)
        for name, rel in (
            ("zroot", "tmp"),
            ("zroot", "var/log"),
            ("zroot", "usr/home"),
            *(("tank", row[0]) for row in TANK),
        ):
            dataset = Dataset(s, name, rel)
            adopt(dataset)
            actions.mount(dataset)
        os.makedirs("/tank/lab", exist_ok=True)
        _compatibility_files()


def _compatibility_files() -> None:
    place = "/usr/share/zfs/compatibility.d"
    os.makedirs(place, exist_ok=True)
    for name, features in poolprops.COMPATIBILITY.items():
        with open(f"{place}/{name}", "w", encoding="ascii") as handle:
            handle.write(f"# Features of {name}\n" + "".join(f"{feature}\n" for feature in sorted(features)))
    for name, target in poolprops.COMPATIBILITY_LINKS.items():
        if not os.path.lexists(f"{place}/{name}"):
            os.symlink(target, f"{place}/{name}")


def measure_base() -> None:
    """Remember the size of the host's datasets as set up: recorded numbers plus what changes from here are shown."""
    from .. import state

    with state.edit() as s:
        for name, pool in s["pools"].items():
            for rel, data in pool["datasets"].items():
                if "base" in data:
                    dataset = Dataset(s, name, rel)
                    ds.forget_size(dataset)
                    data["base_size"] = ds.measured(dataset)[0]
                    ds.forget_size(dataset)


def recover() -> None:
    """What a boot finds: md units gone, other pools only in their devices, the host's datasets mounted again."""
    from .. import state

    with state.edit() as s:
        waiting = [entry for entry in s["mounts"] if entry["type"] == "zfs" and _host_mount(s, entry)]
        for unit in s.get("md", {}).values():
            if unit["type"] != "vnode":
                tree.remove(unit["file"])
        s["md"] = {}
        s["swap"] = []
        for name in [name for name, pool in s["pools"].items() if not pool["host"]]:
            pool = s["pools"].pop(name)
            tree.remove(pool["dir"])
        tree.remove("/dev/zvol")
        geom.retaste_all(s)
        s["mounts"] = []
        for entry in waiting:
            pname, rel = _host_mount(s, entry) or ("", "")
            dataset = Dataset(s, pname, rel)
            if entry["target"] == "/":
                mounts.add(s, dataset.name, "/", "zfs", actions.mount_flags(dataset), dataset=dataset.data["guid"])
                mounts.add(s, "devfs", "/dev", "devfs", [], local=False)
            elif actions.mountable(dataset):
                try:
                    actions.mount(dataset)
                except Fail:
                    continue
        for name in ("zroot", "tank"):
            actions.mount_all(s, name)
            pools.zvol_nodes(s, name)


def _host_mount(s: State, entry: Record) -> tuple[str, str] | None:
    for name in ("zroot", "tank"):
        for rel, data in s["pools"][name]["datasets"].items():
            if data["guid"] == entry.get("dataset"):
                return name, rel
    return None


def flush_all() -> None:
    """A clean stop: every pool that is imported reaches its device."""
    from .. import state

    with state.edit() as s:
        for name, pool in s["pools"].items():
            if not pool["host"]:
                pools.flush(s, name, "active")


def still_running(s: State) -> bool:
    """Whether the mounts of the state are there, so that nothing has to be recovered."""
    target = next((entry["target"] for entry in s.get("mounts", []) if entry["target"] not in ("/", "/dev")), "")
    # Not os.path.ismount(): a bind mount has the device of what is around it.
    with open("/lab/proc/self/mounts", encoding="utf-8") as mounted:
        return bool(target) and any(line.split()[1] == target for line in mounted)


__all__ = ["first_start", "flush_all", "measure_base", "recover", "still_running"]
