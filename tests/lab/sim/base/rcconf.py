# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""rc.conf(5): shell assignments, as sysrc(8) and service(8) read and write them."""

from __future__ import annotations

import os
import re

DEFAULTS = "/etc/defaults/rc.conf"
FILES = ("/etc/rc.conf", "/etc/rc.conf.local")
_ASSIGNMENT = re.compile(r"""^\s*([A-Za-z_][A-Za-z0-9_]*)=(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([^\s;#]*))""")


def assignments(path: str) -> dict[str, str]:
    """{name: value} of one file, the last assignment winning; empty when there is no file."""
    found: dict[str, str] = {}
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as lines:
            for line in lines:
                match = _ASSIGNMENT.match(line)
                if match:
                    name, double, single, bare = match.groups()
                    found[name] = re.sub(r'\\(["\\$`])', r"\1", double) if double is not None else single or bare or ""
    except OSError:
        pass
    return found


def effective() -> dict[str, str]:
    """What the rc scripts see: defaults, then rc.conf, then rc.conf.local."""
    found = assignments(DEFAULTS)
    for path in FILES:
        found |= assignments(path)
    return found


def write(path: str, name: str, value: str) -> None:
    """Replace the assignment in place or append one; the rest of the file stays."""
    quoted = re.sub(r'(["\\$`])', r"\\\1", value)
    line = f'{name}="{quoted}"\n'
    _rewrite(path, name, line)


def remove(path: str, name: str) -> None:
    _rewrite(path, name, "")


def _rewrite(path: str, name: str, replacement: str) -> None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.readlines()
    except FileNotFoundError:
        lines = []
    found = False
    result = []
    for line in lines:
        match = _ASSIGNMENT.match(line)
        if match and match[1] == name:
            if not found:
                result.append(replacement)
            found = True
        else:
            result.append(line)
    if not found:
        result.append(replacement)
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.writelines(result)
    if os.path.exists(path):
        os.chmod(temporary, os.stat(path).st_mode & 0o7777)
    os.replace(temporary, path)


def enabled(value: str) -> bool:
    """checkyesno of rc.subr(8)."""
    return value.lower() in ("yes", "true", "on", "1")


__all__ = ["DEFAULTS", "FILES", "assignments", "effective", "enabled", "remove", "write"]
