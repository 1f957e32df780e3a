# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""``zpool create``, ``destroy``, ``set``, ``labelclear`` and ``online``."""

from __future__ import annotations

import os

from . import actions, geom, label, mounts, poolprops, pools, props
from . import zpool_base as base
from .datasets import Dataset
from .errors import Fail, strerror, warn
from .window import Window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    State = dict[str, Any]
    Record = dict[str, Any]

_GROUPS = ("mirror", "raidz", "raidz1", "raidz2", "raidz3", "log", "cache", "spare", "special", "dedup", "draid")


class Request:
    """``zpool create`` as asked for."""

    def __init__(self) -> None:
        self.force = False
        self.dry = False
        self.features = True
        self.altroot = ""
        self.mountpoint: str | None = None
        self.temporary = ""
        self.props: dict[str, str] = {}
        self.fsprops: dict[str, str] = {}


def _assignment(text: str, letter: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise Fail(f"missing '=' for -{letter} option")
    return name, value


def _pool_property(known: dict[str, str], name: str, value: str, problem: str = "") -> None:
    full = poolprops.ALIASES.get(name, name)
    if full not in poolprops.VALUES and not name.startswith("feature@"):
        raise Fail(f"property '{name}' is not a valid pool property")
    if full in known and not problem:
        raise Fail(f"property '{name}' specified multiple times")
    known[full] = value


def parse(args: list[str]) -> tuple[Request, list[str]]:
    found, operands = base.options("create", args, "fndR:m:o:O:t:")
    request = Request()
    for letter, value in found:
        if letter == "f":
            request.force = True
        elif letter == "n":
            request.dry = True
        elif letter == "d":
            request.features = False
        elif letter == "R":
            request.altroot = value
            _pool_property(request.props, "altroot", value)
            request.props.setdefault("cachefile", "none")
        elif letter == "m":
            request.mountpoint = value
        elif letter == "t":
            if "/" in value:
                raise Fail(
                    f"cannot create '{value}': invalid character '/' in temporary name\n"
                    "use 'zfs create' to create a dataset"
                )
            request.temporary = value
            request.props.setdefault("cachefile", "none")
        elif letter == "o":
            name, text = _assignment(value, "o")
            if name == "cachefile":
                request.props.pop("cachefile", None)
            _pool_property(request.props, name, text)
            if name == "altroot":
                request.altroot = text
        else:
            name, text = _assignment(value, "O")
            if name == "mountpoint":
                request.mountpoint = text
            elif name in request.fsprops:
                raise Fail(f"property '{name}' specified multiple times")
            else:
                request.fsprops[name] = text
    return request, operands


def create(s: State, argv: list[str]) -> int:
    request, operands = parse(argv[2:])
    if not operands:
        raise base.usage("create", "missing pool name argument")
    if len(operands) < 2:
        raise base.usage("create", "missing vdev specification")
    name = operands[0]
    if "/" in name:
        raise Fail(f"cannot create '{name}': invalid character '/' in pool name\nuse 'zfs create' to create a dataset")
    vdevs, group = resolve(s, operands[1:])
    check_use(s, vdevs, request.force)
    _check_mountpoint(request, name)
    if request.dry:
        print(f"would create '{name}' with the following layout:\n\n\t{name}")
        indent = "  "
        if group:
            print(f"\t  {group}")
            indent = "    "
        for vdev in vdevs:
            print(f"\t{indent}{base.device_name(vdev['path'], False)}")
        return 0
    allowed, missing = base.compatibility(request.props.get("compatibility", "off"))
    if missing:
        raise Fail(f"Error: could not read/parse feature file(s): {missing}")
    build(s, request, name, vdevs, group, allowed)
    pname = request.temporary or name
    base.log(s, pname, argv)
    return 0


def build(s: State, request: Request, name: str, vdevs: list[Record], group: str, allowed: list[str] | None) -> None:
    """Make the pool, mount its root, label its devices."""
    error = f"cannot create '{name}'"
    problem = base.name_problem(name, creating=True)
    if problem:
        raise Fail(f"{error}: {problem}\npool name may have been omitted")
    values = {key: check_property(error, key, value, creating=True) for key, value in request.props.items()}
    fsvalues = dataset_properties(error, request.fsprops)
    if request.mountpoint is not None:
        fsvalues["mountpoint"] = request.mountpoint
    pname = request.temporary or name
    if pname in s.setdefault("pools", {}):
        raise Fail(f"{error}: pool already exists")
    sizes = []
    for vdev in vdevs:
        dev = pools.window(s, vdev)
        sizes.append(dev.size if dev is not None else 0)
    if min(sizes) < pools.MINIMUM:
        raise Fail(f"{error}: one or more devices is less than the minimum size (64M)")
    size = min(sizes) if group == "mirror-0" else sum(sizes)
    ashift = int(values.get("ashift", "0")) or 9
    pool = pools.new_pool(name, vdevs, size, ashift)
    pool["group"] = group
    pool["altroot"] = request.altroot.rstrip("/") if request.altroot != "/" else "/"
    pool["temporary"] = bool(request.temporary)
    enabled = list(poolprops.FEATURE_NAMES) if request.features else []
    if allowed is not None:
        enabled = [feature for feature in enabled if feature in allowed]
    for key in [key for key in values if key.startswith("feature@")]:
        feature = key[8:]
        if values.pop(key) == "enabled":
            enabled.append(feature)
        elif feature in enabled:
            enabled.remove(feature)
    pool["features"] = [feature for feature in poolprops.FEATURE_NAMES if feature in enabled]
    values.pop("altroot", None)
    pool["props"] = values
    s["pools"][pname] = pool
    pools.bring_up(pool)
    root = actions.create(s, pname, "", "filesystem", fsvalues)
    pools.flush(s, pname, "active")
    for vdev in vdevs:
        if vdev["kind"] == "disk":
            geom.retaste_user(s, vdev["path"])
    if actions.mountable(root):
        actions.mount(root)


def dataset_properties(error: str, wanted: dict[str, str], types: int = props.FS) -> dict[str, str]:
    """Checked values of dataset properties given at creation. Raises Fail starting with *error*."""
    values = {}
    for key, value in wanted.items():
        if props.is_user(key):
            values[key] = value
            continue
        prop = props.find(key)
        if prop is None:
            raise Fail(f"{error}: invalid property '{key}'")
        if not prop.types & types:
            raise Fail(f"{error}: '{key}' does not apply to datasets of this type")
        if prop.mode == "ro":
            raise Fail(f"{error}: '{key}' is readonly")
        try:
            values[prop.name] = props.check(prop, value)
        except props.BadValue as bad:
            raise Fail(f"{error}: {bad}") from None
    return values


def _check_mountpoint(request: Request, name: str) -> None:
    if request.altroot and not request.altroot.startswith("/"):
        raise Fail(f"invalid alternate root '{request.altroot}': must be an absolute path")
    point = request.mountpoint
    if point in ("none", "legacy"):
        return
    if point is not None and not point.startswith("/"):
        raise Fail(f"invalid mountpoint '{point}': must be an absolute path, 'legacy', or 'none'")
    path = f"{request.altroot}/{name}" if point is None else f"{request.altroot}{point}"
    if os.path.realpath(path) == mounts.RESERVED:
        return
    try:
        content = os.listdir(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise Fail(
            f"mountpoint '{path}' : {strerror(error.errno)}\nuse '-m' option to provide a different default"
        ) from None
    if content:
        raise Fail(f"mountpoint '{path}' exists and is not empty\nuse '-m' option to provide a different default")


def resolve(s: State, words: list[str]) -> tuple[list[Record], str]:
    """(vdevs, name of the group around them or empty). Raises Fail for a path that is no device and no file."""
    group = ""
    vdevs: list[Record] = []
    for word in words:
        if word in _GROUPS:
            group = f"{word}-0" if word == "mirror" or word.startswith("raidz") else group
            continue
        vdevs.append(one_vdev(s, word))
    if group == "mirror-0" and len(vdevs) < 2:
        raise Fail("invalid vdev specification: mirror requires at least 2 devices")
    if not vdevs:
        raise Fail("invalid vdev specification: at least one toplevel vdev must be specified")
    return vdevs, group


def one_vdev(s: State, word: str) -> Record:
    """The vdev that *word* names."""
    if word.startswith("/"):
        if word.startswith("/dev/") and geom.lookup(s, word) is not None:
            return {"path": word, "kind": "disk", "guid": _guid()}
        if not os.path.exists(word):
            raise Fail(f"cannot resolve path '{word}'")
        if word.startswith("/dev/") or not os.path.isfile(word):
            raise Fail(f"cannot use '{word}': must be a block device or regular file")
        return {"path": word, "kind": "file", "guid": _guid()}
    if geom.lookup(s, word) is not None:
        return {"path": f"/dev/{word}", "kind": "disk", "guid": _guid()}
    raise Fail(f"cannot open '{word}': no such device in /dev\nmust be a full path or shorthand device name")


def _guid() -> str:
    from .datasets import fresh_guid

    return fresh_guid()


def check_use(s: State, vdevs: list[Record], force: bool) -> None:
    """Refuse devices that belong to a pool or are in use (check_in_use() of zpool)."""
    problems = []
    fatal = False
    for vdev in vdevs:
        dev = pools.window(s, vdev)
        mark = label.read(dev) if dev is not None else None
        state, name = owner(s, mark)
        if state == "active":
            problems.append(f"{vdev['path']} is part of active pool '{name}'")
            fatal = True
        elif state in ("exported", "potentially active") and not force:
            problems.append(f"{vdev['path']} is part of {state} pool '{name}'")
        elif dev is not None and vdev["kind"] == "disk" and _host_owner(s, vdev["path"]):
            problems.append(f"{vdev['path']} is part of active pool '{_host_owner(s, vdev['path'])}'")
            fatal = True
    if not problems:
        return
    head = (
        "the following errors must be manually repaired:"
        if force and fatal
        else "use '-f' to override the following errors:"
    )
    raise Fail("\n".join(["invalid vdev specification", head, *problems]))


def _host_owner(s: State, path: str) -> str:
    for name, pool in s.get("pools", {}).items():
        if pool["host"] and any(vdev["path"] == path for vdev in pool["vdevs"]):
            return str(name)
    return ""


def owner(s: State, mark: Record | None) -> tuple[str, str]:
    """(state, pool name) that a label speaks of; state is empty for a free device."""
    if mark is None or mark["state"] == "destroyed":
        return "", ""
    for name, pool in s.get("pools", {}).items():
        if pool["guid"] == mark["guid"]:
            return "active", name
    return ("exported" if mark["state"] == "exported" else "potentially active"), mark["name"]


def destroy(s: State, argv: list[str]) -> int:
    found, operands = base.options("destroy", argv[2:], "f")
    if not operands:
        raise base.usage("destroy", "missing pool argument")
    if len(operands) > 1:
        raise base.usage("destroy", "too many arguments")
    name = operands[0]
    pool = s.get("pools", {}).get(name)
    if pool is None and "/" in name:
        raise Fail(f"cannot open '{name}': invalid character '/' in pool name\nuse 'zfs destroy' to destroy a dataset")
    pool = base.open_pool(s, name)
    try:
        if pool["host"]:
            point = {data["guid"]: rel for rel, data in pool["datasets"].items()}
            target = next(
                (e["target"] for e in s["mounts"] if e.get("dataset") in point and not (found and found[0][0] == "f")),
                "/",
            )
            raise Fail(f"cannot unmount '{target}': {actions.BUSY}")
        actions.unmount_pool(s, name, bool(found))
    except Fail as error:
        raise Fail(f"{error.text}\ncould not destroy '{name}': could not unmount datasets") from None
    pools.flush(s, name, "destroyed")
    pools.forget(s, name)
    return 0


def check_property(error: str, name: str, value: str, creating: bool = False) -> str:
    """The value of a pool property as stored. Raises Fail starting with *error* (zpool_valid_proplist())."""
    if name.startswith("feature@"):
        if name[8:] not in poolprops.FEATURE_NAMES:
            raise Fail(f"{error}: invalid feature '{name[8:]}'")
        if value not in ("enabled", "disabled"):
            raise Fail(f"{error}: property '{name}' can only be set to 'enabled' or 'disabled'")
        if value == "disabled" and not creating:
            raise Fail(f"{error}: property '{name}' can only be set to 'disabled' at creation time")
        return value
    full = poolprops.ALIASES.get(name, name)
    values = poolprops.VALUES.get(full)
    if values is None:
        raise Fail(f"{error}: invalid property '{name}'")
    if full not in poolprops.EDITABLE:
        raise Fail(f"{error}: '{full}' is readonly")
    if full == "readonly":
        if value not in ("on", "off"):
            raise Fail(f"{error}: 'readonly' must be one of 'on | off'")
        raise Fail(f"{error}: property 'readonly' can only be set at import time")
    if "on | off" in values or full == "failmode":
        if value not in [word.strip() for word in values.split("|")]:
            raise Fail(f"{error}: '{full}' must be one of '{values}'")
        return value
    if full == "altroot":
        if not creating:
            raise Fail(f"{error}: property 'altroot' can only be set during pool creation or import")
        if not value.startswith("/"):
            raise Fail(f"{error}: bad alternate root '{value}'")
        return value
    if full == "ashift":
        if not value.isdigit():
            raise Fail(f"{error}: bad numeric value '{value}'")
        if value != "0" and not 9 <= int(value) <= 16:
            raise Fail(
                f"{error}: property 'ashift' number {value} is invalid, only values between 9 and 16 are allowed."
            )
        return value
    if full == "cachefile":
        if value not in ("", "none") and not value.startswith("/"):
            raise Fail(f"{error}: property 'cachefile' must be empty, an absolute path, or 'none'")
        return value
    if full == "comment":
        if len(value) > 32:
            raise Fail(f"{error}: comment must not exceed 32 characters")
        return value
    if full == "compatibility":
        _allowed, missing = base.compatibility(value)
        if missing:
            raise Fail(f"{error}: one or more compatibility files could not be read/parsed: {missing}")
        return value
    if full == "version":
        if not value.isdigit() or not (1 <= int(value) <= 28 or value == "5000"):
            raise Fail(f"{error}: property 'version' number {value} is invalid.")
        return value
    return value


def set_property(s: State, argv: list[str]) -> int:
    args = argv[2:]
    if args and args[0].startswith("-"):
        raise base.usage("set", f"invalid option '{args[0][1:2]}'")
    if not args:
        raise base.usage("set", "missing property=value argument")
    if len(args) < 2:
        raise base.usage("set", "missing pool name")
    if len(args) > 2:
        raise base.usage("set", "too many pool names")
    name, equals, value = args[0].partition("=")
    if not equals or not name:
        raise base.usage("set", "missing value in property=value argument")
    pname = args[1]
    pool = base.open_pool(s, pname)
    error = f"cannot set property for '{pname}'"
    stored = check_property(error, name, value)
    full = poolprops.ALIASES.get(name, name)
    if full == "bootfs" and value:
        _check_bootfs(s, error, pname, value)
    if name.startswith("feature@"):
        if name[8:] not in pool["features"]:
            pool["features"] = [f for f in poolprops.FEATURE_NAMES if f in pool["features"] or f == name[8:]]
    elif full == "bootfs" and not value:
        pool["props"].pop("bootfs", None)
    else:
        pool["props"][full] = stored
        if full == "bootfs":
            pool["props"]["bootfs"] = value.partition("/")[2]
    if full == "autoexpand" and value == "on":
        grow(s, pname)
    base.log(s, pname, argv)
    return 0


def _check_bootfs(s: State, error: str, pname: str, value: str) -> None:
    if value != pname and not value.startswith(pname + "/"):
        raise Fail(f"{error}: '{value}' is an invalid name")
    rel = value.partition("/")[2]
    if rel not in s["pools"][pname]["datasets"]:
        raise Fail(f"{error}: no such pool or dataset")
    if Dataset(s, pname, rel).volume:
        raise Fail(f"{error}: property 'bootfs' not supported on volumes")


def grow(s: State, pname: str) -> None:
    """Take the room that the pool's devices have by now."""
    pool = s["pools"][pname]
    if pool["host"]:
        return
    windows = [pools.window(s, vdev) for vdev in pool["vdevs"]]
    sizes = [dev.size for dev in windows if dev is not None]
    if not sizes:
        return
    size = min(sizes) if pool.get("group") == "mirror-0" else sum(sizes)
    if size > int(pool["raw"]):
        pool["raw"] = size
        pool["size"] = pools.allocatable(size, pool["shift"])
        pools.fit(s, pname)


def online(s: State, argv: list[str]) -> int:
    found, operands = base.options("online", argv[2:], "e")
    if not operands:
        raise base.usage("online", "missing pool name")
    if len(operands) < 2:
        raise base.usage("online", "missing device name")
    pool = base.open_pool(s, operands[0])
    rc = 0
    for word in operands[1:]:
        names = {vdev["path"] for vdev in pool["vdevs"]} | {geom.strip(vdev["path"]) for vdev in pool["vdevs"]}
        names |= {vdev["guid"] for vdev in pool["vdevs"]}
        if word not in names:
            warn(f"cannot online {word}: no such device in pool")
            rc = 1
        elif found:
            grow(s, operands[0])
    if rc == 0:
        base.log(s, operands[0], argv)
    return rc


def labelclear(s: State, argv: list[str]) -> int:
    found, operands = base.options("labelclear", argv[2:], "f")
    if not operands:
        raise base.usage("labelclear", "missing vdev name")
    if len(operands) > 1:
        raise base.usage("labelclear", "too many arguments")
    word = operands[0]
    dev: Window | None = None
    path = word if word.startswith("/") else f"/dev/{word}"
    if path.startswith("/dev/"):
        provider = geom.lookup(s, path)
        dev = provider.window if provider is not None else None
    elif os.path.isfile(path):
        dev = Window(path, 0, os.stat(path).st_size)
    if dev is None:
        if word.startswith("/"):
            raise Fail(f"failed to open {word}: No such file or directory")
        raise Fail(f"failed to find device {word}, try specifying absolute path instead")
    mark = label.read(dev)
    if mark is None:
        raise Fail(f"failed to clear label for {path}")
    state, name = owner(s, mark)
    if state == "active":
        raise Fail(f'{path} is a member (ACTIVE) of pool "{name}"')
    if state and not found:
        what = "exported pool" if state == "exported" else "potentially active pool"
        raise Fail(f"use '-f' to override the following error:\n{path} is a member of {what} \"{name}\"")
    label.clear(dev)
    return 0


__all__ = ["create", "destroy", "grow", "labelclear", "online", "owner", "set_property"]
