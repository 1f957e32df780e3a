# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""gpart(8)."""

from __future__ import annotations

import sys

from .. import state
from ..storage import gpart
from ..storage.errors import Fail, guarded
from ..storage.options import OptionError, getopt

PATHS = ("/sbin/gpart",)
READING = ("show", "list", "status", "backup", "help")


def body(argv: list[str]) -> int:
    verb = argv[1] if len(argv) > 1 else ""
    if verb in READING:
        with state.read() as s:
            return gpart.run(s, argv)
    if verb == "restore":
        try:
            options, operands = getopt(argv[2:], "lFf:")
        except OptionError as error:
            raise Fail(f"gpart: illegal option -- {error.letter}") from None
        lines = sys.stdin.read().splitlines()
        with state.edit() as s:
            return gpart.restore_from(s, dict(options), operands, lines)
    with state.edit() as s:
        return gpart.run(s, argv)


def main(argv: list[str]) -> int:
    return guarded(body, argv)
