# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Disk images that a machine can start from: the official ones by name, and what a file on the controller holds."""

from __future__ import annotations

import hashlib
import lzma
import os
import re
from typing import BinaryIO, Dict, List, Optional
from urllib.parse import urlsplit

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._files import CHUNK

# release/Makefile.mirrors, release/Makefile.vm
CHECKSUMS = "CHECKSUM.SHA256"
_LINE = re.compile(r"^SHA256 \((?P<name>[^()\s]+)\) = (?P<digest>[0-9a-f]{64})$", re.MULTILINE)
_MAGIC = ((b"\xfd7zXZ\x00", "xz"), (b"\x28\xb5\x2f\xfd", "zst"), (b"QFI\xfb", "qcow2"))
_TARGETS = {"amd64": "amd64", "aarch64": "arm64-aarch64"}
_HOLE = 64 << 10  # bytes


def official_name(release: str, arch: str, filesystem: str) -> str:
    """File name of the image that reads a seed, with its compression; the suffixed form, which every release has."""
    return f"FreeBSD-{release}-{_TARGETS[arch]}-BASIC-CLOUDINIT-{filesystem}.qcow2.xz"


def directories(mirror: str, release: str, arch: str) -> List[str]:
    """URLs of the directory that may hold images and checksums, most likely first."""
    root = mirror.rstrip("/")
    parts = urlsplit(root)
    if parts.scheme not in ("http", "https", "file"):
        raise ToolError(f"mirror '{mirror}': unknown scheme; give an http://, https:// or file:// URL")
    if not release.endswith("-RELEASE") and not re.search(r"-(BETA|RC)\d+$", release):
        raise ToolError(f"release '{release}': the names of a snapshot's images change; set builder_vm_image to one")
    short = f"{root}/releases/VM-IMAGES/{release}/{arch}/Latest"
    if (parts.hostname or "").endswith("download.freebsd.org"):
        return [short]
    return [f"{root}/pub/FreeBSD/releases/VM-IMAGES/{release}/{arch}/Latest", short, root]


def checksums(text: str) -> Dict[str, str]:
    """SHA-256 by file name of a CHECKSUM file in BSD's form."""
    return {match["name"]: match["digest"] for match in _LINE.finditer(text)}


def kind_of(path: str) -> str:
    """``xz``, ``zst``, ``qcow2`` or ``raw``, by content and not by name.

    :raises ToolError: not there, not a file, empty, not ours to read.
    """
    if os.path.isdir(path):
        raise ToolError(f"image '{path}': is a directory; builder_vm_image names a file")
    try:
        with open(path, "rb") as stream:
            start = stream.read(8)
    except OSError as exc:
        raise ToolError(f"image '{path}': cannot be read: {exc.strerror}; check builder_vm_image") from exc
    if not start:
        raise ToolError(f"image '{path}': is empty; check builder_vm_image")
    return next((kind for magic, kind in _MAGIC if start.startswith(magic)), "raw")


def digest_of(path: str, length: int) -> str:
    """SHA-256, or SHA-512 when the digest that it is compared with has that length (hexadecimal digits)."""
    digest = hashlib.sha512() if length == 128 else hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(CHUNK), b""):
            digest.update(block)
    return digest.hexdigest()


def _write_sparse(block: bytes, sink: BinaryIO) -> None:
    for start in range(0, len(block), _HOLE):
        piece = block[start : start + _HOLE]
        if piece.count(0) == len(piece):
            sink.seek(len(piece), os.SEEK_CUR)
        else:
            sink.write(piece)


def unpack_xz(source: str, target: str) -> None:
    """Decompress; runs of zeros become holes.

    :raises ToolError: damaged, or no space.
    """
    try:
        with lzma.open(source, "rb") as stream, open(target, "wb") as sink:
            for block in iter(lambda: stream.read(CHUNK), b""):
                _write_sparse(block, sink)
            sink.truncate()
    except (lzma.LZMAError, EOFError) as exc:
        raise ToolError(f"image '{source}': damaged, xz says: {exc}; get it again") from exc
    except OSError as exc:
        raise ToolError(f"image '{source}': cannot unpack to '{target}': {exc.strerror or exc}") from exc


def checked_digest(text: Optional[str]) -> Optional[str]:
    """:raises ToolError: neither SHA-256 nor SHA-512 in hexadecimal."""
    if not text:
        return None
    digest = text.strip().lower()
    if not re.match(r"^(?:[0-9a-f]{64}|[0-9a-f]{128})$", digest):
        raise ToolError(
            f"checksum '{text}': neither SHA-256 nor SHA-512; builder_vm_image_checksum has 64 or 128 digits"
        )
    return digest


__all__ = [
    "CHECKSUMS",
    "checked_digest",
    "checksums",
    "digest_of",
    "directories",
    "kind_of",
    "official_name",
    "unpack_xz",
]
