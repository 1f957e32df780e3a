# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""procstat(1): the process table and command lines; its other views are refused with the usage."""

from __future__ import annotations

import sys

from ..base import names
from ..base.options import Usage, complain, getopt
from ..base.processes import Process, all_processes

PATHS = ("/usr/bin/procstat",)
USAGE = """usage: procstat [--libxo] [-h] [-M core] [-N system] [-w interval] command
                [pid ... | core ...]
       procstat [--libxo] -a [-h] [-M core] [-N system]  [-w interval] command
       procstat [--libxo] [-h] [-M core] [-N system] [-w interval]
                [-S | -b | -c | -e | -f [-C] | -i [-n] | -j [-n] | -k [-k] |
                 -l | -r | -s | -t | -v | -x] [-a | pid ... | core ...]
       procstat [--libxo] -L [-h] [-M core] [-N system] core ...
"""


def main(argv: list[str]) -> int:
    try:
        options, words = getopt(argv, "aCbcefhijkLlM:N:nrSstvw:x")
        letters = {letter for letter, _ in options}
        if not words and "a" not in letters:
            raise Usage
    except Usage as error:
        return complain(error, USAGE, 1)
    chosen = (
        all_processes() if "a" in letters else [process for process in all_processes() if str(process.pid) in words]
    )
    missing = (
        set(words) - {str(process.pid) for process in chosen} - {"basic", "arguments"} if "a" not in letters else set()
    )
    for word in sorted(missing):
        sys.stderr.write(f"procstat: procstat_getprocs(): {word}: No such process\n")
    if "c" in letters:
        if "h" not in letters:
            print(f"{'PID':>5} {'COMM':<19} {'ARGS':<53}")
        for process in chosen:
            print(f"{process.pid:5} {process.name:<19} {process.command}")
    else:
        if "h" not in letters:
            print("  PID  PPID  PGID   SID  TSID THR LOGIN    WCHAN     EMUL          COMM")
        for process in chosen:
            _basic(process)
    return 1 if missing else 0


def _basic(process: Process) -> None:
    ids = f"{process.pid:5} {process.ppid:5} {process.pgid:5} {process.sid:5} {0:5}"
    print(f"{ids} {1:3} {names.user(process.uid):<8} {'select':<9} {'FreeBSD ELF64':<13} {process.name}")
