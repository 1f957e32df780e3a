# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""poudriere bulk: the command line."""

from __future__ import annotations

import os

from . import usage
from .bulk_run import BulkRun, Plan
from .context import Context
from .gather import check_lists
from .getopts import Options
from .output import Failure, Usage

USAGE = usage.BULK
LETTERS = "ab:B:CcFf:HiIj:J:knNO:p:RrSTtvwz:"
BRANCHES = ("latest", "quarterly")


def main(context: Context, arguments: list[str]) -> int:
    """Run one ``poudriere bulk`` call; its status is the number of failed and skipped ports."""
    if not arguments:
        raise Usage
    plan = parse(context, arguments)
    if not plan.jail:
        raise Failure(1, "Don't know on which jail to run please specify -j", "233")
    context.need_root()
    check_lists(plan.files, plan.operands, plan.everything)
    return BulkRun(context, plan).run()


def parse(context: Context, arguments: list[str]) -> Plan:
    """Parse the options, checking names on the way as poudriere does; raises Usage or Failure."""
    plan = Plan()
    options = Options(arguments, LETTERS)
    flags = {"a": "everything", "c": "clean", "C": "clean_listed", "t": "testing", "S": "skip_recursive"}
    for letter, value in options:
        if letter in flags:
            setattr(plan, flags[letter], True)
        elif letter == "B":
            plan.buildname = value
        elif letter == "b":
            if value not in BRANCHES and not value.startswith("release") and ":" not in value:
                raise Failure(64, f"Invalid branch name for package fetching: {value}", "validate_package_branch:6")
            plan.branch = value
        elif letter == "f":
            plan.files.append(os.path.join(os.getcwd(), value))
        elif letter == "j":
            if not context.jails.exists(value):
                raise Failure(1, f"No such jail: {value}", "149")
            plan.jail = value
        elif letter == "J":
            plan.parallel = int(value.partition(":")[0]) if value.partition(":")[0].isdigit() else 0
        elif letter == "N":
            plan.no_repository += 1
        elif letter == "n":
            if not context.config.yes("ATOMIC_PACKAGE_REPOSITORY"):
                raise Failure(1, "ATOMIC_PACKAGE_REPOSITORY required for dry-run support", "167")
            plan.dry = True
        elif letter == "O" and not context.trees.exists(value):
            raise Failure(2, f"No such overlay {value}", "173")
        elif letter == "p":
            if not context.trees.exists(value):
                raise Failure(2, f"No such ports tree {value}", "178")
            plan.tree = value
        elif letter == "T":
            plan.try_broken = True
        elif letter == "v":
            context.out.verbose += 1
        elif letter == "z":
            if not value:
                raise Failure(1, "Empty set name", "206")
            plan.chosen = value
        elif letter == "?":
            raise Usage
    if plan.everything and plan.clean_listed:
        plan.clean, plan.clean_listed = True, False
    plan.operands = options.rest
    return plan
