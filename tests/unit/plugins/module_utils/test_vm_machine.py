# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _vm_machine as vm
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Completed
from ansible_collections.freehyve.builder.plugins.module_utils._vm_firmware import Firmware

FIRMWARE = Firmware("/fw/code,1.fd", "raw", "/fw/vars.fd", "raw")


def home(tmp_path: Path, *files: str) -> vm.Home:
    for name in files:
        (tmp_path / name).touch()
    return vm.Home(str(tmp_path))


def hardware(arch: str = "amd64", accel: str = "tcg", firmware: Firmware | None = None) -> vm.Hardware:
    return vm.Hardware("vm", arch, 2, 1 << 30, 10022, accel, firmware)


def value(argv: list[str], option: str) -> str:
    return argv[argv.index(option) + 1]


@pytest.mark.parametrize(
    ("arch", "accel", "machine", "cpu"),
    [
        ("amd64", "kvm", "q35", "host"),
        ("amd64", "tcg", "q35", "max"),
        ("amd64", "hvf", "q35", "host"),
        ("aarch64", "kvm", "virt,gic-version=max", "host"),
        ("aarch64", "hvf", "virt", "host"),
        ("aarch64", "tcg", "virt", "max"),
    ],
)
def test_board_and_processor(tmp_path: Path, arch: str, accel: str, machine: str, cpu: str) -> None:
    argv = vm.argv("qemu", home(tmp_path, "root.qcow2"), hardware(arch, accel))
    assert (value(argv, "-machine"), value(argv, "-cpu"), value(argv, "-accel")) == (machine, cpu, accel)
    assert (value(argv, "-m"), value(argv, "-smp")) == ("1024", "2")


def test_disks_are_those_that_are_there(tmp_path: Path) -> None:
    words = " ".join(vm.argv("qemu", home(tmp_path, "root.qcow2"), hardware()))
    assert f"id=root,format=qcow2,file={tmp_path}/root.qcow2" in words
    assert "bootindex=0" in words and "work" not in words and "seed" not in words
    words = " ".join(vm.argv("qemu", home(tmp_path, "work.qcow2", "seed.iso"), hardware()))
    assert words.index("id=root") < words.index("id=work") < words.index("id=seed")
    assert "seed.iso,readonly=on" in words


def test_only_the_loopback_interface_is_forwarded(tmp_path: Path) -> None:
    argv = vm.argv("qemu", home(tmp_path), hardware())
    assert value(argv, "-netdev") == "user,id=net,hostfwd=tcp:127.0.0.1:10022-:22"
    assert argv.count("-netdev") == 1


def test_paths_with_commas(tmp_path: Path) -> None:
    place = tmp_path / "a,b"
    place.mkdir()
    words = vm.argv("qemu", home(place, "root.qcow2", "firmware.qcow2"), hardware(firmware=FIRMWARE))
    assert f"if=none,id=root,format=qcow2,file={tmp_path}/a,,b/root.qcow2,discard=unmap" in words
    assert "if=pflash,unit=0,readonly=on,format=raw,file=/fw/code,,1.fd" in words
    assert f"if=pflash,unit=1,format=qcow2,file={tmp_path}/a,,b/firmware.qcow2" in words


@pytest.mark.parametrize("name", ["vm", "a", "build-15", "X1"])
def test_good_names(name: str) -> None:
    vm.check_name(name)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-a", "a-", "a b", "ä", "a.b", "x" * 64, "a\n"])
def test_bad_names(name: str) -> None:
    with pytest.raises(ToolError, match="malformed name"):
        vm.check_name(name)


@pytest.mark.parametrize(
    ("arch", "found"),
    [("amd64", "amd64"), ("amd64/amd64", "amd64"), ("arm64/aarch64", "aarch64"), ("aarch64", "aarch64")],
)
def test_architectures(arch: str, found: str) -> None:
    assert vm.machine_arch(arch) == found


def test_an_architecture_without_machines() -> None:
    with pytest.raises(ToolError, match="arch 'riscv/riscv64': no virtual machine"):
        vm.machine_arch("riscv/riscv64")


def test_a_process_is_known_by_its_lock_and_not_by_its_number(tmp_path: Path) -> None:
    machine = home(tmp_path)
    assert vm.running_pid(machine) is None and not vm.died(machine)
    # The number of a process that lives, ours, and no lock: the machine was killed.
    (tmp_path / "pid").write_text(f"{os.getpid()}\n")
    assert vm.running_pid(machine) is None and vm.died(machine)
    child = os.fork()
    if child == 0:
        with (tmp_path / "pid").open("r+b") as stream:
            fcntl.lockf(stream, fcntl.LOCK_EX)
            (tmp_path / "locked").touch()
            while (tmp_path / "locked").exists():
                pass
        os._exit(0)
    while not (tmp_path / "locked").exists():
        pass
    try:
        assert vm.running_pid(machine) == os.getpid() and not vm.died(machine)
    finally:
        (tmp_path / "locked").unlink()
        os.waitpid(child, 0)


def test_neighbours_are_read_and_nonsense_is_not(tmp_path: Path) -> None:
    for name, text in (("a", '{"port": 1}'), ("b", "{"), ("me", '{"port": 2}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "vm.json").write_text(text)
    (tmp_path / "empty").mkdir()
    assert vm.neighbours(str(tmp_path), "me") == {"a": {"port": 1}}
    assert vm.neighbours(str(tmp_path / "nosuch"), "me") == {}


def test_one_run_at_a_time(tmp_path: Path) -> None:
    path = str(tmp_path / "new" / "lock")
    with vm.locked(path), pytest.raises(ToolError, match="another run holds it"), vm.locked(path):
        raise AssertionError
    with vm.locked(path):
        pass


INFO = {
    "virtual-size": 134217728,
    "filename": "root.qcow2",
    "format": "qcow2",
    "actual-size": 200704,
    "full-backing-filename": "/cache/base.qcow2",
    "snapshots": [{"id": "1", "name": "clean", "vm-state-size": 0}],
}


def test_what_qemu_img_tells() -> None:
    found = vm.image_info(json.dumps(INFO))
    assert found == vm.Image("qcow2", 134217728, 200704, ("clean",), "/cache/base.qcow2")
    assert vm.image_info('{"format": "raw", "virtual-size": 512}') == vm.Image("raw", 512, 0)


@pytest.mark.parametrize(
    ("stderr", "says"),
    [
        ("qemu-img: Could not open 'x': Failed to get shared \"write\" lock\nIs another process…", "in use by another"),
        ("qemu-img: Could not open 'x': Could not open 'x': No such file or directory", "its base image is gone"),
        ("qemu-img: Could not open 'x': Image is not in qcow2 format", "Image is not in qcow2 format"),
        ("", "qemu-img ended with 1"),
    ],
)
def test_why_an_image_cannot_be_opened(stderr: str, says: str) -> None:
    found = vm.explained("x", Completed(("qemu-img",), 1, "", stderr))
    assert says in found.message and "\n" not in found.message
