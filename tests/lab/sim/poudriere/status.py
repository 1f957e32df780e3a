# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""poudriere status."""

from __future__ import annotations

import fnmatch
import os
import time
from dataclasses import dataclass

from . import usage
from .clock import duration
from .context import Context
from .getopts import Options
from .output import Usage, table
from .statusfiles import BuildStatus

USAGE = usage.STATUS
FULL = ["SET", "PORTS", "JAIL", "BUILD", "STATUS", "QUEUE", "INSPECT", "IGNORE", "BUILT", "FAIL", "SKIP", "FETCH",
        "REMAIN", "TIME", "LOGS"]
COMPACT = ["SET", "PORTS", "JAIL", "BUILD", "STATUS", "Q", "IN", "IG", "B", "F", "S", "P", "R", "TIME"]
COUNTS = ("inspected", "ignored", "built", "failed", "skipped", "fetched")


@dataclass
class Request:
    """A parsed command line."""

    everything: bool = False
    finished: bool = False
    pattern: str = ""
    jail: str = ""
    tree: str = ""
    chosen: str | None = None
    script: bool = False
    compact: bool = False
    builders: bool = False
    results: bool = False


def main(context: Context, arguments: list[str]) -> int:
    """Run one ``poudriere status`` call."""
    request = _parse(arguments)
    if request.builders and request.results:
        raise Usage
    pattern = request.pattern or ("*" if request.everything else "latest")
    if not request.script and pattern not in ("latest", "latest-done"):
        context.out.warn("Looking up all matching builds. This may take a while.")
    found = [directory for directory in builds(context, pattern) if _chosen(context, directory, request)]
    if request.results:
        for directory in found:
            _print_results(context, directory)
    elif request.builders:
        for directory in found:
            _print_builders(context, directory)
    else:
        _print_summary(context, request, found)
    return 0


def _parse(arguments: list[str]) -> Request:
    request = Request()
    options = Options(arguments, "abB:cfHj:lp:rz:")
    for letter, value in options:
        if letter == "a":
            request.everything = request.finished = True
        elif letter == "B":
            request.pattern, request.finished = value, True
        elif letter == "r":
            request.results = request.finished = True
        elif letter in "jpz":
            setattr(request, {"j": "jail", "p": "tree", "z": "chosen"}[letter], value)
        elif letter in "bcfH":
            setattr(request, {"b": "builders", "c": "compact", "f": "finished", "H": "script"}[letter], True)
        elif letter == "?":
            raise Usage
    return request


def builds(context: Context, pattern: str) -> list[str]:
    """Return the log directories of the builds whose name fits, by master name and build."""
    top = os.path.join(context.config.data, "logs/bulk")
    found = []
    for master in sorted(os.listdir(top)) if os.path.isdir(top) else []:
        parent = os.path.join(top, master)
        if master.startswith(".") or master == "latest-per-pkg" or not os.path.isdir(parent):
            continue
        if pattern in ("latest", "latest-done"):
            link = os.path.join(parent, pattern)
            found += [os.path.realpath(link)] if os.path.isdir(link) else []
            continue
        found += [os.path.join(parent, name) for name in sorted(os.listdir(parent))
                  if fnmatch.fnmatchcase(name, pattern) and not os.path.islink(os.path.join(parent, name))
                  and os.path.exists(os.path.join(parent, name, ".poudriere.status"))]
    return found


def _chosen(context: Context, directory: str, request: Request) -> bool:
    build = BuildStatus(directory, context.clock)
    if request.jail not in ("", build.get("jailname")) or request.tree not in ("", build.get("ptname")):
        return False
    if request.chosen is not None and build.get("setname") != ("" if request.chosen == "0" else request.chosen):
        return False
    return request.finished or not build.get("status").startswith("stopped:")


def elapsed(build: BuildStatus) -> int:
    """Return the seconds between the first status and the last one, or now while the build runs."""
    try:
        with open(build.path(".poudriere.status.journal%"), encoding="utf-8") as stream:
            lines = stream.read().splitlines()
        first, last = int(lines[0].partition(":")[0]), int(lines[-1].partition(":")[0])
    except (OSError, ValueError, IndexError):
        return 0
    return (last if build.get("status").startswith("stopped:") else build.clock.epoch()) - first


def _words(build: BuildStatus) -> str:
    """Return a status as the table shows it: its first two fields."""
    first, _colon, rest = build.get("status").removeprefix("stopped:").partition(":")
    return f"{first}:{rest.partition(':')[0]}".removesuffix(":") or "?"


def _row(context: Context, directory: str, compact: bool) -> list[str]:
    build = BuildStatus(directory, context.clock)
    counts = [build.number(name) for name in COUNTS]
    queued = build.number("queued")
    row = [build.get("setname") or "-", build.get("ptname"), build.get("jailname"), build.get("buildname"),
           _words(build), str(queued), *(str(number) for number in counts), str(queued - sum(counts)),
           duration(elapsed(build))]
    return row if compact else [*row, directory]


def _print_summary(context: Context, request: Request, found: list[str]) -> None:
    rows = [_row(context, directory, request.compact) for directory in found]
    rows.sort(key=lambda row: row[:4])
    if request.script:
        for row in rows:
            print("\t".join(row))
        return
    if not rows:
        context.out.msg("No matching builds found." if request.finished else
                        "No running builds. Use -a or -f to show finished builds.")
        return
    header = COMPACT if request.compact else FULL
    print(table(header, rows, right=range(5, 13), last_padded=request.compact), end="")


def _print_results(context: Context, directory: str) -> None:
    build = BuildStatus(directory, context.clock)
    for title, name in (("Built", "built"), ("Failed", "failed"), ("Skipped", "skipped"), ("Ignored", "ignored"),
                        ("Inspected", "inspected"), ("Fetched", "fetched")):
        rows = [row.split(" ") for row in build.rows(name)]
        if rows:
            words = [f"{row[0]}:{row[2]}" if name == "failed" else row[0] for row in rows]
            context.out.msg(f"{title} ports: {' '.join(sorted(set(words)) if name == 'skipped' else words)}")
    line = (f"[{build.get('mastername')}] [{build.get('buildname')}] [{build.get('status').partition(':')[0]}] "
            f"Time: {duration(elapsed(build))}")
    counts = {key: build.number(key) for key in COUNTS}
    numbers = " ".join(f"{key.capitalize()}: {number}" for key, number in counts.items())
    queued = build.number("queued")
    context.out.msg(line)
    context.out.raw(f"    Queued: {queued} {numbers} Remaining: {queued - sum(counts.values())}\n")
    context.out.msg(f"Logs: {directory}")


def _print_builders(context: Context, directory: str) -> None:
    build = BuildStatus(directory, context.clock)
    rows = []
    for identity in build.get("builders").split():
        parts = build.get("status", identity).split(":")
        if len(parts) > 4:
            now = context.clock.monotonic()
            rows.append([identity, duration(now - int(parts[3])), parts[1], parts[2], parts[0],
                         duration(now - int(parts[4]))])
        else:
            rows.append([identity, "", "", "", parts[0], ""])
    print(table(["ID", "TOTAL", "ORIGIN", "PKGNAME", "PHASE", "PHASE_TIME"], rows), end="")


def print_latest(context: Context, master: str) -> None:
    """Print what ``jail -i -p`` adds about the latest build."""
    build = BuildStatus(os.path.join(context.config.data, "logs/bulk", master, "latest"), context.clock)
    print(f"{'Status:':<19}{build.get('status')}")
    if not build.get("status"):
        return
    started = build.get("started")
    counts = {name: build.number(name) for name in ("built", "failed", "ignored", "skipped")}
    total = build.number("queued")
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(int(started))) if started.isdigit() else ""
    print(f"{'Building started:':<19}{when}\n{'Elapsed time:':<19}{duration(elapsed(build))}")
    for name, number in counts.items():
        print(f"{'Packages ' + name + ':':<19}{number}")
    print(f"{'Packages total:':<19}{total}\n{'Packages left:':<19}{total - sum(counts.values())}")
