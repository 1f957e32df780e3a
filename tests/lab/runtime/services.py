# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What runs in a lab besides init: sshd and the distribution mirror, both on loopback only. Runs inside."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from pathlib import Path

PORTS = Path("/lab/run/ports.json")
SSHD_CONFIG = Path("/lab/run/sshd_config")
# PATH and LANG as login.conf(5) gives them to a session on FreeBSD.
_CONFIG = """Port {port}
ListenAddress 127.0.0.1
HostKey /lab/ssh/host_key
AuthorizedKeysFile .ssh/authorized_keys /lab/ssh/authorized_keys
PidFile /var/run/sshd.pid
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PrintMotd no
PrintLastLog no
MaxSessions 100
MaxStartups 100
LogLevel ERROR
Subsystem sftp internal-sftp
SetEnv PATH=/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin:/root/bin LANG=C.UTF-8
"""


def start(timeout: float = 10.0) -> None:
    """Start both; return once both listen."""
    ports: dict[str, int] = json.loads(PORTS.read_text())
    SSHD_CONFIG.write_text(_CONFIG.format(port=ports["ssh"]))
    _child([os.path.realpath("/lab/sshd"), "-D", "-f", str(SSHD_CONFIG), "-E", "/lab/run/sshd.log"])
    _child(["/lab/python", "-SEs", "/lab/runtime/mirror.py", "/lab/mirror", str(ports["mirror"])])
    if Path("/lab/fresh").exists():
        # Packages of the fresh lab's site may bring doas and sudo, and no shim can be setuid.
        _child(["/lab/python", "-SEs", "/lab/runtime/elevator.py"])
    for name, port in ports.items():
        _wait_for(name, port, timeout)


def _child(argv: list[str]) -> None:
    subprocess.Popen(argv, stdin=subprocess.DEVNULL, start_new_session=True)


def _wait_for(name: str, port: int, timeout: float) -> None:
    end = time.monotonic() + timeout
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise RuntimeError(f"{name}: does not listen on port {port} after {timeout:.0f} s") from None
            time.sleep(0.01)


__all__ = ["start"]
