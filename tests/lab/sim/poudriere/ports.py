# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""poudriere ports."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass

from . import filesystems, usage
from .context import Context
from .getopts import Options
from .jail import when
from .output import Failure, Usage, table
from .running import RunningJails

USAGE = usage.PORTS
GIT = "/usr/local/bin/git"
COMMANDS = {"c": "create", "d": "delete", "l": "list", "u": "update"}
URL_METHODS = {"http": "git+http", "https": "git+https", "file": "git+file", "ssh": "git+ssh", "git": "git"}


@dataclass
class Request:
    """A parsed command line."""

    command: str = ""
    name: str = "default"
    method: str = ""
    url: str = ""
    branch: str = ""
    mount: str = ""
    dataset: str = ""
    full: bool = False
    fake: bool = False
    keep: bool = False
    names_only: bool = False
    quiet: bool = False
    yes: bool = False


def main(context: Context, arguments: list[str]) -> int:
    """Run one ``poudriere ports`` call."""
    request = Request()
    values = {"B": "branch", "U": "url", "p": "name", "f": "dataset", "M": "mount", "m": "method"}
    flags = {"D": "full", "F": "fake", "k": "keep", "n": "names_only", "q": "quiet", "y": "yes"}
    for letter, value in Options(arguments, "B:cDFuU:dklp:qf:nM:m:vy"):
        if letter in COMMANDS:
            if request.command:
                raise Usage
            request.command = COMMANDS[letter]
        elif letter in values:
            setattr(request, values[letter], value)
        elif letter in flags:
            setattr(request, flags[letter], True)
        elif letter == "?":
            raise Usage
    _resolve_method(context, request)
    handler = {"create": _create, "delete": _delete, "list": _list, "update": _update}.get(request.command)
    if handler is None:
        raise Usage
    return handler(context, request)


def _resolve_method(context: Context, request: Request) -> None:
    """Turn method and URL into what is recorded: ``git+https``, ``git+file`` …; raises Usage or Failure."""
    if not request.method and not request.fake:
        request.method = "git+https"
    if request.method == "none":
        request.method = "null"
    method = request.method
    if method.startswith(("git", "svn")):
        if request.url and method.startswith("git"):
            scheme, mark, _rest = request.url.partition("://")
            if request.url.startswith("/"):
                request.method = "git+file"
            elif mark and scheme in URL_METHODS:
                request.method = URL_METHODS[scheme]
            elif mark:
                raise Failure(1, "Invalid git protocol", "svn_git_checkout_method:46")
            elif ":" in request.url:
                request.method = "git+ssh"
            else:
                context.out.error("Invalid git url")
                raise Usage
        else:
            scheme = method.partition("+")[2] or "git"
            request.url = request.url or f"{scheme}://{context.config.get('GIT_PORTSURL')}"
        return
    if request.url:
        context.out.error("-U only valid with git and svn methods")
        raise Usage
    if method not in ("portsnap", "null") and not request.fake:
        context.out.error(f"Unknown method {method}")
        raise Usage
    if request.branch:
        raise Failure(1, "Branch (-B) only supported for SVN and git.", "176")


def _list(context: Context, request: Request) -> int:
    trees = context.trees
    if request.names_only:
        print(table(["PORTSTREE"], [[name] for name in trees.names()], quiet=request.quiet), end="")
        return 0
    rows = [[name, trees.get(name, "method") or "-", when(trees.get(name, "timestamp")), trees.get(name, "mnt")]
            for name in trees.names()]
    print(table(["PORTSTREE", "METHOD", "TIMESTAMP", "PATH"], rows, quiet=request.quiet), end="")
    return 0


def _create(context: Context, request: Request) -> int:
    trees, name, config = context.trees, request.name, context.config
    if trees.exists(name):
        raise Failure(2, f"The ports tree, {name}, already exists", "229")
    context.need_root()
    mount = request.mount or ("" if request.method == "null" else os.path.join(config.basefs, "ports", name))
    mount = mount or os.path.join(config.basefs, "ports", name)
    dataset = request.dataset or ("none" if config.no_zfs else f"{config.dataset}/ports/{name}")
    if ":" in name:
        raise Failure(1, "The ports name cannot contain a period (.). See jail(8)", "236")
    if "-" in name:
        raise Failure(1, "The ports name should not contain a dash (-). Poudriere will parse it as a SETNAME (-z).",
                      "239")
    if request.method == "null":
        if mount == "/":
            raise Failure(1, "Cannot use / for -M", "247")
        if request.fake:
            raise Failure(1, "Cannot use -F with -m null", "249")
        dataset = "none"
    if dataset != "none" and os.path.isdir(mount):
        raise Failure(1, f"Directory {mount} already exists", "253")
    created = request.method != "null"
    if created:
        filesystems.create(context, name, mount, dataset)
    try:
        trees.set(name, "mnt", mount)
        trees.set(name, "created_fs", int(created))
        if request.fake:
            trees.set(name, "method", request.method or "-")
        else:
            _populate(context, request, mount)
            trees.set(name, "method", request.method)
            trees.set(name, "timestamp", context.clock.epoch())
    except BaseException as error:
        if isinstance(error, Failure):
            context.out.failure(error)
        context.out.msg("Error while creating ports tree, cleaning up.", error=True)
        if created:
            filesystems.destroy(context, mount)
        trees.remove(name)
        if isinstance(error, Failure):
            return error.status
        raise
    if request.method == "null":
        context.out.msg(f'Imported ports tree "{name}" from {mount}')
    return 0


def _populate(context: Context, request: Request, mount: str) -> None:
    if request.method.startswith("svn"):
        raise Failure(1, "svn or svnlite not installed. Perhaps you need to 'pkg install subversion'", "286")
    if request.method == "portsnap":
        context.out.msg(f'Extracting portstree "{request.name}"...')
        raise Failure(1, " fail", "281")
    if not request.method.startswith("git"):
        return
    if not os.access(GIT, os.X_OK):
        raise Failure(1, "Git is not installed. Perhaps you need to 'pkg install git'", "299")
    context.out.begin("Cloning the ports tree...")
    quiet = [] if context.out.verbose else ["-q"]
    branch = ["-b", request.branch] if request.branch else []
    if context.run(GIT, "clone", *([] if request.full else ["--depth=1"]), *quiet, *branch, request.url, mount):
        raise Failure(1, " fail", "304")
    context.out.raw(" done\n")


def _in_use(context: Context, name: str) -> bool:
    """A tree is in use while a jail built on it runs."""
    running = RunningJails(context.config)
    return any(running.exists(f"{jail}-{name}") for jail in context.jails.names())


def _delete(context: Context, request: Request) -> int:
    trees, name = context.trees, request.name
    if not trees.exists(name):
        raise Failure(2, f"No such ports tree {name}", "321")
    mount, method = trees.get(name, "mnt"), trees.get(name, "method")
    if _in_use(context, name):
        raise Failure(1, f'Ports tree "{name}" is currently mounted and being used.', "327")
    if not request.yes and sys.stdin.isatty():
        print(f"Are you sure you want to delete the ports tree {name} at {mount}? [y/N] ", end="", flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise Failure(1, "Not deleting ports tree", "330")
    context.need_root()
    context.out.begin(f'Deleting portstree "{name}"...')
    removable = trees.get(name, "created_fs") == "1" if method == "-" else method not in ("null", "none")
    if not request.keep and removable:
        filesystems.destroy(context, mount)
        if os.path.isdir(mount):
            shutil.rmtree(mount, ignore_errors=True)
    trees.remove(name)
    context.out.raw(" done\n")
    return 0


def _update(context: Context, request: Request) -> int:
    trees, name = context.trees, request.name
    if not trees.exists(name):
        raise Failure(2, f"No such ports tree {name}", "355")
    mount, method = trees.get(name, "mnt"), trees.get(name, "method")
    if _in_use(context, name):
        raise Failure(1, f'Ports tree "{name}" is currently mounted and being used.', "360")
    context.need_root()
    if method in ("", "-"):
        method = "git+https"
        trees.set(name, "method", method)
    if method in ("null", "none"):
        context.out.msg(f'Not updating portstree "{name}" with method {method}')
    elif method.startswith("git"):
        context.out.begin(f'Updating portstree "{name}" with {method}...')
        quiet = [] if context.out.verbose else ["-q"]
        if not os.access(GIT, os.X_OK) or context.run(GIT, "-C", mount, "pull", "--rebase", *quiet):
            raise Failure(1, " fail", "393")
        context.out.raw(" done\n")
    elif method.startswith(("svn", "portsnap")):
        context.out.begin(f'Updating portstree "{name}" with {method}...')
        raise Failure(1, " fail", "386")
    else:
        raise Failure(1, "Undefined upgrade method", "398")
    trees.set(name, "timestamp", context.clock.epoch())
    return 0
