# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""visudo(8) -c: are the rules well formed?"""

from __future__ import annotations

import sys

from ..base import escalation
from ..base.options import Usage, complain, getopt

PATHS = ()


def main(argv: list[str]) -> int:
    try:
        options, _words = getopt(argv, "cf:qs")
    except Usage as error:
        return complain(error, "usage: visudo [-cqs] [-f sudoers]\n", 1)
    path = dict(options).get("f", escalation.SUDOERS[0])
    try:
        escalation.sudo_rules([path])
    except escalation.Malformed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    print(f"{path}: parsed OK")
    return 0
