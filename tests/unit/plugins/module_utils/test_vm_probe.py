# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Decisions around the proof; tests/vm runs the tiny guests themselves."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _vm_probe
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from tests.unit.builder import Played, Reply

HELP = "Accelerators supported in QEMU binary:\ntcg\nkvm\n"


@dataclass(frozen=True)
class Machine(Played):
    """A QEMU that ends as it is told, and may write to the serial port."""

    rc: int = 0
    says: bytes = b""
    stderr: str = ""
    hangs: bool = False
    probed: list[list[str]] = field(default_factory=list)

    def play(self, words: list[str]) -> Reply:
        if words[-1] == "help":
            return HELP
        self.probed.append(words)
        if self.hangs:
            raise ToolError("no answer", words, 124, "", self.stderr)
        Path(words[words.index("-serial") + 1].removeprefix("file:")).write_bytes(self.says)
        return self.rc, "", self.stderr


def machine(rc: int = 0, says: bytes = b"", stderr: str = "", hangs: bool = False) -> Machine:
    return Machine(rc=rc, says=says, stderr=stderr, hangs=hangs)


@pytest.mark.parametrize(
    ("qemu", "arch", "good", "why"),
    [
        (machine(_vm_probe.AMD64_EXIT), "amd64", True, ""),
        (machine(0), "amd64", False, "the tiny guest ended with 0"),
        (machine(1, stderr="Could not access KVM\n"), "amd64", False, "Could not access KVM"),
        (machine(0, hangs=True), "amd64", False, "a guest does not run under it (nothing came within 5 s)"),
        (
            machine(0, stderr="KVM internal error. Suberror: 1\nextra data", hangs=True),
            "amd64",
            False,
            "a guest does not run under it (KVM internal error. Suberror: 1)",
        ),
        (machine(0, b"freehyve\n"), "aarch64", True, ""),
        (machine(0, b""), "aarch64", False, "the tiny guest said nothing"),
    ],
)
def test_what_counts_as_proof(qemu: Machine, arch: str, good: bool, why: str) -> None:
    found, words = _vm_probe.works(qemu, "qemu", arch, "kvm")
    assert found == good
    assert good or words == why


def test_the_payloads_are_whole() -> None:
    disk = _vm_probe.amd64_disk()
    assert disk[510:512] == b"\x55\xaa" and len(disk) == _vm_probe.DISK_SIZE
    assert _vm_probe.aarch64_kernel().endswith(b"freehyve\n\0") and len(_vm_probe.aarch64_kernel()) == 54


def test_the_probe_runs_on_the_board_of_the_real_machine() -> None:
    argv = _vm_probe.probe_argv("qemu", "amd64", "kvm", "/tmp/a,b", "/tmp/serial")
    assert argv[argv.index("-machine") + 1] == "q35"
    assert argv[argv.index("-cpu") + 1] == "host"
    assert argv[-1] == "if=virtio,format=raw,file=/tmp/a,,b"
    argv = _vm_probe.probe_argv("qemu", "aarch64", "kvm", "/tmp/guest", "/tmp/serial")
    assert argv[argv.index("-machine") + 1] == "virt,gic-version=max"
    assert _vm_probe.board_of("aarch64", "hvf") == "virt"


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def make(arch: str = "amd64", device: bool = True, allowed: bool = True) -> None:
        monkeypatch.setattr(_vm_probe, "host_arch", lambda: arch)
        monkeypatch.setattr(os.path, "exists", lambda path: device if path == "/dev/kvm" else Path(path).is_file())
        monkeypatch.setattr(os, "access", lambda *_args: allowed)

    return make


@pytest.mark.parametrize(
    ("arch", "compiled", "system", "device", "allowed", "found", "why"),
    [
        ("amd64", ["tcg", "kvm"], "linux", True, True, ["kvm"], ""),
        ("amd64", ["tcg", "kvm"], "linux", False, True, [], "there is no /dev/kvm"),
        ("amd64", ["tcg", "kvm"], "linux", True, False, [], "we may not use /dev/kvm; join the group kvm"),
        ("amd64", ["tcg"], "linux", True, True, [], "this QEMU has no kvm"),
        ("aarch64", ["tcg", "kvm"], "linux", True, True, [], "this is a host of amd64"),
        ("amd64", ["tcg", "hvf"], "darwin", False, False, ["hvf"], ""),
        ("amd64", ["tcg"], "darwin", False, False, [], "this QEMU has no hvf"),
    ],
)
def test_candidates(
    host: Callable[..., None],
    arch: str,
    compiled: list[str],
    system: str,
    device: bool,
    allowed: bool,
    found: list[str],
    why: str,
) -> None:
    host(device=device, allowed=allowed)
    assert _vm_probe.candidates(arch, compiled, system) == (found, why)


def test_the_device_alone_proves_nothing(host: Callable[..., None]) -> None:
    host()
    choice = _vm_probe.choose(machine(0, hangs=True), "qemu", "amd64")
    assert choice.accel == "tcg"
    assert choice.why.startswith("software emulation, many times slower: kvm: a guest does not run under it")


def test_a_guest_that_ran_does(host: Callable[..., None]) -> None:
    host()
    assert _vm_probe.choose(machine(_vm_probe.AMD64_EXIT), "qemu", "amd64").accel == "kvm"
    assert _vm_probe.choose(machine(_vm_probe.AMD64_EXIT), "qemu", "amd64", "kvm").accel == "kvm"


def test_what_was_asked_for_and_does_not_work_is_refused(host: Callable[..., None]) -> None:
    host()
    for wanted, qemu in (("kvm", machine(0, hangs=True)), ("hvf", machine(_vm_probe.AMD64_EXIT))):
        with pytest.raises(ToolError, match=f"acceleration {wanted}: cannot be used.*builder_vm_accel: auto"):
            _vm_probe.choose(qemu, "qemu", "amd64", wanted)


def test_emulation_that_was_asked_for_tries_nothing() -> None:
    qemu = machine()
    assert _vm_probe.choose(qemu, "qemu", "amd64", "tcg").accel == "tcg"
    assert qemu.probed == []
