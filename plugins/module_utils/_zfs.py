# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Datasets: argument lists of zfs(8), a parser of its script output, and functions that do one thing each."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Dict, Iterable, List, Mapping, Optional, Sequence

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Completed, Runner, first_line

_MISSING = re.compile(r"cannot open '[^']*': (dataset does not exist|no such pool.*|snapshot does not exist)")
_COMPONENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.: -]*")
_ALTERED = re.compile(r"[A-Za-z0-9_.: -]+")
MAX_NAME = 255  # bytes, ZFS_MAX_DATASET_NAME_LEN less its NUL


@dataclass(frozen=True)
class Property:
    """A value and where it comes from: ``local``, ``default``, ``inherited from NAME``, ``received``, ``-``."""

    value: str
    source: str

    @property
    def local(self) -> bool:
        return self.source == "local"


@dataclass(frozen=True)
class Dataset:
    """A file system, volume or snapshot with the properties that were asked for."""

    name: str
    properties: Mapping[str, Property] = field(default_factory=dict)

    def value(self, name: str) -> str:
        """A property's value; ``-`` when it has none."""
        found = self.properties.get(name)
        return found.value if found is not None else "-"

    @property
    def type(self) -> str:
        return self.value("type")


def pool_of(name: str) -> str:
    """The pool of a dataset, snapshot or bookmark."""
    return re.split(r"[/@#]", name, maxsplit=1)[0]


def parent_of(name: str) -> Optional[str]:
    """The dataset above; None for a pool's own."""
    return name.rpartition("/")[0] or None


def is_below(name: str, root: str) -> bool:
    """Is a dataset ``root`` itself or below it?"""
    return name == root or name.startswith(root + "/")


def check_name(name: str) -> str:
    """A dataset's name, if it is one.

    :raises ToolError: with the reason; rules of zfs_namecheck (zfs(8)).
    """
    if not name or len(name.encode("utf-8")) > MAX_NAME:
        raise ToolError(f"dataset '{name[:40]}': a name has 1 to {MAX_NAME} bytes")
    if "@" in name or "#" in name:
        raise ToolError(f"dataset '{name}': a snapshot or bookmark is not expected here")
    parts = name.split("/")
    for part in parts:
        if not part or part in (".", "..") or not _ALTERED.fullmatch(part):
            raise ToolError(f"dataset '{name}': '{part}' is no part of a name; use letters, digits and _ . : -")
    if not _COMPONENT.fullmatch(parts[0]) or not parts[0][0].isalpha():
        raise ToolError(f"dataset '{name}': a pool's name begins with a letter")
    return name


def _options(flag: str, properties: Optional[Mapping[str, str]]) -> List[str]:
    return [word for name, value in sorted((properties or {}).items()) for word in (flag, f"{name}={value}")]


def get_argv(
    names: Sequence[str],
    properties: Iterable[str],
    types: str = "filesystem,volume",
    recursive: bool = False,
) -> List[str]:
    argv = ["zfs", "get", "-Hp"] + (["-r"] if recursive else [])
    return argv + ["-t", types, "-o", "name,property,value,source", ",".join(properties), *names]


def create_argv(
    name: str,
    properties: Optional[Mapping[str, str]] = None,
    size: Optional[int] = None,
    sparse: bool = False,
    parents: bool = False,
) -> List[str]:
    """``size`` (bytes) makes a volume."""
    argv = ["zfs", "create"] + (["-p"] if parents else []) + (["-s"] if sparse else []) + _options("-o", properties)
    return argv + (["-V", str(size)] if size is not None else []) + [name]


def set_argv(name: str, properties: Mapping[str, str]) -> List[str]:
    return ["zfs", "set"] + [f"{key}={value}" for key, value in sorted(properties.items())] + [name]


def inherit_argv(name: str, prop: str) -> List[str]:
    return ["zfs", "inherit", prop, name]


def snapshot_argv(
    names: Sequence[str], properties: Optional[Mapping[str, str]] = None, recursive: bool = False
) -> List[str]:
    return ["zfs", "snapshot"] + (["-r"] if recursive else []) + _options("-o", properties) + list(names)


def clone_argv(snapshot: str, name: str, properties: Optional[Mapping[str, str]] = None) -> List[str]:
    return ["zfs", "clone"] + _options("-o", properties) + [snapshot, name]


def destroy_argv(name: str, recursive: bool = False, preview: bool = False) -> List[str]:
    """``preview`` only prints what would go (``destroy<TAB>name`` per line)."""
    return ["zfs", "destroy"] + (["-nvp"] if preview else []) + (["-r"] if recursive else []) + [name]


def mount_argv(name: str) -> List[str]:
    return ["zfs", "mount", name]


def send_argv(
    snapshot: str,
    from_snapshot: Optional[str] = None,
    replicate: bool = False,
    properties: bool = False,
    large_blocks: bool = False,
    embedded: bool = False,
    compressed: bool = False,
) -> List[str]:
    """Flags that 2.1 to 2.4 know; without ``-L -e -c`` any receiver of the pool version takes the stream."""
    letters = "".join(
        letter
        for letter, wanted in (
            ("R", replicate),
            ("p", properties),
            ("L", large_blocks),
            ("e", embedded),
            ("c", compressed),
        )
        if wanted
    )
    argv = ["zfs", "send"] + ([f"-{letters}"] if letters else [])
    return argv + (["-i", from_snapshot] if from_snapshot else []) + [snapshot]


def receive_argv(
    name: str, properties: Optional[Mapping[str, str]] = None, mount: bool = False, force: bool = False
) -> List[str]:
    argv = ["zfs", "receive"] + ([] if mount else ["-u"]) + (["-F"] if force else [])
    return argv + _options("-o", properties) + [name]


def parse_get(stdout: str) -> Dict[str, Dataset]:
    """Rows of ``zfs get -Hp -o name,property,value,source``, TAB separated; a value may hold TABs itself."""
    found: Dict[str, Dict[str, Property]] = {}
    for line in stdout.splitlines():
        fields = line.split("\t")
        if len(fields) < 4:
            raise ToolError(f"zfs get: a line of {len(fields)} fields instead of 4: '{line[:80]}'")
        found.setdefault(fields[0], {})[fields[1]] = Property("\t".join(fields[2:-1]), fields[-1])
    return {name: Dataset(name, properties) for name, properties in found.items()}


def parse_preview(stdout: str) -> List[str]:
    """Names of ``zfs destroy -nvp``."""
    rows = (line.split("\t") for line in stdout.splitlines())
    return [fields[1] for fields in rows if len(fields) > 1 and fields[0] == "destroy"]


def _only_missing(done: Completed) -> bool:
    complaints = [line for line in done.stderr.splitlines() if line.strip()]
    return bool(complaints) and all(_MISSING.match(line.strip()) for line in complaints)


def _get(runner: Runner, argv: Sequence[str], failed: str) -> Dict[str, Dataset]:
    done = runner.run(argv, ok=(0, 1), failed=failed)
    if done.rc and not _only_missing(done):
        cause = first_line(done.stderr) or f"exit status {done.rc}"
        raise ToolError(f"{failed}: {cause}", list(done.argv), done.rc, done.stdout, done.stderr)
    return parse_get(done.stdout)


def datasets(
    runner: Runner, root: str, properties: Iterable[str] = ("type",), types: str = "filesystem,volume"
) -> Dict[str, Dataset]:
    """A tree with the wanted properties, by name, in one call; empty when ``root`` does not exist."""
    return _get(runner, get_argv([root], properties, types, recursive=True), f"dataset '{root}': reading failed")


def named(
    runner: Runner, names: Sequence[str], properties: Iterable[str] = ("type",), types: str = "filesystem,volume"
) -> Dict[str, Dataset]:
    """Those of the named datasets (or snapshots) that exist, in one call."""
    return _get(runner, get_argv(names, properties, types), f"dataset '{names[0]}': reading failed") if names else {}


def snapshots(runner: Runner, root: str, properties: Iterable[str] = ("guid", "createtxg")) -> Dict[str, Dataset]:
    """Snapshots of a dataset and of those below it, by full name."""
    return datasets(runner, root, properties, "snapshot")


def exists(runner: Runner, name: str) -> bool:
    """Does a dataset, volume or snapshot exist?"""
    return bool(named(runner, [name], ("type",), "filesystem,volume,snapshot"))


def create(
    runner: Runner,
    name: str,
    properties: Optional[Mapping[str, str]] = None,
    size: Optional[int] = None,
    sparse: bool = False,
    parents: bool = False,
) -> None:
    """Create a file system, or a volume of ``size`` bytes."""
    runner.run(create_argv(name, properties, size, sparse, parents), failed=f"dataset '{name}': creating failed")


def snapshot(
    runner: Runner, name: str, properties: Optional[Mapping[str, str]] = None, recursive: bool = False
) -> None:
    """Take a snapshot, given as ``dataset@name``."""
    runner.run(snapshot_argv([name], properties, recursive), failed=f"snapshot '{name}': creating failed")


def clone(runner: Runner, source: str, name: str, properties: Optional[Mapping[str, str]] = None) -> None:
    """Clone a snapshot."""
    runner.run(clone_argv(source, name, properties), failed=f"dataset '{name}': cloning '{source}' failed")


def destroy(runner: Runner, name: str, recursive: bool = False) -> None:
    """Destroy a dataset or snapshot; with ``recursive`` what is below it too, never clones elsewhere."""
    runner.run(destroy_argv(name, recursive), failed=f"dataset '{name}': destroying failed")


def mount(runner: Runner, name: str) -> None:
    runner.run(mount_argv(name), failed=f"dataset '{name}': mounting failed")


__all__ = [
    "Dataset",
    "Property",
    "check_name",
    "clone",
    "clone_argv",
    "create",
    "create_argv",
    "datasets",
    "destroy",
    "destroy_argv",
    "exists",
    "get_argv",
    "inherit_argv",
    "is_below",
    "mount",
    "mount_argv",
    "named",
    "parent_of",
    "parse_get",
    "parse_preview",
    "pool_of",
    "receive_argv",
    "send_argv",
    "set_argv",
    "snapshot",
    "snapshot_argv",
    "snapshots",
]
