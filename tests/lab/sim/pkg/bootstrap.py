# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""pkg(7): fetch, check and install pkg(8) (usr.sbin/pkg/pkg.c)."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import time

from . import archive, catalogue, install
from .database import Database
from .fetching import FetchError, fetch
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
    """Where to take pkg from. 13.2 prefers the environment, 15.1 the repositories that are set up: they must agree."""
    places = os.environ.get("REPOS_DIR")
    settings.repository_directories = tuple(places.split(",")) if places else ()
    load_repositories(settings)
    asked, known = _from_environment(settings), settings.repositories
    if asked and (not known or _key(asked) != _key(known[0])):
        others = " ".join(_key(known[0])) if known else "nowhere"
        warn(f"13.2 would take pkg from {' '.join(_key(asked))}, 15.1 from {others}; set PACKAGESITE and REPOS_DIR")
        return None
    if asked is None and not known:
        warn("No PACKAGESITE defined")
        return None
    return asked or known[-1]


def _key(repository: Repository) -> tuple[str, ...]:
    kind = repository.signature_type
    with_what = {"pubkey": repository.pubkey, "fingerprints": repository.fingerprints}.get(kind, "")
    return repository.url, kind, with_what


def _from_environment(settings: Settings) -> Repository | None:
    url = os.environ.get("PACKAGESITE")
    if not url:
        return None
    for variable, value in (("${ABI}", settings.abi), ("${VERSION_MAJOR}", settings.abi.split(":")[1])):
        url = url.replace(variable, value)
    kind = os.environ.get("SIGNATURE_TYPE", "none").lower()
    public, known = os.environ.get("PUBKEY", ""), os.environ.get("FINGERPRINTS", "")
    return Repository("bootstrap", url.rstrip("/"), "none", kind, public, known)


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
    """Whether the package's signature is what the repository's kind of signature asks for."""
    suffixes = {"pubkey": "pubkeysig", "fingerprints": "sig"}
    if repository.signature_type not in suffixes:
        return True
    signature = os.path.join(directory, "sig")
    try:
        fetch(repository, f"Latest/pkg.pkg.{suffixes[repository.signature_type]}", signature)
    except FetchError as error:
        sys.stderr.write("Signature for pkg not available.\n")
        warn(f"Error fetching {error}")
        return False
    check = _by_key if repository.signature_type == "pubkey" else _by_fingerprint
    return check(repository, path, signature)


def _by_key(repository: Repository, path: str, signature: str) -> bool:
    if not os.path.exists(repository.pubkey):
        warn(f"Unable to read {repository.pubkey}")
        return False
    print(f"Verifying signature with public key {repository.pubkey}... ", end="", flush=True)
    with open(signature, "rb") as stream:
        return _valid(path, stream.read(), repository.pubkey)


def _valid(path: str, signature: bytes, public: str) -> bool:
    """pkg(7) signs and checks the digest's digits."""
    good = catalogue.verify(archive.sha256_of(path).encode(), signature, public)
    if not good:
        sys.stderr.write("Signature is not valid\n")
    return good


def _by_fingerprint(repository: Repository, path: str, signature: str) -> bool:
    try:
        trusted, revoked = catalogue.fingerprints(repository.fingerprints)
    except FileNotFoundError as error:
        warn(f"Error loading {error} certificates")
        return False
    if not trusted:
        sys.stderr.write("No trusted certificates found.\n")
        return False
    with open(signature, "rb") as stream:
        content = stream.read()
    _head, _mark, rest = content.partition(b"SIGNATURE\n")
    sealed, _mark, rest = rest.partition(b"\nCERT\n")
    certificate = rest.removesuffix(b"END\n")
    digest = hashlib.sha256(certificate).hexdigest()
    if digest in revoked:
        sys.stderr.write(f"The package was signed with revoked certificate {digest}\n")
        return False
    if digest not in trusted:
        sys.stderr.write("No trusted fingerprint found matching package's certificate\n")
        return False
    print("Verifying signature with trusted certificate... ", end="", flush=True)
    with tempfile.NamedTemporaryFile() as stream:
        stream.write(certificate)
        stream.flush()
        return _valid(path, sealed, stream.name)


__all__ = ["PKG", "main"]
