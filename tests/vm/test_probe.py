# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The tiny guests run, on both architectures; a payload that does nothing is no proof."""

from __future__ import annotations

import shutil

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _vm_firmware, _vm_host, _vm_probe
from ansible_collections.freehyve.builder.plugins.module_utils._vm_machine import qemu_name

PATIENT = 60.0  # seconds; software emulation on a busy machine


def qemu(arch: str) -> str:
    found = shutil.which(qemu_name(arch))
    assert found is not None
    return found


@pytest.mark.parametrize("arch", ["amd64", "aarch64"])
def test_the_tiny_guest_says_that_it_ran(arch: str) -> None:
    good, why = _vm_probe.works(_vm_host.controller(), qemu(arch), arch, "tcg", PATIENT)
    assert good, why


@pytest.mark.parametrize("arch", ["amd64", "aarch64"])
def test_a_guest_that_does_nothing_is_no_proof(arch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_vm_probe, "_AMD64", bytes.fromhex("f4ebfd"))  # hlt; jmp
    monkeypatch.setattr(_vm_probe, "_AARCH64", bytes.fromhex("7f2003d5ffffff17"))  # wfi; b
    good, why = _vm_probe.works(_vm_host.controller(), qemu(arch), arch, "tcg", 3.0)
    assert not good
    assert why == "a guest does not run under it (nothing came within 3 s)"


def test_what_this_qemu_cannot_do_is_no_proof() -> None:
    assert not _vm_probe.works(_vm_host.controller(), qemu("amd64"), "amd64", "hvf")[0]


def test_the_choice_is_one_that_a_guest_ran_under() -> None:
    """Whatever this machine has: kvm only when the guest ran, else emulation with a reason."""
    runner = _vm_host.controller()
    choice = _vm_probe.choose(runner, qemu("amd64"), "amd64")
    assert choice.accel in ("kvm", "tcg")
    assert ("a guest was seen to run" in choice.why) == (choice.accel == "kvm")
    assert choice.accel == "kvm" or "many times slower: " in choice.why


@pytest.mark.parametrize("arch", ["amd64"])
def test_firmware_of_this_system_is_found(arch: str) -> None:
    found = _vm_firmware.find(_vm_host.controller(), qemu(arch), arch)
    assert "secboot" not in found.code and found.code != found.variables
