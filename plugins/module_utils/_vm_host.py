# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The controller as a host of virtual machines: its tools, memory, space and ports, whatever system it runs."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
import socket
from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._runner import SEARCH_PATH, Runner

# Where package managers put tools that a login's PATH may lack (Homebrew, MacPorts, pkgsrc).
MORE_PLACES = "/opt/homebrew/bin:/opt/homebrew/sbin:/opt/local/bin:/usr/pkg/bin"
LOOPBACK = "127.0.0.1"
_MACHINES = {"amd64": "amd64", "x86_64": "amd64", "arm64": "aarch64", "aarch64": "aarch64"}


class Controller(Runner):
    """Runs commands on the controller, where the user's own PATH counts too."""

    def which(self, name: str) -> Optional[str]:
        return shutil.which(name, path=self.environ.get("PATH", SEARCH_PATH))

    def need(self, name: str, purpose: str) -> str:
        """Path of a tool.

        :raises ToolError: missing; names the package.
        """
        found = self.which(name)
        if found is None:
            raise ToolError(f"{purpose}: {name} is not installed; {how_to_get(name, self)}")
        return found


def controller() -> Controller:
    return Controller(environ={"PATH": ":".join([os.environ.get("PATH", ""), SEARCH_PATH, MORE_PLACES]).lstrip(":")})


# Tool: its package for the package manager that the host has.
_PACKAGES: Dict[str, Dict[str, str]] = {
    "qemu-system-x86_64": {"apt-get": "qemu-system-x86", "dnf": "qemu-system-x86-core", "zypper": "qemu-x86"},
    "qemu-system-aarch64": {"apt-get": "qemu-system-arm", "dnf": "qemu-system-aarch64-core", "zypper": "qemu-arm"},
    "qemu-img": {"apt-get": "qemu-utils", "dnf": "qemu-img", "zypper": "qemu-img"},
    "firmware of amd64": {"apt-get": "ovmf", "dnf": "edk2-ovmf", "zypper": "qemu-ovmf-x86_64", "pkg": "edk2-qemu-x64"},
    "firmware of aarch64": {"apt-get": "qemu-efi-aarch64", "dnf": "edk2-aarch64", "zypper": "qemu-uefi-aarch64"},
    "ssh": {"apt-get": "openssh-client", "dnf": "openssh-clients", "zypper": "openssh-clients"},
    "ssh-keygen": {"apt-get": "openssh-client", "dnf": "openssh", "zypper": "openssh-common"},
    "ssh-keyscan": {"apt-get": "openssh-client", "dnf": "openssh-clients", "zypper": "openssh-clients"},
    "zstd": {},
    "xz": {"apt-get": "xz-utils"},
}
_MANAGERS: Tuple[Tuple[str, str], ...] = (
    ("brew", "brew install"),
    ("apt-get", "apt-get install"),
    ("dnf", "dnf install"),
    ("zypper", "zypper install"),
    ("pacman", "pacman -S"),
    ("apk", "apk add"),
    ("pkg", "pkg install"),
)


def how_to_get(tool: str, runner: Runner) -> str:
    """The command that installs a tool, by the package manager that the host has."""
    packages = _PACKAGES.get(tool, {})
    other = "qemu" if tool.startswith(("qemu", "firmware")) else "openssh" if tool.startswith("ssh") else tool
    for manager, command in _MANAGERS:
        if runner.which(manager):
            return f"{command} {packages.get(manager, other)}"
    return f"install the package {other}"


def host_arch() -> str:
    """``amd64`` or ``aarch64`` as FreeBSD calls them, else what uname says."""
    machine = platform.machine().lower()
    return _MACHINES.get(machine, machine)


@dataclass(frozen=True)
class Memory:
    """Bytes: all, and what a new process may take without the host beginning to swap (all, where it is not told)."""

    total: int
    available: int


def meminfo(text: str) -> Optional[Memory]:
    """``/proc/meminfo`` (proc(5)); kB mean 1024 bytes there."""
    values = {name: int(size) << 10 for name, size in re.findall(r"^(MemTotal|MemAvailable):\s+(\d+) kB$", text, re.M)}
    if "MemTotal" not in values:
        return None
    return Memory(values["MemTotal"], values.get("MemAvailable", values["MemTotal"]))


def memory() -> Optional[Memory]:
    """The host's memory; None when it does not tell."""
    with contextlib.suppress(OSError), open("/proc/meminfo", encoding="ascii") as stream:
        return meminfo(stream.read())
    with contextlib.suppress(OSError, ValueError, AttributeError):
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        if total > 0:
            return Memory(total, total)
    return None


def cpus() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def free_space(path: str) -> int:
    """Bytes that we may write below ``path`` or the directory of it that exists."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def port_is_free(port: int) -> bool:
    """Nobody listens on that port of the loopback interface, nor on all interfaces."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As QEMU does: what only waits out an old connection does not count as used.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
        return True


def free_port(taken: List[int], first: int = 10022) -> int:
    """The first port from ``first`` on that is free and not promised to another machine."""
    for port in range(first, first + 1000):
        if port not in taken and port_is_free(port):
            return port
    raise ToolError(f"no free port from {first} to {first + 999} on {LOOPBACK}; set builder_vm_port")


__all__ = [
    "LOOPBACK",
    "Controller",
    "Memory",
    "controller",
    "cpus",
    "free_port",
    "free_space",
    "host_arch",
    "how_to_get",
    "meminfo",
    "memory",
    "port_is_free",
]
