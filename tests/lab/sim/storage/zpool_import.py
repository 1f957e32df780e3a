# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""``zpool import`` and ``export``."""

from __future__ import annotations

import os
import sys

from . import actions, geom, pools
from . import zpool_base as base
from .errors import Fail, warn
from .pools import Found
from .zpool_create import check_property, grow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    State = dict[str, Any]
    Record = dict[str, Any]


class Request:
    """``zpool import`` as asked for."""

    def __init__(self) -> None:
        self.every = False
        self.places: list[str] = []
        self.destroyed = False
        self.force = False
        self.mount = True
        self.temporary = False
        self.altroot = ""
        self.props: dict[str, str] = {}


def parse(args: list[str]) -> tuple[Request, list[str]]:
    words = [word for word in args if word != "--rewind-to-checkpoint"]
    found, operands = base.options("import", words, "aCc:d:DEfFlmnNo:R:stT:VX")
    request = Request()
    for letter, value in found:
        if letter == "a":
            request.every = True
        elif letter == "d":
            request.places.append(value)
        elif letter == "D":
            request.destroyed = True
        elif letter == "f":
            request.force = True
        elif letter == "N":
            request.mount = False
        elif letter == "t":
            request.temporary = True
            request.props.setdefault("cachefile", "none")
        elif letter == "R":
            request.altroot = value
            request.props.setdefault("cachefile", "none")
        elif letter == "o" and "=" in value:
            name, _, text = value.partition("=")
            if name == "readonly" and text in ("on", "off"):
                request.props["readonly"] = text
            else:
                request.props[name] = check_property("cannot import", name, text, creating=True)
            if name == "altroot":
                request.altroot = text
    return request, operands


def candidates(s: State, request: Request) -> list[list[Found]]:
    """Pools that could be imported: their devices, first vdev first."""
    active = {pool["guid"] for pool in s.get("pools", {}).values()}
    groups: dict[str, list[Found]] = {}
    for found in pools.search(s, request.places or None):
        gone = found.mark["state"] == "destroyed"
        if found.mark["guid"] in active or gone != request.destroyed:
            continue
        group = groups.setdefault(found.mark["guid"], [])
        # The same vdev seen twice (its node and its label) counts once.
        if all(other.mark["vdev"] != found.mark["vdev"] for other in group):
            group.append(found)
    return [sorted(group, key=lambda found: int(found.mark["vdev"])) for group in groups.values()]


def _usable(group: list[Found]) -> str:
    """Empty, or why a pool cannot be imported from these devices."""
    if any(found.mark["kind"] == "disk" and found.kind == "file" for found in group):
        return "invalid label"
    if len(group) < len(group[0].mark["pool"]["vdevs"]) and not _mirrored(group):
        return "cannot open"
    return ""


def _mirrored(group: list[Found]) -> bool:
    return bool(group[0].mark["pool"].get("group") == "mirror-0" and group[0].mark["vdev"] == 0)


def _describe(group: list[Found]) -> str:
    mark = group[0].mark
    problem = _usable(group)
    state = "UNAVAIL" if problem else "ONLINE"
    rows = [(mark["name"], state, "insufficient replicas" if problem else "")]
    indent = "  "
    if mark["pool"].get("group"):
        rows.append((f"  {mark['pool']['group']}", state, ""))
        indent = "    "
    for found in group:
        rows.append((indent + base.device_name(found.device, False), state, problem))
    width = max(10, *(len(row[0]) for row in rows))
    out = f"   pool: {mark['name']}\n     id: {mark['guid']}\n  state: {state}"
    if mark["state"] == "destroyed":
        out += " (DESTROYED)"
    out += "\n"
    if problem == "invalid label":
        out += (
            "status: One or more devices contains corrupted data.\n"
            " action: The pool cannot be imported due to damaged devices or data.\n"
            "   see: https://openzfs.github.io/openzfs-docs/msg/ZFS-8000-5E\n"
        )
    elif problem:
        out += (
            "status: One or more devices are missing from the system.\n"
            " action: The pool cannot be imported. Attach the missing\n\tdevices and try again.\n"
            "   see: https://openzfs.github.io/openzfs-docs/msg/ZFS-8000-6X\n"
        )
    elif mark["state"] == "destroyed":
        out += " action: The pool was destroyed, but can be imported using the '-Df' flags.\n"
    else:
        out += " action: The pool can be imported using its name or numeric identifier.\n"
    out += " config:\n\n"
    for name, word, note in rows:
        out += f"\t{name:<{width}}  {word}" + (f"  {note}" if note else "") + "\n"
    return out


def do_import(s: State, argv: list[str]) -> int:
    request, operands = parse(argv[2:])
    if request.every and operands:
        raise base.usage("import", "too many arguments")
    if len(operands) > 2:
        raise base.usage("import", "too many arguments")
    for place in request.places:
        if not os.path.exists(place):
            raise (
                Fail(f"cannot import: unable to open {place}: No such file or directory")
                if operands
                else Fail(f"unable to open {place}: No such file or directory")
            )
    groups = candidates(s, request)
    if not operands:
        if not groups:
            if request.every:
                warn("no pools available to import")
                return 0
            warn("no pools available to import")
            return 0
        if not request.every:
            sys.stdout.write("\n".join(_describe(group) for group in groups))
            return 0
        rc = 0
        for group in groups:
            try:
                bring_in(s, request, group, group[0].mark["name"])
            except Fail as error:
                warn(error.text)
                rc = 1
        return rc
    wanted = operands[0]
    matching = [group for group in groups if wanted in (group[0].mark["guid"], group[0].mark["name"])]
    if len(matching) > 1:
        raise Fail(f"cannot import '{wanted}': more than one matching pool\nimport by numeric ID instead")
    if not matching:
        if wanted in s.get("pools", {}) or any(pool["guid"] == wanted for pool in s.get("pools", {}).values()):
            raise Fail(
                f"cannot import '{wanted}': a pool with that name already exists\n"
                "use the form 'zpool import <pool | id> <newpool>' to give it a new name"
            )
        raise Fail(f"cannot import '{wanted}': no such pool available")
    if request.temporary and len(operands) < 2:
        raise base.usage("import", "temporary pool name must be given")
    name = operands[1] if len(operands) > 1 else matching[0][0].mark["name"]
    bring_in(s, request, matching[0], name)
    base.log(s, name, argv)
    return 0


def bring_in(s: State, request: Request, group: list[Found], pname: str) -> None:
    """Import the pool on *group* as *pname*. Raises Fail."""
    mark = group[0].mark
    problem = base.name_problem(pname, creating=True)
    if problem:
        raise Fail(f"cannot import '{pname}': {problem}")
    if pname in s.setdefault("pools", {}):
        raise Fail(
            f"cannot import '{pname}': a pool with that name already exists\n"
            "use the form 'zpool import <pool | id> <newpool>' to give it a new name"
        )
    if mark["state"] == "destroyed" and not request.force:
        raise Fail(f"cannot import '{pname}': pool was destroyed\nuse '-f' to import anyway")
    if _usable(group):
        raise Fail(f"cannot import '{pname}': one or more devices is currently unavailable")
    pool: Record = mark["pool"]
    pool["dir"] = f"{pools.ROOT}/{pool['guid']}"
    pool["altroot"] = request.altroot.rstrip("/") or ("/" if request.altroot else "")
    from .datasets import fresh_guid

    pool["load_guid"] = fresh_guid()
    pool["temporary"] = request.temporary
    if not request.temporary:
        pool["realname"] = pname
    for key in ("cachefile", "readonly"):
        pool["props"].pop(key, None)
    pool["props"].update({key: value for key, value in request.props.items() if key != "altroot"})
    for found in group:
        pool["vdevs"][int(found.mark["vdev"])]["path"] = found.device
        pool["vdevs"][int(found.mark["vdev"])]["kind"] = found.kind
    s["pools"][pname] = pool
    pools.load(s, pname)
    pools.mark(s, pname, "active")
    for found in group:
        if found.kind == "disk":
            geom.retaste_user(s, found.device)
    if pool["props"].get("autoexpand") == "on":
        grow(s, pname)
    pools.zvol_nodes(s, pname)
    if request.mount:
        for text in actions.mount_all(s, pname):
            warn(text)


def export(s: State, argv: list[str]) -> int:
    found, operands = base.options("export", argv[2:], "aFf")
    flags = dict(found)
    if "a" in flags:
        operands = [name for name, pool in s.get("pools", {}).items() if not pool["host"]]
    elif not operands:
        raise base.usage("export", "missing pool argument")
    rc = 0
    for name in operands:
        try:
            take_out(s, name, "f" in flags)
        except Fail as error:
            warn(error.text)
            rc = 1
    return rc


def take_out(s: State, name: str, force: bool) -> None:
    """Export one pool. Raises Fail."""
    pool = base.open_pool(s, name)
    if pool["host"]:
        target = "/" if name == "zroot" else pools.pool_mounts(s, name)[-1]["target"]
        raise Fail(f"cannot unmount '{target}': {actions.BUSY}")
    if any(str(entry["provider"]).startswith(f"/dev/zvol/{name}/") for entry in s.get("swap", [])):
        raise Fail(f"cannot export '{name}': {actions.BUSY}")
    actions.unmount_pool(s, name, force)
    pools.flush(s, name, "exported")
    pools.forget(s, name)


__all__ = ["bring_in", "do_import", "export", "take_out"]
