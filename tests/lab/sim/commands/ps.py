# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""ps(1): the keywords that scripts ask for."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from ..base import names
from ..base.options import Usage, complain, getopt
from ..base.processes import Process, all_processes

PATHS = ("/bin/ps",)
USAGE = """usage: ps [--libxo] [-aCcdefHhjlmrSTuvwXxZ] [-O fmt | -o fmt]
          [-G gid[,gid...]] [-J jid[,jid...]] [-M core] [-N system]
          [-p pid[,pid...]] [-t tty[,tty...]] [-U user[,user...]]
       ps [--libxo] -L
"""


def _elapsed(process: Process) -> str:
    seconds = max(0, int(time.time()) - process.started)
    days, rest = divmod(seconds, 86400)
    text = f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"
    return f"{days}-{text}" if days else text if rest >= 3600 else text[3:]


def _cpu(process: Process) -> str:
    return f"{int(process.seconds) // 60}:{process.seconds % 60:05.2f}"


# keyword: (header, left-justified, value)
COLUMNS: dict[str, tuple[str, bool, Callable[[Process], str]]] = {
    "pid": ("PID", False, lambda p: str(p.pid)),
    "ppid": ("PPID", False, lambda p: str(p.ppid)),
    "pgid": ("PGID", False, lambda p: str(p.pgid)),
    "sid": ("SID", False, lambda p: str(p.sid)),
    "uid": ("UID", False, lambda p: str(p.uid)),
    "user": ("USER", True, lambda p: names.user(p.uid)),
    "jid": ("JID", False, lambda p: "0"),
    "tt": ("TT", True, lambda p: "- "),
    "tty": ("TTY", True, lambda p: "- "),
    "stat": ("STAT", True, lambda p: p.state + ("s" if p.pid == p.sid else "")),
    "state": ("STAT", True, lambda p: p.state + ("s" if p.pid == p.sid else "")),
    "time": ("TIME", False, _cpu),
    "etime": ("ELAPSED", False, _elapsed),
    "etimes": ("ELAPSED", False, lambda p: str(max(0, int(time.time()) - p.started))),
    "lstart": ("STARTED", True, lambda p: time.strftime("%a %b %e %H:%M:%S %Y", time.localtime(p.started))),
    "start": ("STARTED", True, lambda p: time.strftime("%H:%M", time.localtime(p.started))),
    "vsz": ("VSZ", False, lambda p: str(p.memory)),
    "rss": ("RSS", False, lambda p: str(p.resident)),
    "%cpu": ("%CPU", False, lambda p: "0.0"),
    "%mem": ("%MEM", False, lambda p: "0.1"),
    "nice": ("NI", False, lambda p: str(p.nice)),
    "pri": ("PRI", False, lambda p: "20"),
    "flags": ("F", False, lambda p: "0"),
    "cpu": ("CPU", False, lambda p: "0"),
    "mwchan": ("MWCHAN", True, lambda p: "-"),
    "command": ("COMMAND", True, lambda p: p.command),
    "args": ("COMMAND", True, lambda p: p.command),
    "comm": ("COMMAND", True, lambda p: p.name),
    "ucomm": ("COMMAND", True, lambda p: p.name),
}
_ALIASES = {"pcpu": "%cpu", "pmem": "%mem", "vsize": "vsz", "ni": "nice", "tname": "tty", "wchan": "mwchan"}
DEFAULT = ["pid", "tt", "stat", "time", "command"]
USER = ["user", "pid", "%cpu", "%mem", "vsz", "rss", "tt", "stat", "start", "time", "command"]
JOBS = ["user", "pid", "ppid", "pgid", "sid", "stat", "tt", "time", "command"]
LONG = ["uid", "pid", "ppid", "cpu", "pri", "nice", "vsz", "rss", "mwchan", "stat", "tt", "time", "command"]


def main(argv: list[str]) -> int:
    words = list(argv)
    if len(words) > 1 and words[1] and words[1][0] != "-" and not words[1][0].isdigit():
        words[1] = "-" + words[1]
    try:
        options, rest = getopt(words, "AaCcdefG:gHhJ:jLlM:mN:O:o:p:rSTt:U:uvwXxZ")
    except Usage as error:
        return complain(error, USAGE, 1)
    letters = {letter for letter, _ in options}
    if "L" in letters:
        print(" ".join(sorted(COLUMNS)))
        return 0
    columns, code = _columns(options, letters)
    if not columns:
        return code
    chosen = _choose(options, letters, rest)
    _print(columns, chosen)
    return 0 if chosen else 1


def _columns(options: list[tuple[str, str]], letters: set[str]) -> tuple[list[tuple[str, str]], int]:
    """[(keyword, header)] of -o, or a named format."""
    found: list[tuple[str, str]] = []
    bad = 0
    for letter, value in options:
        if letter not in "oO":
            continue
        words = [value] if "=" in value else value.replace(",", " ").split()
        if "=" in value:
            before, _, header = value.partition("=")
            words = before.replace(",", " ").split()
            words[-1] += "=" + header
        for word in words:
            keyword, assigned, header = word.partition("=")
            keyword = _ALIASES.get(keyword, keyword)
            if keyword not in COLUMNS:
                sys.stderr.write(f"ps: {keyword}: keyword not found\n")
                bad = 1
                continue
            found.append((keyword, header if assigned else COLUMNS[keyword][0]))
    if bad and not found:
        sys.stderr.write("ps: no valid keywords; valid keywords:\n" + " ".join(sorted(COLUMNS)) + "\n")
    if found or bad:
        return found, bad
    named = USER if letters & {"u"} else JOBS if "j" in letters else LONG if "l" in letters else DEFAULT
    return [(keyword, COLUMNS[keyword][0]) for keyword in named], 0


def _choose(options: list[tuple[str, str]], letters: set[str], rest: list[str]) -> list[Process]:
    pids = {
        int(word)
        for letter, value in options
        if letter == "p"
        for word in value.replace(",", " ").split()
        if word.isdigit()
    }
    pids |= {int(word) for word in rest if word.isdigit()}
    users = {word for letter, value in options if letter == "U" for word in value.replace(",", " ").split()}
    found = all_processes()
    if pids:
        return [process for process in found if process.pid in pids]
    if users:
        return [process for process in found if names.user(process.uid) in users or str(process.uid) in users]
    if letters & {"a", "A", "x", "X", "e", "d"}:
        return found
    mine = os.getsid(0)
    return [process for process in found if process.sid == mine]


def _print(columns: list[tuple[str, str]], processes: list[Process]) -> None:
    rows = [[COLUMNS[keyword][2](process) for keyword, _ in columns] for process in processes]
    headers = [header for _, header in columns]
    shown = [headers, *rows] if any(headers) else rows
    wide = [max([len(headers[at]), *(len(row[at]) for row in rows)]) for at in range(len(columns))]
    for row in shown:
        cells = []
        for at, text in enumerate(row):
            left = COLUMNS[columns[at][0]][1]
            last = at == len(row) - 1
            cells.append((text if last else text.ljust(wide[at])) if left else text.rjust(wide[at]))
        print(" ".join(cells))
