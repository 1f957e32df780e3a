# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""GEOM of the lab: disks, md units, their partitions and the nodes in /dev.

State: ``geom.disks`` {name: {file, size, heads, sectors}}, ``md`` {unit: {type, file, size, sector, readonly, label}}.
Partitions are not in the state: they are read from the tables on the disks each time.
"""

from __future__ import annotations

import os

from . import gpt
from .window import Window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    State = dict[str, Any]

DEV = "/dev"


class Disk:
    """A whole disk or md unit."""

    __slots__ = ("fixed", "heads", "name", "readonly", "track", "window")

    def __init__(self, name: str, window: Window, heads: int, track: int, fixed: bool, readonly: bool) -> None:
        self.name = name
        self.window = window
        self.heads = heads
        self.track = track
        self.fixed = fixed
        self.readonly = readonly

    def table(self) -> gpt.Table | None:
        """The partition table on it, read now."""
        return gpt.read_table(self.window)


class Provider:
    """Something that can be opened: a whole disk or one of its partitions."""

    __slots__ = ("disk", "name", "part", "window")

    def __init__(self, name: str, window: Window, disk: Disk, part: gpt.Partition | None) -> None:
        self.name = name
        self.window = window
        self.disk = disk
        self.part = part


def disks(s: State) -> dict[str, Disk]:
    """Every disk by name: host disks, then md units in order."""
    found = {}
    for name, disk in s.get("geom", {}).get("disks", {}).items():
        found[name] = Disk(name, Window(disk["file"], 0, disk["size"]), disk["heads"], disk["sectors"], True, False)
    for unit in sorted(s.get("md", {}), key=int):
        name = f"md{unit}"
        found[name] = _md_disk(name, s["md"][unit])
    return found


def _md_disk(name: str, md: dict[str, Any]) -> Disk:
    window = Window(md["file"], 0, md["size"], md["sector"])
    if md.get("heads") and md.get("track"):
        return Disk(name, window, md["heads"], md["track"], True, md["readonly"])
    heads, track = gpt.geometry(md["size"] // md["sector"])
    return Disk(name, window, heads, track, False, md["readonly"])


def disk(s: State, name: str) -> Disk | None:
    """The disk called *name* (with or without /dev/)."""
    return disks(s).get(strip(name))


def strip(name: str) -> str:
    """A provider's name without /dev/."""
    return name[5:] if name.startswith("/dev/") else name


def partitions(owner: Disk, table: gpt.Table) -> list[Provider]:
    """Partitions of *owner* in index order."""
    size = owner.window.sector
    return [
        Provider(
            f"{owner.name}{table.separator()}{part.index}",
            Window(owner.window.path, part.first * size, part.sectors * size, size),
            owner,
            part,
        )
        for part in sorted(table.parts.values(), key=lambda p: p.index)
    ]


def lookup(s: State, name: str) -> Provider | None:
    """The provider behind a name or node: md0, /dev/md0p2, gpt/label."""
    name = strip(name)
    every = disks(s)
    if name in every:
        return Provider(name, every[name].window, every[name], None)
    label = name[4:] if name.startswith("gpt/") else None
    for owner in every.values():
        if label is None and not name.startswith(owner.name):
            continue
        table = owner.table()
        if table is None:
            continue
        for provider in partitions(owner, table):
            part = provider.part
            if provider.name == name or (label and part is not None and part.label == label):
                return provider
    return None


def providers(s: State) -> list[Provider]:
    """Every provider: whole disks and partitions."""
    found = []
    for owner in disks(s).values():
        found.append(Provider(owner.name, owner.window, owner, None))
        table = owner.table()
        if table is not None:
            found.extend(partitions(owner, table))
    return found


def users(s: State) -> dict[str, str]:
    """What holds each provider open, by provider name."""
    found = {}
    for name, pool in s.get("pools", {}).items():
        for vdev in pool["vdevs"]:
            if vdev["kind"] == "disk":
                found[strip(vdev["path"])] = f"zfs {name}"
    for entry in s.get("mounts", []):
        if entry["type"] == "msdosfs":
            found[strip(entry["provider"])] = "msdosfs"
    for node in s.get("swap", []):
        found[strip(node["provider"])] = "swap"
    return found


def is_open(s: State, name: str) -> bool:
    """Whether *name* or a partition of it is in use. Unlike the kernel, by name: gpt/label counts for its partition."""
    for user in users(s):
        provider = lookup(s, user)
        if provider is not None and (provider.name == name or provider.disk.name == name):
            return True
    return False


def retaste(s: State, name: str) -> None:
    """Make the nodes of disk *name* what its table says; drop them if the disk is gone."""
    owner = disks(s).get(name)
    wanted = {}
    if owner is not None:
        wanted[f"{DEV}/{name}"] = owner.window.path
        table = owner.table()
        if table is not None:
            busy = {strip(user) for user in users(s)}
            for provider in partitions(owner, table):
                wanted[f"{DEV}/{provider.name}"] = ""
                # A label disappears while its partition is open by its own name (geom_label(4) is spoiled).
                if (
                    provider.part is not None
                    and provider.part.label
                    and table.scheme == "GPT"
                    and provider.name not in busy
                ):
                    wanted[f"{DEV}/gpt/{provider.part.label}"] = ""
    nodes = s.setdefault("nodes", {})
    # Two disks may carry the same label; the node stays while one of them has it.
    others = {path for other, paths in nodes.items() if other != name for path in paths}
    for path in set(nodes.get(name, [])) - set(wanted) - others:
        _remove_node(path)
    for path, target in wanted.items():
        _make_node(path, target)
    if wanted:
        nodes[name] = sorted(wanted)
    else:
        nodes.pop(name, None)


def _make_node(path: str, target: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if target:
        if os.path.lexists(path):
            if os.path.islink(path) and os.readlink(path) == target:
                return
            os.unlink(path)
        os.symlink(target, path)
    elif not os.path.lexists(path):
        with open(path, "w", encoding="ascii"):
            os.chmod(path, 0o640)


def _remove_node(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    parent = os.path.dirname(path)
    if parent != DEV:
        try:
            os.rmdir(parent)
        except OSError:
            return


def retaste_user(s: State, path: str) -> None:
    """Nodes of the disk behind *path*, opened or closed just now."""
    provider = lookup(s, path)
    if provider is not None:
        retaste(s, provider.disk.name)


def retaste_all(s: State) -> None:
    """Nodes of everything; for a start after /dev was empty."""
    for name in list(s.get("nodes", {})):
        if name not in disks(s):
            retaste(s, name)
    for name in disks(s):
        retaste(s, name)


__all__ = [
    "Disk",
    "Provider",
    "disk",
    "disks",
    "is_open",
    "lookup",
    "partitions",
    "providers",
    "retaste",
    "retaste_all",
    "retaste_user",
    "strip",
    "users",
]
