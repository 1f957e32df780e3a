# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""poudriere jail."""

from __future__ import annotations

import glob
import os
import shutil
import sys
import time
from dataclasses import dataclass, field

from . import filesystems, jail_methods, usage
from .context import Context, master_name
from .getopts import Options
from .output import EX_USAGE, Failure, Usage, table
from .running import RunningJails
from .session import Session
from .versions import osversion_of

USAGE = usage.JAIL
LETTERS = "bBiJ:j:v:a:z:m:nf:M:sdkK:lqcip:r:uU:t:z:P:S:DxXC:y"
COMMANDS = {"i": "info", "s": "start", "k": "stop", "l": "list", "c": "create", "d": "delete", "u": "update"}
#: Data that ``-d -C`` removes beside the jail, and how deep its names lie.
CLEANABLE = {"cache": 1, "images": 1, "logs": 2, "packages": 1, "wrkdirs": 1}


@dataclass
class Request:
    """A parsed command line."""

    command: str = ""
    name: str = ""
    version: str = ""
    arch: str = ""
    method: str = "http"
    dataset: str = ""
    mount: str = ""
    kernel: str = ""
    new_name: str = ""
    tree: str = "default"
    tree_given: bool = False
    chosen: str = ""
    url: str = ""
    upgrade: str = ""
    source: str = ""
    quiet: bool = False
    names_only: bool = False
    yes: bool = False
    pkgbase: bool = False
    clean: list[str] = field(default_factory=list)


def main(context: Context, arguments: list[str]) -> int:
    """Run one ``poudriere jail`` call."""
    request = parse(arguments)
    _check_method(context, request)
    jails = context.jails
    if request.command and request.command != "list" and not request.name:
        raise Usage("JAILNAME")
    if request.command != "create" and request.name:
        request.mount = jails.get(request.name, "mnt") or request.mount
    handler = {"create": _create, "delete": _delete, "info": _info, "list": _list, "start": _start, "stop": _stop,
               "update": _update, "rename": _rename}.get(request.command)
    if handler is None:
        raise Usage
    return handler(context, request)


def parse(arguments: list[str]) -> Request:
    """Parse the options; raises Usage."""
    request = Request()
    options = Options(arguments, LETTERS)
    values = {"j": "name", "v": "version", "a": "arch", "m": "method", "f": "dataset", "M": "mount", "U": "url",
              "t": "upgrade", "z": "chosen"}
    flags = {"q": "quiet", "n": "names_only", "y": "yes", "B": "pkgbase"}
    for letter, value in options:
        if letter in COMMANDS or letter == "r":
            if request.command:
                raise Usage
            request.command = COMMANDS.get(letter, "rename")
            request.new_name = value
        elif letter in values:
            if letter == "z" and not value:
                raise Failure(1, "Empty set name", "1521")
            setattr(request, values[letter], value)
        elif letter in flags:
            setattr(request, flags[letter], True)
        elif letter == "p":
            request.tree, request.tree_given = value, True
        elif letter == "K":
            request.kernel = value or "GENERIC"
        elif letter == "C":
            request.clean.append(value)
        elif letter == "P" and not os.access(value, os.R_OK):
            raise Failure(1, "No such patch", "1480")
        elif letter == "S":
            if not os.path.isdir(value):
                raise Failure(1, f"No such directory {value}", "1489")
            request.source = value
        elif letter == "?":
            raise Usage(note="Unknown flag '?'")
    return request


def _check_method(context: Context, request: Request) -> None:
    known = ("csup", "freebsdci", "ftp", "ftp-archive", "gjb", "http", "null", "pkgbase")
    method = request.method
    if method.startswith(("git", "svn")):
        return
    if request.url and not method.startswith("pkgbase"):
        context.out.error("-U only valid with git and svn methods")
        raise Usage
    if method not in known and not method.startswith(("pkgbase=", "src=", "tar=", "url=")):
        context.out.error(f"Unknown method {method}")
        raise Usage


def _create(context: Context, request: Request) -> int:
    if not request.method.startswith(("src=", "git")) and request.method != "null" and not request.version:
        raise Usage("VERSION")
    if context.jails.exists(request.name):
        raise Failure(2, f"The jail {request.name} already exists", "1586")
    context.need_root()
    jail_methods.prepare(context, request)
    jails, name = context.jails, request.name
    if request.dataset and request.dataset != "none":
        jails.set(name, "fs", request.dataset)
    if request.version:
        jails.set(name, "version", request.version)
    jails.set(name, "timestamp", context.clock.epoch())
    jails.set(name, "arch", request.arch)
    jails.set(name, "mnt", request.mount)
    for key in ("kernel",):
        if request.kernel:
            jails.set(name, key, request.kernel)
    if request.source:
        jails.set(name, "srcpath", request.source)
    jails.set(name, "method", jail_methods.recorded(request.method))
    try:
        release = jail_methods.populate(context, request)
    except Failure as failure:
        context.out.failure(failure)
        context.out.msg("Error while creating jail, cleaning up.", error=True)
        _remove(context, request)
        return failure.status
    except BaseException:
        _remove(context, request)
        raise
    context.out.msg(f"Jail {name} {release} {request.arch} is ready to be used")
    return 0


def _delete(context: Context, request: Request) -> int:
    if not context.jails.exists(request.name):
        context.out.warn("Jail does not exist. Proceeding with cleanup.")
    if not request.yes and sys.stdin.isatty():
        print("Are you sure you want to delete the jail? [y/N] ", end="", flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise Failure(1, "Not deleting jail", "1636")
    context.need_root()
    if RunningJails(context.config).exists(request.name):
        raise Failure(1, f"Unable to delete jail {request.name}: it is running", "delete_jail:8")
    _remove(context, request)
    return 0


def _remove(context: Context, request: Request) -> None:
    jails, name = context.jails, request.name
    context.out.begin(f"Removing {name} jail...")
    mount = jails.get(name, "mnt")
    if jails.exists(name) and jails.get(name, "method") != "null" and mount:
        filesystems.destroy(context, mount)
    jails.remove(name)
    for path in glob.glob(os.path.join(glob.escape(context.config.data), ".m", glob.escape(name) + "-*")):
        shutil.rmtree(path, ignore_errors=True)
    context.out.raw(" done\n")
    _clean(context, request)


def _clean(context: Context, request: Request) -> None:
    wanted = list(CLEANABLE) if "all" in request.clean else [item for item in request.clean if item in CLEANABLE]
    if not wanted:
        return
    out, name = context.out, request.name
    out.msg(f"Cleaning {name} data...")
    for item in wanted:
        directory = os.path.join(context.config.data, item)
        out.begin(f"Cleaning {directory}:")
        if not os.path.isdir(directory):
            out.raw(" does not exist (skipped)\n")
            continue
        pattern = os.path.join(glob.escape(directory), *(["*"] * (CLEANABLE[item] - 1)), glob.escape(name) + "-*")
        for path in sorted(glob.glob(pattern)):
            out.raw(f" {os.path.relpath(path, directory)}...")
            shutil.rmtree(path, ignore_errors=True)
        out.raw(" done\n")
        if item == "logs":
            out.begin("Rebuilding HTML JSON for top-level...")
            out.raw(" done\n")
    out.msg(f"Cleaning {name} data... done")


def when(timestamp: str) -> str:
    """Return a recorded epoch as poudriere shows it, nothing for none."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(int(timestamp))) if timestamp.isdigit() else ""


def _list(context: Context, request: Request) -> int:
    jails = context.jails
    if request.names_only:
        rows = [[name] for name in jails.names()]
        print(table(["JAILNAME"], rows, quiet=request.quiet), end="")
        return 0
    rows = []
    for name in jails.names():
        version = " ".join(part for part in (jails.get(name, "version"), jails.get(name, "version_vcs")) if part)
        rows.append([name, version, osversion_of(jails.get(name, "mnt")), jails.get(name, "arch"),
                     jails.get(name, "method"), when(jails.get(name, "timestamp")), jails.get(name, "mnt")])
    rows.sort(key=lambda row: (_version_key(row[1]), row[3], row[0]))
    header = ["JAILNAME", "VERSION", "OSVERSION", "ARCH", "METHOD", "TIMESTAMP", "PATH"]
    print(table(header, rows, quiet=request.quiet), end="")
    return 0


def _version_key(version: str) -> list[int]:
    return [int(part) for part in version.partition("-")[0].split(".") if part.isdigit()]


def _info(context: Context, request: Request) -> int:
    jails, name = context.jails, request.name
    if not jails.exists(name):
        raise Failure(1, f"No such jail: {name}", "info_jail:9")
    rows = [("name", name), ("version", jails.get(name, "version")), ("vcs version", jails.get(name, "version_vcs")),
            ("arch", jails.get(name, "arch")), ("method", jails.get(name, "method")),
            ("mount", jails.get(name, "mnt")), ("fs", jails.get(name, "fs")), ("kernel", jails.get(name, "kernel")),
            ("updated", when(jails.get(name, "timestamp"))),
            ("pkgbase", "disabled" if jails.get(name, "pkgbase", "0") in ("", "0") else "enabled")]
    for label, value in rows:
        if value or label not in ("vcs version", "kernel", "updated"):
            print(f"{'Jail ' + label + ':':<19}{value}")
    if request.tree_given and context.trees.exists(request.tree):
        from .status import print_latest

        print(f"{'Tree name:':<19}{request.tree}")
        print(f"{'Tree method:':<19}{context.trees.get(request.tree, 'method') or '-'}")
        print_latest(context, master_name(name, request.tree, request.chosen))
    return 0


def _start(context: Context, request: Request) -> int:
    if not context.trees.exists(request.tree):
        raise Failure(2, f"No such ports tree {request.tree}", "1619")
    context.need_root()
    Session(context, request.name, request.tree, request.chosen).start()
    return 0


def _stop(context: Context, request: Request) -> int:
    context.need_root()
    session = Session(context, request.name, request.tree, request.chosen)
    if not RunningJails(context.config).exists(session.master):
        context.out.msg(f"Jail {session.master} not running, but cleaning up anyway")
    session.stop()
    return 0


def _rename(context: Context, request: Request) -> int:
    jails = context.jails
    if not jails.exists(request.name):
        raise Failure(1, f"No such jail: {request.name}", "rename_jail:4")
    context.out.begin(f"Renaming '{request.name}' in '{request.new_name}'")
    os.rename(os.path.join(jails.directory, request.name), os.path.join(jails.directory, request.new_name))
    context.out.raw(" done\n")
    context.out.warn("The packages, logs and filesystems have not been renamed.")
    context.out.warn("If you choose to rename the filesystem then modify the 'mnt' and 'fs' files in "
                     f"{jails.directory}/{request.new_name}")
    return 0


def _update(context: Context, request: Request) -> int:
    jails, name = context.jails, request.name
    if not jails.exists(name):
        raise Failure(1, f"No such jail: {name}", "1646")
    context.need_root()
    if RunningJails(context.config).exists(name):
        raise Failure(1, f"Unable to update jail {name}: it is running", "1649")
    method = jails.get(name, "method")
    context.out.msg(f"Upgrading using {method}")
    if method.startswith("url=") or method in ("freebsdci", "gjb"):
        request.method, request.version, request.arch = method, jails.get(name, "version"), jails.get(name, "arch")
        request.dataset = jails.get(name, "fs") or "none"
        _remove(context, request)
        request.mount = ""
        return _create(context, request)
    if method in ("csup", "null", "tar"):
        raise Failure(1, f"Upgrade is not supported with {method}; to upgrade, please delete and recreate the jail",
                      "update_jail:132")
    if method not in ("http", "ftp", "ftp-archive"):
        raise Failure(1, "Unsupported method", "update_jail:135")
    if request.upgrade:
        jails.set(name, "version", request.upgrade)
    jails.set(name, "timestamp", context.clock.epoch())
    return 0


__all__ = ["EX_USAGE", "USAGE", "Request", "main", "parse", "when"]
