# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The far end's pieces: pages, extents, digests and their cache."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.freehyve.builder.plugins.module_utils import _artifact_helper as far

MIB = 1 << 20


def sparse(path: Path, pieces: dict[int, bytes], size: int) -> Path:
    with path.open("wb") as stream:
        for at, piece in pieces.items():
            stream.seek(at)
            stream.write(piece)
        stream.truncate(size)
    return path


def chunks_of(path: Path, cache: far.DigestCache) -> tuple[str, list[far.ChunkDigest], int]:
    """Digest, chunks, and how many of them were read."""
    found: list[far.ChunkDigest] = []
    read = 0

    def seen(chunk: far.ChunkDigest, data: bytes | None) -> None:
        nonlocal read
        found.append(chunk)
        read += data is not None

    fd, stamp = far.open_file(str(path))
    try:
        return far.chunk_digests(fd, stamp, cache, seen), found, read
    finally:
        os.close(fd)


NO_CACHE = far.DigestCache("")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 255), st.integers(1, 40)), max_size=8), st.integers(1, 256 * 4096))
def test_page_runs_are_the_pages_of_the_map(runs: list[tuple[int, int]], length: int) -> None:
    data = bytearray(length)
    for at, count in runs:
        data[at * 4096 : min((at + count) * 4096, length)] = b"x" * len(data[at * 4096 : (at + count) * 4096])
    pages = far.page_map(bytes(data))
    rebuilt = bytearray(length)
    last = -1
    for start, end in far.page_runs(pages, length):
        assert last < start < end <= length
        rebuilt[start:end] = data[start:end]
        last = end
    assert rebuilt == data
    assert far.page_bytes(pages, length) == sum(end - start for start, end in far.page_runs(pages, length))


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.integers(0, 5 * MIB), st.integers(1, 2 * MIB), max_size=4), st.integers(0, 3 * MIB))
def test_digests_are_those_of_the_content(
    tmp_path_factory: pytest.TempPathFactory, pieces: dict[int, int], tail: int
) -> None:
    size = max([at + length for at, length in pieces.items()], default=0) + tail
    noise = {at: random.Random(at).randbytes(length) for at, length in pieces.items()}
    path = sparse(tmp_path_factory.mktemp("digests") / "file", noise, size)
    content = path.read_bytes()
    digest, chunks, _holes = chunks_of(path, NO_CACHE)
    assert digest == hashlib.sha256(content).hexdigest()
    by_number = {chunk.number: chunk for chunk in chunks}
    for number in range((size + MIB - 1) // MIB):
        data = content[number * MIB : (number + 1) * MIB]
        if number in by_number:
            assert by_number[number].sha256 == hashlib.sha256(data).digest()
        else:
            assert not data.strip(b"\0")


def test_a_file_system_that_knows_no_holes_is_searched_for_zeros(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sparse(tmp_path / "file", {3 * MIB + 5000: b"x" * 10_000}, 6 * MIB)
    with_holes = chunks_of(path, NO_CACHE)

    def lseek(fd: int, position: int, how: int) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "lseek", lseek)
    assert chunks_of(path, NO_CACHE)[:2] == with_holes[:2]
    assert len(with_holes[1]) == 1


def old(path: Path) -> Path:
    """Its last change lies back far enough for its digests to be kept."""
    time.sleep(0.03)
    return path


def test_an_unchanged_file_is_not_read_again(tmp_path: Path) -> None:
    cache = far.DigestCache(str(tmp_path / "cache"))
    path = old(sparse(tmp_path / "file", {MIB: b"x" * MIB}, 4 * MIB))
    first, second = chunks_of(path, cache), chunks_of(path, cache)
    assert first[:2] == second[:2]
    assert (first[2], second[2]) == (1, 0)


def test_any_change_makes_the_digests_void(tmp_path: Path) -> None:
    cache = far.DigestCache(str(tmp_path / "cache"))
    path = old(sparse(tmp_path / "file", {0: b"x" * MIB}, MIB))
    chunks_of(path, cache)
    times = path.stat()
    with path.open("r+b") as stream:
        stream.write(b"y")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # as a restored file
    assert chunks_of(path, cache)[2] == 1


def test_digests_of_a_file_that_was_just_written_are_not_kept(tmp_path: Path) -> None:
    cache = far.DigestCache(str(tmp_path / "cache"))
    path = tmp_path / "file"
    path.write_bytes(b"x")
    chunks_of(path, cache)
    assert cache.digest(far.stamp_of(path.stat())) is None


@pytest.mark.parametrize("damage", [b"", b"rubbish", b"\0" * 200])
def test_a_damaged_cache_is_no_cache(tmp_path: Path, damage: bytes) -> None:
    cache = far.DigestCache(str(tmp_path / "cache"))
    path = old(sparse(tmp_path / "file", {0: b"x"}, 1))
    whole = chunks_of(path, cache)
    for kept in (tmp_path / "cache").iterdir():
        kept.write_bytes(damage)
    assert chunks_of(path, cache) == whole


def test_a_cache_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    path = old(sparse(tmp_path / "file", {0: b"x"}, 1))
    assert chunks_of(path, far.DigestCache(str(tmp_path / "cache")))[2] == 1


def test_the_cache_keeps_the_newest_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(far.DigestCache, "KEEP", 3)
    cache = far.DigestCache(str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "not ours").touch()
    for number in range(5):
        chunks_of(old(sparse(tmp_path / str(number), {0: b"x"}, 1)), cache)
    assert len(list((tmp_path / "cache").iterdir())) == 4


def test_files_below_a_directory_are_listed_and_links_left_out(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "file").touch()
    (tmp_path / "a").touch()
    (tmp_path / "link").symlink_to("a")
    os.mkfifo(tmp_path / "fifo")
    assert far.list_files(str(tmp_path)) == ["a", "b/file"]
    assert far.list_files(str(tmp_path / "a")) == [""]
    with pytest.raises(far.SourceError, match="is not there"):
        far.list_files(str(tmp_path / "none"))


def test_a_fifo_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(far.SourceError, match="is no regular file"):
        far.open_file(str(tmp_path / "fifo"))


def test_a_frame_of_absurd_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "frame"
    path.write_bytes(far.FRAME.pack(b"x", 1 << 31))
    with path.open("rb") as stream, pytest.raises(ValueError, match="frame of"):
        far.read_frame(stream)


def test_the_helper_needs_little_memory(tmp_path: Path) -> None:
    """It reads 128 MiB of noise and sends it; the limit of the issue is 150 MiB."""
    path = tmp_path / "file"
    with path.open("wb") as stream:
        for number in range(128):
            stream.write(random.Random(number).randbytes(MIB))
    script = (
        "import importlib.util, io, json, os, resource, sys\n"
        "spec = importlib.util.spec_from_file_location('far', sys.argv[1])\n"
        "far = importlib.util.module_from_spec(spec)\n"
        "sys.modules['far'] = far\n"
        "spec.loader.exec_module(far)\n"
        "def peak(status):\n"
        "    if not os.path.exists(status):\n"
        "        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "    # ru_maxrss of Linux begins with what the parent had at the fork\n"
        "    return next(row.split()[1] for row in open(status) if row.startswith('VmHWM'))\n"
        "ask = lambda kind, value: far.FRAME.pack(kind, len(value)) + value\n"
        "scan = {'id': 1, 'push': [[0, 999]], 'credit': 999, 'compression': 'always'}\n"
        "asked = ask(far.OPEN, json.dumps({'id': 1, 'path': sys.argv[2]}).encode())\n"
        "asked += ask(far.SCAN, json.dumps(scan).encode())\n"
        "near, distant = os.pipe()\n"
        "os.write(distant, asked)\n"
        "class Sink(io.RawIOBase):\n"
        "    def write(self, data):\n"
        "        if bytes(data[:1]) == far.END:\n"
        "            os.close(distant)\n"
        "        return len(data)\n"
        "far.Server(os.fdopen(near, 'rb'), Sink(), {}).serve()\n"
        "print(peak(sys.argv[3]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, far.__file__, str(path), "/proc/self/status"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert int(done.stdout) < 100 << 10
