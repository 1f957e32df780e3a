# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""``zpool list``, ``get``, ``status`` and ``history``."""

from __future__ import annotations

import os
import sys
import time

from . import poolprops, pools, units
from . import zpool_base as base
from .errors import Fail, warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    State = dict[str, Any]
    Record = dict[str, Any]

LIST_DEFAULT = "name,size,allocated,free,checkpoint,expandsize,fragmentation,capacity,dedupratio,health,altroot"
COLUMNS = {
    "allocated": "ALLOC",
    "checkpoint": "CKPOINT",
    "expandsize": "EXPANDSZ",
    "fragmentation": "FRAG",
    "capacity": "CAP",
    "dedupratio": "DEDUP",
    "autoreplace": "REPLACE",
    "autoexpand": "EXPAND",
    "listsnapshots": "LISTSNAPS",
    "readonly": "RDONLY",
}
_RIGHT = {
    "size",
    "allocated",
    "free",
    "checkpoint",
    "expandsize",
    "fragmentation",
    "capacity",
    "dedupratio",
    "guid",
    "load_guid",
    "freeing",
    "leaked",
    "ashift",
    "version",
}


def value(s: State, pname: str, name: str, parsable: bool) -> tuple[str, str]:
    """(value, source) of a pool property."""
    pool = s["pools"][pname]
    if name == "name":
        return pname, "-"
    if name.startswith("feature@"):
        feature = name[8:]
        if feature not in poolprops.FEATURE_NAMES:
            return "-", "-"
        activated = list(pool["activated"])
        if any(data["origin"] or data["type"] == "volume" for data in pool["datasets"].values()):
            activated.append("extensible_dataset")
        state = poolprops.feature_state(feature, pool["features"], activated)
        return state, "local"
    number = _number(s, pname, name)
    if number is not None:
        return _format(name, number, parsable), "-"
    if name == "health":
        return "ONLINE", "-"
    if name in ("guid", "load_guid"):
        return pool[name], "-"
    if name == "readonly":
        return pool["props"].get("readonly", "off"), "-"
    if name in ("expandsize", "checkpoint"):
        extra = expandable(s, pname) if name == "expandsize" else 0
        return (_format(name, extra, parsable) if extra else "-"), "-"
    if name == "altroot":
        return (pool["altroot"], "local") if pool["altroot"] else ("-", "default")
    if name == "bootfs":
        rel = pool["props"].get("bootfs")
        return (f"{pname}/{rel}" if rel else pname, "local") if rel is not None else ("-", "default")
    if name in pool["props"]:
        return pool["props"][name] or "-", "local"
    return poolprops.DEFAULTS[name], "default"


def expandable(s: State, pname: str) -> int:
    """Bytes by which the pool could grow."""
    pool = s["pools"][pname]
    if pool["host"]:
        return 0
    sizes = [dev.size for dev in (pools.window(s, vdev) for vdev in pool["vdevs"]) if dev is not None]
    raw = (min(sizes) if pool.get("group") == "mirror-0" else sum(sizes)) if sizes else 0
    more = pools.allocatable(raw, pool["shift"]) - int(pool["size"]) if raw > int(pool["raw"]) else 0
    return max(0, more)


def _number(s: State, pname: str, name: str) -> int | None:
    pool = s["pools"][pname]
    if name == "size":
        return int(pool["size"])
    if name in ("allocated", "free", "capacity"):
        allocated = pools.allocated(s, pname)
        if name == "allocated":
            return allocated
        return int(pool["size"]) - allocated if name == "free" else allocated * 100 // int(pool["size"])
    if name == "fragmentation":
        return 0 if pool["host"] else 3
    if name in ("freeing", "leaked"):
        return 0
    return 100 if name == "dedupratio" else None


def _format(name: str, number: int, parsable: bool) -> str:
    if name == "dedupratio":
        return "1.00" if parsable else "1.00x"
    if parsable:
        return str(number)
    if name in ("capacity", "fragmentation"):
        return f"{number}%"
    return units.nicenum(number)


def wanted(verb: str, text: str) -> list[str]:
    """The properties that ``-o`` or ``get`` name. Raises Fail with the usage."""
    names = []
    for word in text.split(","):
        name = poolprops.ALIASES.get(word, word)
        if name == "all" and verb == "get":
            names += [row[0] for row in poolprops.PROPERTIES] + [f"feature@{f}" for f in poolprops.FEATURE_NAMES]
        elif name in poolprops.VALUES or name == "name" or (name.startswith("feature@") and name[8:]):
            names.append(name)
        else:
            raise base.usage(verb, f"bad property list: invalid property '{word}'")
    return names


def show_list(s: State, argv: list[str]) -> int:
    found, operands = base.options("list", argv[2:], "gHLo:pPT:v")
    flags = dict(found)
    names = wanted("list", flags.get("o", LIST_DEFAULT))
    while operands and operands[-1].replace(".", "").isdigit():
        operands.pop()
    chosen, rc = choose(s, operands)
    rows = [[value(s, pname, name, "p" in flags)[0] for name in names] for pname in chosen]
    if "H" in flags:
        for pname, row in zip(chosen, rows, strict=True):
            print("\t".join(row))
            if "v" in flags:
                for vdev in s["pools"][pname]["vdevs"]:
                    cells = [base.device_name(vdev["path"], "P" in flags), *row[1:9], "ONLINE"]
                    print("\t" + "\t".join(cells))
        return rc
    if not rows:
        if not operands:
            print("no pools available")
        return rc
    table = [[COLUMNS.get(name, name.upper()) for name in names], *rows]
    _print_table(table, [name in _RIGHT for name in names])
    return rc


def choose(s: State, names: list[str]) -> tuple[list[str], int]:
    """(pools asked for, or all by name; exit status)."""
    if not names:
        return sorted(s.get("pools", {})), 0
    chosen, rc = [], 0
    for name in names:
        try:
            base.open_pool(s, name)
        except Fail as error:
            warn(error.text)
            rc = 1
        else:
            if name not in chosen:
                chosen.append(name)
    return sorted(chosen), rc


def _print_table(rows: list[list[str]], right: list[bool]) -> None:
    widths = [max(len(row[index]) for row in rows) for index in range(len(right))]
    for index, is_right in enumerate(right):
        if is_right and len(rows[0][index]) < 5:
            widths[index] = max(widths[index], 5)
    for row in rows:
        cells = []
        for index, cell in enumerate(row):
            if right[index]:
                cells.append(cell.rjust(widths[index]))
            elif index == len(row) - 1:
                cells.append(cell)
            else:
                cells.append(cell.ljust(widths[index]))
        print("  ".join(cells))


def get(s: State, argv: list[str]) -> int:
    found, operands = base.options("get", argv[2:], "Hpo:")
    flags = dict(found)
    if not operands:
        raise base.usage("get", "missing property argument")
    fields = ["name", "property", "value", "source"]
    if "o" in flags and flags["o"] != "all":
        fields = flags["o"].split(",")
        for field in fields:
            if field not in ("name", "property", "value", "source"):
                raise base.usage("get", f"invalid column name '{field}'")
    names = wanted("get", operands[0])
    chosen, rc = choose(s, operands[1:])
    rows = []
    for pname in chosen:
        for name in names:
            text, source = value(s, pname, name, "p" in flags)
            row = {"name": pname, "property": name, "value": text, "source": source}
            rows.append([row[field] for field in fields])
    if "H" in flags:
        for cells in rows:
            print("\t".join(cells))
        return rc
    if rows:
        head = [field.upper() for field in fields]
        _print_table([head, *rows], [False] * len(fields))
    return rc


# --- status ---

_FEATURES_MISSING = """\
status: Some supported and requested features are not enabled on the pool.
\tThe pool can still be used, but some features are unavailable.
action: Enable all features using 'zpool upgrade'. Once this is done,
\tthe pool may no longer be accessible by software that does not support
\tthe features. See zpool-features(7) for details.
"""


def missing_features(pool: Record) -> list[str]:
    """Features that the pool could have and has not."""
    allowed, _missing = base.compatibility(pool["props"].get("compatibility", "off"))
    requested = poolprops.FEATURE_NAMES if allowed is None else allowed
    return [feature for feature in requested if feature not in pool["features"]]


def status(s: State, argv: list[str]) -> int:
    found, operands = base.options("status", argv[2:], "c:igLpPstvxDT:")
    flags = dict(found)
    while operands and operands[-1].replace(".", "").isdigit():
        operands.pop()
    chosen, rc = choose(s, operands)
    if "x" in flags:
        if operands:
            for pname in chosen:
                print(f"pool '{pname}' is healthy")
        else:
            print("all pools are healthy" if chosen else "no pools available")
        return rc
    if not chosen and not operands:
        print("no pools available")
    sys.stdout.write("\n".join(_status_one(s, pname, flags) for pname in chosen))
    return rc


def _status_one(s: State, pname: str, flags: dict[str, str]) -> str:
    pool = s["pools"][pname]
    out = f"  pool: {pname}\n state: ONLINE\n"
    if missing_features(pool):
        out += _FEATURES_MISSING
    if pool.get("scan"):
        out += f"  scan: {pool['scan']}\n"
    rows = [(pname, "", "")]
    indent = "  "
    if pool.get("group"):
        rows.append((f"  {pool['group']}", "", ""))
        indent = "    "
    for vdev in pool["vdevs"]:
        if "g" in flags:
            name = vdev["guid"]
        elif "L" in flags:
            name = base.device_name(
                os.path.realpath(vdev["path"]) if vdev["kind"] == "file" else vdev["path"], "P" in flags
            )
        else:
            name = base.device_name(vdev["path"], "P" in flags)
        note = "  (untrimmed)" if "t" in flags and not pool.get("trimmed") else ""
        rows.append((indent + name, note, vdev["kind"]))
    width = max(10, *(len(row[0]) for row in rows))
    out += f"config:\n\n\t{'NAME':<{width}}  {'STATE':<8} {'READ':>5} {'WRITE':>5} {'CKSUM':>5}\n"
    for name, note, _kind in rows:
        out += f"\t{name:<{width}}  {'ONLINE':<8} {0:>5} {0:>5} {0:>5}{note}\n"
    return out + "\nerrors: No known data errors\n"


def history(s: State, argv: list[str]) -> int:
    found, operands = base.options("history", argv[2:], "il")
    long = any(letter == "l" for letter, _value in found)
    chosen, rc = choose(s, operands)
    for pname in chosen:
        print(f"History for '{pname}':")
        for when, text in s["pools"][pname]["history"]:
            stamp = time.strftime("%Y-%m-%d.%H:%M:%S", time.localtime(when))
            print(f"{stamp} {text}" + (" [user 0 (root) on builder]" if long else ""))
        print()
    return rc


def iostat(s: State, argv: list[str]) -> int:
    _found, operands = base.options("iostat", argv[2:], "c:glLnpPqrT:vwyhH")
    chosen, rc = choose(s, [word for word in operands if not word.isdigit()])
    if not chosen:
        return rc
    width = max([10, *(len(name) for name in chosen)])
    print(f"{'':<{width}}  {'capacity':^11}  {'operations':^11}  {'bandwidth':^11}".rstrip())
    print(f"{'pool':<{width}}  alloc   free   read  write   read  write")
    line = "-" * width + "  -----  -----  -----  -----  -----  -----"
    print(line)
    for pname in chosen:
        allocated = units.nicenum(pools.allocated(s, pname))
        free = units.nicenum(int(s["pools"][pname]["size"]) - pools.allocated(s, pname))
        print(f"{pname:<{width}}  {allocated:>5}  {free:>5}  {0:>5}  {0:>5}  {0:>5}  {0:>5}")
    print(line)
    return rc


__all__ = ["get", "history", "iostat", "missing_features", "show_list", "status", "value"]
