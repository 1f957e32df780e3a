# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Send streams: their format, and ``zfs send``.

``MAGIC``, then records: eight bytes of length, a JSON object, and behind a ``begin`` a tar archive. The first record is
padded so that a stream is never shorter than a real one's first header. ``header`` {package, name, tosnap, fromsnap,
fss}, ``begin`` {name, guid, fromguid, path, volume, volsize, removed, refer, props, snapprops, cloned}, ``end``,
``eof``.
"""

from __future__ import annotations

import json
import os
import sys

from . import archive, props, tree, units
from . import datasets as ds
from .datasets import Dataset
from .errors import Fail
from .zfs_base import options, usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

    State = dict[str, Any]
    Record = dict[str, Any]

MAGIC = b"FREEHYVE-LAB-ZFS-STREAM 1\n".ljust(32, b"\0")
_FIRST = 512


def put(out: BinaryIO, record: Record, least: int = 0) -> None:
    """Write one record."""
    body = json.dumps(record, separators=(",", ":")).encode("utf-8", "surrogateescape").ljust(least)
    out.write(len(body).to_bytes(8, "big") + body)


class Part:
    """One snapshot to send, full or against an earlier one."""

    def __init__(self, dataset: Dataset, snap: str, path: str, origin: tuple[str, str, str] | None) -> None:
        record = dataset.data["snaps"][snap]
        self.name = f"{dataset.name}@{snap}"
        self.snap = snap
        self.path = path
        self.guid: str = record["guid"]
        self.source = dataset.snapshot_path(snap)
        self.volume = dataset.volume
        self.volsize = int(record.get("volsize", 0))
        self.refer = int(record["refer"])
        # (name as shown, guid, path of the content) of what it is sent against
        self.origin = origin
        self.changes: list[tree.Change] | None = None
        self.props: Record = {}
        self.snapprops: Record = {key: value[0] for key, value in record["props"].items()}
        self.dataset = dataset.name
        self.cloned = False

    def compare(self) -> list[tree.Change]:
        """The changes since the origin, computed once."""
        if self.changes is None:
            self.changes = []
            if self.origin is not None and not self.volume and self.origin[2]:
                self.changes = tree.compare(self.origin[2], self.source)
        return self.changes

    def estimate(self) -> int:
        """The size that ``-nvP`` tells."""
        if self.origin is None:
            if self.volume:
                return 13936 + os.stat(self.source).st_blocks * 512
            return 13936 + sum(info.st_size for _r, _p, info in tree.walk(self.source) if info.st_size > 112)
        changes = self.compare()
        size = sum(change.new.st_size for change in changes if change.new is not None and change.new.st_size > 112)
        return 624 + (6656 if changes else 0) + size

    def write(self, out: BinaryIO) -> None:
        """Write its records and content."""
        removed = [change.path for change in self.compare() if change.kind == "-"]
        put(
            out,
            {
                "type": "begin",
                "name": self.name,
                "guid": self.guid,
                "fromguid": self.origin[1] if self.origin else "0",
                "path": self.path,
                "volume": self.volume,
                "volsize": self.volsize,
                "removed": removed,
                "refer": self.refer,
                "props": self.props,
                "snapprops": self.snapprops,
                "cloned": self.cloned,
            },
        )
        writer = archive.Writer(out)
        if self.volume:
            writer.member("./volume", self.source, os.lstat(self.source))
        elif self.origin is None:
            writer.add_tree(".", self.source)
        else:
            writer.member(".", self.source, os.lstat(self.source))
            there = {""}
            for change in self.compare():
                if change.new is None or not change.path:
                    continue
                # A file's directories come along, or they would be made up where it is unpacked.
                parts = change.path.split("/")
                for above in ("/".join(parts[:count]) for count in range(1, len(parts))):
                    if above not in there:
                        there.add(above)
                        path = f"{self.source}/{above}"
                        writer.member(f"./{above}", path, os.lstat(path))
                if change.path not in there:
                    there.add(change.path)
                    writer.member(f"./{change.path}", f"{self.source}/{change.path}", change.new)
        writer.end()
        put(out, {"type": "end"})


class Request:
    """``zfs send`` as asked for."""

    def __init__(self) -> None:
        self.dry = False
        self.verbose = 0
        self.parsable = False
        self.recursive = False
        self.props = False
        self.origin = ""
        self.intermediate = False
        self.holds = False


_LONG = {
    "--replicate": "R",
    "--props": "p",
    "--parsable": "P",
    "--large-block": "L",
    "--embed": "e",
    "--compressed": "c",
    "--raw": "w",
    "--dryrun": "n",
    "--verbose": "v",
    "--holds": "h",
    "--backup": "b",
    "--skip-missing": "s",
}


def parse(args: list[str]) -> tuple[Request, list[str]]:
    words = [f"-{_LONG[word]}" if word in _LONG else word for word in args]
    found, operands = options("send", words, ":i:I:RDpvnPLeht:cwbd:SsX:")
    request = Request()
    for letter, value in found:
        if letter in "iI":
            if request.origin:
                raise usage("send")
            request.origin = value
            request.intermediate = letter == "I"
        elif letter == "R":
            request.recursive = True
        elif letter == "p":
            request.props = True
        elif letter == "v":
            request.verbose += 1
        elif letter == "P":
            request.parsable = True
        elif letter == "n":
            request.dry = True
    if request.parsable and not request.verbose:
        request.verbose = 1 if request.dry else 0
    return request, operands


def plan(s: State, request: Request, name: str) -> list[Part]:
    """What to send, in order. Raises Fail."""
    if "@" not in name:
        dataset = ds.open_dataset(s, name)
        if request.recursive or request.intermediate:
            raise Fail("Error: Unsupported flag with filesystem or bookmark.")
        raise Fail(f"warning: cannot send '{dataset.name}': target is busy; if a filesystem, it must not be mounted")
    dataset, snap = ds.open_snapshot(s, name)
    origin = _origin(s, request, dataset, snap)
    if not request.recursive:
        return _chain(request, dataset, snap, dataset, origin)
    parts: list[Part] = []
    for one in _origins_first([dataset, *dataset.descendants()]):
        if snap in one.data["snaps"]:
            parts += _replicate(request, one, snap, dataset, origin)
    return parts


def _origins_first(family: list[Dataset]) -> list[Dataset]:
    """The datasets in an order in which a clone follows what it was cloned from."""
    waiting, done = list(family), []
    while waiting:
        names = {one.name for one in waiting}
        ready = []
        for one in waiting:
            source = ds.origin(one)
            if source is None or source[0].name not in names:
                ready.append(one)
        ready = ready or waiting
        done += ready
        waiting = [one for one in waiting if one not in ready]
    return done


def _origin(s: State, request: Request, dataset: Dataset, snap: str) -> tuple[str, str, str] | None:
    if not request.origin:
        return None
    text = request.origin
    if text.startswith(("@", "#")):
        text = dataset.name + text
    elif "@" not in text and "#" not in text:
        text = f"{dataset.name}@{text}"
    full = f"{dataset.name}@{snap}"
    limit = int(dataset.data["snaps"][snap]["txg"])
    if "#" in text:
        base, _, mark = text.partition("#")
        owner = ds.lookup(s, base)
        if owner is None or mark not in owner.data["bookmarks"]:
            raise Fail(f"warning: cannot send '{full}': incremental source ({text}) does not exist")
        record = owner.data["bookmarks"][mark]
        known = ds.by_snapshot_guid(s, dataset.pname, record["guid"])
        return text, record["guid"], known[0].snapshot_path(known[1]) if known else ""
    base, _, old = text.partition("@")
    owner = ds.lookup(s, base)
    if owner is None or old not in owner.data["snaps"]:
        raise Fail(f"warning: cannot send '{full}': incremental source ({text}) does not exist")
    record = owner.data["snaps"][old]
    source = ds.origin(dataset)
    is_origin = source is not None and source[0].rel == owner.rel and source[1] == old
    if (owner.rel != dataset.rel and not is_origin) or int(record["txg"]) >= limit:
        raise Fail(f"warning: cannot send '{full}': not an earlier snapshot from the same fs")
    return text, record["guid"], owner.snapshot_path(old)


def _step(dataset: Dataset, snap: str) -> tuple[str, str, str]:
    return f"@{snap}", dataset.data["snaps"][snap]["guid"], dataset.snapshot_path(snap)


def _relative(dataset: Dataset, top: Dataset) -> str:
    return dataset.name[len(top.name) :].lstrip("/")


def _chain(
    request: Request, dataset: Dataset, snap: str, top: Dataset, origin: tuple[str, str, str] | None
) -> list[Part]:
    path = _relative(dataset, top)
    if not request.intermediate or origin is None:
        parts = [Part(dataset, snap, path, origin)]
    else:
        order = dataset.snapshots()
        begin = int(next((r["txg"] for r in dataset.data["snaps"].values() if r["guid"] == origin[1]), 0))
        names = [name for name in order if begin < int(dataset.data["snaps"][name]["txg"])]
        names = names[: names.index(snap) + 1]
        parts = []
        for name in names:
            parts.append(Part(dataset, name, path, origin))
            origin = _step(dataset, name)
    if request.props:
        _attach(parts, dataset)
    return parts


def _replicate(
    request: Request, dataset: Dataset, snap: str, top: Dataset, given: tuple[str, str, str] | None
) -> list[Part]:
    order = dataset.snapshots()
    names = order[: order.index(snap) + 1]
    path = _relative(dataset, top)
    origin: tuple[str, str, str] | None = None
    if given is not None:
        old = given[0].partition("@")[2]
        if old in dataset.data["snaps"]:
            names = names[names.index(old) + 1 :]
            origin = _step(dataset, old)
            if not request.intermediate:
                names = names[-1:]
    cloned = False
    if origin is None:
        source = ds.origin(dataset)
        if source is not None and (source[0].name + "/").startswith(top.name + "/"):
            origin = (
                f"{source[0].name}@{source[1]}",
                source[0].data["snaps"][source[1]]["guid"],
                source[0].snapshot_path(source[1]),
            )
            cloned = True
    parts: list[Part] = []
    for name in names:
        part = Part(dataset, name, path, origin)
        part.cloned = cloned and not parts
        parts.append(part)
        origin = _step(dataset, name)
    _attach(parts, dataset)
    return parts


def _attach(parts: list[Part], dataset: Dataset) -> None:
    wanted = {}
    for key, (value, _source) in dataset.data["props"].items():
        prop = props.find(key)
        if props.is_user(key) or (prop is not None and prop.mode == "set"):
            wanted[key] = value
    for part in parts:
        part.props = wanted


def tell(request: Request, parts: list[Part]) -> None:
    """The report of ``-v`` and ``-P``: to stdout for a dry run, else to stderr."""
    out = sys.stdout if request.dry else sys.stderr
    total = 0
    for part in parts:
        size = part.estimate()
        total += size
        if request.parsable:
            if part.origin is None:
                out.write(f"full\t{part.name}\t{size}\n")
            else:
                shown = part.origin[0].removeprefix("@")
                out.write(f"incremental\t{shown}\t{part.name}\t{size}\n")
        elif part.origin is None:
            out.write(f"full send of {part.name} estimated size is {units.nicebytes(size)}\n")
        else:
            out.write(f"send from {part.origin[0]} to {part.name} estimated size is {units.nicebytes(size)}\n")
    if request.parsable:
        out.write(f"size\t{total}\n")
    else:
        out.write(f"total estimated size is {units.nicebytes(total)}\n")
    out.flush()


def write(request: Request, parts: list[Part], name: str, out: BinaryIO) -> None:
    """The whole stream."""
    package = request.recursive or request.props or (request.intermediate and len(parts) > 1)
    fss: dict[str, Record] = {}
    for part in parts:
        entry = fss.setdefault(
            part.dataset, {"name": part.dataset, "path": part.path, "props": part.props, "snaps": {}}
        )
        entry["snaps"][part.snap] = part.guid
    out.write(MAGIC)
    header = {
        "type": "header",
        "package": package,
        "recursive": request.recursive,
        "name": name,
        "tosnap": name.partition("@")[2],
        "fromsnap": request.origin.rpartition("@")[2],
        "fss": list(fss.values()) if package else [],
    }
    put(out, header, _FIRST)
    for part in parts:
        part.write(out)
    put(out, {"type": "eof"})


__all__ = ["MAGIC", "Part", "Request", "parse", "plan", "put", "tell", "write"]
