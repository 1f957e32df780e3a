# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What a build must leave on a builder as it was: memory disks, pools, mounts, jails, processes, temporary files."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import time
from typing import Dict, List, Set

CACHES = ("/boot/zfs/zpool.cache", "/etc/zfs/zpool.cache")
LAB, PROC = "/lab/state/state.json", "/lab/proc"
PLACES = ("/tmp", "/var/tmp", "/var/run", "/mnt")
# Of others: what comes and goes by itself.
_NOT_OURS = re.compile(r"^(ansible|ssh-|\.ICE|\.X|\.font|log$|utx|dhclient|fhfault)|\.pid$")
_LEFT = re.compile(r"\.(part|tmp|new|partial)$|^\.alt-|^\..*\.[a-z0-9_]{8}$")
OWN = {str(os.getpid()), str(os.getppid())}  # the agent and what it needs, which are no leftovers
GRACE = 5.0  # seconds in which what was orphaned may come to its end


def lines(*argv: str) -> List[str]:
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False)
    return sorted(done.stdout.decode("utf-8", "replace").splitlines())


def digest(path: str) -> str:
    try:
        with open(path, "rb") as stream:
            return hashlib.sha256(stream.read()).hexdigest()
    except OSError:
        return "-"


def temporary_files(workspace: str) -> List[str]:
    """What looks unfinished below the workspace; the content of layers, jails and repositories is their own affair."""
    found = []
    for directory, names, files in os.walk(workspace):
        relative = os.path.relpath(directory, workspace)
        if re.match(r"(layers|release|poudriere|jobs/[0-9a-f]{64})/", relative + "/"):
            names[:] = []
            continue
        found += [os.path.join(relative, name) for name in [*names, *files] if _LEFT.search(name)]
    return sorted(found)


def commands() -> Dict[str, str]:
    """Command lines of all processes by pid; from Linux's /proc in a lab, which spares a process for each look."""
    if not os.path.isdir(PROC):
        rows = [row.split(None, 1) for row in lines("ps", "-axww", "-o", "pid=", "-o", "command=")]
        return {row[0]: row[1] for row in rows if len(row) == 2 and "agent.py" not in row[1]}
    found = {}
    for name in os.listdir(PROC):
        if name.isdigit() and name not in OWN:
            try:
                with open(f"{PROC}/{name}/cmdline", "rb") as stream:
                    found[name] = stream.read().replace(b"\0", b" ").decode("utf-8", "replace").strip()
            except OSError:
                continue
    return found


def called(here: str) -> Set[str]:
    """Process ids of the commands of the last call, as their wrappers wrote them down."""
    try:
        with open(os.path.join(here, "run", "pids"), encoding="ascii") as stream:
            return set(stream.read().split())
    except FileNotFoundError:
        return set()


def processes(here: str, workspace: str) -> List[str]:
    """Processes of ours, once what was orphaned has had time to end."""
    deadline = time.monotonic() + GRACE
    while True:
        pids = called(here)
        rows = [row for pid, row in commands().items() if row and (pid in pids or here in row or workspace in row)]
        ours = sorted(row for row in rows if not re.search(r"defunct|^ps |far/full\.py", row))
        if not ours or time.monotonic() > deadline:
            return ours
        time.sleep(0.05)


def storage() -> Dict[str, List[str]]:
    """Memory disks, pools, datasets and mounts. In a lab they are a file, and twenty processes' worth of time."""
    if not os.path.exists(LAB):
        return {
            "memory disks": lines("mdconfig", "-l", "-v"),
            "pools": lines("zpool", "list", "-Hp", "-o", "name,guid,altroot,health"),
            "datasets": lines("zfs", "list", "-H", "-t", "all", "-o", "name,mountpoint,mounted"),
            "mounts": lines("mount", "-p"),
            "jails": lines("jls", "-N", "name"),
        }
    with open(LAB, encoding="utf-8") as stream:
        known = json.load(stream)
    return {
        "memory disks": sorted(f"md{unit} {item.get('file')}" for unit, item in known.get("md", {}).items()),
        "pools": sorted(f"{name} {pool['guid']}" for name, pool in known["pools"].items()),
        "datasets": sorted(
            f"{name}/{dataset} {sorted(data.get('snaps', {}))} {json.dumps(data.get('props', {}), sort_keys=True)}"
            for name, pool in known["pools"].items()
            for dataset, data in pool["datasets"].items()
        ),
        "mounts": sorted(f"{entry['source']} {entry['target']} {entry['type']}" for entry in known["mounts"]),
        "jails": sorted(known.get("jails", {})),
    }


def state(here: str, workspace: str, foreign: List[str]) -> Dict[str, List[str]]:
    """The whole of it, by kind; two of them are compared line by line."""
    leases = os.path.join(workspace, "leases")
    running = processes(here, workspace)
    return {
        "processes": running,
        **storage(),
        "cache of pools": [digest(path) for path in CACHES],
        "leases": sorted(n for n in os.listdir(leases) if n != ".lock") if os.path.isdir(leases) else [],
        "temporary files": temporary_files(workspace),
        "other places": sorted(
            os.path.join(place, name)
            for place in PLACES
            if os.path.isdir(place)
            for name in os.listdir(place)
            if not _NOT_OURS.search(name)
        ),
        "foreign": [f"{path} {digest(path)}" for path in foreign],
    }


State = Dict[str, List[str]]


def differences(now: State, first: State, second: State) -> List[str]:
    """What is not as after two undisturbed runs; either of them will do where they differ."""
    wrong = []
    for kind in first:
        wrong += [f"{kind}: left: {row}" for row in now[kind] if row not in first[kind] and row not in second[kind]]
        wrong += [f"{kind}: gone: {row}" for row in first[kind] if row in second[kind] and row not in now[kind]]
    return wrong
