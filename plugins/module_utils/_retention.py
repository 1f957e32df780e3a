# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Retention: what of a workspace is old enough to go, and what must stay because something needs it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError

_AGE = re.compile(r"(\d+)([smhdw]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def seconds_of(text: str) -> int:
    """Seconds of ``90``, ``12h``, ``30d`` or ``8w``.

    :raises ToolError: none of these.
    """
    match = _AGE.fullmatch(text.strip().lower())
    if match is None:
        raise ToolError(f"age '{text}': not an age; write a number of seconds, or one with m, h, d or w, such as 30d")
    return int(match.group(1)) * _SECONDS[match.group(2)]


@dataclass(frozen=True)
class Rules:
    """``keep`` newest of a kind stay, and whatever is younger than ``age`` seconds. The newest always stays."""

    keep: Optional[int]
    age: Optional[int]
    now: float

    def spared(self, rank: int, made: float) -> bool:
        """``rank`` counts from 0, the newest."""
        if rank < max(1, self.keep or 0):
            return True
        return self.age is not None and self.now - made < self.age


@dataclass(frozen=True)
class Item:
    """Something that may go. ``made`` in epoch seconds, ``size`` in bytes; ``needed`` says why it must stay.

    Items of one ``family`` are counted together.
    """

    kind: str
    name: str
    family: str
    made: float
    size: int = 0
    needed: Optional[str] = None

    @property
    def title(self) -> str:
        return f"{self.kind} {self.name}"


def choose(items: Iterable[Item], rules: Rules) -> Tuple[List[Item], List[Item]]:
    """Those that go, oldest first, and those that would go by the rules but are needed."""
    families: Dict[str, List[Item]] = {}
    for item in items:
        families.setdefault(item.family, []).append(item)
    gone: List[Item] = []
    needed: List[Item] = []
    for family in families.values():
        ranked = sorted(family, key=lambda item: (-item.made, item.name))
        for rank, item in enumerate(ranked):
            if not rules.spared(rank, item.made):
                (gone if item.needed is None else needed).append(item)
    return sorted(gone, key=_age), sorted(needed, key=_age)


def _age(item: Item) -> Tuple[float, str]:
    return item.made, item.name


def dependents(origins: Mapping[str, str]) -> Dict[str, Set[str]]:
    """Datasets that are clones of another's snapshots, by that other. ``origins`` as ``{name: snapshot or -}``."""
    found: Dict[str, Set[str]] = {}
    for name, origin in origins.items():
        if origin not in ("", "-"):
            found.setdefault(origin.split("@")[0], set()).add(name)
    return found


def without_dependents(candidates: Sequence[Item], origins: Mapping[str, str], going: Iterable[str]) -> List[Item]:
    """Those of the candidates that nothing is a clone of once ``going`` are gone, clones before their origins."""
    left = {name: origin for name, origin in origins.items() if name not in set(going)}
    found: List[Item] = []
    todo = list(candidates)
    while True:
        needed = dependents(left)
        ready = [item for item in todo if not needed.get(item.name)]
        if not ready:
            return found
        found += ready
        for item in ready:
            left.pop(item.name, None)
            todo.remove(item)


def bytes_below(path: str) -> int:
    """What a file or directory occupies, links not followed."""
    total = 0
    try:
        total = os.lstat(path).st_blocks * 512
        if os.path.isdir(path) and not os.path.islink(path):
            for parent, directories, names in os.walk(path):
                total += sum(os.lstat(os.path.join(parent, name)).st_blocks * 512 for name in directories + names)
    except FileNotFoundError:
        # Somebody else removes it meanwhile; its size is of no more interest.
        return total
    return total


__all__ = ["Item", "Rules", "bytes_below", "choose", "dependents", "seconds_of", "without_dependents"]
