# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The kind of a failure, told from the log as poudriere's DETERMINE_BUILD_FAILURE_REASON does."""

from __future__ import annotations

import re

#: Kind and what gives it away, in order; without any the last phase is the kind.
SIGNS = (
    ("checksum", r"Checksum mismatch"),
    ("fetch", r"fetch:.*No address record|hostname nor servname provided"),
    ("distinfo_update", r"No checksum recorded for"),
    ("patch", r"out of .* hunks .*--saving rejects to"),
    ("linker_error", r"undefined reference to|error: linker command failed|ld: error:"),
    ("runaway_process", r"Killing runaway|Killing timed out build"),
    ("process_failed", r"Killed: 9|Abort trap|Bus error"),
    ("clang_werror", r"\.(c|cc|cxx|cpp|h|y)[0-9:]+ error: .*-Werror"),
    ("segfault", r"Segmentation fault|SIGSEGV"),
    ("compiler_error", r"\.(c|cc|cxx|cpp|h)(:\d+)+: (fatal )?error:"),
    ("coredump", r"core dumped"),
    ("ninja", r"ninja: build stopped: subcommand failed"),
)
PHASE = re.compile(r"^=======================<phase: (\S+)", re.MULTILINE)


def kind(log: str) -> str:
    """Return the kind of failure that a log shows."""
    for name, sign in SIGNS:
        if re.search(sign, log):
            return name
    phases = PHASE.findall(log)
    return phases[-1] if phases else "???"
