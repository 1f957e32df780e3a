# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The remote command: a login shell of any kind runs /bin/sh, that finds Python, that reads its program from
standard input."""

from __future__ import annotations

import json
import secrets
import shlex
from collections.abc import Sequence
from pathlib import Path

PYTHONS = (
    *("/usr/local/bin/python3", "python3", "/usr/bin/python3"),
    *(f"/usr/local/bin/python3.{minor}" for minor in (14, 13, 12, 11, 10, 9, 8)),
)
NO_PYTHON = "fetch_artifact: no Python 3"
OLD_PYTHON = "fetch_artifact: Python 3.8 or newer is needed"
HELPER = Path(__file__).resolve().parents[1] / "module_utils" / "_artifact_helper.py"

# One line without single quotes or exclamation marks: csh takes neither a newline nor a history sign in quotes.
_BOOTSTRAP = (
    "import sys,json;"
    'sys.version_info>=(3,8) or sys.exit("{old}");'
    "b=sys.stdin.buffer;"
    'm="{marker}".encode();'
    'l=next(x for x in iter(b.readline,b"") if x.startswith(m));'
    "o=json.loads(l[len(m):].decode());"
    'g={{"__name__":"fetch_artifact_helper"}};'
    'exec(compile(b.read(o["size"]),"fetch_artifact_helper","exec"),g);'
    'g["main"](o)'
)


class RemoteCommand:
    """``text`` for the remote shell, ``greeting`` for its standard input, ``marker`` for its first output."""

    def __init__(self, pythons: Sequence[str], options: dict[str, object], helper: bytes | None = None) -> None:
        self.marker = "fetch-" + secrets.token_hex(16)
        bootstrap = _BOOTSTRAP.format(marker=self.marker, old=OLD_PYTHON)
        words = " ".join(shlex.quote(python) for python in pythons)
        script = (
            f'for p in {words}; do command -v "$p" >/dev/null 2>&1 && '
            f'exec "$p" -E -s -c {shlex.quote(bootstrap)}; done; '
            f'echo "{NO_PYTHON}" >&2; exit 127'
        )
        self.text = f"/bin/sh -c {shlex.quote(script)}"
        source = HELPER.read_bytes() if helper is None else helper
        head = json.dumps({**options, "size": len(source), "marker": self.marker})
        self.greeting = f"{self.marker}{head}\n".encode() + source


def interpreters(task_vars: dict[str, object]) -> tuple[str, ...]:
    """What the inventory names or Ansible found; otherwise the usual places."""
    named = task_vars.get("ansible_python_interpreter")
    if isinstance(named, str) and named and not named.startswith("auto"):
        return (named,)
    facts = task_vars.get("ansible_facts")
    found = facts.get("discovered_interpreter_python") if isinstance(facts, dict) else None
    return (found, *PYTHONS) if isinstance(found, str) and found else PYTHONS
