# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _job, _lease, _product, _reap
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from tests.unit.builder import Answer, PlayedRunner

BOOT = b"\x01\x02".hex()
BUSY = (1, "", "Device busy")
Details = Optional[Mapping[str, str]]
COLUMNS = "1000\t0\t1000\tONLINE\t-"


@dataclass
class Host:
    """A small builder: units by file, pools by name with GUID and device, mounts by place, datasets with their key."""

    workspace: Path
    units: dict[str, str] = field(default_factory=dict)
    pools: dict[str, tuple[str, str]] = field(default_factory=dict)
    mounts: dict[str, str] = field(default_factory=dict)
    datasets: dict[str, str] = field(default_factory=dict)
    jails: list[str] = field(default_factory=list)
    busy: int = 0
    boot: str = "\x01\x02"

    @property
    def leases(self) -> str:
        return str(self.workspace / "leases")

    def runner(self) -> PlayedRunner:
        answers: dict[str, Answer] = {
            "sysctl -b kern.boot_id": lambda _argv: self.boot,
            "mdconfig -l -v": lambda _argv: "".join(
                f"{unit}\tvnode\t    8M\t{file}\t\n" for unit, file in self.units.items()
            ),
            "mdconfig -d": self.change(lambda argv: self.units.pop(argv[3])),
            "zpool list": lambda _argv: "".join(
                f"{name}\t{COLUMNS}\t{guid}\n" for name, (guid, _device) in self.pools.items()
            ),
            "zpool status": lambda argv: (
                f"  pool: {argv[-1]}\nconfig:\n\n\tNAME\tSTATE\n\t{argv[-1]}  ONLINE  0 0 0\n"
                f"\t  {self.pools[argv[-1]][1]}  ONLINE  0 0 0\n"
            ),
            "zpool export": self.change(lambda argv: self.pools.pop(argv[-1])),
            "mount -p": lambda _argv: "".join(
                f"{source}\t{place}\tmsdosfs\trw\t0 0\n" for place, source in self.mounts.items()
            ),
            "umount": self.change(lambda argv: self.mounts.pop(argv[-1])),
            "zfs get": self.get,
            "zfs destroy": self.change(lambda argv: self.datasets.pop(argv[-1])),
            "jls name": lambda _argv: "".join(f"{name}\n" for name in self.jails),
            "poudriere": self.change(lambda _argv: self.jails.clear()),
        }
        return PlayedRunner(answers=answers)

    def change(self, do: Callable[[tuple[str, ...]], object]) -> Answer:
        def answer(argv: tuple[str, ...]) -> str | tuple[int, str, str]:
            if self.busy:
                self.busy -= 1
                return BUSY
            do(argv)
            return ""

        return answer

    def get(self, argv: tuple[str, ...]) -> str | tuple[int, str, str]:
        rows = "".join(
            f"{name}\tfreehyve:key\t{self.datasets[name]}\tlocal\n" for name in argv if name in self.datasets
        )
        missing = [name for name in argv[8:] if name not in self.datasets]
        complaints = "".join(f"cannot open '{name}': dataset does not exist\n" for name in missing)
        return (1 if missing else 0, rows, complaints)

    def lease(self, kind: str, identity: str, order: int = 1, details: Details = None, job: str | None = None) -> Path:
        """The lease of an owner that is dead."""
        os.makedirs(self.leases, exist_ok=True)
        path = Path(_lease.lease_path(self.leases, kind, identity))
        owner = {"pid": 77, "start": "Sun Nov 22 21:00:00 2026", "boot": BOOT}
        value = {"kind": kind, "identity": identity, "owner": owner, "made": 1, "order": order}
        path.write_text(json.dumps({**value, "job": job, "details": dict(details or {})}), encoding="utf-8")
        return path

    def file(self, name: str = "pool.raw.part") -> str:
        path = self.workspace / name
        path.touch()
        return str(path)

    def reap(self, patience: float = 5.0) -> tuple[list[str], list[str]]:
        done = _reap.reap(self.runner(), self.leases, str(self.workspace), patience)
        return [step.action for step in done.steps], [f"{item.lease}: {item.reason}" for item in done.kept]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    return Host(tmp_path.resolve())


def test_nothing_to_reap_runs_nothing(host: Host) -> None:
    runner = host.runner()
    assert _reap.reap(runner, host.leases, str(host.workspace)) == _reap.Reaped()
    assert runner.calls == []


def test_a_half_made_pool_goes_newest_first(host: Host) -> None:
    file = host.file()
    host.units = {"md0": file}
    host.pools = {"fhb1": ("42", "/dev/md0"), "zroot": ("7", "/dev/vtbd0p2")}
    host.lease("file", file, 1)
    host.lease("md", file, 2, {"unit": "md0", **_lease.identity_of(file)})
    host.lease("pool", "fhb1", 3, {"guid": "42", "file": file})
    planned = _reap.look(host.runner(), host.leases, str(host.workspace))
    actions, kept = host.reap()
    assert actions == ["export pool fhb1", "detach md0", f"remove {file}"]
    assert [step.action for step in planned.steps] == actions
    assert kept == []
    assert host.pools == {"zroot": ("7", "/dev/vtbd0p2")}
    assert host.units == {}
    assert not os.path.exists(file)
    assert _lease.leases(host.leases) == []


def test_a_check_changes_nothing(host: Host) -> None:
    file = host.file()
    host.units = {"md0": file}
    host.lease("md", file)
    assert [step.action for step in _reap.look(host.runner(), host.leases, str(host.workspace)).steps] == ["detach md0"]
    assert host.units
    assert len(_lease.leases(host.leases)) == 1


@pytest.mark.parametrize(
    ("pool", "details"),
    [
        (("43", "/dev/md0"), {"guid": "42"}),
        (("43", "/dev/md1"), {"file": "FILE"}),
        (("43", "/dev/vtbd1"), {"file": "FILE"}),
        (("43", "/dev/md0"), {}),
    ],
    ids=["another GUID", "another memory disk", "a disk", "no file"],
)
def test_a_foreign_pool_of_our_temporary_name_is_left_alone(
    host: Host, pool: tuple[str, str], details: dict[str, str]
) -> None:
    file = host.file()
    host.units = {"md0": file}
    host.pools = {"fhb1": pool}
    host.lease("pool", "fhb1", details={name: value.replace("FILE", file) for name, value in details.items()})
    actions, kept = host.reap()
    assert actions == ["forget pool 'fhb1'"]
    assert kept == []
    assert host.pools == {"fhb1": pool}


def test_a_pool_whose_guid_was_not_noted_is_known_by_its_file(host: Host) -> None:
    file = host.file()
    host.units = {"md3": file}
    host.pools = {"fhb1": ("43", "/dev/md3")}
    host.lease("pool", "fhb1", details={"file": file})
    assert host.reap()[0] == ["export pool fhb1"]
    assert host.pools == {}


def test_a_reused_unit_number_is_not_ours(host: Host) -> None:
    file, other = host.file(), host.file("theirs.img")
    host.units = {"md0": other}
    host.lease("md", file, details={"unit": "md0", **_lease.identity_of(file)})
    assert host.reap() == ([f"forget md '{file}'"], [])
    assert host.units == {"md0": other}


def test_of_two_units_on_our_file_only_ours_goes(host: Host) -> None:
    file = host.file()
    host.units = {"md0": file, "md1": file}
    host.lease("file", file, 1)
    host.lease("md", file, 2, {"unit": "md1", **_lease.identity_of(file)})
    actions, kept = host.reap()
    assert actions == ["detach md1"]
    assert kept == [f"file '{file}': file '{file}': md0 lies on it; detach it, see mdconfig -l -v"]
    assert host.units == {"md0": file}
    assert os.path.exists(file)
    assert [lease.kind for lease in _lease.leases(host.leases)] == ["file"]


def test_two_units_of_which_neither_is_known_are_both_left(host: Host) -> None:
    file = host.file()
    host.units = {"md0": file, "md1": file}
    host.lease("md", file, details=_lease.identity_of(file))
    actions, kept = host.reap()
    assert actions == []
    assert "attached as md0, md1, and not known which of them is ours" in kept[0]
    assert len(host.units) == 2


def test_another_file_at_the_path_is_not_ours(host: Host) -> None:
    file = host.file()
    host.lease("md", file, details={"fsid": "1", "inode": "1"})
    host.units = {"md0": file}
    assert host.reap() == ([f"forget md '{file}'"], [])
    assert host.units


def test_after_another_boot_a_unit_on_our_file_is_not_ours(host: Host) -> None:
    file = host.file()
    host.units = {"md0": file}
    host.lease("md", file, details={"unit": "md0", **_lease.identity_of(file)})
    host.boot = "\x03\x04"
    assert host.reap() == ([f"forget md '{file}'"], [])
    assert host.units


def test_what_is_busy_is_waited_for(host: Host) -> None:
    file = host.file()
    host.units, host.busy = {"md0": file}, 3
    host.lease("md", file)
    assert host.reap() == (["detach md0"], [])


def test_what_stays_busy_keeps_its_lease_and_is_told(host: Host) -> None:
    file = host.file()
    host.units, host.busy = {"md0": file}, 1000
    host.lease("md", file)
    actions, kept = host.reap(patience=0)
    assert actions == []
    assert kept == [f"md '{file}': unit 'md0': detaching failed: Device busy"]
    assert len(_lease.leases(host.leases)) == 1


def test_a_pool_that_stays_busy_is_exported_by_force(host: Host) -> None:
    host.pools, host.busy = {"fhb1": ("42", "/dev/md0")}, 1
    host.lease("pool", "fhb1", details={"guid": "42"})
    assert host.reap(patience=0)[0] == ["export pool fhb1"]


@pytest.mark.parametrize(
    ("details", "ours"),
    [
        ({"source": "/dev/md0"}, True),
        ({"source": "/dev/md0", "file": "FILE"}, True),
        ({"source": "/dev/md1"}, False),
        ({"source": "/dev/md0", "file": "OTHER"}, False),
        ({"source": "/dev/md0", "fsid": "1"}, False),
        ({"source": "/dev/md0", "fsid": "FSID"}, True),
    ],
)
def test_a_mount_is_ours_by_source_and_file_system(host: Host, details: dict[str, str], ours: bool) -> None:
    file, other = host.file(), host.file("theirs.img")
    place = host.workspace / "esp.img.mnt"
    place.mkdir()
    words = {"FILE": file, "OTHER": other, "FSID": _lease.identity_of(str(place))["fsid"]}
    host.units, host.mounts = {"md0": file}, {str(place): "/dev/md0"}
    host.lease("mount", str(place), details={name: words.get(value, value) for name, value in details.items()})
    actions, kept = host.reap()
    assert kept == []
    assert actions == ([f"unmount {place}"] if ours else [f"forget mount '{place}'"])
    assert (host.mounts == {}) is ours
    assert place.exists() is not ours


def test_a_mount_that_nobody_described_stays(host: Host) -> None:
    place = host.workspace / "esp.img.mnt"
    place.mkdir()
    host.mounts = {str(place): "/dev/md0"}
    host.lease("mount", str(place))
    assert host.reap()[0] == []
    assert host.mounts


@pytest.mark.parametrize(
    ("datasets", "action"),
    [
        ({"tank/l/base-1": "k1"}, "destroy tank/l/base-1"),
        ({"tank/l/base-1": "other"}, "forget layer 'tank/l/base-1'"),
        ({"tank/l/base-1": "-"}, "forget layer 'tank/l/base-1'"),
        ({"tank/l/base-1": "k1", "tank/l/base-1@done": "k1"}, "forget layer 'tank/l/base-1'"),
        ({}, "forget layer 'tank/l/base-1'"),
    ],
    ids=["half made", "of another key", "not of this collection", "finished", "gone"],
)
def test_a_layer_goes_only_half_made_and_ours(host: Host, datasets: dict[str, str], action: str) -> None:
    host.datasets = dict(datasets)
    host.lease("layer", "tank/l/base-1", details={"key": "k1", "snapshot": "tank/l/base-1@done"})
    assert host.reap() == ([action], [])
    assert host.datasets == ({} if action.startswith("destroy") else datasets)


@pytest.mark.parametrize("name", ["/etc/passwd", "WS/keep.img", "WS/../.other"])
def test_no_file_but_a_temporary_one_of_the_workspace_goes(host: Host, name: str) -> None:
    path = name.replace("WS", str(host.workspace))
    kept = not os.path.lexists(path)
    if kept:
        Path(path).touch()
    host.lease("file", path)
    assert host.reap() == ([f"forget file '{path}'"], [])
    assert os.path.exists(path)


def test_a_link_to_elsewhere_is_removed_not_followed(host: Host, tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "keep").touch()
    (host.workspace / "x.part").symlink_to(tmp_path / "dir")
    host.lease("file", str(host.workspace / "x.part"))
    assert host.reap()[0] == [f"remove {host.workspace / 'x.part'}"]
    assert (tmp_path / "dir" / "keep").exists()


def _bulk_job(host: Host, latest: str) -> str:
    """A dead job of poudriere, and which build was the newest."""
    job, logs = host.workspace / "jobs" / "k", host.workspace / "logs" / "j-t"
    job.mkdir(parents=True)
    for name in ("one", "two"):
        (logs / name).mkdir(parents=True)
    (logs / "latest").symlink_to(latest)
    (job / "log").write_text(f"[00:00:01] Logs: {logs / 'one'}\n" + "Building a port\n" * 9000, encoding="utf-8")
    (job / "job.json").write_text('{"since": 1}', encoding="utf-8")
    return str(job)


@pytest.mark.parametrize(
    ("latest", "jails", "stopped"),
    [("one", ["j-t", "j-t-job-01"], True), ("two", ["j-t"], False), ("one", ["j-tt"], False)],
    ids=["ours", "another build came after", "nothing runs"],
)
def test_jails_are_stopped_only_while_they_are_ours(host: Host, latest: str, jails: list[str], stopped: bool) -> None:
    host.jails = list(jails)
    host.lease("bulk", "j-t", 1, {"etcdir": "/etc/p", "jail": "j", "ports": "t"}, _bulk_job(host, latest))
    runner = host.runner()
    done = _reap.reap(runner, host.leases, str(host.workspace))
    assert [step.action for step in done.steps] == (["stop poudriere j-t"] if stopped else ["forget bulk 'j-t'"])
    assert runner.did("poudriere") == (["poudriere -N -e /etc/p jail -k -j j -p t"] if stopped else [])


@pytest.mark.parametrize(
    ("since", "stopped"), [(2_000_000_000, True), (1, False)], ids=["none came after", "another came after"]
)
def test_a_jail_that_ran_before_its_build_said_where_it_logs_is_stopped(
    host: Host, tmp_path: Path, since: int, stopped: bool
) -> None:
    job, latest = Path(_bulk_job(host, "one")), tmp_path / "base/data/logs/bulk/j-t/latest"
    (job / "log").write_text("[00:00:01] Starting jail j-t\n", encoding="ascii")
    (job / "job.json").write_text(json.dumps({"since": since}), encoding="ascii")
    (tmp_path / "poudriere.conf").write_text(f"BASEFS={tmp_path}/base\n", encoding="ascii")
    latest.parent.mkdir(parents=True)
    latest.symlink_to("one")
    host.jails = ["j-t"]
    host.lease("bulk", "j-t", 1, {"etcdir": str(tmp_path), "jail": "j", "ports": "t"}, str(job))
    assert host.reap() == (["stop poudriere j-t" if stopped else "forget bulk 'j-t'"], [])


def test_an_unknown_kind_is_kept(host: Host) -> None:
    host.lease("vm", "x")
    assert host.reap() == ([], ["vm 'x': vm 'x': a kind that this version does not know"])


def test_a_file_that_is_no_lease_is_told_and_the_others_go(host: Host) -> None:
    host.lease("file", str(host.workspace / "gone.part"))
    (Path(host.leases) / "md-0.json").write_text("{}", encoding="utf-8")
    actions, kept = host.reap()
    assert len(actions) == 1
    assert "not a lease" in kept[0]


def test_the_living_keep_theirs(host: Host) -> None:
    file = host.file()
    host.units = {"md0": file}
    path = host.lease("md", file)
    fd = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        assert host.reap() == ([], [])
    finally:
        os.close(fd)
    assert host.units


def test_what_cannot_be_told_is_an_error_of_the_tool(host: Host) -> None:
    reaper = _reap.Reaper(host.runner(), str(host.workspace))
    lease = _lease.Lease("bulk", "j-t", _lease.Owner(1, "", ""), None, 1, "/x")
    with pytest.raises(ToolError, match="names no job"):
        reaper.plan(lease)


@pytest.mark.parametrize(
    "place",
    [
        *("dists/13.2-RELEASE-amd64", "work/image", "images/image", "jobs/key", "record"),
        *("poudriere/etc/poudriere.d/jails", "poudriere/etc/poudriere.d/jails/j", "poudriere/ports/freehyve/.git"),
    ],
)
def test_half_written_files_go_wherever_a_build_writes_them(host: Host, place: str) -> None:
    directory = host.workspace / place
    directory.mkdir(parents=True)
    (directory / ".MANIFEST.0kqbx0do").touch()
    assert host.reap() == ([f"remove {directory}/.MANIFEST.0kqbx0do"], [])
    assert list(directory.iterdir()) == []


def test_what_a_killed_wrapper_of_a_job_left_goes(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = host.workspace / "jobs"
    for key in ("dead", "alive"):
        (jobs / key).mkdir(parents=True)
        for name in ("rc.tmp", "process.tmp", "log"):
            (jobs / key / name).touch()
    states = {"dead": _job.DIED, "alive": _job.RUNNING}
    monkeypatch.setattr(_job, "observe", lambda _runner, job: _job.JobState(states[job.key]))
    gone = [f"remove {jobs}/dead/process.tmp", f"remove {jobs}/dead/rc.tmp"]
    planned = _reap.look(host.runner(), host.leases, str(host.workspace))
    assert [step.action for step in planned.steps] == gone
    assert host.reap() == (gone, [])
    assert sorted(path.name for path in jobs.glob("*/*")) == ["log", "log", "process.tmp", "rc.tmp"]


def test_what_a_finished_image_was_made_from_goes_but_nothing_that_was_made_since(host: Host, tmp_path: Path) -> None:
    work, stages = host.workspace / "work", host.workspace / "stages"
    work.mkdir()
    stages.mkdir()
    (work / "old.raw").write_text("old", encoding="ascii")
    (work / "new.raw").write_text("new", encoding="ascii")
    elsewhere = tmp_path.with_name("elsewhere")
    elsewhere.touch()
    files = [*work.iterdir(), elsewhere]
    stamps = {str(path): _product.stamp(str(path)) for path in files} | {str(work / "gone"): [1, 2, 3]}
    os.utime(work / "new.raw", (1, 1))
    (stages / "image-a.json").write_text(json.dumps({"superseded": stamps}), encoding="ascii")
    (stages / "image-b.json").write_text("half a rec", encoding="ascii")
    assert host.reap() == ([f"remove {work}/old.raw"], [])
    assert [path.name for path in work.iterdir()] == ["new.raw"]
    assert elsewhere.exists()


def test_half_written_files_of_the_dead_go_and_those_of_the_living_stay(host: Host) -> None:
    stages = host.workspace / "stages"
    stages.mkdir()
    dead, alive, other = stages / ".a.json.abcd1234", stages / ".b.json.abcd1234", stages / ".keep"
    for path in (dead, alive, other):
        path.touch()
    with open(alive, "rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        planned = _reap.look(host.runner(), host.leases, str(host.workspace))
        assert [step.action for step in planned.steps] == [f"remove {dead}"]
        assert host.reap() == ([f"remove {dead}"], [])
    assert (dead.exists(), alive.exists(), other.exists()) == (False, True, True)
