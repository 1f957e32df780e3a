# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""pkg delete and autoremove."""

from __future__ import annotations

from . import files, plan
from .database import Database, Installed
from .install import DOTS, agree
from .settings import Settings, warn


def nothing_installed(database: Database) -> bool:
    """Return whether there is no database at all, which is said."""
    if database.exists():
        return False
    warn("No packages installed.  Nothing to do!")
    return True


def delete(settings: Settings, patterns: list[str], *, mode: str = "exact", yes: bool = False, force: bool = False,
           everything: bool = False, dry: bool = False, quiet: bool = False) -> int:
    """Remove packages, and unless forced whatever needs them."""
    database = Database(settings.database_directory)
    if nothing_installed(database):
        return 0
    installed = database.packages()
    names: set[str] = {package.name for package in installed} if everything else set()
    missing = 0
    for pattern in patterns:
        hits = {item.name for item in installed
                if plan.matches(pattern, mode, item.name, item.version, item.origin, plan.flavor(item.manifest))}
        if not hits:
            if not quiet:
                print(f"No packages matched for pattern '{pattern}'\n")
            missing += 1
        names |= hits
    if not names:
        if not quiet:
            print("Checking integrity... done (0 conflicting)")
            print(f"{len(patterns)} packages requested for removal: 0 locked, {missing} missing")
        return 1
    if not force:
        names = plan.dependants(installed, names)
    doomed = _outermost_first([item for item in installed if item.name in names])
    return _announce_and_remove(settings, database, doomed,
                                "Deinstallation has been requested for the following {} packages"
                                " (of 0 packages in the universe):", yes, dry, quiet)


def autoremove(settings: Settings, *, yes: bool, dry: bool, quiet: bool) -> int:
    """Remove automatic packages that nothing needs any more."""
    database = Database(settings.database_directory)
    if nothing_installed(database):
        return 0
    left = database.packages()
    doomed: list[Installed] = []
    while True:
        needed = {name for item in left for name, _origin, _version in item.deps}
        loose = [item for item in left if item.automatic and item.name not in needed]
        if not loose:
            break
        doomed += loose
        left = [item for item in left if item not in loose]
    if not doomed:
        if not quiet:
            print("Checking integrity... done (0 conflicting)\nNothing to do.")
        return 0
    return _announce_and_remove(settings, database, doomed,
                                "Deinstallation has been requested for the following {} packages:", yes, dry, quiet)


def _outermost_first(packages: list[Installed]) -> list[Installed]:
    """Return the packages so that each comes before what it needs."""
    left, ordered = sorted(packages, key=lambda item: item.name), []
    while left:
        needed = {name for item in left for name, _origin, _version in item.deps}
        free = [item for item in left if item.name not in needed] or left[:1]
        ordered += free
        left = [item for item in left if item not in free]
    return ordered


def _announce_and_remove(settings: Settings, database: Database, doomed: list[Installed], title: str, yes: bool,
                         dry: bool, quiet: bool) -> int:
    if not quiet:
        print("Checking integrity... done (0 conflicting)")
        print(title.format(len(doomed)) + "\n\nInstalled packages to be REMOVED:")
        for item in sorted(doomed, key=lambda package: package.name):
            print(f"\t{item.name}: {item.version}")
        print(f"\nNumber of packages to be removed: {len(doomed)}")
        freed = sum(int(item.manifest.get("flatsize", 0)) for item in doomed)
        if freed > int(settings.get("WARN_SIZE_LIMIT") or 0):
            print(f"\nThe operation will free {plan.size(freed)}.")
    if dry:
        return 0
    if not agree(settings, yes):
        return 1
    for number, item in enumerate(doomed, 1):
        mark = f"[{number}/{len(doomed)}]"
        print(f"{mark} Deinstalling {item.full_name}...", flush=True)
        print(f"{mark} Deleting files for {item.full_name}: ", end="", flush=True)
        files.remove(settings.root, item)
        print(f"{'.' * min(DOTS, len(item.files))} done", flush=True)
        database.remove(item.name)
    return 0
