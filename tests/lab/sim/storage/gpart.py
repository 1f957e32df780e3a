# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""gpart(8) over the tables that really lie on the lab's disks. Every change is committed at once."""

from __future__ import annotations

import sys

from . import geom, gpt
from .errors import Fail, strerror
from .options import OptionError, getopt
from .units import expand, humanize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    State = dict[str, Any]
    Verb = Callable[[State, dict[str, str], list[str]], int]

USAGES = {
    "add": "-t type [-a alignment] [-b start] [-s size] [-i index] [-l label] [-f flags] geom",
    "backup": "geom",
    "bootcode": "[-N] [-b bootcode] [-p partcode -i index] [-f flags] geom",
    "commit": "geom",
    "create": "-s scheme [-n entries] [-f flags] provider",
    "delete": "-i index [-f flags] geom",
    "destroy": "[-F] [-f flags] geom",
    "modify": "-i index [-l label] [-t type] [-f flags] geom",
    "set": "-a attrib [-i index] [-f flags] geom",
    "show": "[-l | -r] [-p] [geom ...]",
    "undo": "geom",
    "unset": "-a attrib [-i index] [-f flags] geom",
    "resize": "-i index [-a alignment] [-s size] [-f flags] geom",
    "restore": "[-lF] [-f flags] provider [...]",
    "recover": "[-f flags] geom",
    "help": "",
    "list": "[-a] [name ...]",
    "status": "[-ags] [name ...]",
    "load": "[-v]",
    "unload": "[-v]",
}
OPTIONS = {
    "add": "a:b:s:t:i:l:f:",
    "backup": "",
    "bootcode": "Nb:p:i:f:",
    "commit": "",
    "create": "s:n:f:",
    "delete": "i:f:",
    "destroy": "Ff:",
    "modify": "i:l:t:f:",
    "set": "a:i:f:",
    "show": "lrp",
    "undo": "",
    "unset": "a:i:f:",
    "resize": "a:s:i:f:",
    "restore": "lFf:",
    "recover": "f:",
    "list": "a",
    "status": "ags",
    "load": "v",
    "unload": "v",
}
MANDATORY = {
    "add": "t",
    "create": "s",
    "delete": "i",
    "modify": "i",
    "set": "a",
    "unset": "a",
    "resize": "i",
}


def usage_text() -> str:
    """All verbs, as geom(8) prints them."""
    lines = []
    for index, (verb, text) in enumerate(USAGES.items()):
        lines.append(f"{'usage:' if index == 0 else '      '} gpart {verb} {text}".rstrip())
    return "\n".join(lines)


def verb_usage(verb: str) -> str:
    return f"usage: gpart {verb} {USAGES[verb]}".rstrip()


def run(s: State, argv: list[str]) -> int:
    """``gpart VERB …``."""
    if len(argv) < 2:
        raise Fail(usage_text())
    verb = argv[1]
    if verb == "help":
        print(usage_text())
        return 0
    if verb not in OPTIONS:
        raise Fail(f"gpart: Unknown command: {verb}.\n{usage_text()}")
    try:
        found, operands = getopt(argv[2:], OPTIONS[verb])
    except OptionError as error:
        kind = "option requires an argument" if error.missing else "illegal option"
        raise Fail(f"gpart: {kind} -- {error.letter}\n{verb_usage(verb)}") from None
    options = dict(found)
    for letter in MANDATORY.get(verb, ""):
        if letter not in options:
            raise Fail(f"gpart: Option '{letter}' not specified.\n{verb_usage(verb)}")
    return VERBS[verb](s, options, operands)


def _one(operands: list[str]) -> str:
    if len(operands) != 1:
        raise Fail("gpart: Invalid number of arguments.")
    return operands[0]


def _find(s: State, name: str) -> tuple[geom.Disk, gpt.Table] | None:
    disk = geom.disk(s, name)
    table = disk.table() if disk is not None else None
    return None if disk is None or table is None else (disk, table)


def _geom(s: State, name: str) -> tuple[geom.Disk, gpt.Table]:
    """Where the tool itself looks the geom up."""
    found = _find(s, name)
    if found is None:
        raise Fail(f"gpart: No such geom: {name}.")
    return found


def _arg0(s: State, name: str) -> tuple[geom.Disk, gpt.Table]:
    """Where the kernel looks it up."""
    found = _find(s, name)
    if found is None:
        raise Fail(f"gpart: arg0 '{name}': Invalid argument")
    return found


def _sound(disk: geom.Disk, table: gpt.Table) -> None:
    if table.corrupt:
        raise Fail(f"gpart: table '{disk.name}' is corrupt: Operation not permitted")


def _index(options: dict[str, str], letter: str = "i") -> int:
    text = options.get(letter, "")
    if not text.isdigit():
        raise Fail(f"gpart: Value for '{letter}' argument is invalid.")
    return int(text)


def _lba(text: str, sector: int, what: str) -> int:
    try:
        value = expand(text, sector)
    except ValueError:
        raise Fail(f"gpart: Invalid {what} param: Invalid argument") from None
    if value % sector:
        raise Fail(f"gpart: Invalid {what} param: Invalid argument")
    return value // sector


def _part(table: gpt.Table, index: int) -> gpt.Partition:
    part = table.parts.get(index)
    if part is None:
        raise Fail(f"gpart: index '{index}': No such file or directory")
    return part


def _name(disk: geom.Disk, table: gpt.Table, index: int) -> str:
    return f"{disk.name}{table.separator()}{index}"


def _save(s: State, disk: geom.Disk, table: gpt.Table) -> None:
    if disk.readonly:
        raise Fail("gpart: Permission denied")
    gpt.write_table(disk.window, table)
    geom.retaste(s, disk.name)


def _up(value: int, unit: int) -> int:
    return -(-value // unit) * unit


def _down(value: int, unit: int) -> int:
    return value // unit * unit


def autofill(disk: geom.Disk, table: gpt.Table, options: dict[str, str]) -> tuple[int, int]:
    """(start, size) of a new partition: the tightest gap that fits (lib/geom/part/geom_part.c)."""
    sector = disk.window.sector
    align = _lba(options["a"], sector, "alignment") if "a" in options else 1
    size = _lba(options["s"], sector, "size") if "s" in options else 0
    start = _lba(options["b"], sector, "start") if "b" in options else 0
    if align == 0:
        raise Fail("gpart: Invalid alignment param")
    if "s" in options and "b" in options and "a" not in options:
        return start, size
    start = _up(start, align)
    if size > align:
        size = _down(size, align)
    best: tuple[int, int, int] | None = None
    for first, last in table.gaps():
        begin = max(_up(first, align), start)
        end = _down(last + 1, align)
        room = end - begin
        if room <= 0:
            continue
        if "s" in options:
            if room >= size and (best is None or room - size < best[0]):
                best = (room - size, begin, size)
        elif "b" in options:
            if begin == start:
                best = (0, begin, room)
        elif best is None or room > best[2]:
            best = (0, begin, room)
    if best is None:
        raise Fail("gpart: autofill: No space left on device")
    return best[1], best[2]


def add(s: State, options: dict[str, str], operands: list[str]) -> int:
    disk, table = _geom(s, _one(operands))
    start, size = autofill(disk, table, options)
    _sound(disk, table)
    end = start + size - 1
    if start < table.first or start > table.last:
        raise Fail(f"gpart: start '{start}': Invalid argument")
    if size < 1 or end > table.last:
        raise Fail(f"gpart: size '{size}': Invalid argument")
    for part in table.parts.values():
        if part.first <= start <= part.last:
            raise Fail(f"gpart: start '{start}': No space left on device")
        if start < part.first <= end:
            raise Fail(f"gpart: size '{size}': No space left on device")
    raw = table.raw_type(options["t"])
    if raw is None or ("l" in options and (table.scheme != "GPT" or len(options["l"]) > 36)):
        raise Fail("gpart: Invalid argument")
    index = _index(options) if "i" in options else 0
    if index and index in table.parts:
        raise Fail(f"gpart: index '{index}': File exists")
    if not index:
        index = 1
        while index in table.parts:
            index += 1
    if index > table.entries:
        raise Fail(f"gpart: index '{index}': No space left on device")
    uuid = gpt.new_guid() if table.scheme == "GPT" else ""
    table.parts[index] = gpt.Partition(index, raw, start, end, options.get("l", ""), uuid)
    _save(s, disk, table)
    print(f"{_name(disk, table, index)} added")
    return 0


def create(s: State, options: dict[str, str], operands: list[str]) -> int:
    name = _one(operands)
    scheme = options["s"].upper()
    if scheme not in ("GPT", "MBR"):
        raise Fail(f"gpart: scheme '{options['s']}': Invalid argument")
    disk = geom.disk(s, name)
    if disk is None:
        raise Fail(f"gpart: arg0 '{name}': Invalid argument")
    if disk.table() is not None:
        raise Fail(f"gpart: geom '{disk.name}': File exists")
    if geom.is_open(s, disk.name):
        raise Fail(f"gpart: geom '{disk.name}': Operation not permitted")
    sectors = disk.window.size // disk.window.sector
    if scheme == "GPT":
        entries = _index(options, "n") if "n" in options else 128
        if not 1 <= entries <= 4096:
            raise Fail(f"gpart: entries '{entries}': Invalid argument")
        table = gpt.blank_gpt(sectors, disk.window.sector, max(entries, 128))
    else:
        table = gpt.blank_mbr(sectors)
    if table.last <= table.first:
        raise Fail("gpart: provider: No space left on device")
    _save(s, disk, table)
    print(f"{disk.name} created")
    return 0


def delete(s: State, options: dict[str, str], operands: list[str]) -> int:
    disk, table = _arg0(s, _one(operands))
    _sound(disk, table)
    index = _index(options)
    _part(table, index)
    name = _name(disk, table, index)
    if any(provider == name for provider in _open_names(s)):
        raise Fail("gpart: Device busy")
    del table.parts[index]
    _save(s, disk, table)
    print(f"{name} deleted")
    return 0


def _open_names(s: State) -> list[str]:
    found = []
    for user in geom.users(s):
        provider = geom.lookup(s, user)
        if provider is not None:
            found.append(provider.name)
    return found


def destroy(s: State, options: dict[str, str], operands: list[str]) -> int:
    disk, table = _arg0(s, _one(operands))
    if table.parts and "F" not in options:
        raise Fail("gpart: Device busy")
    if geom.is_open(s, disk.name):
        raise Fail("gpart: Device busy")
    gpt.wipe_table(disk.window)
    geom.retaste(s, disk.name)
    print(f"{disk.name} destroyed")
    return 0


def modify(s: State, options: dict[str, str], operands: list[str]) -> int:
    disk, table = _arg0(s, _one(operands))
    _sound(disk, table)
    index = _index(options)
    part = _part(table, index)
    if "t" in options:
        raw = table.raw_type(options["t"])
        if raw is None:
            raise Fail("gpart: Invalid argument")
        part.raw_type = raw
    if "l" in options:
        if table.scheme != "GPT":
            raise Fail("gpart: Invalid argument")
        part.label = options["l"]
    _save(s, disk, table)
    print(f"{_name(disk, table, index)} modified")
    return 0


def _attribute(s: State, options: dict[str, str], operands: list[str], on: bool) -> int:
    disk, table = _arg0(s, _one(operands))
    _sound(disk, table)
    name = options["a"]
    bit = gpt.GPT_ATTRIBUTES.get(name, 0) if table.scheme == "GPT" else 0x80 if name == "active" else 0
    if "i" not in options:
        if table.scheme != "GPT" or name not in ("active", "lenovofix"):
            raise Fail(f"gpart: attrib '{name}': Invalid argument")
        table.pmbr_active = on
        target = disk.name
    else:
        index = _index(options)
        part = _part(table, index)
        if not bit:
            raise Fail(f"gpart: attrib '{name}': Invalid argument")
        if on and table.scheme == "MBR":
            for other in table.parts.values():
                other.attributes &= ~0x80
        part.attributes = part.attributes | bit if on else part.attributes & ~bit
        target = _name(disk, table, index)
    _save(s, disk, table)
    print(f"{name} {'set' if on else 'unset'} on {target}")
    return 0


def resize(s: State, options: dict[str, str], operands: list[str]) -> int:
    index = _index(options)
    if index < 1:
        raise Fail("gpart: invalid partition index")
    disk, table = _geom(s, _one(operands))
    part = table.parts.get(index)
    if part is None:
        if "s" in options and "a" not in options:
            raise Fail(f"gpart: index '{index}': No such file or directory")
        raise Fail("gpart: invalid partition index")
    sector = disk.window.sector
    align = _lba(options["a"], sector, "alignment") if "a" in options else 1
    size = _lba(options["s"], sector, "size") if "s" in options else 0
    after = min((other.first for other in table.parts.values() if other.first > part.last), default=table.last + 1)
    if size and "a" in options:
        size = _down(part.first + size, align) - part.first
    elif not size:
        size = _down(after, align) - part.first
        if size <= 0 or (size < part.sectors and after == table.last + 1) or (after == part.last + 1 <= table.last):
            raise Fail("gpart: autofill: No space left on device")
    _sound(disk, table)
    if size < 1:
        raise Fail(f"gpart: size '{size}': Invalid argument")
    if part.first + size > after:
        raise Fail(f"gpart: size '{size}': No space left on device")
    if size < part.sectors and _name(disk, table, index) in _open_names(s):
        raise Fail("gpart: Device busy")
    part.last = part.first + size - 1
    _save(s, disk, table)
    print(f"{_name(disk, table, index)} resized")
    return 0


def recover(s: State, options: dict[str, str], operands: list[str]) -> int:
    disk, table = _arg0(s, _one(operands))
    if table.scheme != "GPT":
        raise Fail("gpart: recovering 'MBR' is not supported: Function not implemented")
    if not table.corrupt:
        print(f"{disk.name} recovering is not needed")
        return 0
    first, last = gpt.gpt_bounds(disk.window.size // disk.window.sector, disk.window.sector, table.entries)
    table.first, table.last = min(table.first, first), last
    table.corrupt = False
    _save(s, disk, table)
    print(f"{disk.name} recovered")
    return 0


def commit(s: State, options: dict[str, str], operands: list[str]) -> int:
    _arg0(s, _one(operands))
    # Nothing is ever pending here, as after a command without -f.
    raise Fail("gpart: Operation not permitted")


def bootcode(s: State, options: dict[str, str], operands: list[str]) -> int:
    if "b" not in options and "p" not in options:
        raise Fail(f"gpart: a -b or -p option must be specified\n{verb_usage('bootcode')}")
    name = _one(operands)
    if "p" in options and "i" not in options:
        raise Fail("gpart: missing -i <index>")
    boot = _boot_file(options["b"], 512) if "b" in options else b""
    code = _boot_file(options["p"], 0) if "p" in options else b""
    if code:
        disk, table = _geom(s, name)
        part = table.parts.get(_index(options))
        if part is None:
            raise Fail("gpart: invalid partition index")
        node = _name(disk, table, part.index)
        if part.sectors * disk.window.sector < len(code):
            raise Fail(f"gpart: /dev/{node}: not enough space")
        disk.window.write(part.first * disk.window.sector, code)
        print(f"partcode written to {node}")
    if boot:
        disk, table = _arg0(s, name)
        _sound(disk, table)
        table.code = boot[:440]
        _save(s, disk, table)
        print(f"bootcode written to {disk.name}")
    return 0


def _boot_file(path: str, limit: int) -> bytes:
    try:
        with open(path, "rb") as handle:
            data = handle.read()
    except OSError as error:
        raise Fail(f"gpart: {path}: {strerror(error.errno)}") from None
    if not data:
        raise Fail(f"gpart: {path}: empty file")
    if limit and len(data) > limit:
        raise Fail(f"gpart: {path}: file too big ({limit} limit)")
    return data


def backup(s: State, options: dict[str, str], operands: list[str]) -> int:
    _disk, table = _geom(s, _one(operands))
    block = len(str(table.last))
    width = max((len(table.type_name(part)) for part in table.parts.values()), default=0)
    number = len(str(table.entries))
    print(f"{table.scheme} {table.entries}")
    for part in sorted(table.parts.values(), key=lambda p: p.index):
        names = table.attribute_names(part)
        tail = f"{' [' + ','.join(names) + '] ' if names else ''}"
        print(
            f"{part.index:<{number}} {table.type_name(part):>{width}} {part.first:>{block}} {part.sectors:>{block}} "
            f"{part.label} {tail}".removesuffix("\n")
        )
    return 0


def restore(s: State, options: dict[str, str], operands: list[str]) -> int:
    raise Fail("gpart: restore needs its backup on stdin")


def restore_from(s: State, options: dict[str, str], operands: list[str], lines: list[str]) -> int:
    """``gpart restore``, the backup read already."""
    rows = [line.split() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not operands:
        raise Fail("gpart: Invalid number of arguments.")
    if not rows or len(rows[0]) > 2:
        raise Fail("gpart: Incorrect backup format.")
    for name in operands:
        if "F" in options and _find(s, name) is not None:
            destroy_quietly(s, name)
        disk = geom.disk(s, name)
        if disk is None:
            raise Fail(f"gpart: arg0 '{name}': Invalid argument")
        if disk.table() is not None:
            raise Fail(f"gpart: geom '{disk.name}': File exists")
        sectors = disk.window.size // disk.window.sector
        table = gpt.blank_gpt(sectors, disk.window.sector) if rows[0][0] == "GPT" else gpt.blank_mbr(sectors)
        for row in rows[1:]:
            raw = table.raw_type(row[1]) if len(row) >= 4 else None
            if raw is None or not (row[0] + row[2] + row[3]).isdigit():
                raise Fail("gpart: Incorrect backup format.")
            index, first, size = int(row[0]), int(row[2]), int(row[3])
            if first + size - 1 > table.last:
                raise Fail(f"gpart: size '{size}': Invalid argument")
            label = row[4] if "l" in options and len(row) > 4 and "[" not in row[4] else ""
            uuid = gpt.new_guid() if table.scheme == "GPT" else ""
            table.parts[index] = gpt.Partition(index, raw, first, first + size - 1, label, uuid)
        _save(s, disk, table)
    return 0


def destroy_quietly(s: State, name: str) -> None:
    disk, _table = _arg0(s, name)
    if geom.is_open(s, disk.name):
        raise Fail("gpart: Device busy")
    gpt.wipe_table(disk.window)
    geom.retaste(s, disk.name)


def show(s: State, options: dict[str, str], operands: list[str]) -> int:
    if "l" in options and "r" in options:
        raise Fail("gpart: -l and -r are mutually exclusive")
    if operands:
        for name in operands:
            disk, table = _geom(s, name)
            _show_one(disk, table, options)
        return 0
    for disk in geom.disks(s).values():
        found = disk.table()
        if found is not None:
            _show_one(disk, found, options)
    return 0


def _show_one(disk: geom.Disk, table: gpt.Table, options: dict[str, str]) -> None:
    sector = disk.window.sector
    block = len(str(table.last))
    width = len(disk.name)
    if "p" in options:
        width = max([width, *(len(_name(disk, table, index)) for index in table.parts)])
    state = " [CORRUPT]" if table.corrupt else ""
    size = humanize(disk.window.size)
    total = table.last - table.first + 1
    out = [f"=>{table.first:>{block}}  {total:>{block}}  {disk.name:>{width}}  {table.scheme}  ({size}){state}"]
    rows: list[tuple[int, int, gpt.Partition | None]] = [(first, last, None) for first, last in table.gaps()]
    rows += [(part.first, part.last, part) for part in table.parts.values()]
    for first, last, part in sorted(rows, key=lambda row: row[0]):
        count = last - first + 1
        lead = f"  {first:>{block}}  {count:>{block}}"
        if part is None:
            out.append(f"{lead}  {'':>{width}}  - free -  ({humanize(count * sector)})")
            continue
        name = _name(disk, table, part.index) if "p" in options else str(part.index)
        if "l" in options:
            what = part.label or "(null)"
        elif "r" in options:
            what = part.raw_type
        else:
            what = table.type_name(part)
        names = table.attribute_names(part)
        attributes = f"  [{','.join(names)}]" if names else ""
        out.append(f"{lead}  {name:>{width}}  {what}{attributes}  ({humanize(count * sector)})")
    # xo_emit pads the first column of the header with the two columns that "=>" takes.
    sys.stdout.write("\n".join(out) + "\n\n")


def unsupported(s: State, options: dict[str, str], operands: list[str]) -> int:
    return 0


def _set(s: State, options: dict[str, str], operands: list[str]) -> int:
    return _attribute(s, options, operands, True)


def _unset(s: State, options: dict[str, str], operands: list[str]) -> int:
    return _attribute(s, options, operands, False)


def _list(s: State, options: dict[str, str], operands: list[str]) -> int:
    from . import geomlist

    return geomlist.part_list(s, operands, "gpart")


def _status(s: State, options: dict[str, str], operands: list[str]) -> int:
    from . import geomlist

    return geomlist.part_status(s, operands, "gpart", "s" in options)


VERBS: dict[str, Verb] = {
    "add": add,
    "backup": backup,
    "bootcode": bootcode,
    "commit": commit,
    "create": create,
    "delete": delete,
    "destroy": destroy,
    "list": _list,
    "load": unsupported,
    "modify": modify,
    "recover": recover,
    "resize": resize,
    "restore": restore,
    "set": _set,
    "show": show,
    "status": _status,
    "undo": commit,
    "unload": unsupported,
    "unset": _unset,
}

__all__ = ["restore_from", "run"]
