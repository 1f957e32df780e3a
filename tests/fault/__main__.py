# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""``python -m tests.fault``: all positions, or with --call, --at and --kind just one."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from .suite import Choice, Suite, run


def choice_of(options: argparse.Namespace) -> Choice:
    one = bool(options.call or options.at or options.kind)
    return Choice(
        frozenset(options.call),
        options.at,
        options.kind,
        changes=options.changes or bool(re.fullmatch(r"p\d+", options.at)),
        record=options.record,
        cuts=not one or options.only_cuts,
    )


def report(suite: Suite) -> bool:
    """Print what was tried and what held; whether all did."""
    tally, cuts = suite.tally, suite.cuts
    for line in [*tally.lines, *cuts.wrong]:
        print(line)
    if tally.tried:
        print(
            f"positions: {tally.positions}, cases: {tally.tried} tried, {tally.held} held; "
            f"run again after {tally.reruns} different states"
        )
    if cuts.executions:
        print(f"connection: {cuts.executions} executions, {cuts.cut} cuts, {len(cuts.wrong)} things wrong")
    print(f"{suite.seconds:.0f} s")
    return not tally.lines and not cuts.wrong and tally.tried + cuts.executions > 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fault", description="Break a build at every position.")
    parser.add_argument("--call", type=int, action="append", default=[], help="number of a module call")
    parser.add_argument("--at", default="", help="a command in it as cases tell it, ps.-o.1, or a change: p7")
    parser.add_argument("--kind", default="", help="fail hang before after during full short")
    parser.add_argument("--changes", action="store_true", help="break what Python itself writes, too")
    parser.add_argument("--only-cuts", action="store_true", help="only cut the connection")
    parser.add_argument("--lanes", type=int, default=2, help="labs side by side (%(default)s)")
    parser.add_argument("--record", type=Path, help="file of a recorded build, made when it is not there yet")
    options = parser.parse_args()
    number = 0 if options.only_cuts else 1 if options.at else options.lanes
    return 0 if report(run(choice_of(options), number, say=lambda text: print(text, flush=True))) else 1


if __name__ == "__main__":
    sys.exit(main())
