# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What an installation or a removal would do, and the summary that pkg prints of it."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from typing import Any, Iterable

from .database import Installed
from .versions import compare

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


@dataclass(frozen=True)
class Candidate:
    """A package that a repository offers."""

    record: dict[str, Any]
    repository: str
    url: str

    @property
    def name(self) -> str:
        return str(self.record["name"])

    @property
    def version(self) -> str:
        return str(self.record["version"])

    @property
    def full_name(self) -> str:
        return f"{self.name}-{self.version}"


@dataclass(frozen=True)
class Step:
    """One package to put in place.

    :param kind: ``new``, ``upgrade``, ``reinstall`` or ``downgrade``.
    """

    candidate: Candidate
    kind: str
    automatic: bool
    previous: Installed | None = None


def flavor(record: dict[str, Any]) -> str:
    annotations = record.get("annotations") or {}
    return str(annotations.get("flavor") or annotations.get("FLAVOR") or "")


def matches(pattern: str, mode: str, name: str, version: str, origin: str, its_flavor: str = "") -> bool:
    """Return whether a package is meant by a pattern: name, name-version, origin, origin@flavor.

    :param mode: ``exact``, ``glob``, ``regex``, each optionally with ``-i`` behind it.
    """
    if mode.endswith("-i"):
        return matches(pattern.lower(), mode[:-2], name.lower(), version.lower(), origin.lower(), its_flavor.lower())
    names = [name, f"{name}-{version}", origin]
    if mode == "glob":
        return any(fnmatch.fnmatchcase(item, pattern) for item in names)
    if mode == "regex":
        return any(re.search(pattern, item) for item in names)
    if "@" in pattern:
        wanted, _, wanted_flavor = pattern.partition("@")
        return origin == wanted and its_flavor == wanted_flavor
    return pattern in names


def plan(candidates: list[Candidate], installed: list[Installed], wanted: Iterable[Candidate], force: bool,
         upgrade: bool = False) -> tuple[list[Step], list[str]]:
    """Return the steps in order of installation, and the dependencies that no repository has."""
    present = {package.name: package for package in installed}
    offers: dict[str, Candidate] = {}
    for candidate in candidates:
        known = offers.get(candidate.name)
        if known is None or compare(candidate.version, known.version) > 0:
            offers[candidate.name] = candidate
    steps: dict[str, Step] = {}
    missing: list[str] = []
    visiting: set[str] = set()

    def visit(candidate: Candidate, requested: bool) -> None:
        if candidate.name in steps or candidate.name in visiting:
            return
        visiting.add(candidate.name)
        for name in sorted(candidate.record.get("deps") or {}):
            if name in present and name not in offers:
                continue
            if name not in offers:
                missing.append(name)
            elif name not in present or compare(present[name].version, offers[name].version) < 0:
                visit(offers[name], False)
        old = present.get(candidate.name)
        if old is None:
            steps[candidate.name] = Step(candidate, "new", not requested)
        else:
            order = compare(old.version, candidate.version)
            kind = "upgrade" if order < 0 else "reinstall" if order == 0 else "downgrade"
            if kind == "upgrade" or (requested and force and kind == "reinstall"):
                steps[candidate.name] = Step(candidate, kind, old.automatic, old)

    for candidate in sorted(wanted, key=lambda item: item.name):
        visit(offers[candidate.name] if upgrade else candidate, True)
    return list(steps.values()), missing


def size(count: int) -> str:
    """Return a size as pkg prints it: whole units."""
    value, unit = float(count), 0
    while value >= 1024 and unit < len(UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.0f} {UNITS[unit]}"


def exact_size(count: int) -> str:
    """Return a size as pkg info prints it: three significant digits, no space."""
    value, unit = float(count), 0
    while value >= 1000 and unit < len(UNITS) - 1:
        value, unit = value / 1024, unit + 1
    decimals = 2 if value < 10 and unit else 1 if value < 100 else 0
    return f"{value:.{decimals}f}{UNITS[unit]}"


def summary(steps: list[Step], checked: int, several: bool, limit: int) -> str:
    """Return the announcement of an installation.

    :param several: whether more than one repository is enabled, so that each package names its own.
    """
    lines = [f"The following {len(steps)} package(s) will be affected (of {checked} checked):", ""]
    titles = {"new": "New packages to be INSTALLED", "upgrade": "Installed packages to be UPGRADED",
              "reinstall": "Installed packages to be REINSTALLED", "downgrade": "Installed packages to be DOWNGRADED"}
    counts = []
    for kind, title in titles.items():
        chosen = sorted((step for step in steps if step.kind == kind), key=lambda step: step.candidate.name)
        if not chosen:
            continue
        lines.append(title + ":")
        lines += ["\t" + _line(step, several) for step in chosen]
        lines.append("")
        counts.append(f"Number of packages to be {title.rpartition(' ')[2].lower()}: {len(chosen)}")
    lines += counts
    change = sum(int(step.candidate.record.get("flatsize", 0))
                 - (int(step.previous.manifest.get("flatsize", 0)) if step.previous else 0) for step in steps)
    if change > limit:
        lines += ["", f"The process will require {size(change)} more space."]
    elif -change > limit:
        lines += ["", f"The operation will free {size(-change)}."]
    return "\n".join(lines)


def _line(step: Step, several: bool) -> str:
    mark = f" [{step.candidate.repository}]" if several else ""
    if step.kind == "new":
        return f"{step.candidate.name}: {step.candidate.version}{mark}"
    if step.kind == "reinstall":
        return f"{step.candidate.full_name}{mark}"
    assert step.previous is not None
    return f"{step.candidate.name}: {step.previous.version} -> {step.candidate.version}{mark}"


def dependants(installed: list[Installed], names: set[str]) -> set[str]:
    """Return the names together with all that need one of them."""
    found = set(names)
    grown = True
    while grown:
        grown = False
        for package in installed:
            if package.name not in found and any(name in found for name, _origin, _version in package.deps):
                found.add(package.name)
                grown = True
    return found
