# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Local files that may hold parts of what is to be fetched: an older version, the destination itself."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from ansible_collections.freehyve.builder.plugins.module_utils import _artifact_helper as far


def previous_version(dest: Path) -> list[Path]:
    """The artifact of the same name in the newest sibling directory; a version in the name is that directory's.

    ``artifacts/0.2.0/freehyve-0.2.0-amd64.raw`` follows ``artifacts/0.1.0/freehyve-0.1.0-amd64.raw``.
    """
    mine = dest.parent
    found = []
    with suppress(OSError):
        for sibling in mine.parent.iterdir():
            if sibling == mine or not sibling.is_dir():
                continue
            candidate = sibling / dest.name.replace(mine.name, sibling.name)
            if candidate.is_file():
                found.append(candidate)
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)[:1]


class Seed:
    """One readable file and where its chunks are."""

    def __init__(self, path: Path, cache: far.DigestCache) -> None:
        self.path = path
        self.fd, self.stamp = far.open_file(str(path))
        self.chunks: dict[int, bytes] = {}
        self.sha256 = far.chunk_digests(self.fd, self.stamp, cache, self._keep)

    def _keep(self, chunk: far.ChunkDigest, data: bytes | None) -> None:
        del data
        self.chunks[chunk.number] = chunk.sha256

    def read(self, index: int) -> bytes:
        """A chunk; short or empty when the file changed under us, which its digest will show."""
        return os.pread(self.fd, far.CHUNK, index * far.CHUNK)

    def close(self) -> None:
        os.close(self.fd)


class Seeds:
    """All seeds of one destination. What is copied from them is checked by the chunk's digest afterwards."""

    def __init__(self, paths: Iterable[Path], cache: far.DigestCache) -> None:
        self._seeds: list[Seed] = []
        self._by_digest: dict[bytes, tuple[Seed, int]] = {}
        self._blocks: dict[bytes, tuple[Seed, int]] | None = None
        for path in paths:
            with suppress(OSError, far.SourceError):
                self._seeds.append(Seed(path, cache))
        for seed in reversed(self._seeds):
            for index, digest in seed.chunks.items():
                self._by_digest[digest] = (seed, index)

    def __bool__(self) -> bool:
        return bool(self._by_digest)

    def chunk(self, digest: bytes) -> bytes | None:
        """A chunk with that digest, wherever it lies."""
        place = self._by_digest.get(digest)
        return place[0].read(place[1]) if place else None

    def has(self, digest: bytes) -> bool:
        return digest in self._by_digest

    def beside(self, index: int) -> bytes | None:
        """What the first seed has in the same place: likely to differ in little."""
        for seed in self._seeds:
            if index in seed.chunks:
                return seed.read(index)
        return None

    def index_blocks(self) -> None:
        """Make :meth:`block` work: reads the seeds through, for files whose content moved."""
        if self._blocks is None:
            self._blocks = dict(self._each_block())

    def _each_block(self) -> Iterator[tuple[bytes, tuple[Seed, int]]]:
        for seed in reversed(self._seeds):
            for index in seed.chunks:
                data = seed.read(index)
                for at in range(0, len(data), far.BLOCK):
                    digest = hashlib.sha256(data[at : at + far.BLOCK]).digest()[: far.BLOCK_DIGEST]
                    yield digest, (seed, index * far.CHUNK + at)

    def block(self, digest: bytes) -> bytes | None:
        """A block with that digest, once the blocks are indexed."""
        place = self._blocks.get(digest) if self._blocks is not None else None
        return os.pread(place[0].fd, far.BLOCK, place[1]) if place else None

    def close(self) -> None:
        for seed in self._seeds:
            seed.close()
        self._seeds = []
