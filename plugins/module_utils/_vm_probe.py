# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Which acceleration works, by proof: a tiny guest must run under it and say so within seconds.

A host may have /dev/kvm and still not run ordinary guests on it (nested virtualisation of some clouds): QEMU starts,
and the guest never gets anywhere. So the presence of the device proves nothing.

The guest for amd64 is a boot sector on the same board and disk as the real one: through the firmware into long mode
with paging, then a page fault, SSE2, a hundred million instructions, and out of a timer interrupt it writes to QEMU's
exit port. A KVM that interprets instead of letting the processor run (seen: kvm_pvm, "KVM internal error" at the first
SSE2 instruction, and no Linux kernel boots) fails it. The guest for aarch64 writes to the board's serial port and turns
itself off through PSCI.
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from typing import List, Sequence, Tuple

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner, first_line
from ansible_collections.freehyve.builder.plugins.module_utils._vm_host import host_arch

SECONDS = 5.0  # a guest under acceleration needs a fraction of one, on a busy host a few
DISK_SIZE = 1 << 20  # bytes; SeaBIOS does not boot from a disk of one sector
# isa-debug-exit ends QEMU with twice the value and one; 0x15 is what the interrupt's handler writes.
AMD64_EXIT = 0x15 << 1 | 1
AARCH64_SAYS = b"freehyve"

# 16 bit: stack, page tables at 0x1000 (one page of 2 MiB), CR4.PAE and SSE, EFER.LME, CR0.PG|PE, GDT, far jump.
# 64 bit: segments, IDT entries 14 and 0x20; a read where no page is, SSE2 arithmetic, a loop of a hundred million
# rounds; PIC, PIT, sti, hlt. Handler of the timer: write 0x15 to port 0xf4. Then GDT and pointers.
_AMD64 = bytes.fromhex(
    "fa31c08ed88ec08ed0bc007c66bf001000000f22df6631c066b9000c0000fc66f3abc70600100320c70600200330c7060030"
    "83000f20e0660d200600000f22e066b9800000c00f32660d000100000f300f20c06683e0fb660d030000800f22c00f011630"
    "7dea6a7c0800b8100000008ed88ec08ed0bf00420000c7070d7d0800c74704008e0000c7470800000000bfe0400000c707fb"
    "7c0800c74704008e0000c74708000000000f011c25367d000031db8b04250000004083fb01754d660f76c0660ffec0660f7e"
    "c083f8fe753cb900e1f505ffc975fcb011e620b020e621b004e621b001e621b0fee621b034e64330c0e640b010e640fbf4eb"
    "fdffc34883c408c70424b87c000048cff4ebfd66baf400b015eef4ebfd90000000000000000000000000009a200000000000"
    "009200001700187d00000f020040"
)
# PL011 at 0x9000000: write the text behind the code; PSCI SYSTEM_OFF (0x84000008) by HVC.
_AARCH64 = bytes.fromhex("0120a1d2420100104314403863000034230000b9fdffff17000180520080b072020000d47f2003d5ffffff17")


@dataclass(frozen=True)
class Choice:
    """The acceleration to use, and one line on why not a better one."""

    accel: str
    why: str


def amd64_disk() -> bytes:
    return (_AMD64.ljust(510, b"\0") + b"\x55\xaa").ljust(DISK_SIZE, b"\0")


def aarch64_kernel() -> bytes:
    return _AARCH64 + AARCH64_SAYS + b"\n\0"


def cpu_of(accel: str) -> str:
    return "max" if accel == "tcg" else "host"


def board_of(arch: str, accel: str) -> str:
    """``-machine``. On arm KVM's interrupt controller must be the host's kind; QEMU's default is the oldest one."""
    if arch == "amd64":
        return "q35"
    return "virt,gic-version=max" if accel == "kvm" else "virt"


def probe_argv(qemu: str, arch: str, accel: str, payload: str, serial: str) -> List[str]:
    argv = [qemu, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-m", "64"]
    argv += ["-machine", board_of(arch, accel), "-accel", accel, "-cpu", cpu_of(accel), "-serial", f"file:{serial}"]
    if arch == "amd64":
        argv += ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
        return argv + ["-drive", f"if=virtio,format=raw,file={payload.replace(',', ',,')}"]
    return argv + ["-kernel", payload]


def works(runner: Runner, qemu: str, arch: str, accel: str, seconds: float = SECONDS) -> Tuple[bool, str]:
    """Run the tiny guest. Returns whether it ran, else why not in a few words."""
    with tempfile.TemporaryDirectory(prefix="freehyve-probe-") as scratch:
        payload, serial = os.path.join(scratch, "guest"), os.path.join(scratch, "serial")
        with open(payload, "wb") as stream:
            stream.write(amd64_disk() if arch == "amd64" else aarch64_kernel())
        try:
            done = runner.run(probe_argv(qemu, arch, accel, payload, serial), ok=range(256), timeout=seconds)
        except ToolError as exc:
            if exc.rc == 124:
                cause = next((line for line in exc.stderr.splitlines() if "error" in line.lower()), "")
                return False, f"a guest does not run under it ({cause or f'nothing came within {seconds:g} s'})"
            return False, exc.message
        if arch == "amd64":
            return done.rc == AMD64_EXIT, first_line(done.stderr) or f"the tiny guest ended with {done.rc}"
        try:
            with open(serial, "rb") as stream:
                said = stream.read()
        except OSError:
            said = b""
        return AARCH64_SAYS in said, first_line(done.stderr) or "the tiny guest said nothing"


def candidates(arch: str, compiled: Sequence[str], system: str = sys.platform) -> Tuple[List[str], str]:
    """Accelerations worth a try for a guest, best first, and why there is none."""
    if arch != host_arch():
        return [], f"this is a host of {host_arch()}"
    if system == "darwin":
        return (["hvf"], "") if "hvf" in compiled else ([], "this QEMU has no hvf")
    if "kvm" not in compiled:
        return [], "this QEMU has no kvm"
    if not os.path.exists("/dev/kvm"):
        return [], "there is no /dev/kvm"
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return [], "we may not use /dev/kvm; join the group kvm"
    return ["kvm"], ""


def accelerations(runner: Runner, qemu: str) -> List[str]:
    """What this QEMU was compiled with; the first line of the answer is a heading."""
    done = runner.run([qemu, "-accel", "help"], failed=f"{qemu} -accel help")
    return [line.strip() for line in done.stdout.splitlines()[1:] if line.strip()]


def choose(runner: Runner, qemu: str, arch: str, wanted: str = "auto", seconds: float = SECONDS) -> Choice:
    """The best acceleration that a guest was seen to run under.

    :param wanted: ``auto``, or one that must work.
    :raises ToolError: the one that was asked for does not work.
    """
    if wanted == "tcg":
        return Choice("tcg", "software emulation, as asked for")
    found, why = candidates(arch, accelerations(runner, qemu))
    if wanted != "auto":
        if wanted in found:
            good, why = works(runner, qemu, arch, wanted, seconds)
            if good:
                return Choice(wanted, f"{wanted}, a guest was seen to run under it")
        cause = why or "not for this host"
        raise ToolError(f"acceleration {wanted}: cannot be used: {cause}; set builder_vm_accel: auto")
    for accel in found:
        good, cause = works(runner, qemu, arch, accel, seconds)
        if good:
            return Choice(accel, f"{accel}, a guest was seen to run under it")
        why = f"{accel}: {cause}"
    return Choice("tcg", f"software emulation, many times slower: {why}")


__all__ = ["Choice", "accelerations", "board_of", "candidates", "choose", "cpu_of", "probe_argv", "works"]
