# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Waiting and its ends, with a clock that does not; tests/vm has real machines."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _vm_life as life
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._vm_host import Controller
from ansible_collections.freehyve.builder.plugins.module_utils._vm_machine import Hardware, Home
from tests.unit.builder import Played, Reply

RECORD: dict[str, Any] = {
    "name": "vm",
    "user": "root",
    "port": 10022,
    "key": "/keys/vm",
    "host_keys": ["ssh-ed25519 AAAA vm"],
}
REFUSED = "root@127.0.0.1: Permission denied (publickey)."


@dataclass
class Time:
    """Passes only by sleeping."""

    at: float = 0.0

    def clock(self) -> life.Clock:
        return life.Clock(lambda: self.at, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.at += seconds


@dataclass(frozen=True)
class Tools(Played, Controller):
    """Answers by the command's name, used up in order, the last again and again."""

    answers: dict[str, list[tuple[int, str, str]]] = field(default_factory=dict)
    calls: list[list[str]] = field(default_factory=list)

    def which(self, name: str) -> str:
        return f"/bin/{name}"

    def play(self, words: list[str]) -> Reply:
        self.calls.append(words)
        queue = self.answers[Path(words[0]).name]
        return queue.pop(0) if len(queue) > 1 else queue[0]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr(life, "running_pid", lambda _home: 4711)
    (tmp_path / "serial.log").write_bytes(b"\x1b[2Jloader\r\nroot: panic\r\n\r\nno disk\r\n")
    return Home(str(tmp_path))


def test_a_login_that_comes_late(home: Home) -> None:
    tools = Tools(answers={"ssh": [(255, "", "Connection reset\n"), (255, "", REFUSED), (0, "", "")]})
    assert life.await_login(tools, home, RECORD, 60, Time().clock()) == RECORD
    assert len(tools.calls) == 3
    assert tools.calls[0][-2:] == ["root@127.0.0.1", "true"]
    assert "BatchMode=yes" in tools.calls[0] and "StrictHostKeyChecking=yes" in tools.calls[0]


def test_a_login_that_never_comes_says_what_was_seen_last(home: Home) -> None:
    tools = Tools(answers={"ssh": [(255, "", f"Warning: x\n{REFUSED}\n")]})
    with pytest.raises(ToolError) as raised:
        life.await_login(tools, home, RECORD, 5, Time().clock())
    assert raised.value.message == (
        f"machine 'vm': runs, but no login as root within 5 s ({REFUSED}); "
        f"{home.serial} ends: loader | root: panic | no disk".replace("loader", "[2Jloader")
    )


def test_another_host_key_ends_the_wait_at_once(home: Home) -> None:
    tools = Tools(answers={"ssh": [(255, "", "@@@@\nHost key verification failed.\n")]})
    with pytest.raises(ToolError, match="shows another host key than the one in"):
        life.await_login(tools, home, RECORD, 600, Time().clock())
    assert len(tools.calls) == 1


def test_a_machine_that_ends_before(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(life, "running_pid", lambda _home: None)
    with pytest.raises(ToolError, match=r"ended before one could log in; .*serial\.log ends: .*no disk"):
        life.await_login(Tools(), home, RECORD, 600, Time().clock())


def test_a_host_key_is_learned_once_and_then_known(home: Home) -> None:
    scan = "# 127.0.0.1:10022 SSH-2.0\n[127.0.0.1]:10022 ssh-ed25519 NEW\n[127.0.0.1]:10022 ecdsa-sha2-nistp256 OTHER\n"
    tools = Tools(answers={"ssh-keyscan": [(1, "", ""), (0, scan, "")], "ssh": [(0, "", "")]})
    found = life.await_login(tools, home, dict(RECORD, host_keys=[]), 60, Time().clock())
    assert found["host_keys"] == ["ecdsa-sha2-nistp256 OTHER", "ssh-ed25519 NEW"]
    assert Path(home.known_hosts).read_text() == (
        "[127.0.0.1]:10022 ecdsa-sha2-nistp256 OTHER\n[127.0.0.1]:10022 ssh-ed25519 NEW\n"
    )
    assert Path(home.known_hosts).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("ends", "presses"), [(2.0, 1), (16.0, 2), (50.0, 4)])
def test_the_button_is_pressed_until_it_is_heard(
    home: Home, monkeypatch: pytest.MonkeyPatch, ends: float, presses: int
) -> None:
    time, pressed = Time(), []
    monkeypatch.setattr(life, "running_pid", lambda _home: 1 if time.at < ends else None)
    monkeypatch.setattr(life, "tell", lambda _path, command, **_more: pressed.append(command))
    life.shut_down(home, "vm", 180, False, time.clock())
    assert pressed == ["system_powerdown"] * presses


@pytest.mark.parametrize("force", [False, True])
def test_a_guest_that_does_not_hear(home: Home, monkeypatch: pytest.MonkeyPatch, force: bool) -> None:
    time, told = Time(), []
    monkeypatch.setattr(life, "running_pid", lambda _home: None if "quit" in told else 1)
    monkeypatch.setattr(life, "tell", lambda _path, command, **_more: told.append(command))
    if force:
        life.shut_down(home, "vm", 20, True, time.clock())
        assert told[-1] == "quit"
    else:
        with pytest.raises(ToolError, match=r"did not shut down within 20 s.*builder_vm_force_stop: true"):
            life.shut_down(home, "vm", 20, False, time.clock())
        assert "quit" not in told


def test_a_process_that_does_not_even_listen_is_killed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(life, "running_pid", lambda _home: None if killed else 4711)
    monkeypatch.setattr(os, "kill", lambda pid, number: killed.append((pid, number)))

    def silent(*_args: Any, **_more: Any) -> None:
        raise ToolError("no answer")

    monkeypatch.setattr(life, "tell", silent)
    life.pull_plug(home, Time().clock())
    assert killed == [(4711, 9)]


HARDWARE = Hardware("vm", "amd64", 1, 1 << 30, 10022, "tcg")


@pytest.mark.parametrize(
    ("stderr", "says"),
    [
        ("Could not set up host forwarding rule 'tcp:127.0.0.1:10022-:22'", "port 10022 on 127.0.0.1 is in use"),
        ('Failed to get "write" lock', "a disk is in use by another machine"),
        ("qemu: cannot set up guest memory 'pc.ram': Cannot allocate memory", "set builder_vm_memory to less"),
        ("qemu: something else\nmore", "qemu: something else"),
    ],
)
def test_why_qemu_does_not_start(home: Home, stderr: str, says: str) -> None:
    with pytest.raises(ToolError) as raised:
        life.launch(Tools(answers={"qemu": [(1, "", stderr)]}), "qemu", home, HARDWARE)
    assert raised.value.message.startswith("machine 'vm': cannot start, ")
    assert says in raised.value.message and "\n" not in raised.value.message


def test_a_start_takes_away_what_a_killed_process_left(home: Home) -> None:
    for name in ("pid", "qmp.sock"):
        Path(home.at(name)).touch()
    life.launch(Tools(answers={"qemu": [(0, "", "")]}), "qemu", home, HARDWARE)
    assert not Path(home.pidfile).exists() and not Path(home.socket).exists()
    assert Path(home.serial).read_bytes() == b""
    assert b"no disk" in Path(home.serial + ".1").read_bytes()


def info(*snapshots: str, size: int = 512) -> tuple[int, str, str]:
    named = [{"name": name} for name in snapshots]
    return 0, json.dumps({"format": "qcow2", "virtual-size": size, "snapshots": named}), ""


def test_a_half_made_snapshot_is_made_anew(home: Home) -> None:
    for name in ("root.qcow2", "work.qcow2"):
        Path(home.at(name)).touch()
    tools = Tools(answers={"qemu-img": [info("clean"), (0, "", ""), (0, "", ""), info(), (0, "", "")]})
    life.snapshot(tools, "qemu-img", home, "clean")
    assert [call[1:4] for call in tools.calls if call[1] == "snapshot"] == [
        ["snapshot", "-q", "-d"],
        ["snapshot", "-q", "-c"],
        ["snapshot", "-q", "-c"],
    ]


def test_no_disk_goes_back_alone(home: Home) -> None:
    for name in ("root.qcow2", "work.qcow2"):
        Path(home.at(name)).touch()
    tools = Tools(answers={"qemu-img": [info("clean"), info()]})
    with pytest.raises(ToolError, match=r"work\.qcow2': has no snapshot 'clean'"):
        life.revert(tools, "qemu-img", home, "clean")
    assert all(call[1] == "info" for call in tools.calls)


def test_a_disk_smaller_than_its_image(home: Home) -> None:
    disks = life.Disks("/base", "raw", 512, 0)
    with pytest.raises(ToolError, match=r"image '/base': has 1g, builder_vm_disk_size is 512; set it larger"):
        life.make_disks(Tools(answers={"qemu-img": [info(size=1 << 30)]}), "qemu-img", home, disks, None)


def test_what_a_user_types(home: Home) -> None:
    assert life.ssh_command(home, RECORD).endswith("-i /keys/vm -p 10022 root@127.0.0.1")
    assert life.ssh_options("/a b/known_hosts")[1] == 'UserKnownHostsFile="/a b/known_hosts"'
