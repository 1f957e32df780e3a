# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""pkg install, upgrade and add."""

from __future__ import annotations

import os
import sys
import tarfile
import time

from . import accounts, archive, files, plan, update
from .database import Database, Installed
from .fetching import FetchError, fetch
from .plan import Candidate, Step
from .settings import PkgError, Repository, Settings, warn

DOTS = 10


def choose(settings: Settings, name: str | None) -> list[Repository]:
    """Return the repositories that a call is about; raises PkgError."""
    if not settings.repositories:
        print("No active remote repositories configured.", file=sys.stderr)
        raise SystemExit(1)
    if name is None:
        return settings.repositories
    chosen = [repository for repository in settings.repositories if repository.name == name]
    if not chosen:
        raise PkgError(f"No repositories matching '{name}' are enabled")
    return chosen


def offers(settings: Settings, chosen: list[Repository]) -> list[Candidate]:
    """Return what the fetched catalogues offer; a repository without one is said and left out."""
    found = []
    for repository in chosen:
        records = update.packages(settings, repository)
        if records is None:
            warn(f"Repository {repository.name} cannot be opened. 'pkg update' required")
            continue
        found += [Candidate(record, repository.name, repository.url) for record in records]
    return found


def agree(settings: Settings, yes: bool) -> bool:
    """Return whether to go on, asking when nothing said so before."""
    if yes or settings.truth("ASSUME_ALWAYS_YES"):
        return True
    print("\nProceed with this action? [y/N]: ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def install(settings: Settings, patterns: list[str], *, mode: str = "exact", yes: bool = False, force: bool = False,
            dry: bool = False, repository: str | None = None, no_update: bool = False, fetch_only: bool = False,
            automatic: bool = False, quiet: bool = False) -> int:
    """Install the newest of what each pattern means; without a pattern upgrade everything."""
    chosen = choose(settings, repository)
    if not no_update and settings.truth("REPO_AUTOUPDATE"):
        code = update.update(settings, chosen, force=False, named=repository is not None, quiet=quiet)
        if code:
            return code
    candidates = offers(settings, chosen)
    database = Database(settings.database_directory)
    installed = database.packages()
    wanted: list[Candidate] = []
    if patterns:
        for pattern in patterns:
            hits = [item for item in candidates
                    if plan.matches(pattern, mode, item.name, item.version, item.record["origin"],
                                    plan.flavor(item.record))]
            if not hits:
                warn(f"No packages available to install matching '{pattern}' have been found in the repositories")
                return 1
            wanted += hits
    else:
        names = {package.name for package in installed}
        wanted = [item for item in candidates if item.name in names]
    steps, missing = plan.plan(candidates, installed, wanted, force, upgrade=not patterns)
    for name in missing:
        warn(f"Missing dependency '{name}'")
    if missing:
        return 1
    changed_flag = _promote(database, wanted, installed, steps, automatic) if patterns else False
    if not quiet:
        print("Checking integrity... done (0 conflicting)", flush=True)
    if not steps:
        if not quiet and not changed_flag:
            print("The most recent versions of packages are already installed" if patterns
                  else "Your packages are up to date.")
        return 0
    if not quiet:
        print(plan.summary(steps, len(installed), len(settings.repositories) > 1,
                           int(settings.get("WARN_SIZE_LIMIT") or 0)), flush=True)
    if dry:
        return 0 if yes or settings.truth("ASSUME_ALWAYS_YES") else 1
    if not agree(settings, yes):
        return 1
    return _perform(settings, database, steps, automatic, fetch_only)


def _promote(database: Database, wanted: list[Candidate], installed: list[Installed], steps: list[Step],
             automatic: bool) -> bool:
    """A package asked for by name is no longer an automatic one; return whether that changed anything."""
    if steps:
        return False
    names = {item.name for item in wanted}
    changed = [package for package in installed if package.name in names and package.automatic != automatic]
    for package in changed:
        database.set_flag(package.name, "automatic", automatic)
    return bool(changed)


def _perform(settings: Settings, database: Database, steps: list[Step], automatic: bool, fetch_only: bool) -> int:
    packages = []
    cache = settings.path(settings.get("PKG_CACHEDIR") or "")
    for step in steps:
        path = _obtain(settings, step.candidate, cache)
        if path is None:
            return 1
        packages.append(path)
    if fetch_only:
        return 0
    for number, (step, path) in enumerate(zip(steps, packages, strict=True), 1):
        if not _place(settings, database, step, path, f"[{number}/{len(steps)}]", automatic):
            return 1
    return 0


def _obtain(settings: Settings, candidate: Candidate, cache: str) -> str | None:
    """Return the path of a package file, or None after saying what is wrong.

    A file of a ``file://`` repository is used where it lies and, as pkg does it, not compared with the catalogue.
    """
    repository = next(item for item in settings.repositories if item.name == candidate.repository)
    relative = str(candidate.record.get("repopath") or candidate.record["path"])
    if repository.url.startswith("file://"):
        path = os.path.join(repository.url[len("file://"):], relative)
        if os.path.exists(path):
            return path
        warn(f"cached package {candidate.full_name}: {repository.url}/{relative} is missing from repo\n")
        return None
    os.makedirs(cache, exist_ok=True)
    path = os.path.join(cache, os.path.basename(relative))
    for last in (False, True):
        try:
            fetch(repository, relative, path)
        except FetchError as error:
            warn(str(error))
            return None
        print(f"Fetching {candidate.full_name}: {'.' * DOTS} done", flush=True)
        if os.stat(path).st_size == candidate.record.get("pkgsize"):
            break
        os.unlink(path)
        start = f"cached package {candidate.full_name}: missing or size mismatch, "
        warn(start + ("cannot continue\nConsider running 'pkg update -f'" if last else "fetching from remote"))
        if last:
            return None
    if archive.sha256_of(path) != candidate.record["sum"]:
        warn(f"{candidate.full_name} failed checksum from repository")
        os.unlink(path)
        return None
    return path


def _place(settings: Settings, database: Database, step: Step, path: str, mark: str, automatic: bool) -> bool:
    candidate = step.candidate
    try:
        package = archive.read(path)
    except (OSError, ValueError, tarfile.TarError) as error:
        warn(f"archive_read_open_filename({path}): {error}")
        return False
    words = {"upgrade": "Upgrading", "reinstall": "Reinstalling", "downgrade": "Downgrading"}
    if step.previous is None:
        print(f"{mark} Installing {candidate.full_name}...", flush=True)
    elif step.kind == "reinstall":
        print(f"{mark} {words[step.kind]} {candidate.full_name}...", flush=True)
    else:
        print(f"{mark} {words[step.kind]} {candidate.name} from {step.previous.version} to {candidate.version}...",
              flush=True)
    if not put(settings, package, mark, step.previous):
        return False
    database.register(package.manifest, step.automatic or automatic, candidate.repository, int(time.time()))
    return True


def put(settings: Settings, package: archive.Package, mark: str, previous: Installed | None) -> bool:
    """Extract a package read before; returns whether it worked."""
    for line in accounts.create(settings.root, package.manifest):
        print(line)
    name = f"{package.manifest['name']}-{package.manifest['version']}"
    lead = f"{mark} " if mark else ""
    print(f"{lead}Extracting {name}: ", end="", flush=True)
    try:
        files.extract(settings.root, package)
    except OSError as error:
        print(flush=True)
        warn(f"Fail to create {error.filename}: {error.strerror}")
        return False
    if previous is not None:
        for path in set(previous.files) - set(package.manifest["files"]):
            stale = settings.path(path)
            if os.path.lexists(stale):
                os.unlink(stale)
    print(f"{'.' * min(DOTS, len(package.entries))} done", flush=True)
    return True


def add(settings: Settings, paths: list[str], automatic: bool) -> int:
    """pkg add: install package files given by path."""
    failed = [path for path in paths if not _add_one(settings, path, automatic)]
    if failed:
        print(f"\nFailed to install the following {len(failed)} package(s): {', '.join(failed)}")
    return 1 if failed else 0


def _add_one(settings: Settings, path: str, automatic: bool) -> bool:
    database = Database(settings.database_directory)
    try:
        package = archive.read(path)
    except (OSError, ValueError, tarfile.TarError):
        warn(f"{path}: No such file or directory" if not os.path.exists(path) else f"{path} is not a valid package")
        return False
    manifest = package.manifest
    present = {item.name for item in database.packages()}
    if manifest["name"] in present:
        print(f"the most recent version of {manifest['name']}-{manifest['version']} is already installed")
        return True
    for name in sorted(set(manifest.get("deps", {})) - present):
        beside = os.path.join(os.path.dirname(path), f"{name}-{manifest['deps'][name]['version']}.pkg")
        if not os.path.exists(beside) or not _add_one(settings, beside, True):
            warn(f"Missing dependency '{name}'")
            return False
    print(f"Installing {manifest['name']}-{manifest['version']}...", flush=True)
    if not put(settings, package, "", None):
        return False
    database.register(manifest, automatic, "", int(time.time()))
    return True
