# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""By name: the clock jumps while a build holds something.

No test may set the clock of a builder, so what a jump changes is played: FreeBSD keeps the start of a process relative
to the boot, so what ps(1) prints moves with the clock, and so does kern.boottime.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _lease, _reap
from tests.unit.builder import Played, Reply

_OWNER = """
import sys, time
from ansible_collections.freehyve.builder.plugins.module_utils import _lease
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner
_lease.take(Runner(), sys.argv[1], "file", sys.argv[2])
print("held", flush=True)
time.sleep(120)
"""


class Jumped(Played):
    """A host whose clock was set: every process seems to have begun at another time."""

    def play(self, words: list[str]) -> Reply | None:
        return {"ps": "Tue Jan  1 00:00:00 2036\n", "sysctl": ""}.get(words[0])


@contextmanager
def owner(leases: Path, file: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lease of a temporary file."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    argv = [sys.executable, "-c", _OWNER, str(leases), str(file)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("years", [-30, 30])
def test_the_living_keep_theirs_and_the_dead_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, years: int
) -> None:
    leases, file = tmp_path / "leases", tmp_path / "disk.raw.part"
    file.touch()
    with owner(leases, file) as process:
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + years * 365 * 86400)
        assert _reap.reap(Jumped(), str(leases), str(tmp_path)) == _reap.Reaped()
        assert file.exists()
        process.send_signal(signal.SIGKILL)
        process.wait()
        # Whatever runs under its number by now, and since whenever: nobody keeps the lease locked.
        path = next(leases.glob("file-*.json"))
        lease = _lease.read(str(path))
        assert lease is not None
        assert not _lease.is_held(Jumped(), lease)
    assert file.exists()
