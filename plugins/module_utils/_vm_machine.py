# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""A virtual machine's directory, its QEMU command line, and what can be seen of its process."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Optional, Tuple

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._files import read_json
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Completed, Runner, first_line
from ansible_collections.freehyve.builder.plugins.module_utils._vm_firmware import Firmware
from ansible_collections.freehyve.builder.plugins.module_utils._vm_host import LOOPBACK
from ansible_collections.freehyve.builder.plugins.module_utils._vm_probe import board_of, cpu_of

_NAME = re.compile(r"^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\Z")
RECORD = "vm.json"
_MIB = 1 << 20
_QEMU = {"amd64": "qemu-system-x86_64", "aarch64": "qemu-system-aarch64"}


@dataclass(frozen=True)
class Home:
    """The files of one machine."""

    path: str

    def at(self, name: str) -> str:
        return os.path.join(self.path, name)

    @property
    def record(self) -> str:
        return self.at(RECORD)

    @property
    def pidfile(self) -> str:
        return self.at("pid")

    @property
    def socket(self) -> str:
        return self.at("qmp.sock")

    @property
    def serial(self) -> str:
        return self.at("serial.log")

    @property
    def key(self) -> str:
        return self.at("key")

    @property
    def known_hosts(self) -> str:
        return self.at("known_hosts")

    @property
    def disks(self) -> List[str]:
        """Every image that the machine writes to, in the order of the guest's disks, firmware variables last."""
        paths = [self.at(name) for name in ("root.qcow2", "work.qcow2", "firmware.qcow2")]
        return [path for path in paths if os.path.exists(path)]


@dataclass(frozen=True)
class Hardware:
    """What the guest sees; memory in bytes."""

    name: str
    arch: str
    cpus: int
    memory: int
    port: int
    accel: str
    firmware: Optional[Firmware] = None


def check_name(name: str) -> None:
    """:raises ToolError: no host name, or one that could leave the directory."""
    if not _NAME.match(name):
        raise ToolError(f"machine '{name}': malformed name; use letters, digits and '-', as in a host's name")


def machine_arch(arch: str) -> str:
    """``amd64`` and ``arm64/aarch64`` as the site says it, to what QEMU and image names have.

    :raises ToolError: anything else.
    """
    last = arch.rsplit("/", 1)[-1]
    if last not in _QEMU:
        raise ToolError(f"arch '{arch}': no virtual machine for it; amd64 or arm64/aarch64")
    return last


def qemu_name(arch: str) -> str:
    return _QEMU[arch]


def _file(path: str) -> str:
    """A path as a value of an option: a comma is written twice."""
    return path.replace(",", ",,")


def _drive(identifier: str, path: str, disk_format: str, boot: Optional[int] = None, more: str = "") -> List[str]:
    index = "" if boot is None else f",bootindex={boot}"
    return [
        "-drive",
        f"if=none,id={identifier},format={disk_format},file={_file(path)}{more}",
        "-device",
        f"virtio-blk-pci,drive={identifier},serial={identifier}{index}",
    ]


def argv(qemu: str, home: Home, hardware: Hardware) -> List[str]:
    """The command that starts the machine: no display, no default devices, serial port to a log, QMP on a socket.

    It is started inside the machine's directory, whose path may be longer than a socket's address.
    """
    words = [qemu, "-name", hardware.name, "-nodefaults", "-no-user-config", "-display", "none"]
    words += ["-machine", board_of(hardware.arch, hardware.accel), "-accel", hardware.accel]
    words += ["-cpu", cpu_of(hardware.accel), "-smp", str(hardware.cpus), "-m", str(hardware.memory // _MIB)]
    words += ["-rtc", "base=utc", "-device", "virtio-rng-pci", "-serial", "file:serial.log", "-monitor", "none"]
    if hardware.firmware is not None:
        code = f"format={hardware.firmware.code_format},file={_file(hardware.firmware.code)}"
        words += ["-drive", f"if=pflash,unit=0,readonly=on,{code}"]
        words += ["-drive", f"if=pflash,unit=1,format=qcow2,file={_file(home.at('firmware.qcow2'))}"]
    words += _drive("root", home.at("root.qcow2"), "qcow2", boot=0, more=",discard=unmap")
    if os.path.exists(home.at("work.qcow2")):
        words += _drive("work", home.at("work.qcow2"), "qcow2", more=",discard=unmap")
    if os.path.exists(home.at("seed.iso")):
        words += _drive("seed", home.at("seed.iso"), "raw", more=",readonly=on")
    words += ["-netdev", f"user,id=net,hostfwd=tcp:{LOOPBACK}:{hardware.port}-:22"]
    # No option ROM: this machine does not boot from a network, and not every distribution installs it.
    words += ["-device", "virtio-net-pci,netdev=net,romfile="]
    return words + ["-qmp", "unix:qmp.sock,server=on,wait=off", "-pidfile", "pid", "-daemonize"]


def running_pid(home: Home) -> Optional[int]:
    """The machine's process; None when there is none.

    QEMU keeps a lock on its pid file as long as it lives, so a number that another process got meanwhile fools nobody.
    """
    try:
        with open(home.pidfile, "r+b") as stream:
            try:
                fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                text = stream.read().strip()
                return int(text) if text.isdigit() else None
            return None
    except FileNotFoundError:
        return None


def died(home: Home) -> bool:
    """QEMU removes its pid file at the end; one that stayed behind was left by a process that was killed."""
    return os.path.exists(home.pidfile) and running_pid(home) is None


def neighbours(base: str, name: str) -> Dict[str, Dict[str, Any]]:
    """Records of the other machines of this directory; an unreadable one is nobody's business here."""
    found: Dict[str, Dict[str, Any]] = {}
    with contextlib.suppress(OSError):
        for other in sorted(os.listdir(base)):
            if other != name:
                with contextlib.suppress(ToolError):
                    record = read_json(os.path.join(base, other, RECORD))
                    if record is not None:
                        found[other] = record
    return found


@contextlib.contextmanager
def locked(path: str) -> Iterator[None]:
    """Nobody else works on what this file stands for.

    :raises ToolError: somebody does.
    """
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with open(path, "ab") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise ToolError(f"'{path}': another run holds it; wait for its end") from exc
        yield


@dataclass(frozen=True)
class Image:
    """What qemu-img knows of a disk image; size in bytes as the guest sees it, used in bytes on the host."""

    format: str
    size: int
    used: int
    snapshots: Tuple[str, ...] = ()
    backing: Optional[str] = None


def image_info(text: str) -> Image:
    """``qemu-img info --output=json``."""
    found = json.loads(text)
    return Image(
        found["format"],
        int(found["virtual-size"]),
        int(found.get("actual-size", 0)),
        tuple(snapshot["name"] for snapshot in found.get("snapshots", [])),
        found.get("full-backing-filename") or found.get("backing-filename"),
    )


def explained(path: str, done: Completed) -> ToolError:
    """One line for what qemu-img says of an image that it cannot open."""
    said = done.stderr
    if "lock" in said:
        cause = "in use by another machine; stop that one, or give this one a disk of its own"
    elif "No such file" in said:
        cause = "not there, or its base image is gone; put it back, or destroy the machine"
    else:
        cause = first_line(said).replace("qemu-img: ", "") or f"qemu-img ended with {done.rc}"
    return ToolError(f"disk '{path}': {cause}", list(done.argv), done.rc, done.stdout, said)


def inspect(runner: Runner, qemu_img: str, path: str, shared: bool = False) -> Image:
    """Look at an image, and on the way whether somebody else writes to it.

    :param shared: only look, do not mind who uses it.
    :raises ToolError: in use, damaged, or not there.
    """
    done = runner.run([qemu_img, "info", *(["-U"] if shared else []), "--output=json", path], ok=range(256))
    if done.rc != 0:
        raise explained(path, done)
    return image_info(done.stdout)


__all__ = [
    "RECORD",
    "Hardware",
    "Home",
    "Image",
    "argv",
    "check_name",
    "died",
    "image_info",
    "inspect",
    "locked",
    "machine_arch",
    "neighbours",
    "qemu_name",
    "running_pid",
]
