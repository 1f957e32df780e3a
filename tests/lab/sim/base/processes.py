# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Processes of the lab, read from its own /proc, with the command lines that FreeBSD would show."""

from __future__ import annotations

import os
from dataclasses import dataclass

from . import host

PROC = "/lab/proc"


@dataclass(frozen=True)
class Process:
    pid: int
    ppid: int
    pgid: int
    sid: int
    uid: int
    state: str
    started: int
    seconds: float
    memory: int
    resident: int
    argv: tuple[str, ...]
    nice: int

    @property
    def name(self) -> str:
        return os.path.basename(self.argv[0].split(" ")[0]) if self.argv else ""

    @property
    def command(self) -> str:
        return " ".join(self.argv)


def all_processes() -> list[Process]:
    found = [one(int(name)) for name in os.listdir(PROC) if name.isdigit()]
    return sorted((process for process in found if process), key=lambda process: process.pid)


def one(pid: int) -> Process | None:
    try:
        with open(f"{PROC}/{pid}/stat", encoding="utf-8", errors="replace") as file:
            text = file.read()
        with open(f"{PROC}/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
            argv = [part for part in file.read().split("\0") if part]
        uid = os.stat(f"{PROC}/{pid}").st_uid
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    name = text.partition("(")[2].rpartition(")")[0]
    tick = os.sysconf("SC_CLK_TCK")
    return Process(
        pid=pid,
        ppid=int(fields[1]),
        pgid=int(fields[2]),
        sid=int(fields[3]),
        uid=uid,
        state={"S": "I", "R": "R", "D": "D", "Z": "Z", "T": "T"}.get(fields[0], "S"),
        started=int(_boot() + int(fields[19]) / tick),
        seconds=(int(fields[11]) + int(fields[12])) / tick,
        memory=int(fields[20]) // 1024,
        resident=int(fields[21]) * 4,
        argv=_shown(pid, argv, name),
        nice=int(fields[16]),
    )


def _boot() -> float:
    """Linux counts start times from its own boot."""
    with open(f"{PROC}/stat", encoding="ascii") as file:
        return next((float(line.split()[1]) for line in file if line.startswith("btime")), float(host.boot_time()))


def _shown(pid: int, argv: list[str], name: str) -> tuple[str, ...]:
    if pid == 1:
        return ("/sbin/init",)
    if not argv:
        return (f"<{name}>",)
    if argv[0] == "/lab/python" and len(argv) > 2:
        # A shim: the simulated command is what FreeBSD's ps would list.
        return (argv[2].rpartition("/")[2], *argv[3:])
    if argv[0].startswith("/.host/"):
        return (argv[0].removeprefix("/.host"), *argv[1:])
    return tuple(argv)


__all__ = ["Process", "all_processes", "one"]
