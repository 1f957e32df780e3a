# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The catalogue of a repository: what pkg-repo(8) writes beside the packages and pkg-update(8) reads."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from typing import Any

from . import archive

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


def build(directory: str, output: str, key: str | None = None) -> int:
    """Write meta, meta.conf, data.pkg and packagesite.pkg; return how many packages were found.

    :param key: private key that signs both archives, or None.
    """
    records = [describe(directory, relative) for relative in package_files(directory)]
    lines = "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records).encode()
    data = json.dumps({"groups": [], "expired_packages": [], "packages": records}, separators=(",", ":")).encode()
    for name, member, content in (("data.pkg", "data", data), ("packagesite.pkg", "packagesite.yaml", lines)):
        members = [(member, content)]
        if key:
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


def load(path: str, public: str | None) -> list[dict[str, Any]]:
    """Return the packages named by a data.pkg file.

    :param public: public key that must have signed it, or None.
    """
    found = {info.name: content for info, content in archive.members(path)}
    if "data" not in found:
        raise CatalogueError("no data in the catalogue")
    if public is not None and ("signature" not in found or not verify(found["data"], found["signature"], public)):
        missing = "signature" not in found
        raise CatalogueError("No signature found" if missing else "Invalid signature, removing repository.")
    packages: list[dict[str, Any]] = json.loads(found["data"])["packages"]
    return packages
