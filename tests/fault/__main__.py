# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""``python -m tests.fault``: all positions, or with --call, --at and --kind just one."""

from __future__ import annotations

import argparse
import sys

from .suite import Choice, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fault", description="Break a build at every position.")
    parser.add_argument("--call", type=int, action="append", default=[], help="number of a module call")
    parser.add_argument("--at", default="", help="number of a command in it, or of a change: p7")
    parser.add_argument("--kind", default="", help="fail hang before after during full short")
    parser.add_argument("--changes", action="store_true", help="break what Python itself writes, too")
    parser.add_argument("--lanes", type=int, default=2, help="labs side by side (%(default)s)")
    options = parser.parse_args()
    one = bool(options.at)
    choice = Choice(frozenset(options.call), options.at, options.kind, options.changes)
    suite = run(choice, 1 if one else options.lanes, say=lambda text: print(text, flush=True))
    tally = suite.tally
    print(
        f"{tally.tried} tried, {tally.held} held, {tally.missed} not reached, "
        f"{tally.reruns} different states run again, {suite.seconds:.0f} s"
    )
    for line in tally.lines:
        print(line)
    return 1 if tally.lines or not tally.tried else 0


if __name__ == "__main__":
    sys.exit(main())
