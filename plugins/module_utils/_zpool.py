# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Pools: argument lists of zpool(8), parsers of its output, and functions that do one thing each.

An imported pool is named by its name in the kernel, which is the temporary one (``-t``) if there is one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, FrozenSet, Iterable, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner, first_line
from ansible_collections.freehyve.builder.plugins.module_utils._zfs import Property

COLUMNS = ("name", "size", "alloc", "free", "health", "altroot", "guid")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]*")
_RESERVED = re.compile(r"(mirror|raidz|draid|spare).*|log|c[0-9].*")
_CLASSES = {"log": "log", "logs": "log", "cache": "cache", "spare": "spare", "spares": "spare"}
_CLASSES.update({"special": "special", "dedup": "dedup"})
_GROUP = re.compile(r"(mirror|raidz[123]?|draid[123]?(?::[0-9]+[dcs])*)(?:-[0-9]+)?")
_CONFIG_ROW = re.compile(r"\t( *)(\S+)(?:\s+(.*))?")


@dataclass(frozen=True)
class Pool:
    """A row of ``zpool list``; sizes in bytes."""

    name: str
    size: int
    alloc: int
    free: int
    health: str
    altroot: Optional[str]
    guid: str


@dataclass(frozen=True)
class Importable:
    """A pool that ``zpool import`` found; ``state`` as ONLINE, ``vdevs`` as on a command line."""

    name: str
    guid: str
    state: str
    vdevs: Tuple[str, ...] = ()
    destroyed: bool = False


Vdev = Tuple[str, str, FrozenSet[str]]  # class (log, cache … or empty), mirror or raidz or empty, devices


def check_name(name: str) -> str:
    """A pool's name, if it is one (zpool-create(8)).

    :raises ToolError: with the rule that it breaks.
    """
    if not _NAME.fullmatch(name):
        raise ToolError(f"pool '{name}': a name begins with a letter and has letters, digits and _ . : - only")
    if _RESERVED.fullmatch(name):
        raise ToolError(f"pool '{name}': the name is reserved; mirror, raidz, draid, spare, log and c0 … are")
    return name


def _options(flag: str, properties: Optional[Mapping[str, str]]) -> List[str]:
    return [word for name, value in sorted((properties or {}).items()) for word in (flag, f"{name}={value}")]


def list_argv() -> List[str]:
    return ["zpool", "list", "-Hp", "-o", ",".join(COLUMNS)]


def get_argv(pool: str, properties: Iterable[str]) -> List[str]:
    return ["zpool", "get", "-Hp", "-o", "name,property,value,source", ",".join(properties), pool]


def status_argv(pool: str) -> List[str]:
    return ["zpool", "status", "-P", pool]


def create_argv(
    name: str,
    vdevs: Sequence[str],
    temporary_name: Optional[str] = None,
    altroot: Optional[str] = None,
    properties: Optional[Mapping[str, str]] = None,
    filesystem_properties: Optional[Mapping[str, str]] = None,
    force: bool = False,
) -> List[str]:
    """``vdevs`` are words of the command line (``["mirror", "/dev/a", "/dev/b"]``)."""
    argv = ["zpool", "create"] + (["-f"] if force else [])
    argv += ["-t", temporary_name] if temporary_name else []
    argv += _options("-o", properties)
    argv += ["-R", altroot] if altroot else []
    return argv + _options("-O", filesystem_properties) + [name, *vdevs]


def import_argv(
    pool: str,
    new_name: Optional[str] = None,
    temporary: bool = False,
    altroot: Optional[str] = None,
    search_dirs: Sequence[str] = (),
    properties: Optional[Mapping[str, str]] = None,
    mount: bool = True,
    force: bool = False,
) -> List[str]:
    """``pool`` is a name or a GUID; ``temporary`` keeps ``new_name`` out of the pool's label."""
    argv = ["zpool", "import"] + (["-f"] if force else []) + ([] if mount else ["-N"])
    argv += [word for directory in search_dirs for word in ("-d", directory)]
    argv += _options("-o", properties)
    argv += ["-R", altroot] if altroot else []
    return argv + (["-t"] if temporary and new_name else []) + [pool] + ([new_name] if new_name else [])


def search_argv(search_dirs: Sequence[str] = ()) -> List[str]:
    return ["zpool", "import"] + [word for directory in search_dirs for word in ("-d", directory)]


def export_argv(pool: str, force: bool = False) -> List[str]:
    return ["zpool", "export"] + (["-f"] if force else []) + [pool]


def destroy_argv(pool: str, force: bool = False) -> List[str]:
    return ["zpool", "destroy"] + (["-f"] if force else []) + [pool]


def set_argv(pool: str, name: str, value: str) -> List[str]:
    """zpool(8) of 2.1 takes one property at a time."""
    return ["zpool", "set", f"{name}={value}", pool]


def parse_list(stdout: str) -> Dict[str, Pool]:
    """Rows of ``zpool list -Hp -o name,size,alloc,free,health,altroot,guid``; sizes of a faulted pool are ``-``."""
    found = {}
    for line in stdout.splitlines():
        fields = line.split("\t")
        if len(fields) != len(COLUMNS):
            raise ToolError(f"zpool list: a line of {len(fields)} fields instead of {len(COLUMNS)}: '{line[:80]}'")
        size, alloc, free = (int(text) if text.isdigit() else 0 for text in fields[1:4])
        altroot = None if fields[5] == "-" else fields[5]
        found[fields[0]] = Pool(fields[0], size, alloc, free, fields[4], altroot, fields[6])
    return found


def parse_get(stdout: str) -> Dict[str, Property]:
    """Rows of ``zpool get -Hp -o name,property,value,source`` of one pool, by property."""
    found = {}
    for line in stdout.splitlines():
        fields = line.split("\t")
        if len(fields) < 4:
            raise ToolError(f"zpool get: a line of {len(fields)} fields instead of 4: '{line[:80]}'")
        found[fields[1]] = Property("\t".join(fields[2:-1]), fields[-1])
    return found


def _config_words(rows: Iterable[str]) -> List[str]:
    """Words of a command line from the rows of a ``config:`` section, its pool's own row left out.

    The section is indented by a TAB, then two spaces a level; a device that is gone is a GUID with ``was PATH``.
    """
    words: List[str] = []
    for row in rows:
        match = _CONFIG_ROW.fullmatch(row)
        if match is None or match.group(2) == "NAME":
            continue
        depth, name, rest = len(match.group(1)) // 2, match.group(2), match.group(3) or ""
        if depth == 0:
            # A class has no columns behind its name; a pool may well be called cache.
            words += [_CLASSES[name]] if name in _CLASSES and not rest else []
            continue
        group = _GROUP.fullmatch(name)
        was = re.search(r"\bwas (\S+)", rest)
        words.append(group.group(1) if group else was.group(1) if was else name)
    return words


def parse_status(stdout: str) -> List[str]:
    """The vdevs of ``zpool status -P`` of one pool as words of a command line."""
    lines = stdout.splitlines()
    if "config:" not in [line.strip() for line in lines]:
        return []
    begin = next(number for number, line in enumerate(lines) if line.strip() == "config:")
    return _config_words(line for line in lines[begin + 1 :] if line.startswith("\t"))


def parse_import(stdout: str) -> List[Importable]:
    """Pools that ``zpool import`` offers. Labels end at a colon and are padded differently in 2.1 and 2.4."""
    found: List[Importable] = []
    for block in re.split(r"^\s*pool: ", stdout, flags=re.MULTILINE)[1:]:
        lines = block.splitlines()
        labels = {}
        for line in lines[1:]:
            match = re.fullmatch(r" *(id|state): (.*)", line)
            if match and match.group(1) not in labels:
                labels[match.group(1)] = match.group(2).strip()
        state, _space, note = labels.get("state", "").partition(" ")
        rows = [line for line in lines if line.startswith("\t")]
        words = tuple(_config_words(rows))
        found.append(Importable(lines[0].strip(), labels.get("id", ""), state, words, "DESTROYED" in note))
    return found


def device_path(word: str) -> str:
    """A device as ``zpool status -P`` prints it; a short name lies in /dev."""
    return word if word.startswith("/") else f"/dev/{word}"


def layout(words: Sequence[str]) -> List[Vdev]:
    """Words of a command line as vdevs in a fixed order, so that two layouts can be compared.

    Devices are taken as given: ``/dev/md0p2`` is not ``/dev/md0``, and ``/dev/gpt/x`` not the partition that it names.
    """
    vdevs: List[Tuple[str, str, List[str]]] = []
    section, open_group = "", False
    for word in words:
        if word in _CLASSES:
            section, open_group = _CLASSES[word], False
        elif _GROUP.fullmatch(word) and not word.startswith("/"):
            kind = "raidz1" if word == "raidz" else "draid1" if word == "draid" else word
            vdevs.append((section, kind, []))
            open_group = True
        elif open_group:
            vdevs[-1][2].append(device_path(word))
        else:
            vdevs.append((section, "", [device_path(word)]))
    return sorted(((a, b, frozenset(c)) for a, b, c in vdevs), key=lambda vdev: (vdev[0], vdev[1], sorted(vdev[2])))


def devices(words: Sequence[str]) -> List[str]:
    """The devices among the words of a command line, as paths."""
    return [path for vdev in layout(words) for path in sorted(vdev[2])]


def change(runner: Runner, argv: Sequence[str], failed: str) -> None:
    """Run a zpool command that changes something, once.

    ``zpool create`` puts the cause behind two lines that do not tell it (``invalid vdev specification``, a hint at -f).
    """
    try:
        runner.run(argv, failed=failed)
    except ToolError as exc:
        lines = [line.strip() for line in exc.stderr.splitlines() if line.strip()]
        if len(lines) < 2 or lines[0] != "invalid vdev specification":
            raise
        raise ToolError(f"{failed}: {lines[-1]}", exc.cmd, exc.rc, exc.stdout, exc.stderr) from exc


def pools(runner: Runner) -> Dict[str, Pool]:
    """All imported pools, by their name in the kernel."""
    return parse_list(runner.run(list_argv(), failed="pools: listing failed").stdout)


def status_vdevs(runner: Runner, pool: str) -> List[str]:
    """Words of a command line that say how an imported pool is made (``["mirror", "/dev/a", "/dev/b"]``)."""
    return parse_status(runner.run(status_argv(pool), failed=f"pool '{pool}': reading its vdevs failed").stdout)


def properties(runner: Runner, pool: str, names: Sequence[str]) -> Dict[str, Property]:
    """Properties of an imported pool."""
    return parse_get(runner.run(get_argv(pool, names), failed=f"pool '{pool}': reading properties failed").stdout)


def importable(runner: Runner, search_dirs: Sequence[str] = ()) -> List[Importable]:
    """Pools that could be imported from devices below the directories (default /dev)."""
    done = runner.run(search_argv(search_dirs), ok=(0, 1))
    if done.rc and "no pools available" not in done.stderr:
        cause = first_line(done.stderr) or "exit status 1"
        raise ToolError(f"pools: searching failed: {cause}", list(done.argv), done.rc, done.stdout, done.stderr)
    return parse_import(done.stdout)


def create(
    runner: Runner,
    name: str,
    vdevs: Sequence[str],
    temporary_name: Optional[str] = None,
    altroot: Optional[str] = None,
    properties: Optional[Mapping[str, str]] = None,
    filesystem_properties: Optional[Mapping[str, str]] = None,
    force: bool = False,
) -> str:
    """Create a pool.

    :returns: its GUID.
    """
    argv = create_argv(name, vdevs, temporary_name, altroot, properties, filesystem_properties, force)
    change(runner, argv, f"pool '{name}': creating failed")
    return guid(runner, temporary_name or name)


def guid(runner: Runner, pool: str) -> str:
    """The GUID of an imported pool: what tells it apart from another of its name."""
    found = pools(runner)
    if pool not in found:
        raise ToolError(f"pool '{pool}': not imported")
    return found[pool].guid


def _same(runner: Runner, pool: str, expected: Optional[str], verb: str) -> None:
    if expected is not None and guid(runner, pool) != expected:
        raise ToolError(f"pool '{pool}': refusing to {verb}, its GUID is not {expected}: another pool has this name")


def export(runner: Runner, pool: str, guid: Optional[str] = None, force: bool = False) -> None:
    """Export a pool; with ``guid`` only that one."""
    _same(runner, pool, guid, "export")
    runner.run(export_argv(pool, force), failed=f"pool '{pool}': exporting failed")


def destroy(runner: Runner, pool: str, guid: Optional[str] = None, force: bool = False) -> None:
    """Destroy a pool; with ``guid`` only that one."""
    _same(runner, pool, guid, "destroy")
    runner.run(destroy_argv(pool, force), failed=f"pool '{pool}': destroying failed")


def set_property(runner: Runner, pool: str, name: str, value: str) -> None:
    """Set one property of an imported pool."""
    runner.run(set_argv(pool, name, value), failed=f"pool '{pool}': setting {name}={value} failed")


__all__ = [
    "Importable",
    "Pool",
    "change",
    "check_name",
    "create",
    "create_argv",
    "destroy",
    "destroy_argv",
    "device_path",
    "devices",
    "export",
    "export_argv",
    "get_argv",
    "guid",
    "import_argv",
    "importable",
    "layout",
    "list_argv",
    "parse_get",
    "parse_import",
    "parse_list",
    "parse_status",
    "pools",
    "properties",
    "search_argv",
    "set_argv",
    "set_property",
    "status_argv",
    "status_vdevs",
]
