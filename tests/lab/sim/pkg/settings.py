# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What a call of pkg knows before its command runs: root, options, ABI, repositories."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from typing import Any

from . import ucl

#: Where repository files are looked for, later files over earlier ones.
REPOSITORY_DIRECTORIES = ("/etc/pkg", "/usr/local/etc/pkg/repos")
DEFAULTS = {"PKG_DBDIR": "/var/db/pkg", "PKG_CACHEDIR": "/var/cache/pkg", "PORTSDIR": "/usr/ports",
            "ASSUME_ALWAYS_YES": "no", "DEFAULT_ALWAYS_YES": "no", "REPO_AUTOUPDATE": "yes", "SYSLOG": "yes",
            "RUN_SCRIPTS": "yes", "AUTOCLEAN": "no", "IGNORE_OSVERSION": "no", "WARN_SIZE_LIMIT": "1048576"}


class PkgError(Exception):
    """What ends the call: printed behind ``pkg: ``.

    :param status: exit status.
    """

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Repository:
    """One enabled repository, variables in its URL already replaced."""

    name: str
    url: str
    mirror_type: str = "none"
    signature_type: str = "none"
    pubkey: str = ""
    fingerprints: str = ""


@dataclass
class Settings:
    """Global options of one call."""

    root: str = "/"
    options: dict[str, str] = field(default_factory=dict)
    repository_directories: tuple[str, ...] = ()
    repositories: list[Repository] = field(default_factory=list)

    def get(self, name: str) -> str | None:
        """Return an option: command line, environment, then built-in."""
        return self.options.get(name) or os.environ.get(name) or DEFAULTS.get(name)

    def truth(self, name: str) -> bool:
        return ucl.truth(self.get(name))

    def path(self, absolute: str) -> str:
        """Return where an absolute path of the target lies."""
        return os.path.join(self.root, absolute.lstrip("/"))

    @property
    def abi(self) -> str:
        return self.options.get("ABI") or os.environ.get("ABI") or host_abi()

    @property
    def database_directory(self) -> str:
        return self.path(self.get("PKG_DBDIR") or "")


def host_abi() -> str:
    """Return the ABI of the running host, such as ``FreeBSD:13:amd64``."""
    import subprocess

    try:
        answer = subprocess.run(["uname", "-srp"], capture_output=True, text=True, check=True).stdout.split()
        return f"{answer[0]}:{answer[1].partition('.')[0]}:{answer[2]}"
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "FreeBSD:13:amd64"


def warn(message: str) -> None:
    """Print a message as pkg prints its own."""
    sys.stdout.flush()
    print(f"pkg: {message}", file=sys.stderr, flush=True)


def load_repositories(settings: Settings) -> None:
    """Read the repository files, in order of directories and names, into ``settings.repositories``."""
    directories = settings.repository_directories or REPOSITORY_DIRECTORIES
    found: dict[str, dict[str, Any]] = {}
    for directory in directories:
        names = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
        for name in names:
            if name.endswith(".conf"):
                _merge(found, os.path.join(directory, name))
    variables = {"ABI": settings.abi, "OSVERSION": settings.get("OSVERSION") or "",
                 "VERSION_MAJOR": settings.abi.split(":")[1] if settings.abi.count(":") else "",
                 "ARCH": settings.abi.rpartition(":")[2]}
    for name, keys in found.items():
        if not ucl.truth(keys.get("enabled"), True) or not keys.get("url"):
            continue
        url = str(keys["url"])
        for variable, value in variables.items():
            url = url.replace("${" + variable + "}", value)
        settings.repositories.append(Repository(
            name, url.rstrip("/"), str(keys.get("mirror_type", "none")).lower(),
            str(keys.get("signature_type", "none")).lower(), str(keys.get("pubkey", "")),
            str(keys.get("fingerprints", ""))))


def _merge(found: dict[str, dict[str, Any]], path: str) -> None:
    try:
        with open(path, encoding="utf-8") as stream:
            content = ucl.parse(stream.read())
    except (OSError, ucl.UclError) as error:
        warn(f"Error parsing: '{path}': {error}")
        return
    for name, keys in content.items():
        if isinstance(keys, dict):
            found.setdefault(name, {}).update(keys)
