# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Whole transfers between two ends in one process: content, holes, reuse, faults."""

from __future__ import annotations

import errno
import fcntl
import os
import random
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.freehyve.builder.plugins.module_utils import _artifact_helper as far
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_errors import (
    ConnectionLost,
    FetchError,
    LocalProblem,
    SourceChanged,
    Unreachable,
)
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_run import Item
from tests.unit.plugins.plugin_utils.fetch_pair import Pair, flip

MIB = 1 << 20
NOISE = random.Random(7)


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


def noise(count: int) -> bytes:
    return NOISE.randbytes(count)


def write(path: Path, pieces: dict[int, bytes], size: int) -> None:
    """A sparse file; old enough for its digests to be kept."""
    with path.open("wb") as stream:
        for at, piece in pieces.items():
            stream.seek(at)
            stream.write(piece)
        stream.truncate(size)
    settle(path)


def settle(path: Path) -> None:
    time.sleep(0.03)
    os.utime(path, ns=(time.time_ns() - 10**9 + 1, time.time_ns() - 10**9 + 1))
    time.sleep(0.03)


def disk_usage(path: Path) -> int:
    return path.stat().st_blocks * 512


def test_content_and_holes_arrive(pair: Pair) -> None:
    write(pair.src, {0: noise(100), 5 * MIB + 17: noise(3 * MIB), 40 * MIB: b"x"}, 64 * MIB + 5)
    result = pair.fetch()
    assert pair.same()
    assert result.changed
    assert result.tally.done == result.size == 64 * MIB + 5
    assert result.tally.holes + result.tally.fetched == result.size
    assert disk_usage(pair.dest) < 4 * MIB
    assert pair.leftovers() == []


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, MIB - 1, MIB, MIB + 1, 3 * MIB + 4097])
def test_every_size_arrives(pair: Pair, size: int) -> None:
    write(pair.src, {0: noise(size)}, size)
    pair.fetch()
    assert pair.same()


def test_an_identical_destination_costs_nothing(pair: Pair) -> None:
    write(pair.src, {0: noise(2 * MIB)}, 8 * MIB)
    pair.fetch()
    before = pair.dest.stat()
    result = pair.fetch()
    assert not result.changed
    assert result.tally.moved == 0
    assert pair.dest.stat() == before


def test_an_unchanged_source_is_not_read_again(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    write(pair.src, {0: noise(2 * MIB)}, 8 * MIB)
    pair.fetch()

    def never(*_: object) -> bytes:
        raise AssertionError("read again")

    monkeypatch.setattr(far, "read_chunk", never)
    assert not pair.fetch().changed


def test_an_identical_destination_without_digests_is_recognised(pair: Pair) -> None:
    write(pair.src, {0: noise(2 * MIB)}, 8 * MIB)
    write(pair.dest, {}, 0)
    pair.dest.write_bytes(pair.src.read_bytes())
    result = pair.fetch()
    assert not result.changed
    assert result.tally.moved == 0


def test_a_chunk_that_occurs_twice_moves_once(pair: Pair) -> None:
    chunk = noise(MIB)
    write(pair.src, {0: chunk, 3 * MIB: chunk, 4 * MIB: noise(MIB), 7 * MIB: chunk}, 8 * MIB)
    result = pair.fetch()
    assert pair.same()
    assert result.tally.repeated == 2 * MIB
    assert result.tally.moved < 2 * MIB + 100_000


def test_scattered_changes_move_little_more_than_themselves(pair: Pair) -> None:
    old = noise(16 * MIB)
    write(pair.dest, {0: old}, 32 * MIB)
    new = bytearray(old)
    pages = random.Random(3).sample(range(16 * MIB // 4096), 41)
    for page in pages:
        new[page * 4096 : (page + 1) * 4096] = noise(4096)
    write(pair.src, {0: bytes(new)}, 32 * MIB)
    result = pair.fetch()
    assert pair.same()
    assert result.tally.fetched == 41 * 4096
    assert result.tally.moved < 1.15 * 41 * 4096


def test_the_previous_version_is_the_default_seed(pair: Pair) -> None:
    content = noise(6 * MIB)
    old = pair.dest.parents[1] / "0.9" / "image"
    old.parent.mkdir()
    write(old, {0: content}, 8 * MIB)
    write(pair.src, {0: content[: 5 * MIB] + noise(MIB)}, 8 * MIB)
    result = pair.fetch()
    assert pair.same()
    assert result.tally.fetched == MIB
    assert result.tally.reused == 5 * MIB


def test_moved_content_is_found_by_its_blocks(pair: Pair, tmp_path: Path) -> None:
    content = noise(24 * MIB)
    seed = tmp_path / "seed"
    write(seed, {0: content}, 24 * MIB)
    write(pair.src, {0: noise(far.BLOCK) + content}, 24 * MIB + far.BLOCK)
    result = pair.fetch(seeds=[seed])
    assert pair.same()
    assert result.tally.fetched < 10 * MIB  # those before it was noticed


def test_a_seed_that_changed_behind_its_digests_does_no_harm(pair: Pair) -> None:
    content = noise(4 * MIB)
    write(pair.dest, {0: content}, 4 * MIB)
    write(pair.src, {0: content + noise(MIB)}, 5 * MIB)
    pair.fetch()
    status = pair.dest.stat()
    cache = far.DigestCache(str(pair.directory / "near-cache"))
    pair.dest.write_bytes(noise(5 * MIB))
    keep = cache.writer(far.stamp_of(pair.dest.stat()))  # a cache that lies
    for chunk in cache.chunks(far.stamp_of(status)):
        keep.add(chunk)
    keep._begun += 10**10
    keep.save("0" * 64)
    result = pair.fetch()
    assert result.changed
    assert pair.same()


def test_compressible_data_is_compressed(pair: Pair) -> None:
    write(pair.src, {0: b"".join(b"%d lines of text\n" % number for number in range(400_000))}, 8 * MIB)
    result = pair.fetch(compression="always")
    assert pair.same()
    assert result.tally.moved < result.tally.fetched / 3
    assert pair.fetch(item=Item(str(pair.src), pair.dest.with_name("plain")), compression="never").changed


# Resuming.


def frame_ends(pair: Pair) -> list[int]:
    """Where the frames of a whole transfer end."""
    other = Pair(pair.directory / "measured")
    other.src.write_bytes(pair.src.read_bytes())
    other.fetch(compression="never")
    return other.transports[0].wire.ends


def test_a_cut_at_every_frame_and_inside_it_is_resumed(pair: Pair) -> None:
    (pair.directory / "measured").mkdir()
    write(pair.src, {0: noise(3 * MIB), 5 * MIB: noise(2 * MIB), 9 * MIB: noise(3 * MIB + 99)}, 14 * MIB)
    ends = frame_ends(pair)
    for cut in sorted({end + shift for end in ends[:-1] for shift in (-1, 0, 1)}):
        pair.dest.unlink(missing_ok=True)
        with pytest.raises(ConnectionLost, match="run again to resume"):
            pair.fetch(cut=cut, compression="never")
        assert not pair.dest.exists()
        pair.fetch(compression="never")
        assert pair.same()
        assert pair.leftovers() == []


def test_resuming_moves_only_the_rest(pair: Pair) -> None:
    write(pair.src, {0: noise(20 * MIB)}, 40 * MIB)
    with pytest.raises(ConnectionLost):
        pair.fetch(cut=11 * MIB)
    result = pair.fetch()
    assert result.resumed
    assert pair.same()
    assert result.tally.moved < 13 * MIB
    assert result.tally.reused >= 8 * MIB


def test_the_destination_stays_the_old_file_until_the_new_one_is_whole(pair: Pair) -> None:
    pair.dest.write_bytes(b"old")
    write(pair.src, {0: noise(8 * MIB)}, 8 * MIB)
    with pytest.raises(ConnectionLost):
        pair.fetch(cut=5 * MIB)
    assert pair.dest.read_bytes() == b"old"
    pair.fetch()
    assert pair.same()


def cut_halfway(pair: Pair) -> None:
    write(pair.src, {0: noise(9 * MIB), 12 * MIB: noise(MIB)}, 16 * MIB)
    with pytest.raises(ConnectionLost):
        pair.fetch(cut=8 * MIB)
    assert pair.part.exists()


@pytest.mark.parametrize("at", [0, 2 * MIB + 5, 10 * MIB, 15 * MIB])
def test_a_corrupted_part_is_noticed(pair: Pair, at: int) -> None:
    cut_halfway(pair)
    with pair.part.open("r+b") as stream:
        stream.seek(at)
        stream.write(b"rubbish")
    pair.fetch()
    assert pair.same()
    assert disk_usage(pair.dest) < 11 * MIB


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: b"",
        lambda text: b"rubbish\n" + text,
        lambda text: text[:-20],
        lambda text: text + b"3 zz\n",
        lambda text: text.replace(b" ", b" 0", 1),
        lambda text: text[: text.index(b"\n") + 1] + b"0 " + b"0" * 64 + b"\n99999 " + b"1" * 64 + b"\n",
        lambda text: os.urandom(500),
    ],
)
def test_a_corrupted_journal_is_not_believed(pair: Pair, damage: Any) -> None:
    cut_halfway(pair)
    pair.journal.write_bytes(damage(pair.journal.read_bytes()))
    pair.fetch()
    assert pair.same()
    assert pair.leftovers() == []


def test_a_source_that_changed_since_the_cut_is_fetched_anew(pair: Pair) -> None:
    cut_halfway(pair)
    write(pair.src, {0: noise(9 * MIB)}, 16 * MIB)
    result = pair.fetch()
    assert pair.same()
    assert result.restarted
    assert "starting over" in pair.warnings[0]


def test_a_lost_connection_is_made_again(pair: Pair) -> None:
    write(pair.src, {0: noise(8 * MIB)}, 8 * MIB)
    result = pair.fetch(cut=[5 * MIB, 3 * MIB, None], retries=2)
    assert pair.same()
    assert result.resumed
    assert len(pair.transports) == 3
    assert "attempt 2 of 2" in pair.warnings[1]


def test_a_connection_that_is_not_made_is_tried_again(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    write(pair.src, {0: noise(MIB)}, MIB)
    monkeypatch.setattr(time, "sleep", waited.append)
    with pytest.raises(Unreachable, match="no way"):
        pair.fetch(refuse=3, retries=2)
    assert (waited, len(pair.warnings)) == ([1, 2], 2)
    assert pair.warnings[1] == "no way (trying again, attempt 2 of 2)"
    pair.fetch(refuse=2, retries=2)
    assert pair.same()


# Faults of the source.


def change_while_read(pair: Pair, monkeypatch: pytest.MonkeyPatch, times: int, change: Any) -> None:
    original = far.read_chunk
    left = times

    def read_chunk(fd: int, index: int, size: int) -> bytes:
        nonlocal left
        data = original(fd, index, size)
        if index == 1 and left > 0:
            left -= 1
            change()
        return data

    monkeypatch.setattr(far, "read_chunk", read_chunk)


def grow(pair: Pair) -> None:
    with pair.src.open("ab") as stream:
        stream.write(b"more")


def replace(pair: Pair) -> None:
    new = pair.src.with_name("new")
    new.write_bytes(noise(4 * MIB))
    new.replace(pair.src)


def shrink(pair: Pair) -> None:
    os.truncate(pair.src, MIB + 5)


@pytest.mark.parametrize("change", [grow, replace, shrink])
def test_a_source_that_changes_while_it_is_read_is_read_again(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, change: Any
) -> None:
    write(pair.src, {0: noise(4 * MIB)}, 4 * MIB)
    change_while_read(pair, monkeypatch, 1, lambda: change(pair))
    result = pair.fetch()
    assert result.restarted
    assert pair.same()
    assert "starting over" in pair.warnings[0]


def test_a_source_that_never_rests_is_given_up(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    pair.dest.write_bytes(b"old")
    write(pair.src, {0: noise(4 * MIB)}, 4 * MIB)
    change_while_read(pair, monkeypatch, 99, lambda: grow(pair))
    with pytest.raises(SourceChanged, match=r"changed while it was read .*when its writer is done"):
        pair.fetch()
    assert pair.dest.read_bytes() == b"old"


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda path: None, "is not there on builder 'b'; build it first"),
        (lambda path: path.mkdir(), "is a directory on builder 'b'; name a file, or set recurse"),
        (os.mkfifo, "is no regular file on builder 'b'"),
    ],
)
def test_a_source_that_is_no_file_is_refused(pair: Pair, make: Any, text: str) -> None:
    make(pair.src)
    with pytest.raises(FetchError) as caught:
        pair.fetch()
    assert text in str(caught.value)
    assert pair.leftovers() == []


def test_an_unreadable_source_is_refused(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    write(pair.src, {0: b"x"}, 1)
    original = os.open

    def refuse(path: Any, *more: Any) -> int:
        if str(path) == str(pair.src):
            raise PermissionError(errno.EACCES, "Permission denied")
        return original(path, *more)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(FetchError, match="may not be read on builder 'b'; use become"):
        pair.fetch()


# Faults on the way.


def test_a_wrong_chunk_is_asked_for_again(pair: Pair) -> None:
    write(pair.src, {0: noise(3 * MIB)}, 3 * MIB)
    pair.fetch(tamper=flip(far.DATA, times=1), compression="never")
    assert pair.same()


@pytest.mark.parametrize("kind", [far.DATA, far.CHUNK_IS, far.END])
def test_a_far_end_that_is_always_wrong_is_not_believed(pair: Pair, kind: bytes) -> None:
    write(pair.src, {0: noise(3 * MIB), 4 * MIB: noise(10)}, 8 * MIB)
    with pytest.raises(FetchError):
        pair.fetch(tamper=flip(kind), compression="never")
    assert not pair.dest.exists()


def test_damaged_compressed_data_is_not_believed(pair: Pair) -> None:
    write(pair.src, {0: b"text " * 500_000}, 3 * MIB)
    with pytest.raises(FetchError, match="damaged"):
        pair.fetch(tamper=lambda kind, load: load[:-9] if kind == far.DATA else load, compression="always")
    assert not pair.dest.exists()


# Faults of the destination.


def test_a_full_disk_is_told_before_anything_moves(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    write(pair.src, {0: noise(3 * MIB)}, 3 * MIB)
    original = os.fstatvfs

    def full(fd: int) -> os.statvfs_result:
        values = list(original(fd))
        values[4] = 10  # f_bavail
        return os.statvfs_result(values)

    monkeypatch.setattr(os, "fstatvfs", full)
    with pytest.raises(LocalProblem, match="no room, 3 MiB are needed and 0 MiB are free"):
        pair.fetch()
    assert pair.leftovers() == []


def test_a_disk_that_fills_up_keeps_what_is_there(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    write(pair.src, {0: noise(6 * MIB)}, 6 * MIB)
    original = os.pwrite

    def full(fd: int, data: Any, at: int) -> int:
        if at >= 3 * MIB:
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(fd, data, at)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(LocalProblem, match="the disk is full; make room and run again to resume"):
            pair.fetch()
    assert pair.leftovers() == ["image.part", "image.part.journal"]
    result = pair.fetch()
    assert result.resumed
    assert pair.same()


def test_a_missing_directory_is_refused(pair: Pair) -> None:
    item = Item(str(pair.src), pair.directory / "none" / "image")
    with pytest.raises(LocalProblem, match="its directory is missing"):
        pair.fetch(item=item)


def test_a_directory_as_destination_is_refused(pair: Pair) -> None:
    with pytest.raises(LocalProblem, match="is a directory; name the file"):
        pair.fetch(item=Item(str(pair.src), pair.dest.parent))


def test_a_directory_without_permission_is_refused(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(LocalProblem, match="no permission to write in"):
        pair.fetch()


def test_a_second_fetch_of_the_same_destination_is_refused(pair: Pair) -> None:
    write(pair.src, {0: noise(10)}, 10)
    fd = os.open(pair.part, os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)
    with pytest.raises(LocalProblem, match="another fetch is writing it"):
        pair.fetch()
    os.close(fd)
    pair.fetch()
    assert pair.same()


# Check mode, trees, lists of digests.


def test_check_mode_counts_and_changes_nothing(pair: Pair) -> None:
    old = noise(4 * MIB)
    write(pair.dest, {0: old}, 4 * MIB)
    write(pair.src, {0: old[: 3 * MIB] + noise(MIB) + noise(2 * MIB)}, 12 * MIB)
    result = pair.fetch(check=True)
    assert result.changed
    assert result.tally.fetched == 3 * MIB
    assert result.tally.reused == 3 * MIB
    assert result.msg == f"{3 * MIB} bytes would move, {3 * MIB} are here already"
    assert pair.dest.read_bytes() == old
    assert pair.leftovers() == []


def test_a_source_to_come_is_reported_in_check_mode(pair: Pair) -> None:
    assert "is not there yet" in pair.fetch(check=True, pending_ok=True).msg
    with pytest.raises(FetchError, match="build it first"):
        pair.fetch(check=True)
    with pytest.raises(FetchError, match="build it first"):
        pair.fetch(pending_ok=True)


def tree(pair: Pair) -> dict[str, bytes]:
    files = {"a.raw": noise(2 * MIB), "logs/build.log": b"done\n", "empty": b""}
    for name, content in files.items():
        path = pair.src / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return files


def test_a_tree_is_fetched_in_one_session(pair: Pair) -> None:
    files = tree(pair)
    item = Item(str(pair.src), pair.dest.parent, recurse=True)
    results = pair.fetch_all([item])
    assert [result.changed for result in results] == [True] * 3
    for name, content in files.items():
        assert (pair.dest.parent / name).read_bytes() == content
    assert len(pair.transports) == 1
    assert not any(result.changed for result in pair.fetch_all([item]))
    assert len(pair.transports) == 2


def sums(pair: Pair, files: dict[str, bytes], wrong: str = "") -> Path:
    import hashlib

    lines = []
    for name, content in files.items():
        digest = hashlib.sha256(b"?" if name == wrong else content).hexdigest()
        lines.append(f"{digest}  {name}" if name != "empty" else f"SHA256 ({name}) = {digest}")
    path = pair.src / "SHA256SUMS"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_files_are_checked_against_the_list(pair: Pair) -> None:
    path = sums(pair, tree(pair))
    item = Item(str(pair.src), pair.dest.parent, recurse=True)
    listed = {Path(result.dest).name: result.listed for result in pair.fetch_all([item], sums=str(path))}
    assert listed == {"SHA256SUMS": False, "a.raw": True, "build.log": True, "empty": True}


def test_a_file_that_is_not_as_listed_is_not_kept(pair: Pair) -> None:
    path = sums(pair, tree(pair), wrong="a.raw")
    item = Item(str(pair.src), pair.dest.parent, recurse=True)
    with pytest.raises(FetchError, match=r"a.raw': refusing to keep it, its SHA-256 is \w+ and .*SHA256SUMS' says"):
        pair.fetch_all([item], sums=str(path))
    assert not (pair.dest.parent / "a.raw").exists()


def test_a_checksum_is_checked_even_when_nothing_moves(pair: Pair) -> None:
    write(pair.src, {0: b"x"}, 1)
    pair.fetch()
    with pytest.raises(FetchError, match="and checksum says"):
        pair.fetch(item=Item(str(pair.src), pair.dest, checksum="0" * 64))


def test_a_broken_list_is_refused(pair: Pair) -> None:
    pair.src.mkdir()
    (pair.src / "SHA256SUMS").write_text("nonsense\n")
    with pytest.raises(FetchError, match="line 1 is no checksum"):
        pair.fetch_all([Item(str(pair.src), pair.dest.parent, recurse=True)], sums=str(pair.src / "SHA256SUMS"))


def test_progress_speaks_now_and_then(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_progress.FIRST", -1.0)
    write(pair.src, {0: noise(3 * MIB)}, 3 * MIB)
    pair.fetch()
    assert (pair.events[-1]["state"], pair.events[-1]["done"]) == ("done", 3 * MIB)


# Properties.

PIECES = st.lists(
    st.tuples(st.integers(0, 1200), st.integers(1, 300), st.sampled_from([0, 1, 2, 3])), min_size=0, max_size=6
)


def image(pieces: list[tuple[int, int, int]], tail: int) -> bytes:
    """Pages of noise, of one of three kinds or of zeros, anywhere; later pieces lie over earlier ones."""
    kinds = [bytes(4096), *(random.Random(kind).randbytes(4096) for kind in (1, 2, 3))]
    data = bytearray(max([at + length for at, length, _kind in pieces], default=0) * 4096 + tail)
    for at, length, kind in pieces:
        data[at * 4096 : (at + length) * 4096] = b"".join(
            kinds[kind] if page % 3 else random.Random(page * kind).randbytes(4096) for page in range(length)
        )
    return bytes(data)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(old=PIECES, new=PIECES, tail=st.integers(0, 5000), cut=st.one_of(st.none(), st.integers(100, 2_000_000)))
def test_whatever_was_there_and_wherever_it_is_cut_the_source_arrives(
    tmp_path_factory: pytest.TempPathFactory,
    old: list[tuple[int, int, int]],
    new: list[tuple[int, int, int]],
    tail: int,
    cut: int | None,
) -> None:
    pair = Pair(tmp_path_factory.mktemp("pair"))
    pair.dest.write_bytes(image(old, 0))
    pair.src.write_bytes(image(new, tail))
    try:
        pair.fetch(cut=cut)
    except ConnectionLost:
        assert pair.dest.read_bytes() == image(old, 0)
        pair.fetch()
    assert pair.same()
    assert pair.leftovers() == []
    result = pair.fetch()
    assert not result.changed
