# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import socket
from pathlib import Path

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _vm_host
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError


def having(tmp_path: Path, *commands: str) -> _vm_host.Controller:
    """A controller that has these commands and no others."""
    for command in commands:
        (tmp_path / command).touch(0o755)
    return _vm_host.Controller(environ={"PATH": str(tmp_path)})


@pytest.mark.parametrize(
    ("manager", "tool", "says"),
    [
        ("apt-get", "qemu-system-x86_64", "apt-get install qemu-system-x86"),
        ("apt-get", "qemu-system-aarch64", "apt-get install qemu-system-arm"),
        ("apt-get", "qemu-img", "apt-get install qemu-utils"),
        ("apt-get", "firmware of amd64", "apt-get install ovmf"),
        ("apt-get", "ssh", "apt-get install openssh-client"),
        ("brew", "qemu-system-aarch64", "brew install qemu"),
        ("brew", "qemu-img", "brew install qemu"),
        ("brew", "zstd", "brew install zstd"),
        ("dnf", "qemu-img", "dnf install qemu-img"),
        ("pkg", "qemu-system-x86_64", "pkg install qemu"),
    ],
)
def test_a_missing_tool_is_named_with_its_package(tmp_path: Path, manager: str, tool: str, says: str) -> None:
    with pytest.raises(ToolError) as raised:
        having(tmp_path, manager).need(tool, "machine 'vm'")
    assert raised.value.message == f"machine 'vm': {tool} is not installed; {says}"


def test_a_host_without_a_known_package_manager(tmp_path: Path) -> None:
    assert _vm_host.how_to_get("qemu-img", having(tmp_path)) == "install the package qemu"


def test_a_tool_that_is_there(tmp_path: Path) -> None:
    assert having(tmp_path, "qemu-img").need("qemu-img", "x") == str(tmp_path / "qemu-img")


def test_the_users_own_path_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ssh").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert _vm_host.controller().which("ssh") == str(tmp_path / "ssh")
    assert _vm_host.controller().which("sh") == "/bin/sh"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("MemTotal: 1024 kB\nMemFree: 1 kB\nMemAvailable: 512 kB\n", _vm_host.Memory(1 << 20, 1 << 19)),
        ("MemTotal: 1024 kB\n", _vm_host.Memory(1 << 20, 1 << 20)),
        ("", None),
    ],
)
def test_memory_of_linux(text: str, found: _vm_host.Memory | None) -> None:
    assert _vm_host.meminfo(text) == found


def test_this_host_has_memory_and_processors() -> None:
    memory = _vm_host.memory()
    assert memory is not None and 0 < memory.available <= memory.total
    assert _vm_host.cpus() >= 1


def test_free_space_of_a_directory_to_come(tmp_path: Path) -> None:
    assert _vm_host.free_space(str(tmp_path / "not" / "yet")) > 0


def test_ports_in_use_and_promised_are_passed_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert not _vm_host.port_is_free(port)
        assert _vm_host.free_port([port + 1], first=port) not in (port, port + 1)
    assert _vm_host.port_is_free(port)
