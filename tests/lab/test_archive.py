# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The cache of distribution sets."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.lab.sim.freebsd import archive


def test_sets_of_other_sources_go_a_day_after_their_last_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "write_all", lambda directory: (directory / "MANIFEST").touch())
    for name, days in (("dists-old", 2), ("dists-half.x1", 2), ("dists-new", 0.5)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, times=(time.time() - days * 86400,) * 2)
    ready = archive.cached(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["dists-new", ready.name])
    os.utime(ready, times=(0, 0))
    assert archive.cached(tmp_path) == ready and time.time() - ready.stat().st_mtime < 60
