# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _job, _lease
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from tests.unit.fake_runner import FakeRunner

STARTED = "Sun Nov 22 21:31:10 2026\n"
BOOT = "\x01\x02boot"


def builder(start: str = STARTED) -> FakeRunner:
    """A host on which this process runs."""
    return FakeRunner().on(_lease.start_argv(os.getpid()), start).on(_lease.boot_argv(), BOOT)


def foreign(directory: Path, pid: int = 77, job: str | None = None, **more: object) -> Path:
    """A lease of another process."""
    path = Path(_lease.lease_path(str(directory), "md", "/a.img"))
    owner = {"pid": pid, "start": "Sun Nov 22 21:00:00 2026", "boot": "01"}
    value = {"kind": "md", "identity": "/a.img", "owner": owner, "job": job, "made": 1, **more}
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


@contextmanager
def kept_locked(path: Path) -> Iterator[None]:
    """Somebody alive has it: a lock of another open file keeps us out like one of another process."""
    with open(path, "r+", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@pytest.fixture(autouse=True)
def nothing_is_held() -> Iterator[None]:
    yield
    for fd in _lease._LOCKS.values():
        os.close(fd)
    _lease._LOCKS.clear()


def test_a_lease_is_there_until_it_is_released(tmp_path: Path) -> None:
    directory = str(tmp_path / "leases")
    lease = _lease.take(builder(), directory, "md", "/a.img", job="/jobs/image", details={"unit": "md0"})
    assert _lease.leases(directory) == [lease]
    assert lease.owner == _lease.Owner(os.getpid(), STARTED.strip(), BOOT.encode().hex())
    assert (lease.job, lease.details) == ("/jobs/image", {"unit": "md0"})
    assert _lease.is_held(builder(), lease)
    _lease.release(lease)
    assert _lease.leases(directory) == []


def test_no_directory_no_lease(tmp_path: Path) -> None:
    assert _lease.leases(str(tmp_path / "none")) == []


def test_a_living_owner_keeps_its_lease_and_is_named(tmp_path: Path) -> None:
    path = foreign(tmp_path, job="/jobs/0123456789abcdef")
    said = r"md '/a.img': held by another build \(process 77 of job 0123456789ab, since 1970-01-01 .*\); wait for it"
    with kept_locked(path), pytest.raises(ToolError, match=said):
        _lease.take(builder(), str(tmp_path), "md", "/a.img")
    assert _lease.leases(str(tmp_path))[0].owner.pid == 77


@pytest.mark.parametrize("pid", [77, 1, os.getpid()], ids=["gone", "used again by init", "used again by us"])
def test_the_lease_of_a_dead_owner_is_taken_over_whatever_runs_under_its_process_id(tmp_path: Path, pid: int) -> None:
    foreign(tmp_path, pid=pid)
    lease = _lease.take(builder(), str(tmp_path), "md", "/a.img")
    assert _lease.leases(str(tmp_path)) == [lease]


@pytest.mark.parametrize("clock", [0.0, 4e9], ids=["back to the epoch", "a century ahead"])
def test_a_clock_that_jumps_kills_no_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: float) -> None:
    path = foreign(tmp_path)
    monkeypatch.setattr(time, "time", lambda: clock)
    moved = builder(start="Thu Jan  1 00:00:00 1970\n")
    with kept_locked(path):
        assert _lease.is_held(moved, _lease.leases(str(tmp_path))[0])
    assert not _lease.is_held(moved, _lease.leases(str(tmp_path))[0])


def test_the_newest_is_told_by_its_number_not_by_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["/first", "/second", "/third"]
    for clock, name in zip((3e9, 2e9, 1e9), names, strict=True):
        monkeypatch.setattr(time, "time", lambda clock=clock: clock)
        _lease.take(builder(), str(tmp_path), "md", name)
    assert [lease.identity for lease in _lease.leases(str(tmp_path))] == names


def test_an_owner_that_is_killed_no_longer_holds(tmp_path: Path) -> None:
    script = (
        "import sys, time\n"
        "from ansible_collections.freehyve.builder.plugins.module_utils import _lease\n"
        "from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner\n"
        f"_lease.take(Runner(), {str(tmp_path)!r}, 'md', '/a.img')\n"
        "print('held', flush=True)\n"
        "time.sleep(60)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "held\n"
        with pytest.raises(ToolError, match=f"process {owner.pid}"):
            _lease.take(builder(), str(tmp_path), "md", "/a.img")
        owner.send_signal(signal.SIGKILL)
    assert _lease.take(builder(), str(tmp_path), "md", "/a.img").owner.pid == os.getpid()


def test_a_detached_job_holds_what_was_entrusted_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lease = _lease.take(builder(), str(tmp_path), "bulk", "jail-tree", job="/jobs/one")
    lease = _lease.entrust(lease)
    _lease.leave(lease)
    states = {"/jobs/one": _job.RUNNING}

    def observe(_runner: object, job: _job.Job) -> _job.JobState:
        return _job.JobState(states.get(job.directory, _job.ABSENT))

    monkeypatch.setattr(_job, "observe", observe)
    assert _lease.is_held(builder(), lease)
    with pytest.raises(ToolError, match=r"bulk 'jail-tree': held by another build \(job one, since "):
        _lease.take(builder(), str(tmp_path), "bulk", "jail-tree")
    states["/jobs/one"] = _job.DIED
    assert not _lease.is_held(builder(), lease)


def test_a_job_that_runs_again_does_not_hold_what_its_dead_predecessor_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_job, "observe", lambda _runner, _job_: _job.JobState(_job.RUNNING))
    foreign(tmp_path, job="/jobs/one")
    monkeypatch.setenv(_lease.JOB_VARIABLE, "/jobs/one")
    assert _lease.take(builder(), str(tmp_path), "md", "/a.img").job == "/jobs/one"


def test_waiting_ends_when_the_owner_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(foreign(tmp_path), "r+", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        monkeypatch.setattr(time, "sleep", lambda _seconds: stream.close())
        assert _lease.take(builder(), str(tmp_path), "md", "/a.img", wait=5).owner.pid == os.getpid()


def test_what_is_learnt_later_is_noted_without_losing_the_lease(tmp_path: Path) -> None:
    lease = _lease.take(builder(), str(tmp_path), "pool", "fhb1", details={"file": "/a.img"})
    known = _lease.note(lease, guid="42")
    assert _lease.leases(str(tmp_path)) == [known]
    assert known.details == {"file": "/a.img", "guid": "42"}
    assert not _lease._free(known.path)
    _lease.release(lease)
    assert _lease.leases(str(tmp_path)) == []


def test_only_the_owner_releases(tmp_path: Path) -> None:
    lease = _lease.take(builder(), str(tmp_path), "md", "/a.img")
    foreign(tmp_path)
    _lease.release(lease)
    assert len(_lease.leases(str(tmp_path))) == 1


def test_a_lease_that_was_taken_over_is_not_dropped(tmp_path: Path) -> None:
    foreign(tmp_path)
    dead = _lease.leases(str(tmp_path))[0]
    lease = _lease.take(builder(), str(tmp_path), "md", "/a.img")
    _lease.drop(dead)
    assert _lease.leases(str(tmp_path)) == [lease]
    _lease.drop(lease)
    assert _lease.leases(str(tmp_path)) == []


def test_releasing_twice_is_harmless(tmp_path: Path) -> None:
    lease = _lease.take(builder(), str(tmp_path), "md", "/a.img")
    _lease.release(lease)
    _lease.release(lease)


def test_things_do_not_share_a_lease(tmp_path: Path) -> None:
    for kind, identity in (("md", "/a.img"), ("md", "/b.img"), ("pool", "/a.img")):
        _lease.take(builder(), str(tmp_path), kind, identity)
    assert len(_lease.leases(str(tmp_path))) == 3


def test_a_failed_block_leaves_its_lease(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), _lease.held(builder(), str(tmp_path), "pool", "42"):
        raise ZeroDivisionError
    assert len(_lease.leases(str(tmp_path))) == 1


def test_a_block_that_ends_releases(tmp_path: Path) -> None:
    with _lease.held(builder(), str(tmp_path), "pool", "42"):
        assert len(_lease.leases(str(tmp_path))) == 1
    assert _lease.leases(str(tmp_path)) == []


def test_a_lease_that_cannot_be_written_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_fd: int, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        _lease.take(builder(), str(tmp_path), "md", "/a.img")
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    assert _lease._LOCKS == {}


@pytest.mark.parametrize("text", ["{}", '{"kind": "md"', '{"owner": 3}', '{"details": 1}'])
def test_a_file_that_is_no_lease_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "md-1.json").write_text(text, encoding="utf-8")
    with pytest.raises(ToolError, match=r"md-1.json': (not a lease|cannot be read)"):
        _lease.leases(str(tmp_path))


def test_a_kind_is_part_of_a_file_name() -> None:
    with pytest.raises(ToolError, match="a kind has"):
        _lease.lease_path("/leases", "../md", "/a.img")


def test_a_file_is_told_from_another_at_its_path(tmp_path: Path) -> None:
    path, other = tmp_path / "a", tmp_path / "b"
    path.touch()
    other.touch()
    before = _lease.identity_of(str(path))
    assert _lease.identity_of(str(path)) == before
    other.replace(path)
    assert _lease.identity_of(str(path)) != before
