# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""sshd(8) -t and -T: the host's real sshd says whether a configuration is good. The daemon is the lab's own affair."""

from __future__ import annotations

import os
import sys

PATHS = ("/usr/sbin/sshd",)


def main(argv: list[str]) -> int:
    if {"-t", "-T"} & set(argv):
        real = os.path.realpath("/lab/sshd")
        words = argv[1:] if "-f" in argv else ["-f", "/etc/ssh/sshd_config", *argv[1:]]
        os.execv(real, [real, "-h", "/lab/ssh/host_key", *words])
    sys.stderr.write("sshd: the lab's own sshd is started with the lab\n")
    return 255
