# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The command line of poudriere(8)."""

from __future__ import annotations

import os
import sys
from typing import Callable

from . import usage
from .clock import DEFAULT_SCALE, Clock
from .config import DEFAULT_ETC, Config, names_in
from .context import Context
from .filesystems import prepare_data
from .getopts import Options
from .output import EX_USAGE, Failure, Output, Usage

VERSION = "poudriere-git-3.4.99"
COMMANDS = ("api", "audit", "bulk", "daemon", "distclean", "foreachport", "image", "jail", "jails", "logclean",
            "options", "pkgclean", "ports", "queue", "repo", "status", "testport")
Command = Callable[[Context, list[str]], int]


def main(argv: list[str]) -> int:
    """Run one call; returns its exit status."""
    given: dict[str, str] = {}
    etc, verbose = DEFAULT_ETC, 0
    options = Options(argv[1:], "Ade:ENs:vxX")
    for letter, value in options:
        if letter == "e":
            if not os.path.isdir(value):
                print(f"Error: argument '{value}' not a directory")
                return 1
            etc = value
        elif letter == "s":
            name, equals, text = value.partition("=")
            given[name] = text if equals else os.environ.get(name, "")
        elif letter == "v":
            verbose += 1
        elif letter == "?":
            return _top_usage()
    if not options.rest:
        return _top_usage()
    command, arguments = options.rest[0], options.rest[1:]
    if command == "version":
        print(VERSION)
        return 0
    if command not in COMMANDS:
        if command != "help":
            print(f"Unknown command '{command}'")
        return _top_usage()
    return _run("jail" if command == "jails" else command, arguments, etc, given, verbose)


def _top_usage() -> int:
    sys.stdout.write(usage.TOP)
    return 1


def _find(command: str) -> tuple[Command, str] | None:
    """Return a command and its usage; imported late, so that a call pays only for what it uses."""
    if command == "jail":
        from . import jail

        return jail.main, jail.USAGE
    if command == "ports":
        from . import ports

        return ports.main, ports.USAGE
    if command == "bulk":
        from . import bulk

        return bulk.main, bulk.USAGE
    if command == "status":
        from . import status

        return status.main, status.USAGE
    from . import upkeep

    found: dict[str, Command] = {"logclean": upkeep.logclean, "pkgclean": upkeep.pkgclean, "repo": upkeep.repo,
                                 "distclean": upkeep.distclean, "options": upkeep.options, "queue": upkeep.queued,
                                 "image": upkeep.image}
    return (found[command], upkeep.USAGES[command]) if command in found else None


def _run(command: str, arguments: list[str], etc: str, given: dict[str, str], verbose: int) -> int:
    out = Output(f"{command}.sh", Clock(), elapsed=command != "status")
    out.verbose = verbose
    found = _find(command)
    if found is None:
        out.error(f"{command}: not simulated in this lab")
        return 1
    handler, text = found
    try:
        config = Config(etc, given, names_in(arguments))
        clock = Clock(DEFAULT_SCALE if config.scale is None else config.scale)
        out.clock = clock
        context = Context(config, out, clock)
        prepare_data(context)
        return handler(context, arguments)
    except Usage as wrong:
        if wrong.note:
            print(wrong.note)
        if wrong.missing:
            print(f"Missing: {wrong.missing}", file=sys.stderr, flush=True)
        sys.stdout.write(text)
        return EX_USAGE
    except Failure as failure:
        out.failure(failure)
        return failure.status
