# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""``zfs list`` and ``zfs get``: values of all properties, and the tables around them."""

from __future__ import annotations

import sys
import time

from . import datasets as ds
from . import pools, props, units
from .datasets import Dataset
from .errors import Fail, warn
from .zfs_base import options, usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    State = dict[str, Any]

_TYPES = {
    "filesystem": 1,
    "fs": 1,
    "volume": 2,
    "vol": 2,
    "snapshot": 4,
    "snap": 4,
    "bookmark": 8,
    "all": 15,
}
_DATE = "%a %b %e %k:%M %Y"


class Item:
    """A dataset, or one of its snapshots or bookmarks."""

    __slots__ = ("bookmark", "dataset", "snap")

    def __init__(self, dataset: Dataset, snap: str = "", bookmark: str = "") -> None:
        self.dataset = dataset
        self.snap = snap
        self.bookmark = bookmark

    @property
    def name(self) -> str:
        if self.bookmark:
            return f"{self.dataset.name}#{self.bookmark}"
        return f"{self.dataset.name}@{self.snap}" if self.snap else self.dataset.name

    @property
    def bit(self) -> int:
        if self.bookmark:
            return 8
        return 4 if self.snap else 2 if self.dataset.volume else 1

    def order(self) -> tuple[str, int, int, str]:
        """Sort key: a dataset, its snapshots by age, its bookmarks."""
        if self.bookmark:
            return self.dataset.name, 2, 0, self.bookmark
        if self.snap:
            return self.dataset.name, 1, int(self.dataset.data["snaps"][self.snap]["txg"]), self.snap
        return self.dataset.name, 0, 0, ""


class Space:
    """Space figures, computed once for each pool."""

    def __init__(self, s: State) -> None:
        self._s = s
        self._rows: dict[str, dict[str, dict[str, int]]] = {}

    def row(self, dataset: Dataset) -> dict[str, int]:
        """used, children, own, snapshots, refreservation."""
        if dataset.pname not in self._rows:
            self._rows[dataset.pname] = ds.used_map(self._s, dataset.pname)
        return self._rows[dataset.pname][dataset.rel]

    def available(self, dataset: Dataset) -> int:
        """What could still be written, reservations of its own and quotas above counted."""
        self.row(dataset)
        rows = self._rows[dataset.pname]
        left = pools.usable(dataset.pool) - rows[""]["used"]
        left += rows[dataset.rel]["refreservation"]
        one: Dataset | None = dataset
        while one is not None:
            row = rows[one.rel]
            left += max(0, int(ds.setting(one, "reservation")[0]) - row["used"])
            quota = int(ds.setting(one, "quota")[0])
            if quota:
                left = min(left, quota - row["used"])
            one = one.parent()
        refquota = 0 if dataset.volume else int(ds.setting(dataset, "refquota")[0])
        if refquota:
            left = min(left, refquota - ds.referenced(dataset))
        return max(0, left)


def raw_value(item: Item, prop: props.Prop, space: Space) -> tuple[str | int, str] | None:
    """(value, source) of a native property; None where it does not apply."""
    if item.bookmark:
        record = item.dataset.data["bookmarks"][item.bookmark]
        return {
            "type": ("bookmark", "-"),
            "creation": (int(record["created"]), "-"),
            "guid": (record["guid"], "-"),
            "createtxg": (str(record["txg"]), "-"),
        }.get(prop.name)
    if not prop.types & item.bit and prop.name != "name":
        return None
    if item.snap:
        return _snapshot_value(item, prop)
    return _dataset_value(item.dataset, prop, space)


def _snapshot_value(item: Item, prop: props.Prop) -> tuple[str | int, str] | None:
    record = item.dataset.data["snaps"][item.snap]
    name = prop.name
    fixed: dict[str, str | int] = {
        "type": "snapshot",
        "name": item.name,
        "creation": int(record["created"]),
        "used": 0,
        "referenced": int(record["refer"]),
        "logicalreferenced": int(record["refer"]) // 2,
        "compressratio": 100,
        "refcompressratio": 100,
        "createtxg": str(record["txg"]),
        "guid": record["guid"],
        "objsetid": str(300 + int(record["txg"])),
        "defer_destroy": "off",
        "userrefs": str(len(record["holds"])),
        "written": int(record["refer"]),
        "volsize": int(record.get("volsize", 0)),
    }
    if name == "clones":
        return ",".join(one.name for one in ds.clones(item.dataset, item.snap)), "-"
    if name == "volsize" and not item.dataset.volume:
        return None
    if item.dataset.volume and name in (
        "devices",
        "exec",
        "setuid",
        "xattr",
        "version",
        "utf8only",
        "acltype",
        "nbmand",
    ):
        return None
    if item.dataset.volume and name in ("normalization", "casesensitivity"):
        return None
    if name in fixed:
        return fixed[name], "-"
    value, source = ds.setting(item.dataset, name)
    if (prop.mode == "once" and name != "encryption") or name == "version":
        return value, "-"
    if source == "local" or source == "received":
        source = f"inherited from {item.dataset.name}"
    return value, source


def _dataset_value(dataset: Dataset, prop: props.Prop, space: Space) -> tuple[str | int, str] | None:
    name, data = prop.name, dataset.data
    if name == "type":
        return dataset.kind, "-"
    if name == "name":
        return dataset.name, "-"
    if name == "creation":
        return int(data["created"]), "-"
    if name == "available":
        return space.available(dataset), "-"
    if name in ("used", "usedbychildren", "usedbydataset", "usedbysnapshots", "usedbyrefreservation"):
        row = space.row(dataset)
        key = {
            "used": "used",
            "usedbychildren": "children",
            "usedbydataset": "own",
            "usedbysnapshots": "snapshots",
            "usedbyrefreservation": "refreservation",
        }[name]
        return row[key], "-"
    if name in ("referenced", "written"):
        return ds.referenced(dataset), "-"
    if name == "logicalused":
        return space.row(dataset)["used"] // 2, "-"
    if name == "logicalreferenced":
        return ds.referenced(dataset) // 2, "-"
    if prop.kind == "ratio":
        return 100, "-"
    if name == "mounted":
        return ("yes" if dataset.mount() is not None else "no"), "-"
    if name == "origin":
        source = ds.origin(dataset)
        return (f"{source[0].name}@{source[1]}", "-") if source else ("-", "-")
    if name == "guid":
        return data["guid"], "-"
    if name == "createtxg":
        return str(data["txg"]), "-"
    if name == "objsetid":
        return str(data["objset"]), "-"
    if name == "volsize":
        return int(data["volsize"]), "local"
    if name == "receive_resume_token":
        return "-", "-"
    value, origin = ds.setting(dataset, name)
    if name == "mountpoint":
        return ds.mountpoint(dataset), origin
    if name == "volblocksize":
        return int(data.get("volblocksize", 8192)), ("-" if "volblocksize" in data else "default")
    if name in ("version", "utf8only", "normalization", "casesensitivity"):
        return value, "-"
    if name in ("encryption",) and origin == "default":
        return value, "default"
    if prop.kind == "size":
        return int(value), origin
    return value, origin


def text_of(prop: props.Prop, value: str | int, parsable: bool) -> str:
    """A value as printed."""
    if prop.name == "creation":
        return str(value) if parsable else time.strftime(_DATE, time.localtime(int(value)))
    if prop.kind == "ratio":
        return f"{int(value) / 100:.2f}" + ("" if parsable else "x")
    if parsable or isinstance(value, str):
        if not parsable and str(value) == "18446744073709551615":
            return "none"
        return str(value)
    if value == 0 and prop.name in ("quota", "reservation", "refquota", "refreservation"):
        return "none"
    return units.nicebytes(value)


def property_value(item: Item, name: str, space: Space, parsable: bool) -> tuple[str, str]:
    """(text, source) of any property; ``-`` where there is none."""
    if props.is_user(name):
        if item.bookmark:
            return "-", "-"
        if item.snap:
            own = item.dataset.data["snaps"][item.snap]["props"].get(name)
            if own is not None:
                return own[0], own[1]
            value, source = ds.setting(item.dataset, name)
            return value, (f"inherited from {item.dataset.name}" if source in ("local", "received") else source)
        return ds.setting(item.dataset, name)
    if name.startswith("written@"):
        return str(ds.referenced(item.dataset)), "-"
    prop = props.find(name)
    found = raw_value(item, prop, space) if prop is not None else None
    if prop is None or found is None:
        return "-", "-"
    return text_of(prop, found[0], parsable), found[1]


# --- choosing datasets ---


def expand(s: State, operands: list[str], types: int, depth: int | None, verb: str) -> tuple[list[Item], int]:
    """(what was asked for, sorted; exit status). *depth* None means only what is named."""
    found: dict[str, Item] = {}
    rc = 0
    roots: list[Item] = []
    if not operands:
        roots = [Item(Dataset(s, name, "")) for name in s.get("pools", {})]
        depth = 1 << 30 if depth is None else depth
    for word in operands:
        try:
            roots.append(_named(s, word, types))
        except Fail as error:
            warn(error.text)
            rc = 1
    for item in roots:
        _collect(found, item, types, depth, 0)
    return sorted(found.values(), key=Item.order), rc


def _named(s: State, word: str, types: int) -> Item:
    problem = ds.name_problem(word, "any")
    path = word.startswith("/")
    if path:
        return _by_path(s, word)
    if problem:
        raise Fail(f"cannot open '{word}': {problem}")
    base, _, tail = word.replace("#", "@").partition("@")
    dataset = ds.lookup(s, base)
    if dataset is None:
        raise Fail(f"cannot open '{word}': dataset does not exist")
    if "#" in word:
        if tail not in dataset.data["bookmarks"]:
            raise Fail(f"cannot open '{word}': bookmark '{word}' does not exist")
        return Item(dataset, bookmark=tail)
    if "@" in word:
        if tail not in dataset.data["snaps"]:
            raise Fail(f"cannot open '{word}': dataset does not exist")
        return Item(dataset, tail)
    return Item(dataset)


def _by_path(s: State, word: str) -> Item:
    import os

    from . import mounts

    if not os.path.exists(word):
        raise Fail(f"cannot open '{word}': No such file or directory")
    entry = mounts.containing(s, os.path.realpath(word))
    dataset = ds.lookup(s, entry["source"]) if entry is not None and entry["type"] == "zfs" else None
    if dataset is None:
        raise Fail(f"cannot open '{word}': not a ZFS filesystem")
    return Item(dataset)


def _collect(found: dict[str, Item], item: Item, types: int, depth: int | None, level: int) -> None:
    if item.bit & types or (depth is None and not (item.bit & 3 and not types & 3)):
        found[item.name] = item
    if item.snap or item.bookmark:
        return
    named_only = depth is None
    limit = 1 if named_only else int(depth or 0)
    if level < limit or (named_only and types & 12 and level == 0):
        if types & 4 and (not named_only or not types & 3):
            for snap in item.dataset.snapshots():
                found[f"{item.dataset.name}@{snap}"] = Item(item.dataset, snap)
        if types & 8 and (not named_only or not types & 3):
            for mark in item.dataset.data["bookmarks"]:
                found[f"{item.dataset.name}#{mark}"] = Item(item.dataset, bookmark=mark)
        if not named_only:
            for child in item.dataset.children():
                _collect(found, Item(child), types, depth, level + 1)


def parse_types(verb: str, text: str) -> int:
    bits = 0
    for word in text.split(","):
        if word not in _TYPES:
            raise usage(verb, f"invalid type '{word}'")
        bits |= _TYPES[word]
    return bits


def _depth(verb: str, flags: dict[str, str]) -> int | None:
    if "d" in flags:
        if not flags["d"].isdigit():
            raise usage(verb, f"{flags['d']} is not an integer")
        return int(flags["d"])
    return 1 << 30 if "r" in flags else None


# --- list ---

_SPACE = "name,available,used,usedbysnapshots,usedbydataset,usedbyrefreservation,usedbychildren"


def show_list(s: State, argv: list[str]) -> int:
    found, operands = options("list", argv[2:], "HS:d:o:prs:t:")
    flags = dict(found)
    names_text = flags.get("o", "name,used,available,referenced,mountpoint")
    types = parse_types("list", flags["t"]) if "t" in flags else 0
    if names_text == "space":
        names_text = _SPACE
        types = types or 3
    names = _properties("list", names_text)
    types = types or 3
    depth = _depth("list", flags)
    if "t" in flags and not types & 3 and depth is None and operands:
        depth = 1
    items, rc = _list_items(s, operands, types, depth, "t" in flags)
    space = Space(s)
    keys = [(letter == "S", _sort_name(value)) for letter, value in found if letter in "sS"]
    for backwards, name in reversed(keys):
        items.sort(key=lambda item, name=name: _sort_key(item, name, space), reverse=backwards)  # type: ignore[misc]
    if not items:
        if rc == 0 and not operands:
            warn("no datasets available")
        elif rc == 0 and "H" not in flags:
            print("no datasets available")
        return rc
    rows = [[_list_cell(item, name, space, "p" in flags) for name in names] for item in items]
    if "H" in flags:
        sys.stdout.write("".join("\t".join(row) + "\n" for row in rows))
        return rc
    _print_list(names, rows)
    return rc


def _list_items(s: State, operands: list[str], types: int, depth: int | None, typed: bool) -> tuple[list[Item], int]:
    if not operands:
        return expand(s, operands, types, depth, "list")
    found: dict[str, Item] = {}
    rc = 0
    for word in operands:
        try:
            item = _named(s, word, types)
        except Fail as error:
            warn(error.text)
            rc = 1
            continue
        if not typed and item.bit & 12:
            found[item.name] = item
            continue
        if typed and not item.bit & types and depth is None:
            warn(f"cannot open '{word}': operation not applicable to datasets of this type")
            rc = 1
            continue
        if depth is None:
            found[item.name] = item
        else:
            _collect(found, item, types, depth, 0)
    return sorted(found.values(), key=Item.order), rc


def _sort_name(text: str) -> str:
    name = props.canonical(text)
    if name != "name" and props.find(name) is None and not props.is_user(name):
        raise usage("list", f"invalid property '{text}'")
    return name


def _sort_key(item: Item, name: str, space: Space) -> tuple[int, int, str]:
    if name == "name":
        return 0, 0, item.name
    prop = props.find(name)
    found = raw_value(item, prop, space) if prop is not None else None
    if prop is None:
        return 0, 0, property_value(item, name, space, True)[0]
    if found is None:
        return 1, 0, ""
    if isinstance(found[0], int):
        return 0, found[0], ""
    if prop.kind == "number" and found[0].isdigit():
        return 0, int(found[0]), ""
    return 0, 0, found[0]


def _list_cell(item: Item, name: str, space: Space, parsable: bool) -> str:
    if name == "name":
        return item.name
    return property_value(item, name, space, parsable)[0]


def _properties(verb: str, text: str) -> list[str]:
    names = []
    for word in text.split(","):
        name = props.canonical(word)
        if props.find(name) is None and not props.is_user(name) and not name.startswith(("written@", "userused@")):
            raise usage(verb, f"bad property list: invalid property '{word}'")
        names.append(name)
    return names


def _print_list(names: list[str], rows: list[list[str]]) -> None:
    heads, rights = [], []
    for name in names:
        prop = props.find(name)
        heads.append(prop.column if prop is not None else name.upper())
        rights.append(prop is not None and prop.right)
    widths = []
    for index, head in enumerate(heads):
        least = len(head)
        if names[index] == "referenced":
            least = 8
        elif rights[index]:
            least = max(least, 5)
        widths.append(max(least, *(len(row[index]) for row in rows)))
    for row in [heads, *rows]:
        cells = []
        for index, cell in enumerate(row):
            if rights[index]:
                cells.append(cell.rjust(widths[index]))
            else:
                cells.append(cell if index == len(row) - 1 else cell.ljust(widths[index]))
        print("  ".join(cells))


# --- get ---

_FIELDS = ("name", "property", "value", "received", "source")
_SOURCES = ("local", "default", "inherited", "received", "temporary", "none")


def get(s: State, argv: list[str]) -> int:
    found, operands = options("get", argv[2:], "d:o:s:jrt:Hp")
    flags = dict(found)
    if not operands:
        raise usage("get", "missing property argument")
    fields = ["name", "property", "value", "source"]
    if "o" in flags:
        fields = list(_FIELDS) if flags["o"] == "all" else flags["o"].split(",")
        for field in fields:
            if field not in _FIELDS:
                raise usage("get", f"invalid column name '{field}'")
    sources = flags.get("s", "").split(",") if "s" in flags else []
    for source in sources:
        if source not in _SOURCES:
            raise usage("get", f"invalid source '{source}'")
    every = operands[0] == "all"
    names = [] if every else _properties("get", operands[0])
    types = parse_types("get", flags["t"]) if "t" in flags else 15
    items, rc = expand(s, operands[1:], types, _depth("get", flags), "get")
    if "t" not in flags and not operands[1:]:
        items, rc = expand(s, [], 3, None, "get")
    space = Space(s)
    rows = []
    for item in items:
        for name in _all_names(item) if every else names:
            text, source = property_value(item, name, space, "p" in flags)
            if every and text == "-" and source == "-":
                continue
            kind = "inherited" if source.startswith("inherited") else "none" if source == "-" else source
            if sources and kind not in sources:
                continue
            received = _received(item, name)
            cells = {"name": item.name, "property": name, "value": text, "received": received, "source": source}
            rows.append([cells[field] for field in fields])
    if "H" in flags:
        sys.stdout.write("".join("\t".join(row) + "\n" for row in rows))
        return rc
    if rows:
        table = [[field.upper() for field in fields], *rows]
        widths = [max(len(row[index]) for row in table) for index in range(len(fields))]
        for row in table:
            last = len(row) - 1
            print("  ".join(cell if index == last else cell.ljust(widths[index]) for index, cell in enumerate(row)))
    return rc


def _received(item: Item, name: str) -> str:
    if item.snap or item.bookmark:
        return "-"
    own = item.dataset.data.get("received", {}).get(name)
    if own is not None:
        return str(own)
    stored = item.dataset.data["props"].get(name)
    return str(stored[0]) if stored is not None and stored[1] == "received" else "-"


def _all_names(item: Item) -> list[str]:
    names = [prop.name for prop in props.TABLE if prop.name not in ("name", "receive_resume_token")]
    if item.bookmark:
        return ["type", "creation", "createtxg", "guid"]
    if item.snap:
        if not ds.clones(item.dataset, item.snap):
            names.remove("clones")
    elif item.dataset.data["origin"] is None:
        names.remove("origin")
    users: set[str] = set()
    one: Dataset | None = item.dataset
    while one is not None:
        users |= {name for name in one.data["props"] if props.is_user(name)}
        one = one.parent()
    if item.snap:
        users |= set(item.dataset.data["snaps"][item.snap]["props"])
    return names + sorted(users)


__all__ = ["Item", "Space", "expand", "get", "property_value", "show_list"]
