# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Packages taken from an official repository instead of being built (``bulk -b``, PACKAGE_FETCH_BRANCH)."""

from __future__ import annotations

import fnmatch
import os
import shutil
import urllib.parse

from . import queue
from .context import Context
from .gather import Gathered
from .repository import Repository
from .statusfiles import BuildStatus
from .versions import abi


def fetch(context: Context, branch: str, repository: Repository, status: BuildStatus, jobs: queue.Graph,
          gathered: Gathered) -> queue.Graph:
    """Fetch what can be had and return the queue without it; a repository out of reach means building everything.

    Only ``file://`` repositories can be reached from the lab.
    """
    config = context.config
    branch = branch or config.get("PACKAGE_FETCH_BRANCH")
    if not branch:
        return jobs
    context.out.msg("Package fetch: Looking for missing packages to fetch from pkg+http://pkg.FreeBSD.org/"
                    f"${{ABI}}/{branch}" if ":" not in branch else
                    f"Package fetch: Looking for missing packages to fetch from {branch}")
    base = branch if ":" in branch else f"{config.get('PACKAGE_FETCH_URL', 'pkg+http://pkg.FreeBSD.org/${ABI}')}/{branch}"
    jail = status.get("jailname")
    base = base.replace("${ABI}", abi(context.jails.get(jail, "version"), context.jails.get(jail, "arch")))
    parts = urllib.parse.urlsplit(base)
    if parts.scheme != "file" or not os.path.isdir(parts.path):
        context.out.msg("Package fetch: Unable to fetch remote repository, building everything")
        return jobs
    for port in gathered.unignored():
        source = os.path.join(parts.path, "All", f"{port.pkgname}.pkg")
        if f"build:{port.pkgname}" not in jobs or repository.has(port.pkgname) or not os.path.isfile(source):
            continue
        if not _wanted(config.get("PACKAGE_FETCH_WHITELIST", "*"), config.get("PACKAGE_FETCH_BLACKLIST"), port.name):
            continue
        os.makedirs(repository.all, exist_ok=True)
        shutil.copyfile(source, repository.path(port.pkgname))
        if port.origin == "ports-mgmt/pkg":
            os.makedirs(os.path.join(repository.place, "Latest"), exist_ok=True)
            link = os.path.join(repository.place, "Latest/pkg.pkg")
            if not os.path.lexists(link):
                os.symlink(f"../All/{port.pkgname}.pkg", link)
        status.add("fetched", f"{port.spec} {port.pkgname} {gathered.reasons[port.spec]}")
        jobs = queue.without(jobs, [f"build:{port.pkgname}"])
    return jobs


def _wanted(white: str, black: str, name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in white.split()) and not any(
        fnmatch.fnmatchcase(name, pattern) for pattern in black.split())
