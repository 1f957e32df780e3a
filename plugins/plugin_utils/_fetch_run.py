# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""A whole run: connect, find out what is there, fetch what differs, go on after a lost connection."""

from __future__ import annotations

import fnmatch
import json
import os
import posixpath
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.freehyve.builder.plugins.module_utils import _artifact_helper as far
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_errors import (
    ConnectionLost,
    FetchError,
    SourceChanged,
    SourceMissing,
    Unreachable,
)
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_part import (
    Part,
    check_destination,
    check_possible,
    local_errors,
)
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_progress import Progress, Tell
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_receive import CREDIT, Receiver
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_seeds import Seed, Seeds, previous_version
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_session import Session, source_error
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_sums import parse_sums
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_tally import Tally

RESTARTS = 2  # times that a source may change under a transfer


@dataclass(frozen=True)
class Item:
    """``src`` on the builder, ``dest`` here; ``recurse`` takes everything below ``src`` to below ``dest``."""

    src: str
    dest: Path
    recurse: bool = False
    checksum: str | None = None
    exclude: tuple[str, ...] = ()

    def takes(self, name: str) -> bool:
        """Whether a file of the tree is wanted; a pattern that fits a directory fits all below."""
        parts = name.split("/")
        heads = ["/".join(parts[: count + 1]) for count in range(len(parts))]
        return not any(fnmatch.fnmatchcase(head, pattern) for head in heads for pattern in self.exclude)


@dataclass
class Options:
    """As the module documents them; ``tell`` takes events of progress, ``warn`` prints a warning."""

    check: bool = False
    pending_ok: bool = False
    compression: str = "auto"
    retries: int = 4
    seeds: Sequence[Path] | None = None
    sums: str | None = None
    cache: str = "~/.cache/freehyve-builder/digests"
    tell: Tell = print
    warn: Callable[[str], None] = print


@dataclass
class Fetched:
    """The result of one file."""

    src: str
    dest: str
    changed: bool = False
    msg: str = ""
    size: int = 0
    sha256: str | None = None
    listed: bool = False
    resumed: bool = False
    restarted: bool = False
    seconds: float = 0.0
    tally: Tally = field(default_factory=Tally)

    def as_result(self) -> dict[str, Any]:
        names = ("src", "dest", "changed", "msg", "size", "sha256", "listed", "resumed", "restarted")
        told = {name: getattr(self, name) for name in names}
        return {**told, "seconds": round(self.seconds, 3), **self.tally.as_result()}


def check_name(name: str) -> None:
    """A relative path of the far end must stay below the destination.

    :raises FetchError: it does not.
    """
    if name.startswith("/") or ".." in name.split("/") or "\0" in name:
        raise FetchError(f"source '{name}': refusing a path that leaves its directory; rename it")


class Run:
    """:param connect: makes a started session; called again after a lost connection, or when none was made."""

    def __init__(self, connect: Callable[[], Session], options: Options) -> None:
        self.connect, self.options = connect, options
        self.cache = far.DigestCache(options.cache)
        self.results: list[Fetched] = []
        self.moved = 0
        self._number = 0

    def fetch(self, items: Sequence[Item]) -> list[Fetched]:
        """:raises FetchError: the first thing that cannot be done."""
        for item in items:
            if item.recurse or self.options.check:
                check_possible(item.dest)
            else:
                check_destination(item.dest)
        losses = 0
        while True:
            try:
                with self.connect() as session:
                    try:
                        self._fetch_with(session, items)
                    finally:
                        self.moved += session.received + session.sent
                return self.results
            except (ConnectionLost, Unreachable) as exc:
                losses += 1
                if losses > self.options.retries:
                    raise
                self.options.warn(f"{exc} (trying again, attempt {losses} of {self.options.retries})")
                time.sleep(2 ** (losses - 1))

    def _fetch_with(self, session: Session, items: Sequence[Item]) -> None:
        sums = self._sums(session)
        for item in self._expand(session, items):
            if any(result.dest == str(item.dest) for result in self.results):
                continue  # done before the connection was lost
            expected = item.checksum or sums.get(posixpath.normpath(item.src))
            self.results.append(self._one(session, item, expected))

    def _sums(self, session: Session) -> dict[str, str]:
        path = self.options.sums
        if path is None:
            return {}
        try:
            told = session.ask(far.TEXT, path, self._next(), far.CONTENT)
        except SourceMissing:
            if self.options.check and self.options.pending_ok:
                return {}
            raise
        return parse_sums(told["text"], path)

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _expand(self, session: Session, items: Sequence[Item]) -> list[Item]:
        """Trees become files."""
        found = []
        for item in items:
            if not item.recurse:
                found.append(item)
                continue
            try:
                names = session.ask(far.LIST, item.src, self._next(), far.LISTED)["files"]
            except SourceMissing:
                if not (self.options.check and self.options.pending_ok):
                    raise
                if not any(result.src == item.src for result in self.results):
                    self.results.append(self._pending(item))
                continue
            for name in filter(item.takes, names):
                src = posixpath.join(item.src, name) if name else item.src
                dest = item.dest / (name or posixpath.basename(item.src))
                check_name(name)
                if not self.options.check:
                    with local_errors(dest):
                        dest.parent.mkdir(parents=True, exist_ok=True)
                    check_destination(dest)
                found.append(Item(src, dest))
        taken: dict[Path, str] = {}
        for item in found:
            other = taken.setdefault(item.dest, item.src)
            if other != item.src:
                raise FetchError(f"destination '{item.dest}': both '{other}' and '{item.src}' go there; leave one out")
        return found

    @staticmethod
    def _pending(item: Item) -> Fetched:
        text = f"source '{item.src}': is not there yet, would be fetched to '{item.dest}'"
        return Fetched(item.src, str(item.dest), changed=True, msg=text)

    def _one(self, session: Session, item: Item, expected: str | None) -> Fetched:
        begun = time.monotonic()
        result = Fetched(item.src, str(item.dest), listed=expected is not None)
        for restart in range(RESTARTS + 1):
            try:
                self._transfer(session, item, expected, result)
                break
            except SourceMissing:
                if not (self.options.check and self.options.pending_ok):
                    raise
                return self._pending(item)
            except SourceChanged as exc:
                if restart == RESTARTS:
                    raise
                result.restarted = True
                self.options.warn(f"source '{item.src}': changed while it was read, starting over ({exc})")
        result.seconds = time.monotonic() - begun
        return result

    def _transfer(self, session: Session, item: Item, expected: str | None, result: Fetched) -> None:
        number = self._next()
        told = session.ask(far.OPEN, item.src, number, far.INFO)
        stamp = far.Stamp(*told["stamp"])
        result.size = stamp.size
        result.tally = Tally(size=stamp.size)
        with local_errors(item.dest):
            local = self._local(item.dest, stamp.size)
            if local is not None and self._same(session, number, item, told, local):
                result.sha256, result.msg = local.sha256, "unchanged"
                result.tally.reused = stamp.size
                local.close()
                self._verify(item, local.sha256, expected)
                return
            if local is not None:
                local.close()
            self._receive(session, number, item, stamp, told, expected, result)

    def _local(self, dest: Path, size: int) -> Seed | None:
        """The destination, if it is a file of that size."""
        try:
            if dest.stat().st_size != size:
                return None
            return Seed(dest, self.cache)
        except (OSError, far.SourceError):
            return None

    def _same(self, session: Session, number: int, item: Item, told: dict[str, Any], local: Seed) -> bool:
        """Whether the destination is the source; reads the source only where its digest is not known."""
        if told["sha256"] is not None:
            return bool(told["sha256"] == local.sha256)
        session.send_json(far.SCAN, {"id": number, "push": [], "credit": CREDIT, "compression": "never"})
        left, stopped = CREDIT, False
        while True:
            kind, payload = session.next()
            if kind == far.FAILED:
                raise source_error(session.host, item.src, json.loads(payload))
            if kind == far.END:
                return bool(json.loads(payload)["sha256"] == local.sha256)
            if kind != far.CHUNK_IS or stopped:
                continue
            head = far.CHUNK_HEAD.unpack_from(payload)
            index, digest = head[0], head[3]
            if local.chunks.get(index) != digest:
                session.send(far.STOP)
                stopped = True
            left -= 1
            if left == CREDIT // 2:
                session.credit(CREDIT // 2)
                left = CREDIT

    def _receive(
        self,
        session: Session,
        number: int,
        item: Item,
        stamp: far.Stamp,
        told: dict[str, Any],
        expected: str | None,
        result: Fetched,
    ) -> None:
        result.changed = True
        paths = self.options.seeds if self.options.seeds is not None else previous_version(item.dest)
        seeds = Seeds([item.dest, *paths], self.cache)
        progress = Progress(item.dest.name, self.options.tell)
        part = None if self.options.check else Part(item.dest)
        try:
            done: dict[int, bytes] = {}
            if part is not None:
                done = self._prepare(part, session, item, stamp, told, result)
            receiver = Receiver(
                *(session, number, item.src, stamp, part, done, seeds, result.tally, progress.show),
            )
            digest = receiver.run(self.options.compression)
            result.sha256 = digest
            if part is None:
                result.msg = f"{result.tally.fetched} bytes would move, {result.tally.reused} are here already"
                return
            self._verify(item, digest, expected, part)
            part.finish()
            self._remember(item.dest, digest, receiver.records)
            result.msg = "resumed" if result.resumed else "fetched"
        finally:
            progress.close()
            seeds.close()
            if part is not None:
                part.close()

    def _prepare(
        self, part: Part, session: Session, item: Item, stamp: far.Stamp, told: dict[str, Any], result: Fetched
    ) -> dict[int, bytes]:
        earlier = part.prepare(f"{session.host}:{item.src}", stamp)
        if earlier is None:
            result.restarted = True
            self.options.warn(f"source '{item.src}': is not what '{part.path}' was begun from, starting over")
        done = earlier or {}
        result.resumed = bool(done)
        needed = min(told["allocated"], stamp.size) - len(done) * far.CHUNK
        part.check_room(max(needed, 0))
        return done

    def _verify(self, item: Item, digest: str, expected: str | None, part: Part | None = None) -> None:
        """:raises FetchError: the builder's list of digests says otherwise; nothing is kept."""
        if expected is None or digest == expected.lower():
            return
        if part is not None:
            part.discard()
        origin = "checksum" if item.checksum else f"'{self.options.sums}'"
        raise FetchError(
            f"source '{item.src}': refusing to keep it, its SHA-256 is {digest} and {origin} says {expected}; "
            "make the file again"
        )

    def _remember(self, dest: Path, digest: str, records: list[far.ChunkDigest]) -> None:
        """Keep the digests of what was just written, so that the next run need not read it.

        A short pause first: a later change of the file must show in its times, which are no finer than that.
        """
        time.sleep(0.03)
        keep = self.cache.writer(far.stamp_of(os.stat(dest)))
        for record in records:
            keep.add(record)
        keep.save(digest)
