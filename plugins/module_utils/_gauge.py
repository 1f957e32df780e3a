# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""How far several things are together, told once a second by a thread, so that the work itself is not slowed down.

What a command reads on its standard input can be seen from outside: parent and child share the offset of the file
(dup(2)), so the parent asks lseek(2) where the child is. It costs nothing, and no tool needs an option for it.
"""

from __future__ import annotations

import contextlib
import os
import threading
from types import TracebackType
from typing import BinaryIO, Callable, Dict, Iterator, Optional, Type

from ansible_collections.freehyve.builder.plugins.module_utils._context import Report

EVERY = 1.0  # seconds


class Gauge:
    """Use as a context around the work.

    :param report: takes done, total, unit and what.
    :param total: bytes of everything; None when nobody knows.
    :param what: what is worked on, such as the name of a file.
    """

    def __init__(self, report: Report, total: Optional[int], what: str, every: float = EVERY) -> None:
        self._report, self._total, self._what, self._every = report, total, what, every
        self._measures: Dict[str, Callable[[], int]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gauge", daemon=True)

    def __enter__(self) -> "Gauge":
        self._thread.start()
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], value: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._stop.set()
        self._thread.join()

    def set(self, name: str, count: int) -> None:
        """Bytes of one thing so far; cheap enough for every block."""
        self._measures[name] = lambda: count

    @contextlib.contextmanager
    def reading(self, path: str) -> Iterator[BinaryIO]:
        """Open a file that a command reads as its standard input; all of it counts when the command is through."""
        with open(path, "rb", buffering=0) as stream:
            self._measure(path, lambda: os.lseek(stream.fileno(), 0, os.SEEK_CUR))
            try:
                yield stream
            finally:
                size = os.fstat(stream.fileno()).st_size
                self._measure(path, lambda: size)

    def _measure(self, name: str, measure: Callable[[], int]) -> None:
        # Locked, so that no offset is asked of a file that has just been closed.
        with self._lock:
            self._measures[name] = measure

    @property
    def done(self) -> int:
        with self._lock:
            return sum(measure() for measure in list(self._measures.values()))

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            with contextlib.suppress(OSError):  # a full disk stops the work, not the telling of it
                self._report(self.done, self._total, "bytes", self._what)


__all__ = ["EVERY", "Gauge"]
