# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The catalogue of a repository: what pkg-repo(8) writes beside the packages and pkg-update(8) reads."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from . import archive, ucl

META = ('version = 2;\npacking_format = "tzst";\nmanifests = "packagesite.yaml";\ndata = "data";\n'
        'filesite = "filesite.yaml";\nmanifests_archive = "packagesite";\nfilesite_archive = "filesite";\n')


class CatalogueError(Exception):
    """The catalogue cannot be used; the text is what pkg prints."""


def package_files(directory: str) -> list[str]:
    """Return the package files below a repository, relative to it, sorted; links and bookkeeping left out."""
    found = []
    for parent, directories, names in os.walk(directory):
        directories[:] = [name for name in directories if not name.startswith(".") and name not in ("Latest", "logs")]
        found += [os.path.relpath(os.path.join(parent, name), directory) for name in names
                  if name.endswith(".pkg") and not os.path.islink(os.path.join(parent, name)) and parent != directory]
    return sorted(found)


def describe(directory: str, relative: str) -> archive.Manifest:
    """Return the catalogue's line for one package file."""
    path = os.path.join(directory, relative)
    record = archive.compact(archive.read(path).manifest)
    record.update(path=relative, repopath=relative, sum=archive.sha256_of(path), pkgsize=os.stat(path).st_size)
    return record


def build(directory: str, output: str, key: str | None = None, certificate: bytes = b"") -> int:
    """Write meta, meta.conf, data.pkg and packagesite.pkg; return how many packages were found.

    :param key: private key that signs both archives, or None.
    :param certificate: public half of the key, for clients that know its fingerprint only.
    """
    records = [describe(directory, relative) for relative in package_files(directory)]
    lines = "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records).encode()
    data = json.dumps({"groups": [], "expired_packages": [], "packages": records}, separators=(",", ":")).encode()
    for name, member, content in (("data.pkg", "data", data), ("packagesite.pkg", "packagesite.yaml", lines)):
        members = [(member, content)]
        if key and certificate:
            digest = hashlib.sha256(content).hexdigest().encode()
            members += [(f"{member}.sig", sign(digest, key)), (f"{member}.pub", certificate)]
        elif key:
            members.insert(0, ("signature", sign(content, key)))
        _replace(os.path.join(output, name), archive.pack(members))
    for name in ("meta", "meta.conf"):
        _replace(os.path.join(output, name), META.encode())
    return len(records)


def _replace(path: str, content: bytes) -> None:
    temporary = path + ".new"
    with open(temporary, "wb") as stream:
        stream.write(content)
    os.replace(temporary, path)


def sign(content: bytes, key: str) -> bytes:
    """Return the signature of the content; raises CatalogueError when the key does not work."""
    result = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=content, capture_output=True,
                            check=False)
    if result.returncode:
        raise CatalogueError(f"can not read the private key {key}")
    return result.stdout


def verify(content: bytes, signature: bytes, public: str) -> bool:
    """Return whether the signature fits content and public key."""
    with tempfile.NamedTemporaryFile() as stream:
        stream.write(signature)
        stream.flush()
        return subprocess.run(["openssl", "dgst", "-sha256", "-verify", public, "-signature", stream.name],
                              input=content, capture_output=True, check=False).returncode == 0


def fingerprints(directory: str) -> tuple[set[str], set[str]]:
    """Return the trusted and the revoked digests of a directory of fingerprints (pkg.conf(5), FINGERPRINTS).

    Raises FileNotFoundError naming ``trusted`` or ``revoked`` when that is not there: pkg(7) wants both.
    """
    found = []
    for name in ("trusted", "revoked"):
        place = os.path.join(directory, name)
        if not os.path.isdir(place):
            raise FileNotFoundError(name)
        texts = [Path(place, entry).read_text(encoding="utf-8") for entry in os.listdir(place)]
        found.append({str(ucl.parse(text).get("fingerprint", "")).lower() for text in texts})
    return found[0], found[1]


def _check_certificate(found: dict[str, bytes], directory: str) -> None:
    certificate = found.get("data.pub")
    if certificate is None or "data.sig" not in found:
        raise CatalogueError("No signature found")
    trusted, revoked = fingerprints(directory)
    digest = hashlib.sha256(certificate).hexdigest()
    if digest in revoked:
        raise CatalogueError("At least one of the certificates has been revoked")
    if digest not in trusted:
        raise CatalogueError("No trusted public keys found")
    with tempfile.NamedTemporaryFile() as stream:
        stream.write(certificate)
        stream.flush()
        content = hashlib.sha256(found["data"]).hexdigest().encode()
        if not verify(content, found["data.sig"], stream.name):
            raise CatalogueError("No trusted certificate has been used to sign the repository")


def load(path: str, public: str | None, directory: str | None = None) -> list[dict[str, Any]]:
    """Return the packages named by a data.pkg file.

    :param public: public key that must have signed it, or None.
    :param directory: fingerprints of keys that may have signed it, or None.
    """
    found = {info.name: content for info, content in archive.members(path)}
    if "data" not in found:
        raise CatalogueError("no data in the catalogue")
    if directory is not None:
        _check_certificate(found, directory)
    if public is not None and ("signature" not in found or not verify(found["data"], found["signature"], public)):
        missing = "signature" not in found
        raise CatalogueError("No signature found" if missing else "Invalid signature, removing repository.")
    packages: list[dict[str, Any]] = json.loads(found["data"])["packages"]
    return packages
