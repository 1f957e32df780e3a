# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""df(1)."""

from __future__ import annotations

import os

from .. import state
from ..storage import datasets as ds
from ..storage import mounts, pools, units
from ..storage.errors import Fail, guarded, warn
from ..storage.options import OptionError, getopt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PATHS = ("/bin/df",)
USAGE = "usage: df [-b | -g | -H | -h | -k | -m | -P] [-acilnT] [-t type] [-,]\n          [file | filesystem ...]"
_BLOCKS = {
    "b": (512, "512-blocks"),
    "k": (1024, "1024-blocks"),
    "m": (1 << 20, "1M-blocks"),
    "g": (1 << 30, "1G-blocks"),
}


class Row:
    """One file system: bytes in all, used, available."""

    def __init__(self, entry: dict[str, Any], total: int, used: int, avail: int) -> None:
        self.entry = entry
        self.total = total
        self.used = used
        self.avail = avail


def measure(s: dict[str, Any], entry: dict[str, Any], cache: dict[str, dict[str, dict[str, int]]]) -> Row:
    """Space of one mount."""
    if entry["type"] == "nullfs":
        below = mounts.containing(s, entry["source"])
        if below is not None:
            row = measure(s, below, cache)
            return Row(entry, row.total, row.used, row.avail)
    if entry["type"] == "zfs":
        dataset = ds.lookup(s, entry["source"])
        if dataset is not None:
            if dataset.pname not in cache:
                cache[dataset.pname] = ds.used_map(s, dataset.pname)
            root = cache[dataset.pname][""]["used"]
            avail = max(0, pools.usable(dataset.pool) - root)
            refer = ds.referenced(dataset)
            return Row(entry, refer + avail, refer, avail)
    if entry["type"] in ("devfs", "procfs", "fdescfs", "linprocfs", "linsysfs"):
        return Row(entry, 1024, 1024, 0)
    info = os.statvfs(entry["target"])
    total, free = info.f_blocks * info.f_frsize, info.f_bavail * info.f_frsize
    return Row(entry, total, total - free, free)


def body(argv: list[str]) -> int:
    try:
        found, operands = getopt(argv[1:], "abcgHhiklmnPt:T,")
    except OptionError as error:
        raise Fail(f"df: illegal option -- {error.letter}\n{USAGE}") from None
    flags = {letter for letter, _value in found}
    kinds = [kind for letter, value in found if letter == "t" for kind in value.split(",")]
    rc = 0
    with state.edit() as s:
        chosen = []
        if operands:
            for path in operands:
                entry = next((e for e in mounts.table(s) if e["source"] == path), None)
                if entry is None and not os.path.exists(path):
                    warn(f"df: {path}: No such file or directory")
                    rc = 1
                    continue
                chosen.append(entry or mounts.containing(s, os.path.realpath(path)))
        else:
            chosen = [entry for entry in mounts.table(s) if not kinds or entry["type"] in kinds]
        cache: dict[str, dict[str, dict[str, int]]] = {}
        rows = [measure(s, entry, cache) for entry in chosen if entry is not None]
    if rows:
        show(rows, flags)
    return rc


def show(rows: list[Row], flags: set[str]) -> None:
    human = bool(flags & {"h", "H"})
    block, head = _BLOCKS["b"]
    for letter, pair in _BLOCKS.items():
        if letter in flags:
            block, head = pair
    if human:
        head = "Size"

    def text(number: int) -> str:
        return units.humanize(number, 6, "B") if human else str(number // block)

    table = [(row, (text(row.total), text(row.used), text(row.avail))) for row in rows]
    least = 7 if human else 0
    name = max([len("Filesystem"), *(len(row.entry["source"]) for row in rows)])
    widths = [
        max([least, len(title), *(len(cells[n]) for _row, cells in table)])
        for n, title in enumerate((head, "Used", "Avail"))
    ]
    kind = max([4, *(len(row.entry["type"]) for row in rows)])
    middle = f"  {'Type':<{kind}}" if "T" in flags else ""
    heads = f"{head:>{widths[0]}} {'Used':>{widths[1]}} {'Avail':>{widths[2]}}"
    print(f"{'Filesystem':<{name}}{middle} {heads} Capacity  Mounted on")
    for row, (total, used, avail) in table:
        base = row.used + row.avail
        percent = f"{row.used / base * 100 if base else 100:5.0f}%"
        middle = f"  {row.entry['type']:<{kind}}" if "T" in flags else ""
        print(
            f"{row.entry['source']:<{name}}{middle} {total:>{widths[0]}} {used:>{widths[1]}} {avail:>{widths[2]}} "
            f"{percent}    {row.entry['target']}"
        )


def main(argv: list[str]) -> int:
    return guarded(body, argv)
