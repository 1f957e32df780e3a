# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""``zfs create``, ``set``, ``inherit``, ``clone``, ``rename``, ``promote``, ``mount`` and ``unmount``."""

from __future__ import annotations

import os

from . import actions, kernel, mounts, pools, props
from . import datasets as ds
from .datasets import Dataset
from .errors import Fail, strerror, warn
from .units import zfs_number
from .zfs_base import options, usage
from .zpool_base import log_zfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    State = dict[str, Any]


# --- properties ---


def checked(error: str, wanted: dict[str, str], types: int, creating: bool) -> dict[str, str]:
    """Property values as stored. Raises Fail starting with *error* (zfs_valid_proplist())."""
    values = {}
    for key, value in wanted.items():
        if props.is_user(key):
            if len(value) >= 8192:
                raise Fail(f"{error}: property value '{value}' too long")
            values[key] = value
            continue
        prop = props.find(key)
        if prop is None or prop.name == "name":
            raise Fail(f"{error}: invalid property '{key}'")
        if not prop.types & types:
            raise Fail(f"{error}: '{key}' does not apply to datasets of this type")
        if prop.mode == "ro" or (prop.mode == "once" and not creating):
            raise Fail(f"{error}: '{prop.name}' is readonly")
        try:
            values[prop.name] = props.check(prop, value)
        except props.BadValue as bad:
            raise Fail(f"{error}: {bad}") from None
        if prop.name in ("quota", "refquota") and values[prop.name] == "0" and value != "none":
            raise Fail(f"{error}: use 'none' to disable quota/refquota")
    return values


def assignment(verb: str, text: str, known: dict[str, str]) -> None:
    """``name=value`` into *known*. Raises Fail."""
    name, equals, value = text.partition("=")
    if not equals:
        raise usage(verb, "missing '=' for property=value argument")
    full = props.canonical(name)
    if full in known:
        raise Fail(f"property '{name}' specified multiple times")
    known[full] = value


# --- create ---


def create(s: State, argv: list[str]) -> int:
    found, operands = options("create", argv[2:], ":V:b:nso:puvP")
    flags = dict(found)
    wanted: dict[str, str] = {}
    for letter, value in found:
        if letter == "o":
            assignment("create", value, wanted)
        elif letter == "b":
            wanted["volblocksize"] = value
    volume = "V" in flags
    if ("s" in flags or "b" in flags) and not volume:
        raise usage("create", "'-s' and '-b' can only be used when creating a volume")
    if "u" in flags and volume:
        raise usage("create", "'-u' can only be used when creating a filesystem")
    size = 0
    if volume:
        try:
            size = zfs_number(flags["V"])
        except ValueError:
            raise Fail(f"bad volume size '{flags['V']}': bad numeric value '{flags['V']}'") from None
    if not operands:
        raise usage("create", f"missing {'volume' if volume else 'filesystem'} argument")
    if len(operands) > 1:
        raise usage("create", "too many arguments")
    name = operands[0]
    if "p" in flags and ds.lookup(s, name) is not None:
        return 0
    if "n" in flags:
        _check_create(s, name, wanted, volume, size, "s" in flags, "p" in flags)
        if "v" in flags or "P" in flags:
            print(f"create\t{name}" if "P" in flags else f"would create {name}")
        return 0
    if "p" in flags:
        make_parents(s, name)
    dataset = make(s, name, wanted, volume, size, "s" in flags)
    log_zfs(s, dataset.pname, argv)
    if "v" in flags:
        print(f"create {name}")
    if not volume and "u" not in flags and actions.mountable(dataset):
        actions.mount(dataset)
    return 0


def make_parents(s: State, name: str) -> None:
    """The missing ancestors of *name*, mounted. Raises Fail."""
    parts = name.split("/")
    if ds.name_problem(name, "dataset") or parts[0] not in s.get("pools", {}):
        return
    for count in range(2, len(parts)):
        above = "/".join(parts[:count])
        if ds.lookup(s, above) is None:
            dataset = actions.create(s, parts[0], "/".join(parts[1:count]), "filesystem", {})
            if actions.mountable(dataset):
                actions.mount(dataset)


def _check_create(
    s: State, name: str, wanted: dict[str, str], volume: bool, size: int, sparse: bool, parents: bool = False
) -> tuple[str, str, dict[str, str]]:
    error = f"cannot create '{name}'"
    problem = ds.name_problem(name, "dataset", modifying=True)
    if problem:
        raise Fail(f"{error}: {problem}")
    pname, _, rel = name.partition("/")
    if not rel:
        raise Fail(
            f"{error}: missing dataset name" if pname not in s.get("pools", {}) else f"{error}: dataset already exists"
        )
    if ds.lookup(s, name) is not None:
        raise Fail(f"{error}: dataset already exists")
    values = checked(error, wanted, props.VOL if volume else props.FS, True)
    if pname not in s.get("pools", {}):
        raise Fail(f"{error}: no such pool '{pname}'")
    above = rel.rpartition("/")[0]
    if above not in s["pools"][pname]["datasets"]:
        if not parents:
            raise Fail(f"{error}: parent does not exist")
    elif Dataset(s, pname, above).volume:
        raise Fail(f"{error}: parent is not a filesystem")
    room = pools.room(s, pname)
    if volume:
        block = int(values.get("volblocksize", "8192"))
        if size == 0:
            raise Fail(f"{error}: volume size cannot be zero")
        if size % block:
            raise Fail(f"{error}: volume size must be a multiple of volume block size")
        if not sparse and "refreservation" not in values and "reservation" not in values:
            values["refreservation"] = str(actions.volume_refreservation(size))
    for key in ("reservation", "refreservation"):
        if values.get(key) == "auto":
            values[key] = str(actions.volume_refreservation(size))
        if int(values.get(key, "0")) > room:
            raise Fail(f"{error}: out of space")
    if room < 32768:
        raise Fail(f"{error}: out of space")
    return pname, rel, values


def make(s: State, name: str, wanted: dict[str, str], volume: bool, size: int, sparse: bool) -> Dataset:
    """Create a dataset, unmounted. Raises Fail."""
    pname, rel, values = _check_create(s, name, wanted, volume, size, sparse)
    block = values.pop("volblocksize", None)
    dataset = actions.create(s, pname, rel, "volume" if volume else "filesystem", values, size)
    if block:
        dataset.data["volblocksize"] = int(block)
    return dataset


# --- set, inherit ---


def set_property(s: State, argv: list[str]) -> int:
    _found, operands = options("set", argv[2:], "")
    wanted: dict[str, str] = {}
    names: list[str] = []
    for word in operands:
        if "=" in word and not names:
            key, _, value = word.partition("=")
            wanted[key] = value
        else:
            names.append(word)
    if not operands:
        raise usage("set", "missing arguments")
    if len(operands) == 1:
        raise usage("set", "missing dataset name(s)" if wanted else "missing property=value argument(s)")
    if not wanted:
        raise usage("set", "missing property=value argument(s)")
    if not names:
        raise usage("set", "missing dataset name(s)")
    rc = 0
    for name in names:
        try:
            _set_one(s, name, wanted)
            log_zfs(s, name.partition("/")[0].partition("@")[0], argv)
        except Fail as error:
            warn(error.text)
            rc = 1
    return rc


def _set_one(s: State, name: str, wanted: dict[str, str]) -> None:
    error = f"cannot set property for '{name}'"
    if "@" in name:
        dataset, snap = ds.open_snapshot(s, name)
        for key, value in wanted.items():
            if not props.is_user(key):
                prop = props.find(key)
                reason = "invalid property" if prop is None else "does not apply"
                raise Fail(
                    f"{error}: invalid property '{key}'"
                    if reason == "invalid property"
                    else f"{error}: this property can not be modified for snapshots"
                )
            dataset.data["snaps"][snap]["props"][key] = [value, "local"]
        return
    dataset = ds.open_dataset(s, name)
    values = checked(error, wanted, props.VOL if dataset.volume else props.FS, False)
    for key, value in values.items():
        _apply(dataset, key, value, error)


def _apply(dataset: Dataset, key: str, value: str, error: str) -> None:
    s = dataset.s
    if key in ("reservation", "refreservation"):
        if value == "auto":
            value = str(actions.volume_refreservation(int(dataset.data["volsize"])))
        now = int(ds.setting(dataset, key)[0])
        if int(value) - now > pools.room(s, dataset.pname):
            raise Fail(f"{error}: size is greater than available space")
    if key in ("quota", "refquota") and int(value):
        least = ds.used(dataset) if key == "quota" else ds.referenced(dataset)
        if int(value) < least:
            raise Fail(f"{error}: size is less than current used or reserved space")
    if key == "volsize":
        _resize_volume(dataset, int(value), error)
        return
    if key == "mountpoint" or key == "canmount":
        _set_mounting(dataset, key, value)
        return
    dataset.data["props"][key] = [value, "local"]
    _refresh_mounts(dataset, key)
    if key in ("reservation", "refreservation"):
        pools.fit(s, dataset.pname)


def _refresh_mounts(dataset: Dataset, key: str) -> None:
    if key not in ("readonly", "exec", "setuid", "atime"):
        return
    for one in [dataset, *dataset.descendants()]:
        entry = one.mount()
        if entry is None:
            continue
        flags = actions.mount_flags(one)
        if ("ro" in flags) != ("ro" in entry["flags"]) and entry["target"] not in ("/", mounts.RESERVED):
            kernel.remount(entry["target"], "ro" in flags)
        entry["flags"] = flags


def _resize_volume(dataset: Dataset, size: int, error: str) -> None:
    block = int(dataset.data.get("volblocksize", 8192))
    if size % block:
        raise Fail(f"{error}: volume size must be a multiple of volume block size")
    own = dataset.data["props"].get("refreservation")
    if own is not None and int(own[0]) >= int(dataset.data["volsize"]):
        reserve = actions.volume_refreservation(size)
        if reserve - int(own[0]) > pools.room(dataset.s, dataset.pname):
            raise Fail(f"{error}: size is greater than available space")
        own[0] = str(reserve)
    dataset.data["volsize"] = size
    os.truncate(dataset.directory, size)
    ds.forget_size(dataset)
    pools.fit(dataset.s, dataset.pname)


def _affected(dataset: Dataset) -> list[Dataset]:
    """It and those below that inherit its mount point."""
    found = [dataset]
    for one in dataset.descendants():
        source = ds.setting(one, "mountpoint")[1]
        if not one.volume and not source.startswith(("local", "received")):
            chain = one.parent()
            while chain is not None and chain.rel != dataset.rel and "mountpoint" not in chain.data["props"]:
                chain = chain.parent()
            if chain is not None and chain.rel == dataset.rel:
                found.append(one)
    return found


def _set_mounting(dataset: Dataset, key: str, value: str | None) -> None:
    """Change mountpoint or canmount (None: inherit), moving what is mounted (libzfs_changelist.c)."""
    if key == "canmount":
        old = ds.setting(dataset, "canmount")[0]
        _store(dataset, key, value)
        new = ds.setting(dataset, "canmount")[0]
        if new == "off" and dataset.mount() is not None:
            actions.unmount(dataset)
        elif new == "on" and old != "on" and dataset.mount() is None and actions.mountable(dataset):
            actions.mount(dataset)
        return
    family = _affected(dataset)
    mounted = [one for one in family if one.mount() is not None and one.data.get("dir") != "/"]
    had_none = ds.mountpoint(dataset) in ("none", "legacy")
    done = []
    try:
        for one in sorted(mounted, key=lambda one: len(str((one.mount() or {})["target"])), reverse=True):
            actions.unmount(one)
            done.append(one)
    except Fail:
        for one in reversed(done):
            actions.mount(one)
        raise
    for one in mounted:
        actions.remove_mountpoint(one)
    _store(dataset, key, value)
    for one in family:
        noauto = ds.setting(one, "canmount")[0] == "noauto" and one in mounted
        point = ds.mountpoint(one)
        if point in ("none", "legacy") or one.mount() is not None:
            continue
        if (one in mounted or had_none) and (actions.mountable(one) or noauto):
            actions.mount(one)


def _store(dataset: Dataset, key: str, value: str | None) -> None:
    if value is None:
        dataset.data["props"].pop(key, None)
    else:
        dataset.data["props"][key] = [value, "local"]


def inherit(s: State, argv: list[str]) -> int:
    found, operands = options("inherit", argv[2:], "rS")
    flags = dict(found)
    if not operands:
        raise usage("inherit", "missing property argument")
    if len(operands) < 2:
        raise usage("inherit", "missing dataset argument")
    name = props.canonical(operands[0])
    if not props.is_user(name):
        prop = props.find(name)
        if prop is None:
            raise usage("inherit", f"invalid property '{operands[0]}'")
        if prop.mode != "set":
            raise Fail(f"{prop.name} property is read-only")
        if not prop.inherit and "S" not in flags:
            if prop.name in ("quota", "reservation", "refquota", "refreservation"):
                raise Fail(f"'{prop.name}' property cannot be inherited\nuse 'zfs set {prop.name}=none' to clear")
            if prop.name not in ("canmount",):
                raise Fail(f"'{prop.name}' property cannot be inherited")
    rc = 0
    for word in operands[1:]:
        try:
            dataset = ds.open_dataset(s, word) if "@" not in word else ds.open_snapshot(s, word)[0]
        except Fail as error:
            warn(error.text)
            rc = 1
            continue
        if "@" in word:
            dataset.data["snaps"][word.partition("@")[2]]["props"].pop(name, None)
            continue
        for one in [dataset, *(dataset.descendants() if "r" in flags else [])]:
            _inherit_one(one, name, "S" in flags)
        log_zfs(s, dataset.pname, argv)
    return rc


def _inherit_one(dataset: Dataset, name: str, to_received: bool) -> None:
    received = dataset.data.get("received", {}).get(name)
    if to_received and received is not None:
        if name in ("mountpoint", "canmount"):
            _set_mounting(dataset, name, received)
        dataset.data["props"][name] = [received, "received"]
    elif name in ("mountpoint", "canmount"):
        _set_mounting(dataset, name, None)
    else:
        dataset.data["props"].pop(name, None)
    _refresh_mounts(dataset, name)


# --- clone, promote, rename ---


def clone(s: State, argv: list[str]) -> int:
    found, operands = options("clone", argv[2:], "o:p")
    wanted: dict[str, str] = {}
    for letter, value in found:
        if letter == "o":
            assignment("clone", value, wanted)
    if not operands:
        raise usage("clone", "missing source dataset argument")
    if len(operands) < 2:
        raise usage("clone", "missing target dataset argument")
    if len(operands) > 2:
        raise usage("clone", "too many arguments")
    dataset, snap = ds.open_snapshot(s, operands[0])
    name = operands[1]
    parents = any(letter == "p" for letter, _value in found)
    if parents:
        if ds.lookup(s, name) is not None:
            return 0
        make_parents(s, name)
    error = f"cannot create '{name}'"
    problem = ds.name_problem(name, "dataset", modifying=True)
    if problem:
        raise Fail(f"{error}: {problem}")
    pname, _, rel = name.partition("/")
    if ds.lookup(s, name) is not None:
        raise Fail(f"{error}: dataset already exists")
    if pname not in s.get("pools", {}):
        raise Fail(f"{error}: no such pool '{pname}'")
    above = rel.rpartition("/")[0]
    if above not in s["pools"][pname]["datasets"]:
        raise Fail(f"{error}: parent does not exist")
    if pname != dataset.pname:
        raise Fail(f"{error}: source and target pools differ")
    if Dataset(s, pname, above).volume:
        raise Fail(f"{error}: parent is not a filesystem")
    values = checked(error, wanted, props.VOL if dataset.volume else props.FS, True)
    made = actions.clone(dataset, snap, pname, rel, values)
    log_zfs(s, pname, argv)
    if actions.mountable(made):
        try:
            actions.mount(made)
        except Fail as failed:
            warn(failed.text)
            warn("filesystem successfully created, but not mounted")
            return 1
    return 0


def promote(s: State, argv: list[str]) -> int:
    _found, operands = options("promote", argv[2:], "")
    if not operands:
        raise usage("promote", "missing clone filesystem argument")
    if len(operands) > 1:
        raise usage("promote", "too many arguments")
    dataset = ds.open_dataset(s, operands[0])
    actions.promote(dataset)
    log_zfs(s, dataset.pname, argv)
    return 0


def rename(s: State, argv: list[str]) -> int:
    found, operands = options("rename", argv[2:], "pruf")
    flags = dict(found)
    if not operands:
        raise usage("rename", "missing source dataset argument")
    if len(operands) < 2:
        raise usage("rename", "missing target dataset argument")
    if len(operands) > 2:
        raise usage("rename", "too many arguments")
    old, new = operands
    error = f"cannot rename to '{new}'"
    if "@" in old:
        return _rename_snapshot(s, argv, old, new, "r" in flags)
    if "r" in flags:
        raise usage("rename", "source dataset for recursive rename must be a snapshot")
    dataset = ds.open_dataset(s, old)
    problem = ds.name_problem(new, "dataset", modifying=True)
    if problem:
        raise Fail(f"{error}: {problem}")
    pname, _, rel = new.partition("/")
    if not dataset.rel or not rel:
        raise Fail(
            f"cannot rename '{old}': operation crosses datasets or pools"
            if rel
            else f"{error}: operation crosses datasets or pools"
        )
    if pname != dataset.pname:
        raise Fail(f"{error}: datasets must be within same pool")
    if new == old:
        return 0
    if new.startswith(old + "/"):
        raise Fail(f"{error}: New dataset name cannot be a descendant of current dataset name")
    if "p" in flags:
        make_parents(s, new)
    above = rel.rpartition("/")[0]
    if above not in s["pools"][pname]["datasets"]:
        raise Fail(f"cannot rename '{old}': parent does not exist")
    if ds.lookup(s, new) is not None:
        raise Fail(f"cannot rename '{old}': dataset already exists")
    if Dataset(s, pname, above).volume:
        raise Fail(f"{error}: parent is not a filesystem")
    actions.rename(dataset, rel)
    log_zfs(s, pname, argv)
    return 0


def _rename_snapshot(s: State, argv: list[str], old: str, new: str, recursive: bool) -> int:
    dataset, snap = ds.open_snapshot(s, old)
    base, _, name = new.partition("@")
    if "@" not in new:
        name = new
    elif base and base != dataset.name:
        raise Fail(f"cannot rename to '{new}': snapshots must be part of same dataset")
    if not name:
        raise Fail(f"cannot rename to '{new}': empty component or misplaced '@' or '#' delimiter in name")
    targets = [dataset, *(one for one in dataset.descendants() if recursive and snap in one.data["snaps"])]
    for one in targets:
        if name in one.data["snaps"]:
            raise Fail(f"cannot rename '{one.name}@{snap}': dataset already exists")
    for one in targets:
        one.data["snaps"][name] = one.data["snaps"].pop(snap)
    log_zfs(s, dataset.pname, argv)
    return 0


# --- mount, unmount ---


def mount(s: State, argv: list[str]) -> int:
    found, operands = options("mount", argv[2:], ":afRlvo:O")
    flags = dict(found)
    if "a" in flags:
        if operands:
            raise usage("mount", "too many arguments")
        rc = 0
        for pname in s.get("pools", {}):
            for text in actions.mount_all(s, pname):
                warn(text)
                rc = 1
        return rc
    if not operands:
        for entry in mounts.table(s):
            if entry["type"] == "zfs":
                print(f"{entry['source']:<30}  {entry['target']}")
        return 0
    if len(operands) > 1:
        raise usage("mount", "too many arguments")
    dataset = ds.open_dataset(s, operands[0])
    error = f"cannot mount '{dataset.name}'"
    if dataset.volume:
        raise Fail(f"cannot open '{dataset.name}': operation not applicable to datasets of this type")
    point = ds.mountpoint(dataset)
    if point == "legacy":
        raise Fail(f"{error}: legacy mountpoint\nuse mount(8) to mount this filesystem")
    if point == "none":
        raise Fail(f"{error}: no mountpoint set")
    if ds.setting(dataset, "canmount")[0] == "off":
        raise Fail(f"{error}: 'canmount' property is set to 'off'")
    if dataset.mount() is not None:
        raise Fail(f"{error}: filesystem already mounted")
    extra = [
        word
        for letter, value in found
        if letter == "o"
        for word in value.split(",")
        if word in ("ro", "noexec", "nosuid", "noatime")
    ]
    try:
        natural = actions.mount_flags(dataset)
        actions.mount_at(dataset, point, [*(word for word in extra if word not in natural), *natural])
    except OSError as failed:
        raise Fail(f"{error}: {strerror(failed.errno)}") from None
    return 0


def unmount(s: State, argv: list[str]) -> int:
    found, operands = options("unmount", argv[2:], "afu")
    flags = dict(found)
    force = "f" in flags
    if "a" in flags:
        rc = 0
        for entry in list(reversed(mounts.table(s))):
            if entry["type"] == "zfs" and "dataset" in entry and entry["target"] not in ("/", mounts.RESERVED):
                try:
                    actions.unmount_entry(s, entry, force)
                except Fail as failed:
                    warn(failed.text)
                    rc = 1
        return rc
    if not operands:
        raise usage("unmount", "missing filesystem argument")
    if len(operands) > 1:
        raise usage("unmount", "too many arguments")
    word = operands[0]
    if word.startswith("/"):
        return _unmount_path(s, word, force)
    dataset = ds.open_dataset(s, word)
    error = f"cannot unmount '{word}'"
    if dataset.volume:
        raise Fail(f"cannot open '{word}': operation not applicable to datasets of this type")
    if ds.mountpoint(dataset) == "legacy":
        raise Fail(f"{error}: legacy mountpoint\nuse umount(8) to unmount this filesystem")
    mounted = dataset.mount()
    if mounted is None:
        raise Fail(f"{error}: not currently mounted")
    if mounted["target"] == "/":
        raise Fail(f"cannot unmount '/': {actions.BUSY}")
    # Datasets below its mount point go first; a stranger's mount there makes it busy.
    family = {one.data["guid"] for one in _affected(dataset)}
    for entry in reversed(list(mounts.table(s))):
        if entry.get("dataset") in family and entry is not mounted:
            actions.unmount_entry(s, entry, force)
    actions.unmount_entry(s, mounted, force)
    return 0


def _unmount_path(s: State, word: str, force: bool) -> int:
    entry = mounts.at(s, os.path.realpath(word))
    if entry is None:
        if not os.path.exists(word):
            raise Fail(f"cannot unmount '{word}': No such file or directory")
        raise Fail(f"cannot unmount '{word}': not a mountpoint")
    if entry["type"] != "zfs":
        raise Fail(f"cannot unmount '{word}': not a ZFS filesystem")
    if entry["target"] == "/":
        raise Fail(f"cannot unmount '/': {actions.BUSY}")
    actions.unmount_entry(s, entry, force)
    return 0


__all__ = [
    "checked",
    "clone",
    "create",
    "inherit",
    "make",
    "make_parents",
    "mount",
    "promote",
    "rename",
    "set_property",
    "unmount",
]
