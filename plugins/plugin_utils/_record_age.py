# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""When this run of Ansible began: it keeps no such variable, but its main process knows."""

from __future__ import annotations

import os
import re
import subprocess

_ELAPSED = re.compile(r"(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+)")


def parse_elapsed(text: str) -> float | None:
    """Seconds of ``[[dd-]hh:]mm:ss``, as ps(1) prints etime (POSIX)."""
    match = _ELAPSED.fullmatch(text.strip())
    if match is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def parse_stat(stat: str, uptime: str, ticks: int) -> float | None:
    """Age by Linux' /proc/<pid>/stat, whose field 22 is the start in ticks after boot, and /proc/uptime (proc(5))."""
    # The second field is the command in parentheses, which may hold blanks and parentheses.
    fields = stat.rpartition(")")[2].split()
    try:
        return max(0.0, float(uptime.split()[0]) - int(fields[19]) / ticks)
    except (IndexError, ValueError):
        return None


def process_age(pid: int) -> float:
    """Seconds since a process began; 0 when the system does not tell."""
    age: float | None = None
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat, open("/proc/uptime") as uptime:
            age = parse_stat(stat.read(), uptime.read(), os.sysconf("SC_CLK_TCK"))
    except OSError:
        argv = ["ps", "-o", "etime=", "-p", str(pid)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
        age = parse_elapsed(done.stdout)
    return age or 0.0


__all__ = ["parse_elapsed", "parse_stat", "process_age"]
