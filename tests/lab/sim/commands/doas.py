# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""doas(1) of the package of that name: rules of one user, one target and one command, without passwords."""

from __future__ import annotations

import sys

from ..base import escalation
from ..base.options import Usage, complain, getopt

PATHS = ()
CONF = "/usr/local/etc/doas.conf"
_USAGE = "usage: doas [-nSs] [-a style] [-C config] [-u user] command [args]\n"


def main(argv: list[str]) -> int:
    try:
        options, words = getopt(argv, "a:C:nsSu:")
    except Usage as error:
        return complain(error, _USAGE, 1)
    letters = dict(options)
    if "C" in letters:
        try:
            escalation.doas_rules(letters["C"])
        except escalation.Malformed as error:
            sys.stderr.write(f"doas: {error}\n")
            return 1
        return 0
    if not words:
        return complain(Usage(), _USAGE, 1)
    return escalation.become("doas", letters.get("u", "root"), words)
