# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Become root's session inside the lab and run a command: the end of ``lab exec``."""

from __future__ import annotations

import os
import sys

ENVIRONMENT = {
    "PATH": "/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin",
    "HOME": "/root",
    "USER": "root",
    "LOGNAME": "root",
    "SHELL": "/bin/csh",
    "LC_ALL": "C",
    "TERM": "dumb",
}


def main() -> None:
    # root's groups on FreeBSD: wheel and operator.
    os.setgroups([0, 5])
    os.setgid(0)
    os.setuid(0)
    os.chdir("/root")
    os.umask(0o022)
    argv = sys.argv[1:] or ["/bin/csh"]
    try:
        os.execvpe(argv[0], argv, ENVIRONMENT)
    except OSError as error:
        sys.stderr.write(f"lab: {argv[0]}: {os.strerror(error.errno or 0)}\n")
        sys.exit(127)


if __name__ == "__main__":
    main()
