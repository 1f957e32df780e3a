# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""pgrep(1) and pkill(1)."""

from __future__ import annotations

import os
import re
import signal
import sys

from ..base import names
from ..base.options import Usage, complain, getopt
from ..base.processes import Process, all_processes

PATHS = ("/bin/pgrep", "/bin/pkill")


def main(argv: list[str]) -> int:
    kill = argv[0] == "pkill"
    words, number = list(argv), signal.SIGTERM
    if kill and len(words) > 1 and re.match(r"-(?:SIG)?([A-Z0-9]+)\Z", words[1]):
        number = _signal(words.pop(1)[1:])
    try:
        options, patterns = getopt(words, "F:G:IJ:LM:N:P:Sc:d:afg:ij:lnoqs:t:u:U:vx")
        letters = dict(options)
        if not patterns and not letters.keys() & {"F", "P", "u", "U", "g", "s", "j"}:
            raise Usage
    except Usage as error:
        return complain(
            error, f"usage: {argv[0]} [-LSfilnoqvx] [-d delim] [-F pidfile] [-P ppid] [-U uid] pattern ...\n", 2
        )
    found = [
        process for process in all_processes() if process.pid != os.getpid() and _matches(process, letters, patterns)
    ]
    if "n" in letters or "o" in letters:
        found = found[-1:] if "n" in letters else found[:1]
    for process in found:
        if kill:
            os.kill(process.pid, number)
        elif "q" not in letters:
            shown = (
                f"{process.pid} {process.command if 'f' in letters else process.name}"
                if "l" in letters
                else str(process.pid)
            )
            sys.stdout.write(shown + letters.get("d", "\n"))
    return 0 if found else 1


def _signal(text: str) -> signal.Signals:
    return signal.Signals(int(text)) if text.isdigit() else signal.Signals["SIG" + text.removeprefix("SIG")]


def _matches(process: Process, letters: dict[str, str], patterns: list[str]) -> bool:
    if "F" in letters:
        try:
            with open(letters["F"], encoding="ascii") as file:
                if process.pid != int(file.read().strip() or "0"):
                    return False
        except (OSError, ValueError):
            return False
    if "P" in letters and str(process.ppid) not in letters["P"].split(","):
        return False
    wanted = letters.get("U", letters.get("u"))
    if wanted and not {str(process.uid), names.user(process.uid)} & set(wanted.split(",")):
        return False
    if not patterns:
        return True
    text = process.command if "f" in letters else process.name
    flags = re.IGNORECASE if "i" in letters else 0
    test = re.fullmatch if "x" in letters else re.search
    hit = any(test(pattern, text, flags) for pattern in patterns)
    return hit != ("v" in letters)
