# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""A package file as pkg-create(8) writes it: a zstd-compressed tar, the two manifests first, then the files."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
from dataclasses import dataclass, field
from typing import Any, Iterator

Manifest = dict[str, Any]
#: Keys of the full manifest that the compact one and the catalogue leave out.
FULL_ONLY = ("files", "directories", "scripts", "config")


@dataclass(frozen=True)
class Entry:
    """One file, link or directory of a package.

    :param path: absolute path on the target.
    :param target: what a symbolic link points at; None for a plain file.
    """

    path: str
    content: bytes = b""
    mode: int = 0o644
    owner: str = "root"
    group: str = "wheel"
    target: str | None = None


@dataclass
class Package:
    """A package file read into memory: the full manifest and the members that are not manifests."""

    manifest: Manifest
    entries: list[Entry] = field(default_factory=list)


def compact(manifest: Manifest) -> Manifest:
    """Return what ``+COMPACT_MANIFEST`` and the catalogue carry."""
    return {key: value for key, value in manifest.items() if key not in FULL_ONLY}


def _zstd(*arguments: str, data: bytes | None = None) -> bytes:
    return subprocess.run(["zstd", "-q", "-c", *arguments], input=data, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=True).stdout


def pack(members: list[tuple[str, bytes]]) -> bytes:
    """Return a compressed archive of plain root-owned members."""
    return _compressed([Entry(name, content) for name, content in members])


def _compressed(entries: list[Entry], stamp: int = 0) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for entry in entries:
            info = tarfile.TarInfo(entry.path)
            info.mode, info.uname, info.gname, info.mtime = entry.mode, entry.owner, entry.group, stamp
            if entry.target is not None:
                info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.target, 0o755
                archive.addfile(info)
            else:
                info.size = len(entry.content)
                archive.addfile(info, io.BytesIO(entry.content))
    return _zstd("-3", data=stream.getvalue())


def write(path: str, manifest: Manifest, entries: list[Entry], stamp: int = 0) -> Manifest:
    """Write a package file; sums and the flat size go into the manifest, which is returned."""
    full = dict(manifest)
    full["flatsize"] = sum(len(entry.content) for entry in entries)
    full["files"] = {entry.path: _sum(entry) for entry in entries}
    head = [Entry("+COMPACT_MANIFEST", json.dumps(compact(full), separators=(",", ":")).encode()),
            Entry("+MANIFEST", json.dumps(full, separators=(",", ":")).encode())]
    temporary = path + ".new"
    with open(temporary, "wb") as stream:
        stream.write(_compressed(head + entries, stamp))
    os.replace(temporary, path)
    return full


def _sum(entry: Entry) -> str:
    data = entry.content if entry.target is None else entry.target.encode()
    return "1$" + hashlib.sha256(data).hexdigest()


def members(path: str) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """Yield every member of a compressed archive; raises OSError or tarfile.TarError when it is damaged."""
    try:
        data = _zstd("-d", path)
    except subprocess.CalledProcessError as error:
        raise tarfile.ReadError(f"{path}: not a zstd archive") from error
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for info in archive:
            stream = archive.extractfile(info) if info.isfile() else None
            yield info, stream.read() if stream else b""


def read(path: str) -> Package:
    """Read a package file; raises OSError, ValueError or tarfile.TarError when it is damaged."""
    package = Package({})
    for info, content in members(path):
        if info.name == "+MANIFEST":
            package.manifest = json.loads(content)
        elif not info.name.startswith("+"):
            name = info.name if info.name.startswith("/") else "/" + info.name
            package.entries.append(Entry(name, content, info.mode, info.uname, info.gname,
                                         info.linkname if info.issym() else None))
    if not package.manifest:
        raise ValueError(f"{path}: no manifest")
    return package


def sha256_of(path: str) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
