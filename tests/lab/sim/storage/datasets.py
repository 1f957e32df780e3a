# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Datasets: names, handles, property values and the space they take.

State, in ``pools.<name>.datasets.<path below the pool>``: {id, type, guid, created, txg, objset, props: {name: [value,
source]}, origin: id of a snapshot or null, snaps: {name: {id, guid, created, txg, props, holds, refer, held}},
bookmarks: {name: {guid, txg, created}}, volsize}. ``source`` is local or received.
"""

from __future__ import annotations

import os
import time

from . import mounts, props, tree
from .errors import Fail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    State = dict[str, Any]
    Record = dict[str, Any]

_NAME_CHARS = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.: ")


class Dataset:
    """A file system or volume."""

    __slots__ = ("data", "pname", "pool", "rel", "s")

    def __init__(self, s: State, pname: str, rel: str) -> None:
        self.s = s
        self.pname = pname
        self.rel = rel
        self.pool: Record = s["pools"][pname]
        self.data: Record = self.pool["datasets"][rel]

    @property
    def name(self) -> str:
        return f"{self.pname}/{self.rel}" if self.rel else self.pname

    @property
    def volume(self) -> bool:
        return bool(self.data["type"] == "volume")

    @property
    def kind(self) -> str:
        """What messages call it."""
        return "volume" if self.volume else "filesystem"

    @property
    def directory(self) -> str:
        """Where its live content is."""
        return str(self.data.get("dir") or f"{self.pool['dir']}/ds/{self.data['id']}")

    def snapshot_path(self, snap: str) -> str:
        """Where a snapshot's content is."""
        return f"{self.pool['dir']}/snap/{self.data['snaps'][snap]['id']}"

    def parent(self) -> Dataset | None:
        if not self.rel:
            return None
        return Dataset(self.s, self.pname, self.rel.rpartition("/")[0])

    def children(self) -> list[Dataset]:
        """Direct children, in the order that the pool lists them."""
        prefix = self.rel + "/" if self.rel else ""
        found = [
            Dataset(self.s, self.pname, rel)
            for rel in self.pool["datasets"]
            if rel and rel.startswith(prefix) and rel != self.rel and "/" not in rel[len(prefix) :]
        ]
        return sorted(found, key=lambda child: iteration_key(child.rel.rpartition("/")[2]))

    def descendants(self) -> list[Dataset]:
        """All below, by name."""
        prefix = self.rel + "/" if self.rel else ""
        rels = [rel for rel in self.pool["datasets"] if rel and rel != self.rel and rel.startswith(prefix)]
        return [Dataset(self.s, self.pname, rel) for rel in sorted(rels)]

    def snapshots(self) -> list[str]:
        """Names of its snapshots, oldest first."""
        snaps = self.data["snaps"]
        return sorted(snaps, key=lambda name: (snaps[name]["txg"], name))

    def mount(self) -> Record | None:
        """Its entry in the mount table."""
        for entry in mounts.table(self.s):
            if entry.get("dataset") == self.data["guid"]:
                return entry
        return None


def iteration_key(name: str) -> tuple[int, str]:
    """The order in which a pool lists children: ZFS lists by hash, so it is arbitrary but always the same."""
    import zlib

    return zlib.crc32(b"\x02" + name.encode("utf-8", "surrogateescape")), name


def lookup(s: State, name: str) -> Dataset | None:
    """The dataset called *name*, None if there is none."""
    pname, _, rel = name.partition("/")
    pool = s.get("pools", {}).get(pname)
    if pool is None or rel not in pool["datasets"] or name.endswith("/"):
        return None
    return Dataset(s, pname, rel)


def name_problem(name: str, kind: str, modifying: bool = False) -> str:
    """Why *name* is not a valid name of a *kind* (dataset, snapshot, bookmark, any), empty if it is."""
    if kind == "dataset" and "@" in name:
        return "snapshot delimiter '@' is not expected here"
    if kind == "snapshot" and "@" not in name:
        return "missing '@' delimiter in snapshot name"
    if kind in ("dataset", "snapshot") and "#" in name:
        return "bookmark delimiter '#' is not expected here"
    if kind == "bookmark" and "#" not in name:
        return "missing '#' delimiter in bookmark name"
    if modifying and "%" in name:
        return "invalid character % in name"
    if len(name) >= 256:
        return "name is too long"
    if name.startswith("/"):
        return "leading slash in name"
    if not name or name.endswith("/"):
        return "trailing slash in name"
    if name.count("@") + name.count("#") > 1:
        return "multiple '@' and/or '#' delimiters in name"
    base, _, tail = name.replace("#", "@").partition("@")
    if "/" in tail:
        return "empty component or misplaced '@' or '#' delimiter in name"
    parts = base.split("/")
    if "" in parts or (len(base) < len(name) and not tail):
        return "empty component or misplaced '@' or '#' delimiter in name"
    if "." in parts:
        return "self reference, '.' is found in name"
    if ".." in parts:
        return "parent reference, '..' is found in name"
    for char in name:
        if char not in _NAME_CHARS and char not in "/@#%":
            return f"invalid character '{char}' in name"
    return ""


def open_dataset(s: State, name: str) -> Dataset:
    """As zfs_open(): the dataset, or ``cannot open``."""
    problem = name_problem(name, "dataset")
    if problem:
        raise Fail(f"cannot open '{name}': {problem}")
    found = lookup(s, name)
    if found is None:
        raise Fail(f"cannot open '{name}': dataset does not exist")
    return found


def open_snapshot(s: State, name: str) -> tuple[Dataset, str]:
    """The dataset and the name of an existing snapshot."""
    problem = name_problem(name, "snapshot")
    if problem:
        raise Fail(f"cannot open '{name}': {problem}")
    base, _, snap = name.partition("@")
    found = lookup(s, base)
    if found is None or snap not in found.data["snaps"]:
        raise Fail(f"cannot open '{name}': dataset does not exist")
    return found, snap


def every_snapshot(s: State) -> Iterator[tuple[Dataset, str]]:
    """All snapshots of all pools."""
    for pname, pool in s.get("pools", {}).items():
        for rel in pool["datasets"]:
            dataset = Dataset(s, pname, rel)
            for snap in dataset.snapshots():
                yield dataset, snap


def by_snapshot_guid(s: State, pname: str, guid: str, near: str = "") -> tuple[Dataset, str] | None:
    """The snapshot with *guid* in a pool, one at or below the dataset called *near* if there are several."""
    found = None
    for rel, data in s["pools"][pname]["datasets"].items():
        for snap, record in data["snaps"].items():
            if record["guid"] == guid:
                dataset = Dataset(s, pname, rel)
                if near and (dataset.name + "/").startswith(near + "/"):
                    return dataset, snap
                found = found or (dataset, snap)
    return found


def clones(dataset: Dataset, snap: str) -> list[Dataset]:
    """File systems and volumes cloned from a snapshot."""
    # By id: a received snapshot has the GUID of the one it was sent from.
    mark = dataset.data["snaps"][snap]["id"]
    rels = [rel for rel, data in dataset.pool["datasets"].items() if data["origin"] == mark]
    return [Dataset(dataset.s, dataset.pname, rel) for rel in sorted(rels, key=lambda rel: iteration_key(rel))]


def origin(dataset: Dataset) -> tuple[Dataset, str] | None:
    """What a clone was made from."""
    mark = dataset.data["origin"]
    if mark is None:
        return None
    for rel, data in dataset.pool["datasets"].items():
        for snap, record in data["snaps"].items():
            if record["id"] == mark:
                return Dataset(dataset.s, dataset.pname, rel), snap
    return None


# --- settable properties ---


def setting(dataset: Dataset, name: str) -> tuple[str, str]:
    """(value, source) of a settable or user property as stored or inherited; source as ``zfs get`` prints it."""
    own = dataset.data["props"].get(name)
    if own is not None:
        return str(own[0]), str(own[1])
    prop = props.find(name)
    if prop is None or prop.inherit:
        above = dataset.parent()
        while above is not None:
            own = above.data["props"].get(name)
            if own is not None:
                value = str(own[0])
                if name == "mountpoint" and value not in ("none", "legacy"):
                    value = value.rstrip("/") + dataset.name[len(above.name) :]
                return value, f"inherited from {above.name}"
            above = above.parent()
    if prop is None:
        return "-", "-"
    if name == "mountpoint":
        return "/" + dataset.name, "default"
    return prop.default, "default"


def on(dataset: Dataset, name: str) -> bool:
    """Whether an on/off property is on."""
    return setting(dataset, name)[0] == "on"


def mountpoint(dataset: Dataset) -> str:
    """Where it mounts, the pool's altroot in front; ``none`` or ``legacy`` as they are."""
    value = setting(dataset, "mountpoint")[0]
    if value in ("none", "legacy"):
        return value
    altroot = str(dataset.pool["altroot"])
    if not altroot or altroot == "/":
        return value
    return altroot if value == "/" else altroot + value


def fresh_guid() -> str:
    """A random 64-bit number, as text."""
    return str(int.from_bytes(os.urandom(8), "big") | 1 << 62)


def next_txg(pool: Record) -> int:
    """The pool's next transaction group."""
    pool["txg"] = int(pool["txg"]) + 1
    return int(pool["txg"])


def new_record(pool: Record, kind: str) -> Record:
    """The state of a dataset to be."""
    pool["next"] = int(pool["next"]) + 1
    return {
        "id": str(pool["next"]),
        "type": kind,
        "guid": fresh_guid(),
        "created": int(time.time()),
        "txg": next_txg(pool),
        "objset": 54 + 37 * int(pool["next"]),
        "props": {},
        "origin": None,
        "snaps": {},
        "bookmarks": {},
    }


# --- space ---


# Within one command a dataset is walked once.
_measured: dict[str, tuple[int, int]] = {}


def empty_size(pool: Record, volume: bool) -> int:
    """What a new dataset takes."""
    if volume:
        return 12288 if pool["ashift"] < 12 else 57344
    return 24576 if pool["ashift"] < 12 else 98304


def measured(dataset: Dataset) -> tuple[int, int]:
    """(charged, held) bytes of the live content. A walk is repeated only after twenty times what it took last time."""
    data = dataset.data
    if data.get("dir"):
        return 0, 0
    if data["guid"] in _measured:
        return _measured[data["guid"]]
    cached = data.get("size")
    now = time.monotonic()
    if cached and 0 <= now - cached[2] < 20 * cached[3]:
        return int(cached[0]), int(cached[1])
    if dataset.volume:
        charged = held = os.stat(dataset.directory).st_blocks * 512 if os.path.exists(dataset.directory) else 0
    else:
        charged, held = tree.usage(dataset.directory)
    cost = time.monotonic() - now
    data["size"] = [charged, held, now, cost if cost > 0.004 else 0]
    _measured[data["guid"]] = charged, held
    return charged, held


def forget_size(dataset: Dataset) -> None:
    """Measure again next time."""
    dataset.data.pop("size", None)
    _measured.pop(dataset.data["guid"], None)


def referenced(dataset: Dataset) -> int:
    """Bytes that its live content references."""
    charged = measured(dataset)[0]
    data = dataset.data
    if "base" in data:
        return max(512, int(data["base"]) + charged - int(data.get("base_size", charged)))
    return empty_size(dataset.pool, dataset.volume) + charged


def own_space(dataset: Dataset) -> int:
    """``usedbydataset``: for a clone, what it does not share with its origin."""
    refer = referenced(dataset)
    source = origin(dataset)
    if source is None:
        return refer
    return max(1024, refer - int(source[0].data["snaps"][source[1]]["refer"]))


def snapshot_space(dataset: Dataset) -> int:
    """``usedbysnapshots``: what they alone still hold, told by size."""
    snaps = dataset.data["snaps"]
    if not snaps:
        return 0
    return max(0, max(int(snap["refer"]) for snap in snaps.values()) - referenced(dataset))


def refreservation_space(dataset: Dataset) -> int:
    """``usedbyrefreservation``: reserved and not yet taken."""
    reserved = int(setting(dataset, "refreservation")[0])
    return max(0, reserved - own_space(dataset)) if reserved else 0


def used(dataset: Dataset) -> int:
    """All that it and everything below takes."""
    return used_map(dataset.s, dataset.pname)[dataset.rel]["used"]


def used_map(s: State, pname: str) -> dict[str, dict[str, int]]:
    """used, children, own, snapshots and refreservation of every dataset of a pool."""
    pool = s["pools"][pname]
    result: dict[str, dict[str, int]] = {}
    for rel in sorted(pool["datasets"], key=lambda rel: -len(rel.split("/")) if rel else 1):
        dataset = Dataset(s, pname, rel)
        row = result.setdefault(rel, {"children": 0})
        row["own"] = own_space(dataset)
        row["snapshots"] = snapshot_space(dataset)
        row["refreservation"] = refreservation_space(dataset)
        if not rel:
            row["children"] += int(pool["mos"])
        row["used"] = row["own"] + row["snapshots"] + row["refreservation"] + row["children"]
        if rel:
            above = result.setdefault(rel.rpartition("/")[0], {"children": 0})
            reserved = int(setting(dataset, "reservation")[0])
            above["children"] += max(row["used"], reserved)
    return result


def reserved_space(s: State, pname: str) -> int:
    """Bytes that are promised but hold nothing: reservations and refreservations."""
    total = 0
    rows = used_map(s, pname)
    for rel, row in rows.items():
        dataset = Dataset(s, pname, rel)
        total += row["refreservation"]
        total += max(0, int(setting(dataset, "reservation")[0]) - row["used"])
    return total


__all__ = [
    "Dataset",
    "by_snapshot_guid",
    "clones",
    "empty_size",
    "every_snapshot",
    "forget_size",
    "fresh_guid",
    "iteration_key",
    "lookup",
    "measured",
    "mountpoint",
    "name_problem",
    "new_record",
    "next_txg",
    "on",
    "open_dataset",
    "open_snapshot",
    "origin",
    "own_space",
    "referenced",
    "reserved_space",
    "setting",
    "used",
    "used_map",
]
