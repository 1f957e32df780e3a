# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The file that a transfer fills, ``DEST.part``: locked, sparse, and renamed only when whole."""

from __future__ import annotations

import ctypes
import ctypes.util
import errno
import fcntl
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ansible_collections.freehyve.builder.plugins.module_utils import _artifact_helper as far
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_errors import LocalProblem
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_journal import Journal

_SYNC_STEP = 128 << 20  # bytes after which the disk is set to work, so that the last sync is short
_PUNCH = 3  # FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, linux/falloc.h


@contextmanager
def local_errors(dest: Path) -> Iterator[None]:
    """OSError of the destination's file system as one line."""
    try:
        yield
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            text = f"destination '{dest}': cannot be written, the disk is full; make room and run again to resume"
        elif exc.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            text = f"destination '{dest}': cannot be written, permission denied; change the directory's permissions"
        else:
            text = f"destination '{dest}': cannot be written: {exc.strerror or exc}"
        raise LocalProblem(text) from exc


def check_destination(dest: Path) -> None:
    """:raises LocalProblem: a file cannot be put there."""
    if dest.is_dir():
        raise LocalProblem(f"destination '{dest}': is a directory; name the file")
    if not dest.parent.is_dir():
        raise LocalProblem(f"destination '{dest}': its directory is missing; create '{dest.parent}' first")
    if not os.access(dest.parent, os.W_OK | os.X_OK):
        raise LocalProblem(f"destination '{dest}': no permission to write in '{dest.parent}'")


def check_possible(dest: Path) -> None:
    """:raises LocalProblem: not even the directories that are missing can be made."""
    place = dest
    while not place.exists() and place != place.parent:
        place = place.parent
    if place != dest and not place.is_dir():
        raise LocalProblem(f"destination '{dest}': '{place}' is no directory; name another place")
    where = place if place.is_dir() else place.parent
    if not os.access(where, os.W_OK | os.X_OK):
        raise LocalProblem(
            f"destination '{dest}': no permission to write in '{where}'; change it or name another place"
        )


def fsync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class Part:
    """The ``.part`` of one destination; the lock on it is the lock on the destination."""

    def __init__(self, dest: Path) -> None:
        self.dest = dest
        self.path = dest.with_name(dest.name + ".part")
        self.journal = Journal(dest.with_name(dest.name + ".part.journal"))
        self._fd = self._open()
        self._dirty = True
        self._useful = True
        self._unsynced = 0
        self._syncer: threading.Thread | None = None

    def _open(self) -> int:
        """:raises LocalProblem: another process holds it."""
        while True:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as exc:
                os.close(fd)
                if exc.errno not in (errno.EAGAIN, errno.EACCES):
                    raise
                raise LocalProblem(f"destination '{self.dest}': another fetch is writing it; wait for it") from exc
            with suppress(FileNotFoundError):
                # The one who held it may have renamed it between our open and our lock.
                if os.path.samestat(os.fstat(fd), os.stat(self.path)):
                    return fd
            os.close(fd)

    def prepare(self, source: str, stamp: far.Stamp) -> dict[int, bytes] | None:
        """Size the file; returns what an earlier run finished, None when that was of another state."""
        done = self.journal.read(source, stamp)
        had = os.fstat(self._fd).st_size
        known = done if had == stamp.size else None
        if not known:
            os.ftruncate(self._fd, 0)
        os.ftruncate(self._fd, stamp.size)
        self._dirty = self._useful = bool(known)
        self.journal.begin(source, stamp, known or {})
        stale = had > 0 and known is None
        return None if stale else known or {}

    def check_room(self, needed: int) -> None:
        """:raises LocalProblem: the data cannot fit."""
        status = os.fstatvfs(self._fd)
        free = status.f_bavail * status.f_frsize + os.fstat(self._fd).st_blocks * 512
        if needed > free:
            raise LocalProblem(
                f"destination '{self.dest}': no room, {needed >> 20} MiB are needed and {free >> 20} MiB are free; "
                "make room and run again"
            )

    def read(self, index: int, length: int) -> bytes:
        return os.pread(self._fd, length, index * far.CHUNK)

    def write(self, index: int, data: bytes | bytearray | memoryview, pages: bytes) -> None:
        """A chunk: its pages are written, the rest becomes a hole."""
        base, at, view = index * far.CHUNK, 0, memoryview(data)
        self._useful = True
        for start, end in far.page_runs(pages, len(data)):
            self.clear(base + at, base + start)
            done = start
            while done < end:
                done += os.pwrite(self._fd, view[done:end], base + done)
            at = end
            self._unsynced += end - start
        self.clear(base + at, base + len(data))
        if self._unsynced >= _SYNC_STEP:
            self._sync_beside()

    def _sync_beside(self) -> None:
        if self._syncer is not None and self._syncer.is_alive():
            return
        self._unsynced = 0
        self._syncer = threading.Thread(target=self._sync, daemon=True)
        self._syncer.start()

    def _sync(self) -> None:
        with suppress(OSError):  # the sync at the end reports
            os.fsync(self._fd)

    def clear(self, start: int, end: int) -> None:
        """Make a range read as zeros; only an earlier run can have left something there."""
        if not self._dirty or start >= end:
            return
        try:
            if os.lseek(self._fd, start, os.SEEK_DATA) >= end:
                return
        except OSError as exc:
            if exc.errno == errno.ENXIO:
                return
        if _punch(self._fd, start, end - start):
            return
        while start < end:
            start += os.pwrite(self._fd, far.ZEROS[: end - start], start)

    def finish(self) -> None:
        """Put it in place: the destination is the old file until this moment and the new one after it."""
        if self._syncer is not None:
            self._syncer.join()
        os.fsync(self._fd)
        os.replace(self.path, self.dest)
        fsync_directory(self.dest.parent)
        self.journal.remove()

    def discard(self) -> None:
        self.journal.remove()
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """What is there stays for the next run; an empty one has nothing to offer."""
        self.journal.close()
        if self._fd < 0:
            return
        if self._syncer is not None:
            self._syncer.join()
        with suppress(OSError):
            if not self._useful and os.path.samestat(os.fstat(self._fd), os.stat(self.path)):
                self.discard()
        os.close(self._fd)
        self._fd = -1


def _punch(fd: int, start: int, length: int) -> bool:
    """fallocate(2) of Linux; elsewhere the caller writes zeros."""
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    call = getattr(libc, "fallocate64", None) or getattr(libc, "fallocate", None)
    if call is None:
        return False
    return bool(call(fd, _PUNCH, ctypes.c_longlong(start), ctypes.c_longlong(length)) == 0)
