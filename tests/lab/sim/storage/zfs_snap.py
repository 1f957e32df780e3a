# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""``zfs snapshot``, ``rollback``, ``hold``, ``release``, ``holds``, ``diff``, ``bookmark`` and ``destroy``."""

from __future__ import annotations

import os
import sys
import time

from . import actions, pools, tree, units
from . import datasets as ds
from .datasets import Dataset
from .errors import Fail, warn
from .zfs_base import options, usage
from .zpool_base import log_zfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    State = dict[str, Any]


def snapshot(s: State, argv: list[str]) -> int:
    found, operands = options("snapshot", argv[2:], "ro:")
    recursive = any(letter == "r" for letter, _value in found)
    values = dict(value.partition("=")[::2] for letter, value in found if letter == "o")
    if not operands:
        raise usage("snapshot", "missing snapshot argument")
    for key in values:
        if ":" not in key:
            raise Fail(f"cannot create snapshots : invalid property '{key}'")
    targets: list[tuple[Dataset, str]] = []
    for word in operands:
        base, at, name = word.partition("@")
        if not at:
            raise usage("snapshot")
        dataset = ds.lookup(s, base)
        if dataset is None:
            problem = ds.name_problem(base, "dataset")
            raise usage("snapshot", f"cannot open '{base}': {problem or 'dataset does not exist'}")
        targets += [(one, name) for one in ([dataset, *dataset.descendants()] if recursive else [dataset])]
    for dataset, name in targets:
        full = f"{dataset.name}@{name}"
        problem = ds.name_problem(full, "snapshot", modifying=True)
        if problem:
            raise Fail(f"cannot create snapshot '{full}': {problem}")
    for dataset, name in targets:
        if name in dataset.data["snaps"]:
            raise Fail(
                f"cannot create snapshot '{dataset.name}@{name}': dataset already exists" + _none_created(targets)
            )
    txg = ds.next_txg(targets[0][0].pool)
    for dataset, name in targets:
        actions.snapshot(dataset, name, values, txg)
    for pname in {dataset.pname for dataset, _name in targets}:
        log_zfs(s, pname, argv)
        pools.flush(s, pname, "active")
    return 0


def _none_created(targets: list[tuple[Dataset, str]]) -> str:
    return "\nno snapshots were created" if len(targets) > 1 else ""


def rollback(s: State, argv: list[str]) -> int:
    found, operands = options("rollback", argv[2:], "rRf")
    flags = dict(found)
    if not operands:
        raise usage("rollback", "missing dataset argument")
    if len(operands) > 1:
        raise usage("rollback", "too many arguments")
    dataset, snap = ds.open_snapshot(s, operands[0])
    full = f"{dataset.name}@{snap}"
    order = dataset.snapshots()
    later = order[order.index(snap) + 1 :]
    clones = [clone.name for name in later for clone in ds.clones(dataset, name)]
    if later and not flags.keys() & {"r", "R"}:
        lines = [f"cannot rollback to '{full}': more recent snapshots or bookmarks exist"]
        lines.append("use '-r' to force deletion of the following snapshots and bookmarks:")
        raise Fail("\n".join(lines + [f"{dataset.name}@{name}" for name in later]))
    if clones and "R" not in flags:
        lines = [f"cannot rollback to '{full}': clones of previous snapshots exist"]
        lines.append("use '-R' to force deletion of the following clones and dependents:")
        raise Fail("\n".join(lines + clones))
    for name in later:
        for clone in ds.clones(dataset, name):
            actions.unmount(clone, True)
            actions.drop(clone)
        actions.drop_snapshot(dataset, name)
    actions.restore(dataset, snap)
    log_zfs(s, dataset.pname, argv)
    return 0


# --- holds, bookmarks, diff ---


def hold(s: State, argv: list[str]) -> int:
    found, operands = options("hold", argv[2:], "r")
    return _holding(s, argv, operands, bool(found), True)


def release(s: State, argv: list[str]) -> int:
    found, operands = options("release", argv[2:], "r")
    return _holding(s, argv, operands, bool(found), False)


def _holding(s: State, argv: list[str], operands: list[str], recursive: bool, holding: bool) -> int:
    verb = "hold" if holding else "release"
    if len(operands) < 2:
        raise usage(verb)
    tag, names = operands[0], operands[1:]
    if holding and tag.startswith("."):
        raise usage(verb, f"{tag}: tag may not start with '.'")
    rc = 0
    for word in names:
        base, at, snap = word.partition("@")
        if not at:
            warn(f"'{word}' is not a snapshot")
            rc = 1
            continue
        try:
            top, _snap = ds.open_snapshot(s, word)
            targets = [top, *(one for one in top.descendants() if recursive and snap in one.data["snaps"])]
            for one in targets:
                _hold_one(one, snap, tag, holding)
            log_zfs(s, base.partition("/")[0], argv)
        except Fail as error:
            warn(error.text)
            rc = 1
    return rc


def _hold_one(dataset: Dataset, snap: str, tag: str, holding: bool) -> None:
    holds = dataset.data["snaps"][snap]["holds"]
    full = f"{dataset.name}@{snap}"
    if holding:
        if tag in holds:
            raise Fail(f"cannot hold snapshot '{full}': tag already exists on this dataset")
        holds[tag] = int(time.time())
        return
    if tag not in holds:
        raise Fail(f"cannot release hold from snapshot '{full}': no such tag on this dataset")
    del holds[tag]
    if not holds and dataset.data["snaps"][snap].get("deferred") and not ds.clones(dataset, snap):
        actions.drop_snapshot(dataset, snap)


def holds(s: State, argv: list[str]) -> int:
    found, operands = options("holds", argv[2:], "rHp")
    flags = dict(found)
    if not operands:
        raise usage("holds")
    rows = []
    rc = 0
    for word in operands:
        if "@" not in word:
            warn(f"'{word}' is not a snapshot")
            rc = 1
            continue
        try:
            top, snap = ds.open_snapshot(s, word)
        except Fail as error:
            warn(error.text)
            rc = 1
            continue
        targets = [top, *(one for one in top.descendants() if "r" in flags and snap in one.data["snaps"])]
        for one in targets:
            for tag, when in one.data["snaps"][snap]["holds"].items():
                text = str(when) if "p" in flags else time.strftime("%a %b %e %k:%M %Y", time.localtime(when))
                rows.append((f"{one.name}@{snap}", tag, text))
    if "H" in flags:
        for row in rows:
            print("\t".join(row))
    elif rows:
        name = max(4, *(len(row[0]) for row in rows))
        tag_width = max(3, *(len(row[1]) for row in rows))
        print(f"{'NAME':<{name}}  {'TAG':<{tag_width}}  TIMESTAMP")
        for row in rows:
            print(f"{row[0]:<{name}}  {row[1]:<{tag_width}}  {row[2]}")
    return rc


def bookmark(s: State, argv: list[str]) -> int:
    _found, operands = options("bookmark", argv[2:], "")
    if not operands:
        raise usage("bookmark", "missing source argument")
    if len(operands) < 2:
        raise usage("bookmark", "missing bookmark argument")
    source, target = operands
    if "#" not in target:
        raise usage("bookmark", f"invalid bookmark name '{target}': must contain a '#'")
    error = f"cannot create bookmark '{target}'"
    base = target.partition("#")[0] or source.replace("#", "@").partition("@")[0]
    name = target.partition("#")[2]
    if "@" in source:
        dataset, snap = ds.open_snapshot(s, source)
        record = dataset.data["snaps"][snap]
    else:
        dataset = ds.open_dataset(s, source.partition("#")[0])
        record = dataset.data["bookmarks"].get(source.partition("#")[2])
        if record is None:
            raise Fail(f"cannot open '{source}': dataset does not exist")
    if base != dataset.name:
        raise Fail(f"{error}: bookmark is in a different dataset")
    if name in dataset.data["bookmarks"]:
        raise Fail(f"{error}: bookmark exists")
    dataset.data["bookmarks"][name] = {key: record[key] for key in ("guid", "txg", "created")}
    log_zfs(s, dataset.pname, argv)
    return 0


def diff(s: State, argv: list[str]) -> int:
    found, operands = options("diff", argv[2:], "FHth")
    flags = dict(found)
    if not operands:
        raise usage("diff", "must provide at least one snapshot name")
    if len(operands) > 2:
        raise usage("diff", "too many arguments")
    dataset, old = ds.open_snapshot(s, operands[0]) if "@" in operands[0] else (None, "")
    if dataset is None:
        raise Fail(f"Badly formed snapshot name {operands[0]}: must be a snapshot name")
    new_path = dataset.directory
    if len(operands) == 2 and "@" in operands[1]:
        other, snap = ds.open_snapshot(
            s, operands[1] if not operands[1].startswith("@") else dataset.name + operands[1]
        )
        if other.rel != dataset.rel:
            raise Fail(f"cannot diff '{operands[1]}': not an earlier snapshot from the same fs")
        new_path = dataset.snapshot_path(snap)
    entry = dataset.mount()
    root = entry["target"] if entry is not None else ds.mountpoint(dataset)
    if entry is None:
        raise Fail(f"cannot diff '{dataset.name}': Cannot diff an unmounted snapshot")
    for change in tree.compare(dataset.snapshot_path(old), new_path):
        path = f"{root.rstrip('/')}/{change.path}"
        fields = [change.kind]
        if "F" in flags:
            fields.append(_type_letter(change, dataset.snapshot_path(old)))
        print("\t".join([*fields, path]))
    return 0


def _type_letter(change: tree.Change, old: str) -> str:
    import stat

    try:
        mode = change.new.st_mode if change.new is not None else os.lstat(f"{old}/{change.path}").st_mode
    except OSError:
        return "?"
    return "/" if stat.S_ISDIR(mode) else "@" if stat.S_ISLNK(mode) else "|" if stat.S_ISFIFO(mode) else "F"


# --- destroy ---


class Node:
    """A dataset or a snapshot on the way to destruction."""

    __slots__ = ("dataset", "snap")

    def __init__(self, dataset: Dataset, snap: str = "") -> None:
        self.dataset = dataset
        self.snap = snap

    @property
    def name(self) -> str:
        return f"{self.dataset.name}@{self.snap}" if self.snap else self.dataset.name

    def gone(self) -> bool:
        table = self.dataset.pool["datasets"]
        return self.dataset.rel not in table or bool(self.snap and self.snap not in table[self.dataset.rel]["snaps"])


def dependents(node: Node, first: bool = True, stack: tuple[str, ...] = ()) -> list[Node]:
    """What depends on *node*, in libzfs's order: children, then snapshots by age with their clones, then itself."""
    found: list[Node] = []
    if node.snap:
        for clone in ds.clones(node.dataset, node.snap):
            found += dependents(Node(clone), False, stack)
    else:
        if node.dataset.data["guid"] in stack:
            return []
        inner = (*stack, node.dataset.data["guid"])
        for child in node.dataset.children():
            found += dependents(Node(child), False, inner)
        for snap in node.dataset.snapshots():
            found += dependents(Node(node.dataset, snap), False, inner)
    if not first:
        found.append(node)
    return found


class Destroy:
    """One ``zfs destroy``."""

    def __init__(self, s: State, flags: dict[str, str]) -> None:
        self.s = s
        self.recurse = "r" in flags or "R" in flags
        self.clones = "R" in flags
        self.dry = "n" in flags
        self.force = "f" in flags
        self.verbose = "v" in flags
        self.parsable = "p" in flags
        self.defer = "d" in flags
        self.error = False
        self.batch: list[Node] = []

    def say(self, node: Node) -> None:
        if self.parsable:
            if self.verbose or self.dry:
                print(f"destroy\t{node.name}")
        elif self.verbose or (self.dry and self.verbose):
            print(f"{'would' if self.dry else 'will'} destroy {node.name}")

    def one(self, node: Node) -> bool:
        """destroy_callback(): False stops a destroy that is not recursive."""
        if self.verbose or (self.parsable and self.dry):
            self.say(node)
        if not node.dataset.rel and not node.snap:
            return True
        if self.dry:
            return True
        if node.snap:
            self.batch.append(node)
            return True
        try:
            self.snapshots()
            if node.gone():
                return True
            actions.unmount(node.dataset, self.force)
            self.drop(node.dataset)
        except Fail as error:
            warn(error.text)
            if self.recurse:
                self.error = True
                return True
            return False
        return True

    def drop(self, dataset: Dataset) -> None:
        """Destroy a dataset that must be free by now."""
        if dataset.children() or dataset.data["snaps"]:
            raise Fail(f"cannot destroy '{dataset.name}': dataset already exists")
        actions.drop(dataset)

    def snapshots(self) -> None:
        """Destroy the snapshots gathered so far, all or none. Raises Fail."""
        batch, self.batch = [node for node in self.batch if not node.gone()], []
        for node in batch:
            problem = snapshot_problem(node, self.defer)
            if problem:
                raise Fail(f"cannot destroy snapshot {node.name}: {problem}")
        for node in batch:
            record = node.dataset.data["snaps"][node.snap]
            if self.defer and (record["holds"] or ds.clones(node.dataset, node.snap)):
                record["deferred"] = True
            else:
                actions.drop_snapshot(node.dataset, node.snap)


def snapshot_problem(node: Node, defer: bool) -> str:
    """Why a snapshot cannot go, empty if it can."""
    if defer:
        return ""
    if node.dataset.data["snaps"][node.snap]["holds"]:
        return "dataset is busy"
    if ds.clones(node.dataset, node.snap):
        return "snapshot is cloned"
    return ""


def destroy(s: State, argv: list[str]) -> int:
    found, operands = options("destroy", argv[2:], "vpndfrR")
    flags = dict(found)
    if not operands:
        raise usage("destroy", "missing dataset argument")
    if len(operands) > 1:
        raise usage("destroy", "too many arguments")
    word = operands[0]
    work = Destroy(s, flags)
    if "@" in word:
        rc = _destroy_snapshots(s, work, word)
    elif "#" in word:
        rc = _destroy_bookmark(s, work, word)
    else:
        rc = _destroy_dataset(s, work, word)
    if not work.dry:
        pname = word.partition("/")[0].partition("@")[0]
        if rc == 0:
            log_zfs(s, pname, argv)
    return rc


def _destroy_bookmark(s: State, work: Destroy, word: str) -> int:
    base, _, name = word.partition("#")
    dataset = ds.lookup(s, base)
    if dataset is None or name not in dataset.data["bookmarks"]:
        raise Fail(f"bookmark '{word}' does not exist.")
    if not work.dry:
        del dataset.data["bookmarks"][name]
    return 0


def _destroy_dataset(s: State, work: Destroy, word: str) -> int:
    dataset = ds.open_dataset(s, word)
    if not dataset.rel and not work.recurse:
        raise Fail(
            f"cannot destroy '{word}': operation does not apply to pools\n"
            f"use 'zfs destroy -r {word}' to destroy all datasets in the pool\n"
            f"use 'zpool destroy {word}' to destroy the pool itself"
        )
    below = dependents(Node(dataset))
    if not work.clones:
        _check_dependents(dataset, below, work)
    sys.stdout.flush()
    for node in below:
        if not work.one(node):
            return 1
    try:
        if not work.dry:
            work.snapshots()
    except Fail as error:
        warn(error.text)
        work.error = True
    node = Node(dataset)
    if not work.one(node):
        return 1
    return 1 if work.error else 0


def _check_dependents(dataset: Dataset, below: list[Node], work: Destroy) -> None:
    """destroy_check_dependent(): refuse what -r or -R would have to take along."""
    lines: list[str] = []
    for node in below:
        inside = node.name.startswith((dataset.name + "/", dataset.name + "@"))
        if inside:
            if work.recurse:
                continue
            if not lines:
                lines = [
                    f"cannot destroy '{dataset.name}': {dataset.kind} has children",
                    "use '-r' to destroy the following datasets:",
                ]
        elif work.recurse:
            if not lines:
                lines = [
                    f"cannot destroy '{dataset.name}': {dataset.kind} has dependent clones",
                    "use '-R' to destroy the following datasets:",
                ]
        elif not lines:
            continue
        lines.append(node.name)
    if lines:
        raise Fail("\n".join(lines))


def _destroy_snapshots(s: State, work: Destroy, word: str) -> int:
    base, _, spec = word.partition("@")
    dataset = ds.lookup(s, base)
    if dataset is None:
        raise Fail(f"cannot open '{base}': dataset does not exist")
    family = [dataset, *(dataset.descendants() if work.recurse else [])]
    nodes: list[Node] = []
    for part in spec.split(","):
        matched = [node for one in family for node in _range(one, part)]
        nodes += matched
        if not matched and "%" not in part and len(spec.split(",")) == 1:
            raise Fail("could not find any snapshots to destroy; check snapshot names.")
    if not nodes:
        raise Fail("could not find any snapshots to destroy; check snapshot names.")
    if not work.clones and not work.defer:
        for node in nodes:
            clones = dependents(node)
            if clones:
                lines = [f"cannot destroy '{node.name}': snapshot has dependent clones"]
                lines.append("use '-R' to destroy the following datasets:")
                raise Fail("\n".join(lines + [clone.name for clone in clones]))
    for node in nodes:
        work.say(node)
    if work.dry or work.verbose:
        size = sum(max(0, snap_space(node)) for node in nodes)
        if work.parsable:
            print(f"reclaim\t{size}")
        elif work.verbose:
            print(f"{'would' if work.dry else 'will'} reclaim {units.nicebytes(size)}")
    if work.dry:
        return 0
    sys.stdout.flush()
    if work.clones:
        for node in nodes:
            for clone in dependents(node):
                if not work.one(clone):
                    return 1
    work.batch = nodes
    work.snapshots()
    return 1 if work.error else 0


def snap_space(node: Node) -> int:
    """What destroying a snapshot gives back: told by size."""
    refer = int(node.dataset.data["snaps"][node.snap]["refer"])
    return refer - ds.referenced(node.dataset)


def _range(dataset: Dataset, part: str) -> list[Node]:
    order = dataset.snapshots()
    if "%" not in part:
        return [Node(dataset, part)] if part in order else []
    first, _, last = part.partition("%")
    if (first and first not in order) or (last and last not in order):
        return []
    begin = order.index(first) if first else 0
    end = order.index(last) if last else len(order) - 1
    return [Node(dataset, name) for name in order[begin : end + 1]]


__all__ = ["bookmark", "destroy", "diff", "hold", "holds", "release", "rollback", "snapshot"]
