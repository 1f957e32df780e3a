# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""sudo(8) of the package of that name: rules of one user and one command, without passwords."""

from __future__ import annotations

from ..base import escalation
from ..base.options import Usage, complain, getopt

PATHS = ()
_USAGE = "usage: sudo [-HnS] [-p prompt] [-u user] [command [arg ...]]\n"


def main(argv: list[str]) -> int:
    try:
        options, words = getopt(argv, "HnSp:u:")
    except Usage as error:
        return complain(error, _USAGE, 1)
    if not words:
        return complain(Usage(), _USAGE, 1)
    return escalation.become("sudo", dict(options).get("u", "root"), words)
