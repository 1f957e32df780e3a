# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""zpool(8): usage texts and what its sub-commands share."""

from __future__ import annotations

import os
import time

from . import poolprops
from .errors import Fail
from .options import OptionError, getopt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    State = dict[str, Any]
    Record = dict[str, Any]

_CREATE = """\
\tcreate [-fnd] [-o property=value] ...\x20
\t    [-O file-system-property=value] ...\x20
\t    [-m mountpoint] [-R root] <pool> <vdev> ...
"""
# In the order of ``zpool help``; an empty name is an empty line.
USAGES = (
    ("version", "\tversion\n"),
    ("", "\n"),
    ("create", _CREATE),
    ("destroy", "\tdestroy [-f] <pool>\n"),
    ("", "\n"),
    ("add", "\tadd [-fgLnP] [-o property=value] <pool> <vdev> ...\n"),
    ("remove", "\tremove [-npsw] <pool> <device> ...\n"),
    ("", "\n"),
    ("labelclear", "\tlabelclear [-f] <vdev>\n"),
    ("", "\n"),
    ("checkpoint", "\tcheckpoint [-d [-w]] <pool> ...\n"),
    ("", "\n"),
    ("list", "\tlist [-gHLpPv] [-o property[,...]] [-T d|u] [pool] ... \n\t    [interval [count]]\n"),
    (
        "iostat",
        (
            "\tiostat [[[-c [script1,script2,...][-lq]]|[-rw]] [-T d | u] [-ghHLpPvy]\n"
            "\t    [[pool ...]|[pool vdev ...]|[vdev ...]] [[-n] interval [count]]\n"
        ),
    ),
    (
        "status",
        "\tstatus [-c [script1,script2,...]] [-igLpPstvxD]  [-T d|u] [pool] ... \n\t    [interval [count]]\n",
    ),
    ("", "\n"),
    ("online", "\tonline [-e] <pool> <device> ...\n"),
    ("offline", "\toffline [-f] [-t] <pool> <device> ...\n"),
    ("clear", "\tclear [-nF] <pool> [device]\n"),
    ("reopen", "\treopen [-n] <pool>\n"),
    ("", "\n"),
    ("attach", "\tattach [-fsw] [-o property=value] <pool> <device> <new-device>\n"),
    ("detach", "\tdetach <pool> <device>\n"),
    ("replace", "\treplace [-fsw] [-o property=value] <pool> <device> [new-device]\n"),
    (
        "split",
        "\tsplit [-gLnPl] [-R altroot] [-o mntopts]\n\t    [-o property=value] <pool> <newpool> [<device> ...]\n",
    ),
    ("", "\n"),
    ("initialize", "\tinitialize [-c | -s] [-w] <pool> [<device> ...]\n"),
    ("resilver", "\tresilver <pool> ...\n"),
    ("scrub", "\tscrub [-s | -p] [-w] <pool> ...\n"),
    ("trim", "\ttrim [-dw] [-r <rate>] [-c | -s] <pool> [<device> ...]\n"),
    ("", "\n"),
    (
        "import",
        (
            "\timport [-d dir] [-D]\n"
            "\timport [-o mntopts] [-o property=value] ... \n"
            "\t    [-d dir | -c cachefile] [-D] [-l] [-f] [-m] [-N] [-R root] [-F [-n]] -a\n"
            "\timport [-o mntopts] [-o property=value] ... \n"
            "\t    [-d dir | -c cachefile] [-D] [-l] [-f] [-m] [-N] [-R root] [-F [-n]]\n"
            "\t    [--rewind-to-checkpoint] <pool | id> [newpool]\n"
        ),
    ),
    ("export", "\texport [-af] <pool> ...\n"),
    ("upgrade", "\tupgrade\n\tupgrade -v\n\tupgrade [-V version] <-a | pool ...>\n"),
    ("reguid", "\treguid <pool>\n"),
    ("", "\n"),
    ("history", "\thistory [-il] [<pool>] ...\n"),
    ("events", "\tevents [-vHf [pool] | -c]\n"),
    ("", "\n"),
    ("get", '\tget [-Hp] [-o "all" | field[,...]] <"all" | property[,...]> <pool> ...\n'),
    ("set", "\tset <property=value> <pool> \n"),
    ("sync", "\tsync [pool] ...\n"),
    ("", "\n"),
    ("wait", "\twait [-Hp] [-T d|u] [-t <activity>[,...]] <pool> [interval]\n"),
)
COMMANDS = {name: text for name, text in USAGES if name}


def main_usage() -> str:
    """The text after ``unrecognized command``, without the newline at its end."""
    body = "".join(text for _name, text in USAGES)
    return f"usage: zpool command args ...\nwhere 'command' is one of the following:\n\n{body}".removesuffix("\n")


def usage(verb: str, problem: str = "") -> Fail:
    """The error of a wrong command line: *problem*, then how to call *verb*."""
    text = f"usage:\n{COMMANDS[verb]}"
    if verb in ("get", "set", "list"):
        text += _properties()
    return Fail((problem + "\n" if problem else "") + text.removesuffix("\n"), 2)


def _properties() -> str:
    out = "\nthe following properties are supported:\n"
    out += f"\n\t{'PROPERTY':<19}  {'EDIT'}   VALUES\n\n"
    rows = [row for row in poolprops.PROPERTIES if row[0] != "readonly" or row[1]]
    for name, editable, values in sorted(rows, key=lambda row: (row[1], row[0])):
        out += f"\t{name:<19}   {'YES' if editable else ' NO'}   {values}\n"
    out += f"\t{'feature@...':<19}   YES   disabled | enabled | active\n"
    return out + "\nThe feature@ properties must be appended with a feature name.\nSee zpool-features(7).\n"


def options(verb: str, args: list[str], spec: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Parse, with zpool's complaints."""
    try:
        return getopt(args, spec)
    except OptionError as error:
        if error.missing:
            raise usage(verb, f"missing argument for '{error.letter}' option") from None
        raise usage(verb, f"invalid option '{error.letter}'") from None


def open_pool(s: State, name: str) -> Record:
    """The imported pool called *name*. Raises Fail."""
    found = s.get("pools", {}).get(name)
    if found is None:
        problem = name_problem(name)
        if problem:
            raise Fail(f"cannot open '{name}': {problem}")
        raise Fail(f"cannot open '{name}': no such pool")
    record: Record = found
    return record


def name_problem(name: str, creating: bool = False) -> str:
    """Why *name* cannot be a pool's, empty if it can (zpool_name_valid())."""
    for char in name:
        if not (char.isascii() and (char.isalnum() or char in "-_.: ")):
            return f"invalid character '{char}' in pool name"
    if not name or not (name[0].isascii() and name[0].isalpha()):
        return "name must begin with a letter"
    if name[0] == "c" and name[1:2].isdigit():
        return "pool name is reserved"
    if name in ("mirror", "raidz", "draid"):
        return "name is reserved"
    if creating and (name.startswith(("mirror", "raidz", "draid", "spare")) or name == "log"):
        return "name is reserved"
    return ""


def log(s: State, pname: str, argv: list[str]) -> None:
    """Add a command to the pool's history."""
    pool = s.get("pools", {}).get(pname)
    if pool is not None:
        pool["history"].append([int(time.time()), " ".join(["zpool", *argv[1:]])])


def log_zfs(s: State, pname: str, argv: list[str]) -> None:
    """The same for a zfs command."""
    pool = s.get("pools", {}).get(pname)
    if pool is not None:
        pool["history"].append([int(time.time()), " ".join(["zfs", *argv[1:]])])


def device_name(path: str, full: bool) -> str:
    """A vdev's name as zpool prints it."""
    return path if full or not path.startswith("/dev/") else path[5:]


def compatibility(value: str) -> tuple[list[str] | None, str]:
    """(features that a ``compatibility`` value allows or None for all, problem or empty)."""
    if value == "off":
        return None, ""
    if value == "legacy":
        return [], ""
    allowed: set[str] = set(poolprops.FEATURE_NAMES)
    missing = []
    for name in value.split(","):
        features = _compatibility_file(name)
        if features is None:
            missing.append(name)
        else:
            allowed &= set(features)
    if missing:
        return None, ",".join(missing)
    return [name for name in poolprops.FEATURE_NAMES if name in allowed], ""


def _compatibility_file(name: str) -> list[str] | None:
    places = (
        [name]
        if name.startswith("/")
        else [f"/etc/zfs/compatibility.d/{name}", f"/usr/share/zfs/compatibility.d/{name}"]
    )
    for path in places:
        if os.path.isfile(path):
            with open(path, encoding="utf-8", errors="replace") as handle:
                return [word for line in handle for word in line.split("#")[0].replace(",", " ").split()]
    return None


__all__ = [
    "COMMANDS",
    "compatibility",
    "device_name",
    "log",
    "log_zfs",
    "main_usage",
    "name_problem",
    "open_pool",
    "options",
    "usage",
]
