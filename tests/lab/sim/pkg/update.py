# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""pkg update: bringing the catalogues of the repositories to ``var/db/pkg/repos``."""

from __future__ import annotations

import json
import os
import tarfile
from contextlib import redirect_stdout
from typing import Any

from . import catalogue
from .fetching import FetchError, fetch
from .settings import Repository, Settings, warn

#: What is asked for when data.pkg is not there, in the order pkg asks.
FALLBACKS = ("data.tzst", "packagesite.pkg", "packagesite.tzst")


def directory(settings: Settings, repository: Repository) -> str:
    return os.path.join(settings.database_directory, "repos", repository.name)


def packages(settings: Settings, repository: Repository) -> list[dict[str, Any]] | None:
    """Return the catalogue fetched before, or None when there is none."""
    try:
        with open(os.path.join(directory(settings, repository), "db"), encoding="utf-8") as stream:
            found: list[dict[str, Any]] = json.load(stream)["packages"]
            return found
    except (OSError, ValueError, KeyError):
        return None


#: EPKG_FATAL, which some commands make their exit status.
FATAL = 3


def update(settings: Settings, chosen: list[Repository], force: bool, named: bool = False, quiet: bool = False,
           strict: bool = False) -> int:
    """Update the chosen repositories, say what happens, and return 0 or FATAL.

    :param named: whether the call named the repositories.
    :param strict: whether every one must succeed; otherwise, as in pkg, it is the last that counts.
    """
    if quiet:
        with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
            return update(settings, chosen, force, named, strict=strict)
    good = last = True
    for repository in chosen:
        print(f"Updating {repository.name} repository catalogue...", flush=True)
        last = _update_one(settings, repository, force)
        good = last and good
    names = ", ".join(repository.name for repository in chosen)
    if not good:
        print("Error updating repositories!", flush=True)
    elif named:
        print(f"{names} {'is' if len(chosen) == 1 else 'are'} up to date.", flush=True)
    else:
        print("All repositories are up to date.", flush=True)
    return 0 if good or (last and not strict) else FATAL


def _unable(settings: Settings, repository: Repository) -> bool:
    # As pkg does: what is left of an earlier update may be damaged and goes.
    database = os.path.join(directory(settings, repository), "db")
    if os.path.exists(database):
        os.unlink(database)
    print(f"Unable to update repository {repository.name}", flush=True)
    return False


def _update_one(settings: Settings, repository: Repository, force: bool) -> bool:
    place = directory(settings, repository)
    os.makedirs(place, exist_ok=True)
    meta, data = os.path.join(place, "meta"), os.path.join(place, "data.pkg")
    known = _stamp(meta) if os.path.exists(os.path.join(place, "db")) else None
    has_meta = _fetch_meta(repository, meta + ".new")
    if has_meta:
        if not force and known is not None and known == _stamp(meta + ".new"):
            os.unlink(meta + ".new")
            print(f"{repository.name} repository is up to date.", flush=True)
            return True
        print("Fetching meta.conf: . done", flush=True)
        os.replace(meta + ".new", meta)
    else:
        print(f"repository {repository.name} has no meta file, using default settings", flush=True)
    if not _fetch_data(repository, data):
        return _unable(settings, repository)
    print("Fetching data: . done", flush=True)
    return _process(settings, repository, data, place)


def _stamp(path: str) -> int | None:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None


def _fetch_meta(repository: Repository, destination: str) -> bool:
    try:
        fetch(repository, "meta.conf", destination)
        return True
    except FetchError:
        # The old name is the one whose failure pkg reports.
        try:
            fetch(repository, "meta.txz", destination)
        except FetchError as error:
            warn(str(error))
        return False


def _fetch_data(repository: Repository, destination: str) -> bool:
    for name in ("data.pkg", *FALLBACKS):
        try:
            fetch(repository, name, destination)
            return True
        except FetchError as error:
            warn(str(error))
    return False


def _process(settings: Settings, repository: Repository, data: str, place: str) -> bool:
    public = repository.pubkey if repository.signature_type == "pubkey" else None
    known = repository.fingerprints if repository.signature_type == "fingerprints" else None
    try:
        found = catalogue.load(data, public, known)
    except (catalogue.CatalogueError, OSError, ValueError, tarfile.TarError) as error:
        warn(f"{error}")
        return _unable(settings, repository)
    for record in found:
        if not _abi_fits(record.get("abi", ""), settings.abi):
            print("Processing entries: . done", flush=True)
            warn(f"repository {repository.name} contains packages with wrong ABI: {record['abi']}")
            return _unable(settings, repository)
    print("Processing entries: . done", flush=True)
    temporary = os.path.join(place, "db.new")
    with open(temporary, "w", encoding="utf-8") as stream:
        json.dump({"packages": found}, stream)
    os.replace(temporary, os.path.join(place, "db"))
    print(f"{repository.name} repository update completed. {len(found)} packages processed.", flush=True)
    return True


def _abi_fits(package: str, wanted: str) -> bool:
    mine, theirs = package.lower().split(":"), wanted.lower().split(":")
    return not package or all(a in ("*", b) for a, b in zip(mine, theirs, strict=False))
