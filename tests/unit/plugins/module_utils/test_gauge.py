# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""How far several things are together."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path
from typing import List, Optional, Tuple

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils._gauge import Gauge
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner

Told = Tuple[int, Optional[int], str, str]


class Ear:
    """A report that can be waited for."""

    def __init__(self) -> None:
        self.told: List[Told] = []
        self._heard = threading.Event()

    def __call__(self, done: int, total: Optional[int], unit: str, what: str) -> None:
        self.told.append((done, total, unit, what))
        self._heard.set()

    def wait(self) -> Told:
        self._heard.clear()
        assert self._heard.wait(10)
        return self.told[-1]


def test_what_is_set_is_added_up() -> None:
    ear = Ear()
    with Gauge(ear, 100, "a, b", every=0.01) as gauge:
        gauge.set("a", 10)
        gauge.set("a", 30)
        gauge.set("b", 5)
        ear.wait()
        assert ear.wait() == (35, 100, "bytes", "a, b")
    count = len(ear.told)
    gauge.set("b", 6)
    assert len(ear.told) == count


def test_it_sees_how_far_another_process_has_read(tmp_path: Path) -> None:
    path = tmp_path / "big"
    path.write_bytes(b"x" * (1 << 20))
    ear = Ear()
    with Gauge(ear, 1 << 20, "big", every=0.01) as gauge, gauge.reading(str(path)) as stream:
        head = subprocess.Popen(["dd", "bs=65536", "count=3", "of=/dev/null"], stdin=stream, stderr=subprocess.DEVNULL)
        assert head.wait() == 0
        ear.wait()
        assert ear.wait()[0] == 3 * 65536
    assert gauge.done == 1 << 20


def test_a_pipeline_reads_the_file_that_is_watched(tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.write_bytes(bytes(range(256)) * 4096)
    with Gauge(Ear(), None, "in") as gauge:
        with gauge.reading(str(source)) as stream:
            Runner().pipe(["cat"], ["cat"], output=str(target), stdin=stream)
        assert gauge.done == 1 << 20
    assert target.read_bytes() == source.read_bytes()


def test_work_that_fails_ends_the_telling(tmp_path: Path) -> None:
    before = threading.active_count()
    with pytest.raises(ValueError, match="no"), Gauge(Ear(), None, "x"):
        raise ValueError("no")
    assert threading.active_count() == before


def test_a_report_that_cannot_be_written_does_not_end_the_work() -> None:
    heard = threading.Event()

    def full(*_told: object) -> None:
        heard.set()
        raise OSError(28, "No space left on device")

    with Gauge(full, None, "x", every=0.01):
        assert heard.wait(10)
