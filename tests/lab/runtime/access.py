# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""How the controller reaches a lab: ports, keys, known_hosts, and the file that says all this to others."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from pathlib import Path

from . import host
from .paths import LabPaths


def prepare(paths: LabPaths) -> dict[str, int]:
    """Make the keys once and choose ports (the last ones if they are free); returns {ssh, mirror}."""
    for name in ("host_key", "id_ed25519"):
        if not (paths.ssh / name).exists():
            _make_key(paths.ssh / name)
    shutil.copyfile(paths.ssh / "id_ed25519.pub", paths.ssh / "authorized_keys")
    ports = _ports(paths.dir / "ports.json")
    run = paths.root / "lab/run"
    run.mkdir(parents=True, exist_ok=True)
    (run / "ports.json").write_text(json.dumps(ports), encoding="utf-8")
    return ports


def _make_key(path: Path) -> None:
    tool = host.tool("ssh-keygen") or "ssh-keygen"
    subprocess.run([tool, "-q", "-t", "ed25519", "-N", "", "-C", "freehyve lab", "-f", str(path)], check=True)


def _ports(file: Path) -> dict[str, int]:
    """Two free loopback ports; held together while choosing, so that they differ."""
    try:
        wanted: dict[str, int] = json.loads(file.read_text())
    except (OSError, ValueError):
        wanted = {}
    with socket.socket() as first, socket.socket() as second:
        ports = {name: _bind(listener, wanted.get(name, 0)) for name, listener in (("ssh", first), ("mirror", second))}
    file.write_text(json.dumps(ports), encoding="utf-8")
    return ports


def _bind(listener: socket.socket, wanted: int) -> int:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", wanted))
    except OSError:
        listener.bind(("127.0.0.1", 0))
    return int(listener.getsockname()[1])


def write_connection(paths: LabPaths, ports: dict[str, int]) -> None:
    """connection.json and known_hosts: a client can and must check the host key."""
    public = (paths.ssh / "host_key.pub").read_text().split()
    known_hosts = paths.ssh / "known_hosts"
    known_hosts.write_text(f"[127.0.0.1]:{ports['ssh']} {public[0]} {public[1]}\n", encoding="utf-8")
    connection = {
        "name": paths.name,
        "host": "127.0.0.1",
        "port": ports["ssh"],
        "user": "root",
        "key": str(paths.ssh / "id_ed25519"),
        "known_hosts": str(known_hosts),
        "mirror": f"http://127.0.0.1:{ports['mirror']}",
    }
    paths.connection_file.write_text(json.dumps(connection, indent=1) + "\n", encoding="utf-8")


__all__ = ["prepare", "write_connection"]
