# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""pkg(7): fetch, check and install pkg(8) (usr.sbin/pkg/pkg.c)."""

from __future__ import annotations

import os
import sys
import tempfile
import time

from . import archive, catalogue, install
from .database import Database
from .fetching import FetchError, address, fetch
from .settings import Repository, Settings, load_repositories, warn

PKG = "/usr/local/sbin/pkg"
_NOT_THERE = "The package management tool is not yet installed on your system.\n"
_NO_PACKAGE = """A pre-built version of pkg could not be found for your system.
Consider changing PACKAGESITE or installing it from ports: 'ports-mgmt/pkg'.
"""


def main(argv: list[str]) -> int:
    """A call of /usr/sbin/pkg where there is no pkg(8), or of its ``bootstrap``."""
    words = argv[1:]
    command = words[:1] == ["bootstrap"]
    if os.access(PKG, os.X_OK) and not (command and "-f" in words):
        print(f"pkg already bootstrapped at {PKG}")
        return 0
    if words[:1] == ["-N"]:
        warn("pkg is not installed")
        return 1
    if not (os.environ.get("ASSUME_ALWAYS_YES", "").lower() in ("yes", "true", "1", "on") or "-y" in words):
        sys.stderr.write(
            _NOT_THERE + "Please set ASSUME_ALWAYS_YES=yes environment variable to be able to bootstrap "
            "in non-interactive (stdin not being a tty)\n"
        )
        return 1
    settings = Settings()
    repository = _repository(settings)
    good = repository is not None and _bootstrap(settings, repository)
    if good and not command:
        os.execv(PKG, argv)
    return 0 if good else 1


def _repository(settings: Settings) -> Repository | None:
    """The environment's, else the last that is set up."""
    load_repositories(settings)
    known = settings.repositories[-1] if settings.repositories else None
    url = os.environ.get("PACKAGESITE") or (known.url if known else "")
    if not url:
        warn("PACKAGESITE is not set")
        return None
    for variable, value in (("${ABI}", settings.abi), ("${VERSION_MAJOR}", settings.abi.split(":")[1])):
        url = url.replace(variable, value)
    kind = os.environ.get("SIGNATURE_TYPE") or (known.signature_type if known else "none")
    public = os.environ.get("PUBKEY") or (known.pubkey if known else "")
    return Repository("bootstrap", url.rstrip("/"), "none", kind.lower(), public)


def _bootstrap(settings: Settings, repository: Repository) -> bool:
    print(f"Bootstrapping pkg from {repository.url}, please wait...", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "pkg.pkg")
        try:
            fetch(repository, "Latest/pkg.pkg", path)
        except FetchError as error:
            warn(f"Error fetching {error}")
            sys.stderr.write(_NO_PACKAGE)
            return False
        if not _trusted(repository, path, directory):
            return False
        package = archive.read(path)
        print(f"Installing {package.manifest['name']}-{package.manifest['version']}...", flush=True)
        if not install.put(settings, package, "", None):
            return False
        Database(settings.database_directory).register(package.manifest, False, "", int(time.time()))
        return True


def _trusted(repository: Repository, path: str, directory: str) -> bool:
    if repository.signature_type == "none":
        return True
    if repository.signature_type != "pubkey":
        warn(f"Error fetching {address(repository, 'Latest/pkg.pkg.sig')}: Not Found")
        sys.stderr.write("Signature for pkg not available.\n")
        return False
    signature = os.path.join(directory, "sig")
    try:
        fetch(repository, "Latest/pkg.pkg.pubkeysig", signature)
    except FetchError as error:
        warn(f"Error fetching {error}")
        sys.stderr.write("Signature for pkg not available.\n")
        return False
    if not os.path.exists(repository.pubkey):
        warn(f"unable to open {repository.pubkey}: No such file or directory")
        return False
    with open(signature, "rb") as stream:
        good = catalogue.verify(archive.sha256_of(path).encode(), stream.read(), repository.pubkey)
    if not good:
        sys.stderr.write("Error: Signature is not valid\n")
    return good


__all__ = ["PKG", "main"]
