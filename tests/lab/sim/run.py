# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Run one simulated command: ``run.py NAME ARG…``, or ``shim(NAME)`` from a generated shim."""

from __future__ import annotations

import sys


def shim(name: str) -> None:
    """Run command file ``name`` with this process's arguments; ``argv[0]`` becomes the name it was called by."""
    sys.argv[0] = sys.argv[0].rpartition("/")[2]
    dispatch(name, sys.argv)


def dispatch(name: str, argv: list[str]) -> None:
    """Import ``sim.commands.<name>``, call its ``main(argv)`` and end the process with what it returns."""
    import io
    import os
    from importlib import import_module

    code = 1
    try:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(encoding="utf-8", errors="surrogateescape")
        code = import_module("sim.commands." + name).main(argv)
        sys.stdout.flush()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        if isinstance(end.code, str):
            sys.stderr.write(end.code + "\n")
        flush_quietly()
    except BrokenPipeError:
        # As on FreeBSD: the writer dies of SIGPIPE without a word.
        os._exit(141)
    except KeyboardInterrupt:
        os._exit(130)
    sys.stderr.flush()
    # Skips the interpreter's tear-down, a measurable part of a short command.
    os._exit(code or 0)


def flush_quietly() -> None:
    import os

    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os._exit(141)


if __name__ == "__main__":
    if sys.path[0].endswith("/sim"):
        sys.path[0] = sys.path[0][: -len("/sim")]
    name = sys.argv[1]
    sys.argv[1:2] = []
    sys.argv[0] = name.replace("_", "-") if name == "freebsd_version" else name
    dispatch(name, sys.argv)
