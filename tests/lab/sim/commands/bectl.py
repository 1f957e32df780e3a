# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""bectl(8) over the datasets below the boot environment root."""

from __future__ import annotations

import os
import sys
import time

from .. import state
from ..storage import actions, mounts, receive, streams, units
from ..storage import datasets as ds
from ..storage.datasets import Dataset
from ..storage.errors import Fail, guarded
from ..storage.options import OptionError, getopt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    State = dict[str, Any]

PATHS = ("/sbin/bectl",)
USAGE = """\
usage:\tbectl {-h | -? | subcommand [args...]}
\tbectl [-r beroot] activate [-t | -T] beName
\tbectl [-r beroot] check
\tbectl [-r beroot] create [-r] [-e {nonActiveBe | beName@snapshot}] beName
\tbectl [-r beroot] create [-r] beName@snapshot
\tbectl [-r beroot] destroy [-Fo] {beName | beName@snapshot}
\tbectl [-r beroot] export sourceBe
\tbectl [-r beroot] import targetBe
\tbectl [-r beroot] jail [-bU] [{-o key=value | -u key}]... beName
\t    [utility [argument ...]]
\tbectl [-r beroot] list [-aDHs] [{-c property | -C property}]
\tbectl [-r beroot] mount beName [mountpoint]
\tbectl [-r beroot] rename origBeName newBeName
\tbectl [-r beroot] {ujail | unjail} {jailID | jailName | beName}
\tbectl [-r beroot] {umount | unmount} [-f] beName"""


class Tool:
    """One call: the state, and where boot environments live."""

    def __init__(self, s: State, root: str) -> None:
        self.s = s
        found = ds.lookup(s, root)
        if found is None:
            raise Fail("")
        self.root = found

    def names(self) -> list[Dataset]:
        return [one for one in self.root.children() if not one.volume]

    def find(self, name: str) -> Dataset | None:
        return ds.lookup(self.s, f"{self.root.name}/{name}")

    def active(self, dataset: Dataset) -> str:
        entry = mounts.at(self.s, "/")
        now = entry is not None and entry.get("dataset") == dataset.data["guid"]
        reboot = self.root.pool["props"].get("bootfs") == dataset.rel
        return ("N" if now else "") + ("R" if reboot else "") + ("T" if dataset.data.get("once") else "") or "-"


def show(tool: Tool, args: list[str]) -> int:
    found, _operands = getopt(args, "aDHsc:C:")
    flags = {letter for letter, _value in found}
    rows = []
    for one in sorted(tool.names(), key=lambda one: (int(one.data["created"]), one.name)):
        entry = one.mount()
        created = time.strftime("%Y-%m-%d %H:%M", time.localtime(int(one.data["created"])))
        space = units.nicenum(ds.own_space(one) + ds.snapshot_space(one))
        target = entry["target"] if entry is not None else "-"
        rows.append((one.rel.rpartition("/")[2], tool.active(one), target, space, created))
    if "H" in flags:
        for row in rows:
            print("\t".join(row))
        return 0
    head = ("BE", "Active", "Mountpoint", "Space", "Created")
    widths = [max(len(line[index]) for line in [head, *rows]) for index in range(4)]
    for line in [head, *rows]:
        print(" ".join([*(line[index].ljust(widths[index]) for index in range(4)), line[4]]))
    return 0


def create(tool: Tool, args: list[str]) -> int:
    found, operands = getopt(args, "re:")
    if len(operands) != 1:
        raise Fail("bectl create: wrong number of arguments\n" + USAGE)
    name = operands[0]
    source = next((value for letter, value in found if letter == "e"), "")
    if "@" in name:
        base, _, snap = name.partition("@")
        one = tool.find(base)
        if one is None:
            raise Fail(f"failed to create bootenv {name}")
        actions.snapshot(one, snap, {}, ds.next_txg(one.pool))
        return 0
    if tool.find(name) is not None:
        raise Fail(f"boot environment '{name}' already exists")
    base, _, snap = source.partition("@")
    origin = tool.find(base) if base else next((one for one in tool.names() if "N" in tool.active(one)), None)
    if origin is None:
        raise Fail(f"failed to create bootenv {name}")
    if not snap:
        snap = time.strftime("%Y-%m-%d-%H:%M:%S-0")
        actions.snapshot(origin, snap, {}, ds.next_txg(origin.pool))
    elif snap not in origin.data["snaps"]:
        raise Fail(f"failed to create bootenv {name}")
    rel = f"{tool.root.rel}/{name}" if tool.root.rel else name
    actions.clone(
        origin, snap, tool.root.pname, rel, {"canmount": "noauto", "mountpoint": ds.setting(origin, "mountpoint")[0]}
    )
    return 0


def activate(tool: Tool, args: list[str]) -> int:
    found, operands = getopt(args, "tT")
    flags = {letter for letter, _value in found}
    if len(operands) != 1:
        raise Fail("bectl activate: wrong number of arguments\n" + USAGE)
    one = tool.find(operands[0])
    if one is None:
        raise Fail("boot environment does not exist")
    for other in tool.names():
        other.data.pop("once", None)
    if "t" in flags:
        one.data["once"] = True
        print(f"Successfully activated boot environment {operands[0]}\nfor next boot")
        return 0
    if "T" in flags:
        print("Temporary activation removed")
        return 0
    if one.data["origin"] is not None:
        actions.promote(one)
    tool.root.pool["props"]["bootfs"] = one.rel
    print(f"Successfully activated boot environment {operands[0]}")
    return 0


def destroy(tool: Tool, args: list[str]) -> int:
    found, operands = getopt(args, "Fo")
    flags = {letter for letter, _value in found}
    if len(operands) != 1:
        raise Fail("bectl destroy: wrong number of arguments\n" + USAGE)
    name, _, snap = operands[0].partition("@")
    one = tool.find(name)
    if one is None or (snap and snap not in one.data["snaps"]):
        raise Fail("boot environment does not exist")
    if snap:
        actions.drop_snapshot(one, snap)
        return 0
    state_now = tool.active(one)
    if "N" in state_now or "R" in state_now:
        raise Fail("cannot destroy active boot environment")
    if one.mount() is not None and "F" not in flags:
        raise Fail("boot environment is mounted; use -F to force")
    actions.unmount(one, "F" in flags)
    source = ds.origin(one)
    actions.drop(one)
    if source is not None and "o" in flags and not ds.clones(*source):
        actions.drop_snapshot(*source)
    return 0


def mount(tool: Tool, args: list[str]) -> int:
    if not 1 <= len(args) <= 2:
        raise Fail("bectl mount: wrong number of arguments\n" + USAGE)
    one = tool.find(args[0])
    if one is None:
        raise Fail(f"{args[0]} does not exist")
    if one.mount() is not None:
        raise Fail(f"{args[0]} is already mounted")
    if len(args) == 2:
        target = args[1]
    else:
        target = f"/tmp/be_mount.{os.urandom(2).hex()}"
        os.mkdir(target)
    actions.mount_at(one, target)
    print(target)
    return 0


def unmount(tool: Tool, args: list[str]) -> int:
    found, operands = getopt(args, "f")
    if len(operands) != 1:
        raise Fail("bectl unmount: wrong number of arguments\n" + USAGE)
    one = tool.find(operands[0])
    entry = one.mount() if one is not None else None
    if one is None or entry is None:
        raise Fail(f"{operands[0]} is not mounted" if one is not None else f"{operands[0]} does not exist")
    actions.unmount(one, bool(found))
    if entry["target"].startswith("/tmp/be_mount."):
        os.rmdir(entry["target"])
    return 0


def rename(tool: Tool, args: list[str]) -> int:
    if len(args) != 2:
        raise Fail("bectl rename: wrong number of arguments\n" + USAGE)
    one = tool.find(args[0])
    if one is None or tool.find(args[1]) is not None:
        raise Fail("boot environment does not exist" if one is None else "boot environment already exists")
    was_boot = tool.root.pool["props"].get("bootfs") == one.rel
    rel = f"{tool.root.rel}/{args[1]}" if tool.root.rel else args[1]
    actions.rename(one, rel)
    if was_boot:
        tool.root.pool["props"]["bootfs"] = rel
    return 0


_VERBS = {
    "activate": activate,
    "create": create,
    "destroy": destroy,
    "list": show,
    "mount": mount,
    "rename": rename,
    "umount": unmount,
    "unmount": unmount,
}


def _send(root: str, name: str) -> int:
    snap = time.strftime("%Y-%m-%d-%H:%M:%S-0")
    with state.edit() as s:
        one = Tool(s, root).find(name)
        if one is None:
            raise Fail("boot environment does not exist")
        actions.snapshot(one, snap, {}, ds.next_txg(one.pool))
        full = f"{one.name}@{snap}"
        request = streams.Request()
        parts = streams.plan(s, request, full)
    streams.write(request, parts, full, sys.stdout.buffer)
    sys.stdout.buffer.flush()
    return 0


def body(argv: list[str]) -> int:
    args = argv[1:]
    root = ""
    if args[:1] == ["-r"] and len(args) > 1:
        root, args = args[1], args[2:]
    if not args or args[0] in ("-h", "-?"):
        raise Fail(("" if args else "missing command\n") + USAGE)
    verb = args[0]
    if not root:
        root = "zroot/ROOT"
    if verb == "check":
        with state.read() as s:
            return 0 if ds.lookup(s, root) is not None else 1
    try:
        if verb == "export":
            return _send(root, args[1])
        if verb == "import":
            arguments = ["zfs", "receive", "-u", "-o", "canmount=noauto", "-o", "mountpoint=none", f"{root}/{args[1]}"]
            return receive.receive(arguments, sys.stdin.buffer)
        if verb not in _VERBS:
            raise Fail(f"unknown command: {verb}\n{USAGE}")
        with state.edit() as s:
            return _VERBS[verb](Tool(s, root), args[1:])
    except OptionError as error:
        raise Fail(f"bectl {verb}: unknown option '-{error.letter}'\n{USAGE}") from None


def main(argv: list[str]) -> int:
    return guarded(body, argv)
