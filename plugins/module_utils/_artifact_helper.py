# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The far end of ``fetch_artifact``: reads files once, tells their digests, streams what is asked for.

Python 3.8 and its standard library only: the file is sent through the connection and run there as it is. The
near end imports it too, for the format of the messages and to index local files the same way.

A file is cut into chunks of 1 MiB; each chunk into blocks of 64 KiB and pages of 4 KiB. Pages of zeros are
holes. Messages are frames: a letter, a length, a payload. The near end sends ``OPEN``, ``LIST``, ``TEXT``,
``SCAN``; a scan answers with one ``CHUNK`` for each chunk that is not all zeros, in order, followed by its pages
(``DATA``) where the near end wanted them pushed, and then ``END``. Meanwhile ``BLOCKS``, ``PAGES`` and ``WANT``
ask for finer digests and single pages of a chunk.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import queue
import shutil
import stat
import struct
import subprocess
import sys
import threading
import time
import zlib
from contextlib import suppress
from typing import Any, BinaryIO, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple, Union

PROTOCOL = 1
PAGE = 4096
BLOCK = 1 << 16
CHUNK = 1 << 20
PAGES = CHUNK // PAGE
BLOCKS = CHUNK // BLOCK
BATCH = 4 << 20  # bytes of pages in one DATA frame, and so in one zstd frame
FRAME = struct.Struct(">cI")
LARGEST_FRAME = 2 * BATCH
BLOCK_DIGEST = 8  # bytes; the digest of the whole chunk has the last word
ALL_PAGES = b"\xff" * (PAGES // 8)
ZEROS = bytes(CHUNK)
_ZERO_PAGE = bytes(PAGE)
_TEXT_LIMIT = 4 << 20

# near end to far end
OPEN, LIST, TEXT, SCAN, CREDIT, STOP, BLOCKS_OF, PAGES_OF, WANT, QUIT = (
    *(b"O", b"L", b"T", b"S", b"C", b"X", b"B", b"P", b"W"),
    b"Q",
)
# far end to near end
HELLO, INFO, LISTED, CONTENT, FAILED, CHUNK_IS, DATA, BLOCKS_ARE, PAGES_ARE, END = (
    *(b"h", b"i", b"l", b"t", b"e", b"c", b"d", b"b", b"p"),
    b"f",
)
PUSHED, REPEATED, FULL = 1, 2, 4  # flags of CHUNK_IS
CHUNK_HEAD = struct.Struct(">IBI32s")  # index, flags, index of the chunk that it repeats, SHA-256
DATA_HEAD = struct.Struct(">BH")  # 1 if zstd, number of items
DATA_ITEM = struct.Struct(">II")  # chunk, bytes
RECORD = struct.Struct(">I32s32s")  # index, SHA-256, bitmap of pages that are not zero


class Stamp(NamedTuple):
    """What tells one state of a file from another."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


class SourceError(Exception):
    """``kind`` is for programs, the text for people."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class ChunkDigest(NamedTuple):
    """``number`` of the chunk, its digest, the map of its pages that are not all zeros."""

    number: int
    sha256: bytes
    pages: bytes


def stamp_of(status: os.stat_result) -> Stamp:
    return Stamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


# --- pages ------------------------------------------------------------------------------------------------------


def page_map(data: bytes) -> bytes:
    """A bit for each page of a chunk that is not all zeros, lowest bit first."""
    bits = bytearray(PAGES // 8)
    full = len(data) // PAGE
    for page in range(full):
        if not data.startswith(_ZERO_PAGE, page * PAGE):
            bits[page >> 3] |= 1 << (page & 7)
    if data[full * PAGE :].strip(b"\0"):
        bits[full >> 3] |= 1 << (full & 7)
    return bytes(bits)


def page_runs(pages: bytes, length: int) -> Iterator[Tuple[int, int]]:
    """``(start, end)`` in bytes of each run of set pages of a chunk of ``length`` bytes."""
    if pages == ALL_PAGES:
        yield 0, length
        return
    bits, page = int.from_bytes(pages, "little"), 0
    while bits:
        skip = (bits & -bits).bit_length() - 1
        page += skip
        bits >>= skip
        run = (~bits & (bits + 1)).bit_length() - 1
        start, end = page * PAGE, min((page + run) * PAGE, length)
        if start < end:
            yield start, end
        page += run
        bits >>= run


def page_bytes(pages: bytes, length: int) -> int:
    return sum(end - start for start, end in page_runs(pages, length))


def block_digests(data: bytes) -> bytes:
    """The short digests of a chunk's blocks, one after another."""
    return b"".join(hashlib.sha256(data[at : at + BLOCK]).digest()[:BLOCK_DIGEST] for at in range(0, len(data), BLOCK))


def page_checks(data: bytes, block: int) -> bytes:
    """CRC-32 of each page of one block."""
    end = min((block + 1) * BLOCK, len(data))
    return b"".join(struct.pack(">I", zlib.crc32(data[at : at + PAGE])) for at in range(block * BLOCK, end, PAGE))


# --- files ------------------------------------------------------------------------------------------------------


def open_file(path: str) -> Tuple[int, Stamp]:
    """A descriptor of a regular file.

    :raises SourceError: missing, a directory, special, unreadable.
    """
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        raise SourceError("missing", "is not there") from None
    except PermissionError:
        raise SourceError("unreadable", "may not be read") from None
    except OSError as exc:
        raise SourceError("unreadable", "cannot be opened: " + str(exc.strerror)) from exc
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        kind = "directory" if stat.S_ISDIR(status.st_mode) else "special"
        raise SourceError(kind, "is a directory" if kind == "directory" else "is no regular file")
    return fd, stamp_of(status)


def check_unchanged(fd: int, path: str, stamp: Stamp) -> None:
    """:raises SourceError: the file grew, was written to, or another one has its name."""
    try:
        same = stamp_of(os.fstat(fd)) == stamp and stamp_of(os.stat(path)) == stamp
    except OSError:
        same = False
    if not same:
        raise SourceError("changed", "changed while it was read")


def data_extents(fd: int, size: int) -> Iterator[Tuple[int, int]]:
    """``(start, end)`` of what is no hole; the whole file where the file system cannot tell."""
    position = 0
    while position < size:
        try:
            start = os.lseek(fd, position, os.SEEK_DATA)
            end = os.lseek(fd, start, os.SEEK_HOLE)
        except (AttributeError, OSError) as exc:
            if getattr(exc, "errno", None) == errno.ENXIO:
                return
            start, end = position, size
        end = min(end, size)
        if start >= end:
            return
        yield start, end
        position = end


def data_chunks(fd: int, size: int) -> Iterator[int]:
    """Numbers of the chunks that hold data, each once, in order."""
    following = 0
    for start, end in data_extents(fd, size):
        for index in range(max(start // CHUNK, following), (end - 1) // CHUNK + 1):
            yield index
            following = index + 1


def read_chunk(fd: int, index: int, size: int) -> bytes:
    """One chunk; :raises SourceError: the file is shorter than it was."""
    want = min(CHUNK, size - index * CHUNK)
    data = os.pread(fd, want, index * CHUNK)
    while len(data) < want:
        more = os.pread(fd, want - len(data), index * CHUNK + len(data))
        if not more:
            raise SourceError("changed", "became shorter while it was read")
        data += more
    return data


class WholeDigest:
    """SHA-256 of a file that is given in order, worked out by a thread of its own."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._position = 0
        self._queue = queue.Queue(8)  # type: queue.Queue[Any]
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while True:
            item = self._queue.get()
            if item is None:
                return
            if isinstance(item, int):
                while item > 0:
                    self._digest.update(ZEROS if item >= CHUNK else ZEROS[:item])
                    item -= CHUNK
            else:
                self._digest.update(item)

    def chunk(self, index: int, data: Union[bytes, bytearray, memoryview]) -> None:
        """Add a chunk; what lies between it and the one before is zeros."""
        self.zeros_to(index * CHUNK)
        self._queue.put(data)
        self._position += len(data)

    def zeros_to(self, position: int) -> None:
        if position > self._position:
            self._queue.put(position - self._position)
            self._position = position

    def finish(self, size: int) -> str:
        self.zeros_to(size)
        self.stop()
        return self._digest.hexdigest()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()


# --- digests that are known already -----------------------------------------------------------------------------


class DigestCache:
    """Digests of files by :class:`Stamp`; a file is records, a JSON trailer, and the trailer's length."""

    KEEP = 64  # files
    SUFFIX = ".digests"

    def __init__(self, directory: str) -> None:
        self.directory = os.path.expanduser(directory) if directory else ""

    def _path(self, stamp: Stamp) -> str:
        return os.path.join(self.directory, "%x-%x%s" % (stamp.device, stamp.inode, self.SUFFIX))

    def digest(self, stamp: Stamp) -> Optional[str]:
        """SHA-256 of the whole file, if this very state of it was read before."""
        trailer = self._trailer(stamp)
        return trailer["sha256"] if trailer else None

    def _trailer(self, stamp: Stamp) -> Optional[Dict[str, Any]]:
        if not self.directory:
            return None
        try:
            with open(self._path(stamp), "rb") as stream:
                end = stream.seek(-4, os.SEEK_END)
                length = struct.unpack(">I", stream.read(4))[0]
                stream.seek(end - length)
                trailer = json.loads(stream.read(length).decode("utf-8"))
            whole = trailer["records"] * RECORD.size + length == end
            return trailer if whole and trailer["stamp"] == list(stamp) else None
        except (OSError, ValueError, KeyError, TypeError, struct.error):
            return None

    def chunks(self, stamp: Stamp) -> Iterator[ChunkDigest]:
        """The recorded chunks, in order."""
        trailer = self._trailer(stamp)
        if trailer is None:
            return
        left = trailer["records"]
        with open(self._path(stamp), "rb") as stream:
            for record in iter(lambda: stream.read(RECORD.size), b""):
                if left == 0:
                    return
                left -= 1
                yield ChunkDigest(*RECORD.unpack(record))

    def writer(self, stamp: Stamp) -> "CacheWriter":
        return CacheWriter(self, stamp)

    def prune(self) -> None:
        """Forget the oldest; whatever else lies in the directory is not ours."""
        try:
            ours = [name for name in os.listdir(self.directory) if name.endswith(self.SUFFIX)]
            names = [os.path.join(self.directory, name) for name in ours]
            names.sort(key=os.path.getmtime)
            for name in names[: -self.KEEP]:
                os.unlink(name)
        except OSError:
            return


class CacheWriter:
    """Records of one file; nothing is kept unless :meth:`save` is reached, and failure to keep is no failure."""

    def __init__(self, cache: DigestCache, stamp: Stamp) -> None:
        self._cache, self._stamp, self._count = cache, stamp, 0
        self._temporary = cache._path(stamp) + ".%d" % os.getpid()
        self._stream = None  # type: Optional[BinaryIO]
        self._begun = time.time_ns()
        if cache.directory:
            try:
                os.makedirs(cache.directory, mode=0o700, exist_ok=True)
                flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
                self._stream = os.fdopen(os.open(self._temporary, flags, 0o600), "wb")
            except OSError:
                self._stream = None

    def add(self, chunk: ChunkDigest) -> None:
        if self._stream is not None:
            try:
                self._stream.write(RECORD.pack(*chunk))
                self._count += 1
            except OSError:
                self.drop()

    def _settled(self) -> bool:
        """Whether a write after this reading would have changed the times (the clock of a file is coarse)."""
        newest = max(self._stamp.mtime_ns, self._stamp.ctime_ns)
        coarse = newest % 1000000000 == 0
        return newest + (2000000000 if coarse else 20000000) < self._begun

    def save(self, sha256: str) -> None:
        if self._stream is None:
            return
        if not self._settled():
            self.drop()
            return
        value = {"stamp": list(self._stamp), "sha256": sha256, "records": self._count}
        trailer = json.dumps(value).encode("utf-8")
        try:
            self._stream.write(trailer + struct.pack(">I", len(trailer)))
            self._stream.close()
            os.replace(self._temporary, self._cache._path(self._stamp))
            self._stream = None
            self._cache.prune()
        except OSError:
            self.drop()

    def drop(self) -> None:
        if self._stream is not None:
            with suppress(OSError):
                self._stream.close()
                os.unlink(self._temporary)
            self._stream = None


def chunk_digests(
    fd: int,
    stamp: Stamp,
    cache: DigestCache,
    seen: Optional[Callable[[ChunkDigest, Optional[bytes]], None]] = None,
) -> str:
    """Read a file once, or its cached digests; returns the SHA-256 of the whole file.

    :param seen: called for each chunk that is not all zeros, with its data unless that came from the cache.
    """
    known = cache.digest(stamp)
    if known is not None:
        for chunk in cache.chunks(stamp):
            if seen is not None:
                seen(chunk, None)
        return known
    whole, keep = WholeDigest(), cache.writer(stamp)
    try:
        for index in data_chunks(fd, stamp.size):
            data = read_chunk(fd, index, stamp.size)
            pages = page_map(data)
            if not pages.strip(b"\0"):
                continue
            whole.chunk(index, data)
            chunk = ChunkDigest(index, hashlib.sha256(data).digest(), pages)
            keep.add(chunk)
            if seen is not None:
                seen(chunk, data)
        digest = whole.finish(stamp.size)
    except BaseException:
        keep.drop()
        whole.stop()
        raise
    if stamp_of(os.fstat(fd)) == stamp:
        keep.save(digest)
    else:
        keep.drop()
    return digest


# --- compression ------------------------------------------------------------------------------------------------


def zstd_command() -> Optional[str]:
    return shutil.which("zstd") or next(
        (p for p in ("/usr/bin/zstd", "/usr/local/bin/zstd") if os.path.exists(p)), None
    )


def zstd(arguments: List[str], data: bytes) -> bytes:
    """Run zstd over a buffer."""
    command = zstd_command()
    if command is None:
        raise OSError(errno.ENOENT, "zstd is not installed")
    done = subprocess.run(
        [command, "-q", "-c"] + arguments, input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False
    )
    if done.returncode != 0:
        raise OSError(errno.EIO, "zstd: " + done.stderr.decode("utf-8", "replace").strip())
    return done.stdout


class Squeezer:
    """Compress where it pays: samples show whether the data shrinks, the clock whether that makes it faster."""

    TRIAL = 16 << 20  # bytes before a way is judged
    TERM = 512 << 20  # bytes before the other way is tried again

    def __init__(self, policy: str) -> None:
        self.policy = policy if zstd_command() else "never"
        self._rates = {}  # type: Dict[bool, float]
        self._on, self._bytes, self._seconds, self._left = True, 0, 0.0, self.TRIAL

    def pack(self, data: bytes) -> Tuple[bool, bytes]:
        """Whether the result is compressed, and the result; for data that shrinks."""
        if self.policy == "never" or (self.policy == "auto" and not self._on):
            return False, data
        packed = zstd(["-1", "-T1", "--no-check"], data)
        return (True, packed) if len(packed) < len(data) else (False, data)

    def shrinks(self, data: bytes) -> bool:
        """Whether compression is worth a try: three pieces stand for all."""
        if self.policy == "never":
            return False
        piece = min(4096, len(data))
        last = len(data) - piece
        sample = b"".join(data[at : at + piece] for at in sorted({0, last // 2, last}))
        return len(zlib.compress(sample, 1)) < len(sample) * 9 // 10

    def took(self, size: int, seconds: float) -> None:
        """Tell how long a batch that shrinks took to pack and to send."""
        if self.policy != "auto":
            return
        self._bytes += size
        self._seconds += seconds
        self._left -= size
        if self._left > 0:
            return
        self._rates[self._on] = self._bytes / max(self._seconds, 1e-6)
        self._bytes, self._seconds = 0, 0.0
        other = not self._on
        if other not in self._rates:
            self._on, self._left = other, self.TRIAL
        elif self._rates[other] > self._rates[self._on]:
            self._on, self._left = other, self.TERM
            del self._rates[not other]
        else:
            self._left = self.TERM
            del self._rates[other]


# --- messages ---------------------------------------------------------------------------------------------------


def read_exactly(stream: BinaryIO, count: int) -> bytes:
    """:raises EOFError: the stream ends before."""
    data = stream.read(count)
    if data is None or len(data) < count:
        raise EOFError("the stream ended")
    return data


def read_frame(stream: BinaryIO) -> Tuple[bytes, bytes]:
    """:raises EOFError: the stream ended; ValueError: this is no frame."""
    kind, length = FRAME.unpack(read_exactly(stream, FRAME.size))
    if length > LARGEST_FRAME:
        raise ValueError("frame of %d bytes" % length)
    return kind, read_exactly(stream, length) if length else b""


class Sender:
    """Writes frames in order from a thread of its own; DATA is packed there, beside the reading of the next."""

    def __init__(self, stream: BinaryIO, policy: str) -> None:
        self._stream = stream
        self.squeezer = Squeezer(policy)
        self._queue = queue.Queue(64)  # type: queue.Queue[Any]
        self._room = threading.Semaphore(4)  # batches between reading and the wire
        self._batch = []  # type: List[Tuple[int, bytes]]
        self._size = 0
        self._shrinks = False
        self.broken = False
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def frame(self, kind: bytes, payload: bytes) -> None:
        self._queue.put((kind, payload))

    def json(self, kind: bytes, value: Dict[str, Any]) -> None:
        self.frame(kind, json.dumps(value).encode("utf-8"))

    def pages(self, index: int, data: bytes) -> None:
        """Add to the batch; a full one goes off, and one of the other kind; what does not shrink is not held back."""
        shrinks = self.squeezer.shrinks(data)
        if shrinks != self._shrinks:
            self.flush()
            self._shrinks = shrinks
        self._batch.append((index, data))
        self._size += len(data)
        if not shrinks or self._size > BATCH - CHUNK:
            self.flush()

    def flush(self) -> None:
        if self._batch:
            self._room.acquire()
            self._queue.put((DATA, (self._shrinks, self._batch)))
            self._batch, self._size = [], 0

    def close(self) -> None:
        self.flush()
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while True:
            item = self._queue.get()
            if item is None:
                return
            kind, payload = item
            try:
                if not self.broken:
                    if isinstance(payload, tuple):
                        self._send_batch(*payload)
                    else:
                        self._write(FRAME.pack(kind, len(payload)), payload)
                    if self._queue.empty():
                        self._stream.flush()
            except (OSError, ValueError):
                self.broken = True
            finally:
                if isinstance(payload, tuple):
                    self._room.release()

    def _send_batch(self, shrinks: bool, batch: List[Tuple[int, bytes]]) -> None:
        begun = time.monotonic()
        data = b"".join(item[1] for item in batch)
        packed, wire = self.squeezer.pack(data) if shrinks else (False, data)
        if packed:
            self._send_data(True, batch, wire)
        else:
            for item in batch:
                self._send_data(False, [item], item[1])
        self._stream.flush()
        if shrinks:
            self.squeezer.took(len(data), time.monotonic() - begun)

    def _send_data(self, packed: bool, items: List[Tuple[int, bytes]], wire: bytes) -> None:
        head = DATA_HEAD.pack(1 if packed else 0, len(items))
        head += b"".join(DATA_ITEM.pack(index, len(piece)) for index, piece in items)
        self._write(FRAME.pack(DATA, len(head) + len(wire)), head, wire)

    def _write(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._stream.write(piece)


# --- the conversation -------------------------------------------------------------------------------------------


class _Stopped(Exception):
    """The near end has heard enough of this scan."""


class _Gone(Exception):
    """The near end hung up."""


class Server:
    """Answers one near end until it says QUIT or hangs up."""

    def __init__(self, source: BinaryIO, target: BinaryIO, options: Dict[str, Any]) -> None:
        self._source = source
        self._requests = queue.Queue()  # type: queue.Queue[Tuple[bytes, bytes]]
        self._sender = Sender(target, options.get("compression", "auto"))
        self._cache = DigestCache(options.get("cache", ""))
        self._files = {}  # type: Dict[int, Tuple[int, Stamp, str]]
        self._scanned = -1
        self._credit = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        try:
            while True:
                self._requests.put(read_frame(self._source))
        except (EOFError, OSError, ValueError):
            self._requests.put((QUIT, b""))

    def serve(self) -> None:
        hello = {"protocol": PROTOCOL, "python": list(sys.version_info[:3]), "zstd": zstd_command() is not None}
        self._sender.json(HELLO, hello)
        try:
            while not self._sender.broken:
                self._answer(*self._requests.get())
        except _Gone:
            pass
        self._sender.close()

    def _answer(self, kind: bytes, payload: bytes) -> None:
        if kind == QUIT:
            raise _Gone
        if kind in (CREDIT, STOP):
            return  # too late: the scan is over
        if kind in (BLOCKS_OF, PAGES_OF, WANT):
            self._late_question(kind, payload)
            return
        self._sender.flush()  # what was asked about the last file comes before anything about the next
        value = json.loads(payload.decode("utf-8"))
        try:
            if kind == OPEN:
                self._open(value)
            elif kind == LIST:
                self._sender.json(LISTED, {"id": value["id"], "files": list_files(value["path"])})
            elif kind == TEXT:
                self._text(value)
            elif kind == SCAN:
                self._scan(value)
        except SourceError as exc:
            self._fail(value["id"], exc.kind, str(exc))
        except OSError as exc:
            self._fail(value["id"], "io", "cannot be read: " + str(exc.strerror or exc))

    def _late_question(self, kind: bytes, payload: bytes) -> None:
        try:
            self._answer_scan(kind, payload)
        except SourceError as exc:
            self._fail(self._scanned, exc.kind, str(exc))
        except OSError as exc:
            self._fail(self._scanned, "io", "cannot be read: " + str(exc.strerror or exc))
        if self._requests.empty():
            self._sender.flush()

    def _fail(self, number: int, kind: str, text: str) -> None:
        self._sender.flush()
        self._sender.json(FAILED, {"id": number, "kind": kind, "text": text})

    def _open(self, value: Dict[str, Any]) -> None:
        path = os.path.expanduser(value["path"])
        if value["id"] in self._files:
            os.close(self._files.pop(value["id"])[0])
        fd, stamp = open_file(path)
        self._files[value["id"]] = (fd, stamp, path)
        told = {
            "id": value["id"],
            "stamp": list(stamp),
            "allocated": os.fstat(fd).st_blocks * 512,
            "sha256": self._cache.digest(stamp),
        }
        self._sender.json(INFO, told)

    def _text(self, value: Dict[str, Any]) -> None:
        fd, stamp = open_file(os.path.expanduser(value["path"]))
        try:
            if stamp.size > _TEXT_LIMIT:
                raise SourceError("large", "is larger than %d bytes" % _TEXT_LIMIT)
            text = os.pread(fd, _TEXT_LIMIT, 0).decode("utf-8", "replace")
        finally:
            os.close(fd)
        self._sender.json(CONTENT, {"id": value["id"], "text": text})

    # A scan: digests in order, as far as the near end gives credit; its questions come first.

    def _scan(self, value: Dict[str, Any]) -> None:
        fd, stamp, path = self._files[value["id"]]
        self._scanned, self._credit = value["id"], value["credit"]
        push = Ranges(value["push"])
        pushed = {}  # type: Dict[bytes, int]
        self._sender.squeezer = Squeezer(value["compression"])

        def seen(chunk: ChunkDigest, data: Optional[bytes]) -> None:
            self._questions()
            flags, same = (FULL if chunk.pages == ALL_PAGES else 0), 0
            wanted = chunk.number in push
            if wanted and chunk.sha256 in pushed:
                flags, same, wanted = flags | REPEATED, pushed[chunk.sha256], False
            elif wanted:
                flags |= PUSHED
                pushed[chunk.sha256] = chunk.number
            head = CHUNK_HEAD.pack(chunk.number, flags, same, chunk.sha256)
            self._sender.frame(CHUNK_IS, head if flags & FULL else head + chunk.pages)
            self._credit -= 1
            if wanted:
                content = data if data is not None else read_chunk(fd, chunk.number, stamp.size)
                self._send_pages(chunk.number, content, chunk.pages)

        try:
            digest = chunk_digests(fd, stamp, self._cache, seen)
            check_unchanged(fd, path, stamp)
        except _Stopped:
            digest = ""
        self._sender.flush()
        self._sender.json(END, {"id": value["id"], "sha256": digest})

    def _questions(self) -> None:
        """Answer what is asked; wait for credit."""
        if self._sender.broken:
            raise _Gone
        waited = False
        while self._credit <= 0 or not self._requests.empty():
            if self._requests.empty():
                self._sender.flush()
            kind, payload = self._requests.get()
            if kind == QUIT:
                raise _Gone
            self._answer_scan(kind, payload)
            waited = True
        if waited:
            self._sender.flush()

    def _answer_scan(self, kind: bytes, payload: bytes) -> None:
        if kind == STOP:
            raise _Stopped
        if kind == CREDIT:
            self._credit += struct.unpack(">I", payload)[0]
            return
        fd, stamp = self._files[self._scanned][:2]
        index = struct.unpack_from(">I", payload)[0]
        data = read_chunk(fd, index, stamp.size)
        if kind == BLOCKS_OF:
            self._sender.frame(BLOCKS_ARE, payload[:4] + block_digests(data))
        elif kind == PAGES_OF:
            blocks = struct.unpack_from(">H", payload, 4)[0]
            checks = b"".join(page_checks(data, block) for block in range(BLOCKS) if blocks >> block & 1)
            self._sender.frame(PAGES_ARE, payload[:6] + checks)
        elif kind == WANT:
            self._send_pages(index, data, payload[4:])

    def _send_pages(self, index: int, data: bytes, pages: bytes) -> None:
        self._sender.pages(index, b"".join(data[start:end] for start, end in page_runs(pages, len(data))))


class Ranges:
    """Sorted ranges of chunk numbers, asked in rising order."""

    def __init__(self, ranges: List[List[int]]) -> None:
        self._ranges = ranges
        self._at = 0

    def __contains__(self, index: int) -> bool:
        while self._at < len(self._ranges) and self._ranges[self._at][1] <= index:
            self._at += 1
        return self._at < len(self._ranges) and self._ranges[self._at][0] <= index


def list_files(path: str) -> List[str]:
    """Regular files below a directory, as sorted relative paths; ``[""]`` for a file. Links are not followed."""
    path = os.path.expanduser(path)
    if not os.path.isdir(path):
        os.close(open_file(path)[0])
        return [""]
    found = []

    def complain(exc: OSError) -> None:
        raise SourceError("unreadable", "%s: %s" % (exc.filename, exc.strerror))

    for top, directories, names in os.walk(path, onerror=complain):
        directories.sort()
        for name in names:
            full = os.path.join(top, name)
            if stat.S_ISREG(os.lstat(full).st_mode):
                found.append(os.path.relpath(full, path))
    return sorted(found)


def main(options: Dict[str, Any]) -> None:
    """Serve on standard input and output; the near end gives the options and a marker that ends any login noise."""
    target = os.fdopen(os.dup(1), "wb", 1 << 18)
    os.dup2(2, 1)  # nothing else may write between the frames
    target.write(options["marker"].encode("ascii"))
    Server(sys.stdin.buffer, target, options).serve()
    with suppress(OSError):  # nobody may be listening any more
        target.flush()
    os._exit(0)  # a thread still reads standard input, which the interpreter's own end would trip over


__all__ = [
    "ALL_PAGES",
    "BLOCK",
    "CHUNK",
    "PAGE",
    "ChunkDigest",
    "DigestCache",
    "Server",
    "SourceError",
    "Stamp",
    "WholeDigest",
    "chunk_digests",
    "main",
]
