# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Package lists as ``poudriere bulk -f`` reads them: one origin a line, ``#`` begins a comment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import List, Mapping, Optional, Sequence, Tuple

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError

# category/name, with a flavor of its own, all flavors (@all) or only the default one (@-), as bulk.sh takes them.
_NAME = r"[A-Za-z0-9][A-Za-z0-9_.+-]*"
_ORIGIN = re.compile(rf"^{_NAME}/{_NAME}(?:@(?:[A-Za-z0-9_]+|-))?$")
SHOWN = 3


@dataclass(frozen=True)
class ListedPort:
    """A port, and the line of the list that asks for it (the first line is 1)."""

    origin: str
    file: str
    line: int


def parse_list(text: str, file: str) -> Tuple[List[ListedPort], List[str]]:
    """Read one list.

    :returns: the ports in order, and a sentence for each line that names none.
    """
    ports: List[ListedPort] = []
    errors: List[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        word = line.split("#", 1)[0].strip()
        if not word:
            continue
        if _ORIGIN.match(word):
            ports.append(ListedPort(word, file, number))
        else:
            errors.append(f"{file} line {number}: '{word}' is not an origin (category/name or category/name@flavor)")
    return ports, errors


def merge_lists(texts: Mapping[str, Optional[str]], where: str) -> List[str]:
    """The origins of several lists, in order, each once.

    :param texts: file name to content; None where there is no such file.
    :param where: what to say of a file that is missing, such as "on the controller".
    :raises ToolError: a list is missing, empty or malformed; all that is wrong in one line.
    """
    origins: List[str] = []
    errors: List[str] = []
    for file, text in texts.items():
        if text is None:
            errors.append(f"{file}: no such file {where}")
            continue
        ports, wrong = parse_list(text, file)
        errors += wrong or ([] if ports else [f"{file}: names no port"])
        origins += [port.origin for port in ports]
    if errors:
        raise ToolError("package list " + _some(errors))
    if not origins:
        raise ToolError("package list: none given; name at least one file in freehyve_packages")
    return list(dict.fromkeys(origins))


def _some(errors: Sequence[str]) -> str:
    more = f"; and {len(errors) - SHOWN} more" if len(errors) > SHOWN else ""
    return "; ".join(errors[:SHOWN]) + more


__all__ = ["ListedPort", "merge_lists", "parse_list"]
