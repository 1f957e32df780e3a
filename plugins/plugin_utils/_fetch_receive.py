# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Receiving one file: its chunks in order, each from the cheapest place that has it, each checked.

Chunks are put together out of order where answers overtake each other, and finished in order, so that the digest
of the whole file is worked out on the way.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections import deque
from collections.abc import Callable

from ansible_collections.freehyve.builder.plugins.module_utils import _artifact_helper as far
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_chunk import Chunk, Origin, State
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_errors import FetchError
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_part import Part, local_errors
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_seeds import Seeds
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_session import Session, source_error
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_tally import Tally
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_unpack import DECOMPRESS, unpack

CREDIT = 1024  # chunks that the far end may tell of in advance
ASKING = 24  # chunks about which questions are open
ATTEMPTS = 3
MOVED = 8  # chunks unlike their neighbours in a seed, after which content is looked for everywhere
Content = bytes | bytearray | memoryview


def unheld(done: dict[int, bytes], size: int) -> list[list[int]]:
    """Ranges of chunk numbers that are not in ``done``."""
    ranges: list[list[int]] = []
    start = 0
    for index in sorted(done):
        if index > start:
            ranges.append([start, index])
        start = index + 1
    chunks = (size + far.CHUNK - 1) // far.CHUNK
    if start < chunks:
        ranges.append([start, chunks])
    return ranges


class Receiver:
    """:param part: where the file grows; None only counts what would move (check mode).
    :param done: digests of the chunks that ``part`` has from an earlier run.
    """

    def __init__(
        self,
        session: Session,
        number: int,
        path: str,
        stamp: far.Stamp,
        part: Part | None,
        done: dict[int, bytes],
        seeds: Seeds,
        tally: Tally,
        show: Callable[[Tally], None],
    ) -> None:
        self.session, self.number, self.path, self.stamp = session, number, path, stamp
        self.part, self.done, self.seeds, self.tally, self.show = part, done, seeds, tally, show
        self.records: list[far.ChunkDigest] = []
        self._chunks: deque[Chunk] = deque()
        self._new: deque[Chunk] = deque()
        self._by_index: dict[int, Chunk] = {}
        self._first: dict[bytes, int] = {}
        self._asking = 0
        self._position = 0
        self._told = 0
        self._strange = 0
        self._whole = far.WholeDigest()
        self._end: str | None = None

    # The conversation.

    def run(self, compression: str) -> str:
        """SHA-256 of the whole file as the far end read it, and as it arrived."""
        push = [] if self.seeds or self.part is None else unheld(self.done, self.stamp.size)
        policy = compression if DECOMPRESS is not None else "never"
        before = self.session.received + self.session.sent
        scan = {"id": self.number, "push": push, "credit": CREDIT, "compression": policy}
        self.session.send_json(far.SCAN, scan)
        handlers = {
            far.CHUNK_IS: self._chunk_is,
            far.DATA: self._data,
            far.BLOCKS_ARE: self._blocks_are,
            far.PAGES_ARE: self._pages_are,
            far.END: self._ended,
            far.FAILED: self._failed,
        }
        try:
            while self._end is None or self._chunks:
                kind, payload = self.session.next()
                handler = handlers.get(kind)
                if handler is None:
                    raise self._damaged("an unknown message")
                try:
                    handler(payload)
                except (struct.error, IndexError, ValueError) as exc:
                    raise self._damaged(str(exc)) from exc
                self._decide()
                self._finish_ready()
                self.tally.moved = self.session.received + self.session.sent - before
                self.show(self.tally)
            self._hole_to(self.stamp.size)
            differs = self.part is not None and self._whole.finish(self.stamp.size) != self._end
        finally:
            self._whole.stop()
        if differs:
            raise self._damaged("the whole file differs though every chunk agreed")
        return self._end

    def _damaged(self, what: str) -> FetchError:
        return FetchError(
            f"source '{self.path}': arrived damaged from builder '{self.session.host}': {what}; run again"
        )

    def _failed(self, payload: bytes) -> None:
        raise source_error(self.session.host, self.path, json.loads(payload))

    def _ended(self, payload: bytes) -> None:
        self._end = json.loads(payload)["sha256"]

    def _chunk_is(self, payload: bytes) -> None:
        index, flags, same, sha256 = far.CHUNK_HEAD.unpack_from(payload)
        pages = far.ALL_PAGES if flags & far.FULL else payload[far.CHUNK_HEAD.size :]
        last = self._chunks[-1].index if self._chunks else self._position // far.CHUNK - 1
        if index <= last or index * far.CHUNK >= self.stamp.size or len(pages) != len(far.ALL_PAGES):
            raise self._damaged("a chunk out of order")
        chunk = Chunk(index, sha256, pages, min(far.CHUNK, self.stamp.size - index * far.CHUNK))
        if flags & far.PUSHED:
            chunk.state, chunk.wanted = State.PUSHED, pages
            self._first.setdefault(sha256, index)
        elif flags & far.REPEATED:
            chunk.state, chunk.origin, chunk.same_as = State.READY, Origin.REPEAT, same
        else:
            self._new.append(chunk)
        self._chunks.append(chunk)
        self._by_index[index] = chunk
        self._told += 1
        if self._told == CREDIT // 2:
            self._told = 0
            self.session.credit(CREDIT // 2)

    # Where a chunk comes from.

    def _decide(self) -> None:
        while self._new and self._asking < ASKING:
            chunk = self._new.popleft()
            held = self.done.get(chunk.index) == chunk.sha256
            if held:
                chunk.state, chunk.origin = State.READY, Origin.HELD
            elif self._first.get(chunk.sha256, chunk.index) < chunk.index:
                chunk.state, chunk.origin = State.READY, Origin.REPEAT
                chunk.same_as = self._first[chunk.sha256]
            elif self.seeds.has(chunk.sha256):
                chunk.state, chunk.origin = State.READY, Origin.SEED
            else:
                self._ask(chunk)
            self._first.setdefault(chunk.sha256, chunk.index)

    def _ask(self, chunk: Chunk) -> None:
        """Blocks first where a seed may have most of it, else all."""
        chunk.beside = self.seeds.beside(chunk.index) or b""
        chunk.state = State.ASKED
        self._asking += 1
        if chunk.beside or self._strange > MOVED:
            self.session.send(far.BLOCKS_OF, struct.pack(">I", chunk.index))
        else:
            self._want(chunk, chunk.pages)

    def _want(self, chunk: Chunk, pages: bytes) -> None:
        chunk.wanted = pages
        if self.part is None:
            self.tally.fetched += far.page_bytes(pages, chunk.length)
            self._ready(chunk)
            return
        chunk.attempts += 1
        self.session.send(far.WANT, struct.pack(">I", chunk.index) + pages)

    def _ready(self, chunk: Chunk) -> None:
        if chunk.state is State.ASKED:
            self._asking -= 1
        chunk.state, chunk.beside = State.READY, b""
        if self.part is not None:
            self._save(chunk, self.part, chunk.data)

    def _blocks_are(self, payload: bytes) -> None:
        chunk = self._expected(payload, State.ASKED)
        digests = [payload[at : at + far.BLOCK_DIGEST] for at in range(4, len(payload), far.BLOCK_DIGEST)]
        if len(digests) != (chunk.length + far.BLOCK - 1) // far.BLOCK:
            raise self._damaged("a wrong number of blocks")
        beside = far.block_digests(chunk.beside)
        compare, unlike = 0, 0
        for block, digest in enumerate(digests):
            if not chunk.pages_of_block(block):
                continue
            at = block * far.BLOCK_DIGEST
            if beside[at : at + far.BLOCK_DIGEST] == digest:
                chunk.copy_block(block, chunk.beside[block * far.BLOCK : (block + 1) * far.BLOCK])
                continue
            unlike += 1
            moved = self.seeds.block(digest)
            if moved is not None:
                chunk.copy_block(block, moved)
            elif len(chunk.beside) > block * far.BLOCK:
                compare |= 1 << block
            else:
                chunk.want_pages(block, chunk.pages_of_block(block))
        if 2 * unlike > len(digests):
            self._strange += 1
            if self._strange == MOVED:
                self.seeds.index_blocks()
        if compare:
            self.session.send(far.PAGES_OF, struct.pack(">IH", chunk.index, compare))
        else:
            self._want_rest(chunk)

    def _pages_are(self, payload: bytes) -> None:
        chunk = self._expected(payload, State.ASKED)
        blocks = struct.unpack_from(">H", payload, 4)[0]
        at = 6
        for block in range(far.BLOCKS):
            if not blocks >> block & 1:
                continue
            here = min(far.BLOCK, chunk.length - block * far.BLOCK)
            count = (here + far.PAGE - 1) // far.PAGE
            checks = list(struct.unpack_from(f">{count}I", payload, at))
            at += 4 * count
            chunk.compare_pages(block, checks)
        self._want_rest(chunk)

    def _want_rest(self, chunk: Chunk) -> None:
        if chunk.wanted.strip(b"\0"):
            self._want(chunk, chunk.wanted)
        else:
            self._ready(chunk)

    def _expected(self, payload: bytes, state: State) -> Chunk:
        chunk = self._by_index.get(struct.unpack_from(">I", payload)[0])
        if chunk is None or chunk.state is not state:
            raise self._damaged("an answer without a question")
        return chunk

    def _data(self, payload: bytes) -> None:
        for index, piece in unpack(payload):
            chunk = self._by_index.get(index)
            if chunk is None or chunk.state not in (State.PUSHED, State.ASKED) or not chunk.wanted:
                raise self._damaged("data without a question")
            if not chunk.fill(piece):
                raise self._damaged("a chunk of a wrong length")
            self.tally.fetched += len(piece)
            if chunk.state is State.PUSHED:
                chunk.attempts = 1
            self._ready(chunk)

    # Finishing, in order.

    def _finish_ready(self) -> None:
        while self._chunks and self._chunks[0].state is State.READY:
            chunk = self._chunks[0]
            if self.part is None:
                self._count(chunk)
            elif not self._store(chunk, self.part):
                return
            self._chunks.popleft()
            del self._by_index[chunk.index]
            self.records.append(far.ChunkDigest(chunk.index, chunk.sha256, chunk.pages))

    def _content(self, chunk: Chunk, part: Part) -> Content:
        if chunk.origin is Origin.HELD:
            return part.read(chunk.index, chunk.length)
        if chunk.origin is Origin.REPEAT:
            return part.read(chunk.same_as, chunk.length)
        if chunk.origin is Origin.SEED:
            return self.seeds.chunk(chunk.sha256) or b""
        return chunk.data

    def _store(self, chunk: Chunk, part: Part) -> bool:
        """Add a chunk to the file; False when it was wrong and has been asked for once more."""
        data: Content = chunk.data
        if not chunk.saved:
            with local_errors(part.dest):
                data = self._content(chunk, part)
            if not self._save(chunk, part, data):
                return False
        self._hole_to(chunk.index * far.CHUNK)
        self._whole.chunk(chunk.index, data)
        self._count(chunk)
        return True

    def _save(self, chunk: Chunk, part: Part, data: Content) -> bool:
        """Check a chunk and write it, in any order, so that little is lost with a connection."""
        if hashlib.sha256(data).digest() != chunk.sha256:
            self._again(chunk)
            return False
        with local_errors(part.dest):
            if chunk.origin is not Origin.HELD:
                part.write(chunk.index, data, chunk.pages)
                part.journal.add(chunk.index, chunk.sha256)
        chunk.saved = True
        return True

    def _again(self, chunk: Chunk) -> None:
        """A local copy that is not what it was thought to be is no fault of the wire."""
        if chunk.attempts >= ATTEMPTS:
            raise self._damaged(f"chunk {chunk.index} is wrong after {ATTEMPTS} attempts")
        chunk.origin, chunk.data, chunk.state = Origin.WIRE, b"", State.ASKED
        self._asking += 1
        self._want(chunk, chunk.pages)

    def _hole_to(self, position: int) -> None:
        if position > self._position:
            if self.part is not None:
                with local_errors(self.part.dest):
                    self.part.clear(self._position, position)
            self.tally.holes += position - self._position
            self.tally.done += position - self._position
            self._position = position

    def _count(self, chunk: Chunk) -> None:
        self._hole_to(chunk.index * far.CHUNK)
        data = far.page_bytes(chunk.pages, chunk.length)
        self.tally.holes += chunk.length - data
        if chunk.origin is Origin.REPEAT:
            self.tally.repeated += data
        elif chunk.origin in (Origin.HELD, Origin.SEED):
            self.tally.reused += data
        else:
            fetched = chunk.fetched if self.part is not None else far.page_bytes(chunk.wanted, chunk.length)
            self.tally.reused += max(data - fetched, 0)
        self.tally.done += chunk.length
        self._position = chunk.index * far.CHUNK + chunk.length
