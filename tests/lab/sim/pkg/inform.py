# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The commands that only read: info, query, rquery, search, which, check."""

from __future__ import annotations

import hashlib
import os
import sys
import time

from . import install, plan, query
from .database import Database, Installed
from .remove import nothing_installed
from .settings import Settings, warn


def _facts(package: Installed, everything: list[Installed]) -> query.Facts:
    needed_by = [(item.name, item.origin, item.version) for item in everything
                 if any(name == package.name for name, _origin, _version in item.deps)]
    return query.Facts(package.manifest, package.automatic, package.locked, package.time, package.repository,
                       package.files, package.deps, needed_by)


def select(installed: list[Installed], patterns: list[str], mode: str) -> list[Installed]:
    """Return the installed packages that the patterns mean, all without a pattern."""
    return [item for item in installed if not patterns or any(
        plan.matches(pattern, mode, item.name, item.version, item.origin, plan.flavor(item.manifest))
        for pattern in patterns)]


def info(settings: Settings, patterns: list[str], *, mode: str, flags: set[str]) -> int:
    """pkg info: a list, or everything about the packages named."""
    database = Database(settings.database_directory)
    if patterns and not database.exists():
        if "q" not in flags:
            warn("No packages installed")
        return 1
    everything = database.packages()
    status = 0
    # One plain name is worth the full story; several, or a pattern, are listed by name alone.
    full = len(patterns) == 1 and mode.startswith("exact")
    for pattern in patterns or [""]:
        found = select(everything, [pattern] if patterns else [], mode)
        if patterns and not found:
            status = 1
            if not flags & {"q", "e"}:
                warn(f"No package(s) matching {pattern}")
        for item in [] if "e" in flags else found:
            for line in _info_lines(item, everything, flags, full, not patterns):
                print(line)
    return status


def _info_lines(item: Installed, everything: list[Installed], flags: set[str], full: bool,
                listed: bool) -> list[str]:
    quiet = "q" in flags
    facts = _facts(item, everything)
    lists = {"l": sorted(item.files), "d": [f"{name}-{version}" for name, _origin, version in item.deps],
             "r": [f"{name}-{version}" for name, _origin, version in facts.needed_by]}
    for letter, rows in lists.items():
        if letter in flags:
            return rows if quiet else [item.full_name + ":", *("\t" + row for row in rows)]
    if "s" in flags:
        amount = plan.exact_size(int(item.manifest.get("flatsize", 0)))
        return [amount] if quiet else [f"{item.full_name:<30} {amount}"]
    if "o" in flags:
        return [item.origin] if quiet else [f"{item.full_name:<30} {item.origin}"]
    if quiet:
        return [item.full_name]
    if full or "f" in flags:
        return _full_lines(item)
    if listed or "I" in flags:
        return [f"{item.full_name:<30} {item.manifest.get('comment', '')}"]
    return [item.full_name]


def _full_lines(item: Installed) -> list[str]:
    manifest = item.manifest
    rows = [("Name", item.name), ("Version", item.version),
            ("Installed on", time.strftime("%a %b %e %H:%M:%S %Y %Z", time.localtime(item.time))),
            ("Origin", item.origin), ("Prefix", manifest.get("prefix", "")),
            ("Categories", " ".join(manifest.get("categories", []))),
            ("Licenses", " ".join(manifest.get("licenses", []))),
            ("Maintainer", manifest.get("maintainer", "")), ("WWW", manifest.get("www", "")),
            ("Comment", manifest.get("comment", ""))]
    lines = [item.full_name, *(f"{name:<15}: {value}" for name, value in rows)]
    options = manifest.get("options") or {}
    if options:
        lines += ["Options        :", *(f"\t{name:<15}: {value}" for name, value in sorted(options.items()))]
    annotations = dict(manifest.get("annotations") or {})
    if item.repository:
        annotations.update(repo_type="binary", repository=item.repository)
    if annotations:
        lines += ["Annotations    :", *(f"\t{name:<15}: {value}" for name, value in sorted(annotations.items()))]
    return [*lines, f"Flat size      : {plan.exact_size(int(manifest.get('flatsize', 0)))}", "Description    :",
            *manifest.get("desc", "").splitlines()]


def run_query(settings: Settings, pattern: str, names: list[str], *, mode: str, condition: str | None) -> int:
    """pkg query: one line, or one line per file, dependency … for each package."""
    everything = Database(settings.database_directory).packages()
    return _print(pattern, condition, [_facts(item, everything) for item in select(everything, names, mode)],
                  bool(names))


def run_rquery(settings: Settings, pattern: str, names: list[str], *, mode: str, condition: str | None,
               repository: str | None) -> int:
    """pkg rquery: the same over the fetched catalogues."""
    candidates = install.offers(settings, install.choose(settings, repository))
    found = [query.Facts(item.record, repository=item.repository, deps=[
        (name, str(dep.get("origin", "")), str(dep.get("version", "")))
        for name, dep in sorted((item.record.get("deps") or {}).items())]) for item in candidates
        if not names or any(plan.matches(name, mode, item.name, item.version, item.record["origin"],
                                         plan.flavor(item.record)) for name in names)]
    return _print(pattern, condition, found, bool(names))


def _print(pattern: str, condition: str | None, found: list[query.Facts], named: bool) -> int:
    try:
        for facts in found:
            if condition is None or query.holds(condition, facts):
                for line in query.render(pattern, facts):
                    print(line)
    except query.QueryError as error:
        warn(str(error))
        return 1
    return 1 if named and not found else 0


def search(settings: Settings, pattern: str, *, mode: str, repository: str | None, quiet: bool) -> int:
    """pkg search: packages on offer by name."""
    found = 0
    for item in sorted(install.offers(settings, install.choose(settings, repository)), key=lambda one: one.name):
        if plan.matches(pattern, mode, item.name, item.version, item.record["origin"]):
            found += 1
            print(item.full_name if quiet else f"{item.full_name:<30} {item.record.get('comment', '')}")
    return 0 if found else 1


def which(settings: Settings, paths: list[str], quiet: bool, origin: bool) -> int:
    """pkg which: who owns a file."""
    status = 0
    everything = Database(settings.database_directory).packages()
    for path in paths:
        absolute = os.path.normpath(path if path.startswith("/") else os.path.join(os.getcwd(), path))
        owner = next((item for item in everything if absolute in item.files), None)
        if owner is None:
            status = 1
            if not quiet:
                print(f"{absolute} was not found in the database")
            continue
        name = owner.origin if origin else owner.full_name
        print(name if quiet else f"{absolute} was installed by package {name}")
    return status


def check(settings: Settings, names: list[str], mode: str, sums: bool, dependencies: bool, quiet: bool) -> int:
    """pkg check: files against their recorded sums, dependencies against what is installed."""
    database = Database(settings.database_directory)
    if nothing_installed(database):
        return 0
    everything = database.packages()
    wrong = False
    for title, wanted in [(f"Checking {name}", [name]) for name in names] or [("Checking all packages", [])]:
        chosen = select(everything, wanted, mode)
        if wanted and not chosen:
            warn(f"No packages matching: {wanted[0]}")
            return 1
        if not quiet:
            print(f"{title}: ", end="", flush=True)
        missing = []
        for item in chosen:
            damaged = _damaged(settings, item) if sums else []
            for line in damaged:
                print(line, file=sys.stderr, flush=True)
            if dependencies:
                present = {other.name for other in everything}
                missing += [f"{item.name} has a missing dependency: {name}" for name, _origin, _version in item.deps
                            if name not in present]
            wrong = wrong or bool(damaged)
        if not quiet:
            print("." * min(install.DOTS, len(chosen)) + " done", flush=True)
        for line in missing:
            print(line)
        wrong = wrong or bool(missing)
    return 1 if wrong else 0


def _damaged(settings: Settings, item: Installed) -> list[str]:
    found = []
    for name, recorded in item.files.items():
        path = settings.path(name)
        try:
            if os.path.islink(path):
                content = os.readlink(path).encode()
            else:
                with open(path, "rb") as stream:
                    content = stream.read()
        except OSError:
            found.append(f"{item.full_name}: missing file {name}")
            continue
        if recorded and "1$" + hashlib.sha256(content).hexdigest() != recorded:
            found.append(f"{item.full_name}: checksum mismatch for {name}")
    return found
