# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The commands that look after what builds leave: logclean, pkgclean, distclean, repo, and the rare ones."""

from __future__ import annotations

import os
import shutil
import sys
import time

from . import makefile, usage
from .context import Context
from .gather import Gatherer, check_lists, listed
from .getopts import Options
from .output import Failure, Usage
from .portstree import PortsTree
from .repository import Repository
from .running import RunningJails
from .session import Session
from .status import builds
from .statusfiles import BuildStatus, _write_index, _write_top

UNITS = ("B", "KiB", "MiB", "GiB")


def humane(count: int) -> str:
    """Return a size with two decimals."""
    value, unit = float(count), 0
    while value >= 1024 and unit < len(UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.2f} {UNITS[unit]}" if unit else f"{count} B"


def _size(path: str) -> int:
    if os.path.isfile(path) or os.path.islink(path):
        return os.lstat(path).st_size
    return sum(os.lstat(os.path.join(parent, name)).st_size for parent, _dirs, names in os.walk(path) for name in names)


def _confirm(context: Context, found: list[str], base: str, reason: str, dry: bool, yes: bool) -> bool:
    """Show what would go and delete it when agreed; return whether anything went (do_confirm_delete)."""
    out = context.out
    if not found:
        out.msg(f"No {reason} to cleanup.")
        return False
    out.begin("Calculating size for found files...")
    total = sum(_size(path) for path in found)
    out.raw(" done\n")
    out.msg(f"These {reason} will be deleted:")
    out.raw("".join(os.path.relpath(path, base) + "\n" for path in found))
    out.msg(f"Removing these {len(found)} {reason} will free: {humane(total)}")
    if dry:
        out.msg("Dry run: not cleaning anything.")
        return False
    if not yes and sys.stdin.isatty():
        print("Proceed? [y/N] ", end="", flush=True)
        yes = sys.stdin.readline().strip().lower() in ("y", "yes")
    elif not yes:
        yes = True
    if not yes:
        return False
    out.begin("Removing files...")
    for path in found:
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)
    out.raw(" done\n")
    return True


def logclean(context: Context, arguments: list[str]) -> int:
    """poudriere logclean: remove old build logs."""
    options = Options(arguments, "aB:j:p:nN:vyz:")
    pattern, jail, dry, yes, everything, keep = "*", "", False, False, False, ""
    for letter, value in options:
        pattern = value if letter == "B" else pattern
        jail = value if letter == "j" else jail
        keep = value if letter == "N" else keep
        dry, yes, everything = dry or letter == "n", yes or letter == "y", everything or letter == "a"
        if letter == "?":
            raise Usage
    days = options.rest[0] if options.rest else ""
    if sum((everything, bool(keep), bool(days))) != 1 or len(options.rest) > 1 or not (days or keep or "0").isdigit():
        raise Usage
    top = os.path.join(context.config.data, "logs/bulk")
    out = context.out
    if not os.path.isdir(top):
        out.msg("No logs present")
        return 0
    reason = (f"builds over max of {keep} in {top} (filtered)" if keep else f"all builds in {top} (filtered)"
              if everything or days == "0" else f"builds older than {days} days in {top} (filtered)")
    for text in ("Acquiring logclean lock", f"Looking for {reason}"):
        out.begin(text + "...")
        if text.startswith("Looking"):
            found = _old(context, pattern, jail, int(days or 0), int(keep) if keep else None)
        out.raw(" done\n")
    out.begin("Acquiring latest-per-pkg lock...")
    out.raw(" done\n")
    out.begin("Acquiring build logs lock...")
    masters = sorted({os.path.basename(os.path.dirname(path)) for path in found})
    out.raw("".join(f" {name}" for name in masters) + " done\n")
    gone = _confirm(context, found, top, reason, dry, yes)
    _links(context, top, dry, gone)
    return 0


def _old(context: Context, pattern: str, jail: str, days: int, keep: int | None) -> list[str]:
    found = [path for path in builds(context, pattern)
             if not jail or BuildStatus(path, context.clock).get("jailname") == jail]
    if keep is None:
        return [path for path in found if not days or time.time() - os.stat(path).st_mtime > days * 86400]
    chosen: list[str] = []
    for parent in sorted({os.path.dirname(path) for path in found}):
        mine = [path for path in found if os.path.dirname(path) == parent]
        chosen += mine[: max(0, len(mine) - keep)]
    return chosen


def _links(context: Context, top: str, dry: bool, gone: bool) -> None:
    out = context.out
    detached = f"detached latest-per-pkg logfiles in {top} (no filter)"
    out.begin(f"Looking for {detached}...")
    out.raw(" done\n")
    out.msg(f"No {detached} to cleanup.")
    steps = ("remove broken legacy latest-per-pkg symlinks (no filter)",
             "remove empty latest-per-pkg directories (no filter)", "fix latest symlinks", "fix latest-done symlinks",
             "fix latest-per-pkg links", "remove builds with no logs", "rebuild HTML JSON files")
    for step in steps:
        verb, _space, rest = step.partition(" ")
        if dry:
            out.msg(f"[Dry Run] Would {step}...")
        elif gone or verb == "remove":
            doing = {"remove": "Removing", "fix": "Fixing", "rebuild": "Rebuilding"}[verb]
            out.begin(f"{doing} {rest}...")
            out.raw(" done\n")
    if gone and not dry:
        for master in os.listdir(top):
            parent = os.path.join(top, master)
            if os.path.isdir(parent) and master != "latest-per-pkg":
                _relink(parent)
                _write_index(parent)
        _write_top(top)


def _relink(parent: str) -> None:
    names = sorted(entry.name for entry in os.scandir(parent)
                   if not entry.is_symlink() and os.path.exists(os.path.join(entry.path, ".poudriere.status")))
    for link in ("latest", "latest-done"):
        path = os.path.join(parent, link)
        if os.path.islink(path) and not os.path.exists(path):
            os.unlink(path)
            if names:
                os.symlink(names[-1], path)


def pkgclean(context: Context, arguments: list[str]) -> int:
    """poudriere pkgclean: delete packages that are not listed any more."""
    options = Options(arguments, "AaCf:j:J:nNO:p:rRuvyz:")
    jail, tree, chosen = "", "default", ""
    files: list[str] = []
    dry = remove_all = everything = invert = yes = False
    rebuild = True
    for letter, value in options:
        if letter == "j":
            if not context.jails.exists(value):
                raise Failure(1, f"No such jail: {value}", "93")
            jail = value
        elif letter == "p":
            if not context.trees.exists(value):
                raise Failure(2, f"No such ports tree {value}", "112")
            tree = value
        elif letter == "f":
            files.append(os.path.join(os.getcwd(), value))
        elif letter == "z":
            chosen = value
        elif letter == "?":
            raise Usage
        dry, remove_all, everything = dry or letter == "n", remove_all or letter == "A", everything or letter == "a"
        invert, yes, rebuild = invert or letter == "C", yes or letter == "y", rebuild and letter != "N"
    if not jail:
        raise Failure(1, "Don't know on which jail to run please specify -j", "145")
    out = context.out
    if not remove_all:
        check_lists(files, options.rest, everything)
    if not everything and not remove_all and not invert:
        out.warn("Will delete anything not listed. To delete listed use -C.")
    out.msg("Gathering all expected packages")
    session = Session(context, jail, tree, chosen)
    session.start()
    try:
        repository = Repository(context, session)
        repository.place = os.path.join(repository.root, ".latest")
        session.features()
        out.msg(f"Loading MOVED for {session.reference}/usr/ports")
        values, _text = session.makeconf()
        ports = PortsTree(session.ports_directory, values, session.options_directory())
        out.msg("Gathering ports metadata")
        repository.extract_pkg()
        kept: set[str] = set()
        if not remove_all:
            gathered = Gatherer(context, ports, set(), True).gather(listed(files, options.rest, everything, ports))
            kept = {port.pkgname for port in gathered.ports.values()
                    if not invert or gathered.reasons[port.spec] == "listed"}
        out.msg("Looking for unneeded packages")
        doomed = [os.path.join(repository.all, name) for name in repository.names()
                  if (name.removesuffix(".pkg") in kept) == invert]
        if not doomed:
            out.msg("No stale packages to cleanup.")
        elif _confirm(context, doomed, repository.all, "stale packages", dry, yes) and rebuild:
            repository.pkg_extracted = True
            repository.build(lambda _status: None)
    finally:
        out.msg("Cleaning up")
        session.stop()
    return 0


def repo(context: Context, arguments: list[str]) -> int:
    """poudriere repo: write the catalogue anew."""
    jail, tree, chosen = "", "default", ""
    for letter, value in Options(arguments, "j:No:p:z:"):
        if letter == "j":
            if not context.jails.exists(value):
                raise Failure(1, f"No such jail: {value}", "61")
            jail = value
        elif letter == "p":
            if not context.trees.exists(value):
                raise Failure(2, f"No such ports tree {value}", "71")
            tree = value
        elif letter == "z":
            chosen = value
        elif letter == "?":
            raise Usage
    if not jail:
        raise Failure(1, "Don't know on which jail to run please specify -j", "91")
    session = Session(context, jail, tree, chosen)
    if RunningJails(context.config).exists(session.master):
        raise Failure(1, f"jail already running: {session.master}", "jail_start:171")
    repository = Repository(context, session)
    repository.place = os.path.join(repository.root, ".latest")
    session.start()
    try:
        repository.build(lambda _status: None)
    finally:
        context.out.msg("Cleaning up")
        session.stop()
    return 0


def distclean(context: Context, arguments: list[str]) -> int:
    """poudriere distclean: delete distfiles that no port of the trees needs."""
    options = Options(arguments, "aJ:f:np:vy")
    trees, dry, yes, everything, files = [], False, False, False, []
    for letter, value in options:
        if letter == "p":
            if not context.trees.exists(value):
                raise Failure(2, f"No such ports tree {value}", "88")
            trees.append(value)
        elif letter == "f":
            files.append(os.path.join(os.getcwd(), value))
        elif letter == "?":
            raise Usage
        dry, yes, everything = dry or letter == "n", yes or letter == "y", everything or letter == "a"
    check_lists(files, options.rest, everything)
    out = context.out
    needed: set[str] = set()
    for name in trees or ["default"]:
        session = Session(context, "", name, "")
        directory = session.ports_directory
        tree = PortsTree(directory)
        _complain(context, directory, "", 2)
        session.features()
        out.msg(f"Loading MOVED for {directory}")
        out.msg(f"Gathering all expected distfiles for ports tree '{name}'")
        for origin in listed(files, options.rest, everything, tree):
            if tree.exists(origin):
                values = _values(directory, origin)
                needed |= set(values.get("DISTFILES", "").split())
                if "compiler" in values.get("USES", "").split():
                    _complain(context, directory, origin, 1)
    out.msg("Gathering list of actual distfiles")
    cache = context.config.get("DISTFILES_CACHE")
    doomed = [os.path.join(parent, file) for parent, _dirs, names in os.walk(cache) for file in sorted(names)
              if os.path.relpath(os.path.join(parent, file), cache) not in needed]
    if not doomed:
        out.msg("No stale distfiles to cleanup.")
    else:
        _confirm(context, doomed, cache, "stale distfiles", dry, yes)
    return 0


def _values(directory: str, origin: str) -> dict[str, str]:
    with open(os.path.join(directory, origin, "Makefile"), encoding="utf-8") as stream:
        return makefile.parse(stream.read())


def _complain(context: Context, directory: str, origin: str, count: int) -> None:
    """What make says of a host without a compiler: of the tree as a whole, or of one port that asks for one."""
    if os.path.exists("/usr/bin/cc"):
        return
    uses = f"{directory}/Mk/Uses"
    first = f'"{uses}/compiler.mk" line 80: warning: "cc --version" returned non-zero status'
    out = context.out
    if origin:
        out.warn(f"({origin}): sh: cc: not found")
        out.warn(f"({origin}): make: {first}")
        return
    said = 'warning: "{}" returned non-zero status'
    lines = ("sh: cc: not found", f"bmake: {first}",
             f'bmake: "{uses}/compiler.mk" line 128: ' + said.format("c++ -### /dev/null 2>&1"), "sh: cc: not found",
             f'bmake: "{uses}/objc.mk" line 23: ' + said.format("cc --version"))
    for _time in range(count):
        for line in lines:
            out.raw(line + "\n", error=True)


def options(context: Context, arguments: list[str]) -> int:
    """poudriere options: there is no dialog to ask with."""
    found = Options(arguments, "a:cCf:j:o:p:nrsz:")
    for letter, value in found:
        if letter == "j" and not context.jails.exists(value):
            raise Failure(1, f"No such jail: {value}", "91")
        if letter == "p" and not context.trees.exists(value):
            raise Failure(2, f"No such ports tree {value}", "102")
        if letter == "?":
            raise Usage
    raise Failure(1, "You must have ports-mgmt/dialog4ports or ports-mgmt/portconfig installed on the host to use this "
                     "command.", "170")


def queued(_context: Context, _arguments: list[str]) -> int:
    """poudriere queue: without poudriered there is only its usage."""
    raise Usage


def image(context: Context, arguments: list[str]) -> int:
    """poudriere image is not simulated: it says so."""
    if not arguments:
        raise Usage
    raise Failure(1, "poudriere image is not simulated in this lab", "")


USAGES = {"logclean": usage.LOGCLEAN, "pkgclean": usage.PKGCLEAN, "repo": usage.REPO, "distclean": usage.DISTCLEAN,
          "options": usage.OPTIONS, "queue": usage.QUEUE, "image": usage.IMAGE, "testport": usage.TESTPORT,
          "audit": usage.AUDIT}
