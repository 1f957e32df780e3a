# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""``list`` and ``status`` of geom(8) for the classes that the lab has: PART, DISK, MD."""

from __future__ import annotations

import sys

from . import geom, gpt
from .errors import Fail
from .units import humanize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    State = dict[str, Any]


def _opened(s: State) -> set[str]:
    found = set()
    for user in geom.users(s):
        provider = geom.lookup(s, user)
        if provider is not None:
            found.add(provider.name)
    return found


def _mode(open_names: set[str], name: str) -> str:
    return "r1w1e1" if name in open_names else "r0w0e0"


def _disk_mode(open_names: set[str], disk: geom.Disk, table: gpt.Table | None) -> str:
    if disk.name in open_names:
        return "r1w1e1"
    if table is not None and any(p.name in open_names for p in geom.partitions(disk, table)):
        return "r1w1e2"
    return "r0w0e0"


def part_list(s: State, names: list[str], program: str) -> int:
    """``gpart list`` and ``geom part list``."""
    for disk, table in _selected(s, names, program):
        _part_list_one(s, disk, table)
    return 0


def _selected(s: State, names: list[str], program: str) -> list[tuple[geom.Disk, gpt.Table]]:
    found = []
    if not names:
        for disk in geom.disks(s).values():
            table = disk.table()
            if table is not None:
                found.append((disk, table))
        return found
    for name in names:
        owner = geom.disk(s, name)
        table = owner.table() if owner is not None else None
        if owner is None or table is None:
            raise Fail(f"{program}: No such geom: {name}.")
        found.append((owner, table))
    return found


def _part_list_one(s: State, disk: geom.Disk, table: gpt.Table) -> None:
    open_names = _opened(s)
    sector = disk.window.sector
    out = [
        f"Geom name: {disk.name}",
        "modified: false",
        f"state: {'CORRUPT' if table.corrupt else 'OK'}",
        f"fwheads: {disk.heads}",
        f"fwsectors: {disk.track}",
        f"last: {table.last}",
        f"first: {table.first}",
        f"entries: {table.entries}",
        f"scheme: {table.scheme}",
    ]
    providers = geom.partitions(disk, table)
    if providers:
        out.append("Providers:")
    for number, provider in enumerate(providers, 1):
        part = provider.part
        if part is None:
            continue
        size, offset = part.sectors * sector, part.first * sector
        out += [
            f"{number}. Name: {provider.name}",
            f"   Mediasize: {size} ({humanize(size)})",
            f"   Sectorsize: {sector}",
            "   Stripesize: 0",
            f"   Stripeoffset: {offset}",
            f"   Mode: {_mode(open_names, provider.name)}",
        ]
        out += [f"   attrib: {name}" for name in table.attribute_names(part)]
        if table.scheme == "GPT":
            out += [
                f"   efimedia: HD({part.index},GPT,{part.uuid},0x{part.first:x},0x{part.sectors:x})",
                f"   rawuuid: {part.uuid}",
                f"   rawtype: {part.raw_type}",
                f"   label: {part.label or '(null)'}",
            ]
        else:
            out += [
                f"   efimedia: HD({part.index},MBR,0x00000000,0x{part.first:x},0x{part.sectors:x})",
                f"   rawtype: {part.raw_type}",
            ]
        out += [
            f"   length: {size}",
            f"   offset: {offset}",
            f"   type: {table.type_name(part)}",
            f"   index: {part.index}",
            f"   end: {part.last}",
            f"   start: {part.first}",
        ]
    out += ["Consumers:", f"1. Name: {disk.name}", *_media(disk), f"   Mode: {_disk_mode(open_names, disk, table)}", ""]
    sys.stdout.write("\n".join(out) + "\n")


def _media(disk: geom.Disk) -> list[str]:
    return [
        f"   Mediasize: {disk.window.size} ({humanize(disk.window.size)})",
        f"   Sectorsize: {disk.window.sector}",
    ]


def part_status(s: State, names: list[str], program: str, script: bool) -> int:
    """``gpart status``: the state of each partition's table."""
    rows = [
        (provider.name, "CORRUPT" if table.corrupt else "OK", disk.name)
        for disk, table in _selected(s, names, program)
        for provider in geom.partitions(disk, table)
    ]
    if not rows:
        return 0
    width = max([len("Name"), *(len(row[0]) for row in rows)])
    state = max([len("Status"), *(len(row[1]) for row in rows)])
    if not script:
        print(f"{'Name':>{width}}  {'Status':>{state}}  Components")
    for name, condition, owner in rows:
        print(f"{name:>{width}}  {condition:>{state}}  {owner}")
    return 0


def disk_list(s: State, names: list[str], kind: str) -> int:
    """``geom disk list`` and ``geom md list``."""
    every = geom.disks(s)
    prefix = "md"
    mine = [disk for name, disk in every.items() if name.startswith(prefix) == (kind == "md")]
    if names:
        wanted = [geom.strip(name) for name in names]
        for name in wanted:
            if name not in [disk.name for disk in mine]:
                raise Fail(f"geom: No such geom: {name}.")
        mine = [disk for disk in mine if disk.name in wanted]
    open_names = _opened(s)
    for disk in mine:
        out = [f"Geom name: {disk.name}", "Providers:", f"1. Name: {disk.name}", *_media(disk)]
        out.append(f"   Mode: {_disk_mode(open_names, disk, disk.table())}")
        if kind == "md":
            unit = s["md"][disk.name[2:]]
            out += [
                f"   type: {unit['type']}",
                f"   access: {'read-only' if unit['readonly'] else 'read-write'}",
            ]
            out += [f"   file: {unit['file']}"] if unit["type"] == "vnode" else []
            out += [f"   label: {unit['label']}", f"   length: {unit['size']}", f"   unit: {disk.name[2:]}"]
        else:
            out += [
                "   descr: (null)",
                "   ident: (null)",
                "   rotationrate: unknown",
                f"   fwsectors: {disk.track}",
                f"   fwheads: {disk.heads}",
            ]
        sys.stdout.write("\n".join([*out, ""]) + "\n")
    return 0


__all__ = ["disk_list", "part_list", "part_status"]
