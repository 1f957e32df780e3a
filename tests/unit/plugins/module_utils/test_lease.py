# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _lease
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from tests.unit.fake_runner import FakeRunner

BOOT = "kern.boottime: { sec = 1795383000, usec = 12 } Sun Nov 22 21:30:00 2026\n"
NEWER_BOOT = "kern.boot_id: 6f0c\n" + BOOT
STARTED = "Sun Nov 22 21:31:10 2026\n"


def builder(start: str = STARTED, boot: str = BOOT, **others: str) -> FakeRunner:
    """A host on which this process runs, and others by their process id."""
    runner = FakeRunner().on(_lease.start_argv(os.getpid()), start).on(_lease.boot_argv(), (1, boot, "unknown oid"))
    for pid, text in others.items():
        runner.on(_lease.start_argv(int(pid.lstrip("p"))), text)
    return runner


def foreign(directory: Path, pid: int, start: str = "Sun Nov 22 21:00:00 2026", boot: str = "1795383000") -> None:
    """A lease of another process."""
    path = _lease.lease_path(str(directory), "md", "/a.img")
    owner = {"pid": pid, "start": start, "boot": boot}
    value = {"kind": "md", "identity": "/a.img", "owner": owner, "job": None, "made": 1}
    Path(path).write_text(json.dumps(value), encoding="utf-8")


@pytest.mark.parametrize(("stdout", "boot"), [(BOOT, "1795383000"), (NEWER_BOOT, "6f0c"), ("", "")])
def test_a_boot_has_an_identity(stdout: str, boot: str) -> None:
    assert _lease.parse_boot(stdout) == boot


def test_a_lease_is_there_until_it_is_released(tmp_path: Path) -> None:
    directory = str(tmp_path / "leases")
    lease = _lease.take(builder(), directory, "md", "/a.img", job="image")
    assert _lease.leases(directory) == [lease]
    assert (lease.owner.pid, lease.owner.start, lease.job) == (os.getpid(), STARTED.strip(), "image")
    _lease.release(lease)
    assert _lease.leases(directory) == []


def test_no_directory_no_lease(tmp_path: Path) -> None:
    assert _lease.leases(str(tmp_path / "none")) == []


def test_a_living_owner_keeps_its_lease(tmp_path: Path) -> None:
    foreign(tmp_path, 77)
    with pytest.raises(ToolError, match=r"md '/a.img': held by another build \(process 77\)"):
        _lease.take(builder(p77="Sun Nov 22 21:00:00 2026\n"), str(tmp_path), "md", "/a.img")
    assert _lease.leases(str(tmp_path))[0].owner.pid == 77


@pytest.mark.parametrize(
    ("start", "boot"),
    [("", "1795383000"), ("Sun Nov 22 22:00:00 2026\n", "1795383000"), ("Sun Nov 22 21:00:00 2026\n", "1")],
    ids=["gone", "process id used again", "another boot"],
)
def test_the_lease_of_a_dead_owner_is_taken_over(tmp_path: Path, start: str, boot: str) -> None:
    foreign(tmp_path, 77, boot=boot)
    lease = _lease.take(builder(p77=start), str(tmp_path), "md", "/a.img")
    assert _lease.leases(str(tmp_path)) == [lease]


def test_only_the_owner_releases(tmp_path: Path) -> None:
    lease = _lease.take(builder(), str(tmp_path), "md", "/a.img")
    foreign(tmp_path, 77)
    _lease.release(lease)
    assert len(_lease.leases(str(tmp_path))) == 1


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


def test_a_file_that_is_no_lease_is_named(tmp_path: Path) -> None:
    (tmp_path / "md-1.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ToolError, match=r"md-1.json': not a lease"):
        _lease.leases(str(tmp_path))


def test_a_kind_is_part_of_a_file_name() -> None:
    with pytest.raises(ToolError, match="a kind has"):
        _lease.lease_path("/leases", "../md", "/a.img")
