# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""As much of a port's Makefile as the simulation understands: assignments, continuation lines, ``${VAR}``."""

from __future__ import annotations

import re

ASSIGNMENT = re.compile(r"^\s*([A-Za-z_][\w./-]*)\s*(\+|\?|:)?=\s*(.*)$")
REFERENCE = re.compile(r"\$\{([^}:]+)(?::[^}]*)?\}|\$\(([^):]+)\)")


def parse(text: str, values: dict[str, str] | None = None) -> dict[str, str]:
    """Return the variables, added to the given ones; what is not an assignment is passed over."""
    found = dict(values or {})
    logical = re.sub(r"\\\n\s*", " ", text)
    for line in logical.splitlines():
        line = re.sub(r"(^|\s)#.*", "", line)
        match = ASSIGNMENT.match(line)
        if not match:
            continue
        name, operator, value = match.group(1), match.group(2), match.group(3).strip()
        if operator == "?" and name in found:
            continue
        found[name] = f"{found[name]} {value}".strip() if operator == "+" and name in found else value
    return found


def expand(values: dict[str, str], text: str, depth: int = 8) -> str:
    """Return the text with references replaced, unknown ones by nothing."""
    if depth == 0 or "$" not in text:
        return text
    return expand(values, REFERENCE.sub(lambda match: values.get(match.group(1) or match.group(2), ""), text),
                  depth - 1)
