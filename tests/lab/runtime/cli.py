# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The command line of tests/lab/lab."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence

from .errors import LabError
from .lab import Lab


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab", description="A simulated FreeBSD builder for machines without one.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("start", "start it, making it first if need be"),
        ("stop", "stop it, keeping its state"),
        ("status", "say whether it runs and how to reach it"),
        ("exec", "run a command inside as root"),
        ("crash", "end it as a power loss would, keeping its state"),
        ("destroy", "stop it and remove its state"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument(
            "--name", default=os.environ.get("FREEHYVE_LAB") or "default", help="which lab (%(default)s)"
        )
        if name == "start":
            command.add_argument("--fresh", action="store_true", help="a new one is what the installer leaves, no more")
        if name == "status":
            command.add_argument("--json", action="store_true", help="machine readable")
        if name == "exec":
            command.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- command", help="what to run")
    return parser


def _run(options: argparse.Namespace) -> int:
    lab = Lab(options.name)
    if options.command == "start":
        began = time.monotonic()
        started = lab.start(fresh=options.fresh)
        took = f"started in {time.monotonic() - began:.1f} s" if started else "runs already"
        print(f"lab '{lab.name}': {took}")
        return 0
    if options.command == "status":
        return _status(lab, options.json)
    if options.command == "exec":
        argv = options.argv[1:] if options.argv[:1] == ["--"] else options.argv
        command = lab.enter_argv(argv)
        os.execv(command[0], command)
    done = {"stop": lab.stop, "crash": lab.crash, "destroy": lab.destroy}[options.command]()
    words = {
        "stop": ("stopped", "does not run"),
        "crash": ("crashed", "does not run"),
        "destroy": ("destroyed", "does not exist"),
    }
    print(f"lab '{lab.name}': {words[options.command][0 if done else 1]}")
    return 0


def _status(lab: Lab, as_json: bool) -> int:
    running = lab.pid() is not None
    connection = (
        json.loads(lab.paths.connection_file.read_text()) if running and lab.paths.connection_file.exists() else {}
    )
    if as_json:
        known = {
            "name": lab.name,
            "running": running,
            "dir": str(lab.paths.dir),
            "fresh": lab.paths.fresh_mark.exists(),
        }
        print(json.dumps({**known, **connection}))
    else:
        where = f"ssh port {connection['port']} on {connection['host']}" if connection else "no connection"
        print(f"lab '{lab.name}': {'runs, ' + where if running else 'does not run'}")
    return 0 if running else 3


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; a LabError becomes its one line on stderr."""
    try:
        return _run(build_parser().parse_args(argv))
    except LabError as error:
        print(error, file=sys.stderr)
        return 1


__all__ = ["main"]
