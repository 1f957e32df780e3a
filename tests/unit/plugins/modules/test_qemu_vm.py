# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Decisions; tests/vm has machines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _vm_host
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._vm_host import Controller, Memory
from ansible_collections.freehyve.builder.plugins.modules import qemu_vm
from tests.unit.builder import module

RECORD: dict[str, Any] = {
    "name": "vm",
    "image": "/base",
    "source": None,
    "release": "15.1-RELEASE",
    "arch": "amd64",
    "uefi": False,
    "firmware": None,
    "seed": True,
    "user": "root",
    "key": "/keys/vm",
    "host_keys": ["ssh-ed25519 A"],
    "disk_size": 16 << 30,
    "work_size": 40 << 30,
    "snapshots": {"clean": 1},
    "reverting": None,
    "ready": True,
    "accel": "tcg",
    "why": "software emulation",
    "port": 10022,
    "cpus": 1,
    "memory": 1 << 30,
}
STOPPED = qemu_vm.Observed(RECORD, None)
RUNNING = qemu_vm.Observed(RECORD, 4711)
DIED = qemu_vm.Observed(RECORD, None, died=True)
ABSENT = qemu_vm.Observed(None, None)


def wanted(**params: Any) -> qemu_vm.Wanted:
    given = module(qemu_vm.ARGUMENTS, **{"name": "vm", "dir": "/machines", **params}).params
    return qemu_vm.wanted_of(given)


def verbs(observed: qemu_vm.Observed, **params: Any) -> list[str]:
    return [step.action.split()[0] for step in qemu_vm.plan(wanted(**params), observed)]


@pytest.mark.parametrize(
    ("state", "absent", "stopped", "died", "running"),
    [
        ("started", ["create", "start"], ["start"], ["start"], []),
        ("stopped", [], [], [], ["stop"]),
        ("status", [], [], [], []),
        ("reverted", None, ["revert"], ["revert"], ["unplug", "revert", "start"]),
        ("absent", [], ["remove"], ["remove"], ["unplug", "remove"]),
    ],
)
def test_what_is_done(
    state: str, absent: list[str] | None, stopped: list[str], died: list[str], running: list[str]
) -> None:
    more = {"state": state, "allow_destroy": True}
    if absent is None:
        with pytest.raises(ToolError, match="machine 'vm': there is none; start it first"):
            verbs(ABSENT, **more)
    else:
        assert verbs(ABSENT, **more) == absent
    assert [verbs(observed, **more) for observed in (STOPPED, DIED, RUNNING)] == [stopped, died, running]


@pytest.mark.parametrize(
    ("observed", "found"), [(STOPPED, ["snapshot"]), (RUNNING, ["stop", "snapshot", "start"]), (DIED, ["snapshot"])]
)
def test_disks_are_kept_at_rest(observed: qemu_vm.Observed, found: list[str]) -> None:
    assert verbs(observed, state="snapshot", snapshot="new") == found
    assert verbs(observed, state="snapshot", snapshot="clean") == []


def test_a_killed_process_is_the_reason() -> None:
    assert qemu_vm.plan(wanted(), DIED)[0].reason == "its process was killed"
    assert qemu_vm.plan(wanted(), STOPPED)[0].reason == "stopped"


def test_an_interrupted_revert_is_finished_before_anything_starts() -> None:
    half = qemu_vm.Observed(dict(RECORD, reverting="clean"), None)
    assert verbs(half) == ["revert", "start"]


def test_a_login_that_nobody_had_is_waited_for() -> None:
    fresh = qemu_vm.Observed(dict(RECORD, ready=False), 4711)
    assert verbs(fresh) == ["wait"]
    assert verbs(fresh, wait=0) == []


def test_destroying_is_asked_for_twice() -> None:
    with pytest.raises(ToolError, match="refusing to destroy it and its disks; set builder_vm_allow_destroy: true"):
        verbs(STOPPED, state="absent")


def test_a_snapshot_that_is_not_there() -> None:
    with pytest.raises(ToolError, match="has no snapshot 'other', it has clean; set builder_vm_snapshot"):
        verbs(STOPPED, state="reverted", snapshot="other")


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"name": "a/b"}, "malformed name"),
        ({"port": 65536}, "not from 1 to 65535"),
        ({"port": -1}, "not from 1 to 65535"),
        ({"cpus": -1}, "not a number of processors"),
        ({"memory": "lots"}, "memory: 'lots' is not a size"),
        ({"snapshot": "a b"}, "malformed name"),
        ({"snapshot": "-d"}, "malformed name"),
        ({"arch": "arm64/aarch64", "firmware": "bios"}, "has no BIOS"),
        ({"release": "13.5-RELEASE"}, "cannot be seeded"),
        ({"user": "me"}, "a seed sets up root"),
        ({"seed": False}, "nobody could log in; set builder_vm_private_key"),
        ({"private_key": "/nosuch"}, "private key '/nosuch': not there"),
    ],
)
def test_bad_input(params: dict[str, Any], says: str) -> None:
    with pytest.raises(ToolError, match=says) as raised:
        wanted(**params)
    assert "\n" not in raised.value.message


@pytest.mark.parametrize(
    ("params", "uefi"), [({}, False), ({"firmware": "uefi"}, True), ({"arch": "arm64/aarch64"}, True)]
)
def test_firmware(params: dict[str, Any], uefi: bool) -> None:
    assert wanted(**params).uefi is uefi


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_vm_host, "memory", lambda: Memory(24 << 30, 20 << 30))
    monkeypatch.setattr(_vm_host, "cpus", lambda: 4)
    monkeypatch.setattr(_vm_host, "free_space", lambda _path: 100 << 30)
    monkeypatch.setattr(_vm_host, "port_is_free", lambda port: port != 22)


@pytest.mark.usefixtures("host")
def test_the_host_decides_where_nothing_is_said() -> None:
    assert qemu_vm.settings(wanted(), {}) == {"cpus": 4, "memory": 8 << 30, "port": 0}
    assert qemu_vm.settings(wanted(), RECORD) == {"cpus": 4, "memory": 1 << 30, "port": 10022}
    assert qemu_vm.settings(wanted(cpus=2, memory="2g", port=99), RECORD) == {"cpus": 2, "memory": 2 << 30, "port": 99}
    assert qemu_vm._disk_sizes(wanted()) == (16 << 30, 50 << 30)
    assert qemu_vm._disk_sizes(wanted(work_size="0", disk_size="8g")) == (8 << 30, 0)


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"cpus": 5}, "cpus 5: the host has 4; set builder_vm_cpus to less"),
        ({"memory": "21g"}, "too little memory: the machine is to have 21g, the host has 20g to give"),
        ({"memory": "1m"}, "no system runs in that"),
        ({"port": 22}, "port 22 on 127.0.0.1: in use by another program; set builder_vm_port"),
        ({"work_size": "90g"}, "too little disk: the machine's disks may grow to 106g, /machines has 100g free"),
    ],
)
def test_what_the_host_cannot_give(params: dict[str, Any], says: str) -> None:
    given = wanted(**params)
    with pytest.raises(ToolError, match=says):
        qemu_vm._need_resources(given, None, qemu_vm.settings(given, {}))


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, []),
        ({"image": "/base"}, []),
        ({"image": "/other"}, ["its image is /base"]),
        ({"source": "/own.img.xz"}, ["its image was made from the official one"]),
        ({"arch": "arm64/aarch64"}, ["its architecture is amd64"]),
        ({"disk_size": "16g", "work_size": "40g"}, []),
        ({"disk_size": "17g"}, ["its root disk has 16g"]),
        ({"work_size": "0"}, ["its second disk has 40g"]),
    ],
)
def test_what_a_machine_cannot_become(params: dict[str, Any], words: list[str]) -> None:
    assert qemu_vm.differences(wanted(**params), RECORD) == words


def run(tmp_path: Path, check_mode: bool = False, **params: Any) -> dict[str, Any]:
    given = module(qemu_vm.ARGUMENTS, check_mode, **{"name": "vm", "dir": str(tmp_path), **params})
    return qemu_vm.body(given, Controller(environ={"PATH": "/nonexistent"}))


def test_the_status_of_a_host_without_qemu(tmp_path: Path) -> None:
    found = run(tmp_path, state="status")
    assert found["machine"] == {"name": "vm", "state": "absent"} and not found["changed"]
    (tmp_path / "vm").mkdir()
    (tmp_path / "vm" / "vm.json").write_text(json.dumps(RECORD))
    found = run(tmp_path, state="status")["machine"]
    assert (found["state"], found["snapshots"], found["port"]) == ("stopped", ["clean"], 10022)
    (tmp_path / "vm" / "pid").write_text("1\n")
    assert run(tmp_path, state="status")["machine"]["state"] == "died"


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_missing_qemu_is_told_before_anything_is_made(tmp_path: Path, check_mode: bool) -> None:
    with pytest.raises(ToolError, match="machine 'vm': ssh is not installed; install the package openssh"):
        run(tmp_path, check_mode)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "vm").mkdir()
    (tmp_path / "vm" / "thesis.tex").touch()
    for state in ("started", "absent"):
        with pytest.raises(ToolError, match="is not a machine's; choose another builder_vm_name"):
            run(tmp_path, state=state, allow_destroy=True)
    assert (tmp_path / "vm" / "thesis.tex").exists()


def test_settings_that_wait_for_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qemu_vm, "running_pid", lambda _home: 4711)
    given = wanted(dir=str(tmp_path), memory="2g", cpus=1, release="15.2-RELEASE")
    assert qemu_vm.notes_of(given, RUNNING, RECORD) == [
        "software emulation",
        "it was made of 15.1-RELEASE; destroy it to have one of 15.2-RELEASE",
        "memory: changed; stop and start the machine to make it so",
    ]
