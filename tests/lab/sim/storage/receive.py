# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""``zfs receive``: unpack into a staging directory of the pool, then take it over under the lock."""

from __future__ import annotations

import errno
import json
import os
import sys
import time

from .. import state
from . import actions, archive, pools, props, streams, tree, units
from . import datasets as ds
from .datasets import Dataset
from .errors import Fail, warn
from .zfs_base import options, usage
from .zfs_change import checked
from .zpool_base import log_zfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

    State = dict[str, Any]
    Record = dict[str, Any]

_NEW = "cannot receive new filesystem stream"
_INCREMENTAL = "cannot receive incremental stream"


class Request:
    """``zfs receive`` as asked for."""

    def __init__(self) -> None:
        self.mount = True
        self.force = False
        self.dry = False
        self.verbose = False
        self.strip = ""
        self.override: dict[str, str] = {}
        self.exclude: list[str] = []
        self.target = ""
        self.argv: list[str] = []


def parse(argv: list[str]) -> Request:
    found, operands = options("receive", argv[2:], ":o:x:dehMnuvFsAc")
    request = Request()
    request.argv = argv
    for letter, value in found:
        if letter == "u":
            request.mount = False
        elif letter == "F":
            request.force = True
        elif letter == "n":
            request.dry = True
        elif letter == "v":
            request.verbose = True
        elif letter in "de":
            if request.strip:
                raise usage("receive", "invalid option combination: -d and -e are mutually exclusive")
            request.strip = letter
        elif letter == "o":
            name, equals, text = value.partition("=")
            if not equals:
                raise usage("receive", "missing '=' for property=value argument")
            if props.canonical(name) in request.override:
                raise Fail(f"property '{name}' specified multiple times")
            request.override[props.canonical(name)] = text
        elif letter == "x":
            if props.find(value) is None and not props.is_user(value):
                raise Fail(f"{_NEW}: invalid property '{value}'")
            request.exclude.append(props.canonical(value))
    if not operands:
        raise usage("receive", "missing snapshot argument")
    if len(operands) > 1:
        raise usage("receive", "too many arguments")
    request.target = operands[0]
    return request


def _record(stream: BinaryIO) -> Record:
    raw = _read(stream, 8)
    length = int.from_bytes(raw, "big")
    if len(raw) < 8 or length > 64 << 20:
        raise archive.Truncated
    body = _read(stream, length)
    if len(body) < length:
        raise archive.Truncated
    record: Record = json.loads(body)
    return record


def _read(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count)
    while len(data) < count:
        more = stream.read(count - len(data))
        if not more:
            break
        data += more
    return data


def receive(argv: list[str], stream: BinaryIO) -> int:
    """The command; takes and leaves the state's lock itself, for stdin may wait for another zfs."""
    request = parse(argv)
    if os.isatty(0):
        raise Fail("Error: Backup stream can not be read from a terminal.\nYou must redirect standard input.")
    problem = ds.name_problem(request.target, "any")
    if problem:
        raise Fail(f"cannot receive: {problem}")
    magic = _read(stream, len(streams.MAGIC))
    if magic != streams.MAGIC:
        rest = _read(stream, 312 - len(magic))
        if len(magic) + len(rest) < 312:
            raise Fail("cannot receive: failed to read from stream")
        raise Fail("cannot receive: invalid stream (bad magic number)")
    try:
        header = _record(stream)
    except archive.Truncated:
        raise Fail("cannot receive: failed to read from stream") from None
    rc = 0
    fresh: list[str] = []
    while True:
        try:
            record = _record(stream)
        except archive.Truncated:
            raise Fail(f"{_NEW}: incomplete stream") from None
        if record["type"] == "eof":
            break
        _one(request, header, record, stream, fresh)
    with state.edit() as s:
        for name in sorted(fresh):
            dataset = ds.lookup(s, name)
            if dataset is not None and request.mount and dataset.mount() is None and actions.mountable(dataset):
                try:
                    actions.mount(dataset)
                except Fail as error:
                    warn(error.text)
                    rc = 1
        pname = request.target.partition("/")[0].partition("@")[0]
        if pname in s.get("pools", {}) and not request.dry:
            log_zfs(s, pname, argv)
            pools.flush(s, pname, "active")
    return rc


def destination(request: Request, header: Record, record: Record) -> tuple[str, str]:
    """(dataset, snapshot) to receive a part into. Raises Fail."""
    base, at, given = request.target.partition("@")
    sent, _, snap = record["name"].partition("@")
    if request.strip:
        if at:
            raise Fail(f"cannot receive: invalid argument - snapshot not allowed with -{request.strip}")
        top = str(header["name"]).partition("@")[0]
        kept = top.partition("/")[2] if request.strip == "d" else top.rpartition("/")[2]
        whole = base + ("/" + kept if kept else "") + sent[len(top) :]
        return whole, snap
    if at and header["package"] and len(header["fss"]) + sum(len(f["snaps"]) for f in header["fss"]) > 2:
        raise Fail("cannot receive: cannot specify snapshot name for multi-snapshot stream")
    if at:
        return base, given
    return base + ("/" + record["path"] if record["path"] else ""), snap


def _one(request: Request, header: Record, record: Record, stream: BinaryIO, fresh: list[str]) -> None:
    name, snap = destination(request, header, record)
    incremental = record["fromguid"] != "0"
    error = _INCREMENTAL if incremental else _NEW
    if request.verbose or request.dry:
        verb = "would receive" if request.dry else "receiving"
        kind = "incremental" if incremental else "full"
        if request.verbose:
            print(f"{verb} {kind} stream of {record['name']} into {name}@{snap}", flush=True)
    began = time.monotonic()
    with state.edit() as s:
        staging = _prepare(s, request, record, name, snap)
    try:
        taken = archive.read(stream, staging)
        if _record(stream)["type"] != "end":
            raise archive.Truncated
    except (archive.Truncated, ValueError):
        tree.remove(staging)
        raise Fail(f"{error}: incomplete stream") from None
    except OSError as failed:
        tree.remove(staging)
        if failed.errno == errno.ENOSPC:
            raise Fail(f"{error}: out of space") from None
        raise
    if request.dry:
        tree.remove(staging)
        return
    with state.edit() as s:
        try:
            made = _commit(s, request, record, name, snap, staging)
        finally:
            tree.remove(staging)
    if made:
        fresh.append(name)
    if request.verbose:
        seconds = max(1, int(time.monotonic() - began))
        print(
            f"received {units.nicebytes(taken)} stream in {seconds} seconds ({units.nicebytes(taken // seconds)}/sec)"
        )
        sys.stdout.flush()


def _prepare(s: State, request: Request, record: Record, name: str, snap: str) -> str:
    """Check that the part fits here and make the staging directory. Raises Fail."""
    pname, _, rel = name.partition("/")
    pool = s.get("pools", {}).get(pname)
    incremental = record["fromguid"] != "0"
    dataset = ds.lookup(s, name)
    if incremental:
        _check_incremental(s, request, record, name, snap, dataset)
    else:
        _check_full(s, request, name, snap, dataset)
    if pool is None:
        raise Fail(f"{_NEW}: destination '{name}' does not exist")
    if dataset is None and rel.rpartition("/")[0] not in pool["datasets"]:
        raise Fail(f"{_NEW}: destination '{name.rpartition('/')[0]}' does not exist")
    if dataset is None and Dataset(s, pname, rel.rpartition("/")[0]).volume:
        raise Fail(f"{_NEW}: parent '{name.rpartition('/')[0]}' is not a filesystem")
    checked(_NEW, request.override, props.VOL if record["volume"] else props.FS, False)
    pool["next"] = int(pool["next"]) + 1
    staging = f"{pool['dir']}/receive.{pool['next']}"
    pools.fit(s, pname)
    os.mkdir(staging, 0o700)
    return staging


def _check_full(s: State, request: Request, name: str, snap: str, dataset: Dataset | None) -> None:
    if dataset is None:
        return
    if not request.force:
        raise Fail(f"{_NEW}: destination '{name}' exists\nmust specify -F to overwrite it")
    snaps = dataset.snapshots()
    if snaps:
        raise Fail(f"{_NEW}: destination has snapshots (eg. {name}@{snaps[0]})\nmust destroy them to overwrite it")


def _check_incremental(
    s: State, request: Request, record: Record, name: str, snap: str, dataset: Dataset | None
) -> None:
    pname = name.partition("/")[0]
    if dataset is None:
        if record["cloned"] and pname in s.get("pools", {}) and ds.by_snapshot_guid(s, pname, record["fromguid"]):
            return
        if record["cloned"]:
            raise Fail(f"cannot receive: local origin for clone {name}@{snap} does not exist")
        raise Fail(f"{_INCREMENTAL}: destination '{name}' does not exist")
    order = dataset.snapshots()
    guids = [dataset.data["snaps"][one]["guid"] for one in order]
    if snap in order:
        raise Fail(f"cannot restore to {name}@{snap}: destination already exists")
    if record["fromguid"] not in guids:
        raise Fail(f"{_INCREMENTAL}: most recent snapshot of {name} does not\nmatch incremental source")
    if guids[-1] != record["fromguid"]:
        if not request.force:
            raise Fail(f"{_INCREMENTAL}: most recent snapshot of {name} does not\nmatch incremental source")
        base = guids.index(record["fromguid"])
        for later in order[base + 1 :]:
            if ds.clones(dataset, later):
                raise Fail(f"{_INCREMENTAL}: most recent snapshot of {name} does not\nmatch incremental source")
            actions.drop_snapshot(dataset, later)
        order = order[: base + 1]
    if actions.modified_since(dataset, order[-1]):
        if not request.force:
            raise Fail(f"{_INCREMENTAL}: destination {name} has been modified\nsince most recent snapshot")
        actions.restore(dataset, order[-1])


def _commit(s: State, request: Request, record: Record, name: str, snap: str, staging: str) -> bool:
    """Take the staged content over, set properties, make the snapshot; True for a new dataset."""
    pname, _, rel = name.partition("/")
    dataset = ds.lookup(s, name)
    made = dataset is None
    if dataset is None:
        near = request.target.partition("@")[0]
        source = ds.by_snapshot_guid(s, pname, record["fromguid"], near) if record["cloned"] else None
        if source is not None:
            dataset = actions.clone(source[0], source[1], pname, rel, {})
        else:
            kind = "volume" if record["volume"] else "filesystem"
            dataset = actions.create(s, pname, rel, kind, {}, int(record["volsize"]))
    if dataset.volume:
        os.replace(f"{staging}/volume", dataset.directory)
        dataset.data["volsize"] = int(record["volsize"])
        pools.zvol_nodes(s, pname)
    elif record["fromguid"] != "0":
        for path in record["removed"]:
            tree.remove(f"{dataset.directory}/{path}")
        take_over(staging, dataset.directory)
    else:
        with os.scandir(dataset.directory) as entries:
            for entry in entries:
                tree.remove(entry.path)
        take_over(staging, dataset.directory)
    ds.forget_size(dataset)
    _properties(request, record, dataset, made)
    values = dict(record["snapprops"])
    actions.snapshot(dataset, snap, values, ds.next_txg(dataset.pool), record["guid"])
    return made


def _properties(request: Request, record: Record, dataset: Dataset, made: bool) -> None:
    received = {key: value for key, value in record["props"].items() if key not in request.exclude}
    kept = dataset.data.setdefault("received", {}) if received else {}
    for key, value in received.items():
        kept[key] = value
        own = dataset.data["props"].get(key)
        if own is None or own[1] == "received":
            dataset.data["props"][key] = [value, "received"]
    local = checked(_NEW, request.override, props.VOL if dataset.volume else props.FS, False)
    for key, value in local.items():
        dataset.data["props"][key] = [value, "local"]
    if made:
        pools.fit(dataset.s, dataset.pname)


def take_over(staging: str, target: str) -> None:
    """Move everything below *staging* over *target*, directories merged, their attributes along."""
    # Read first: moving the entries out changes the directory's time.
    attributes = os.lstat(staging)
    with os.scandir(staging) as entries:
        found = [(entry.name, entry.path, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, path, directory in found:
        place = f"{target}/{name}"
        there = os.path.isdir(place) and not os.path.islink(place)
        if directory and there:
            take_over(path, place)
            continue
        if directory or there:
            tree.remove(place)
        os.replace(path, place)
    tree.own(target, attributes)


__all__ = ["receive"]
