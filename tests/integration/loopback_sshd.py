# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""A real sshd on a loopback port, as the current user, with keys of its own and a login shell of one's choice."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Sshd:
    """``known_hosts`` holds its host key; ``key`` opens it."""

    directory: Path
    port: int
    process: subprocess.Popen[bytes]
    address: str = "127.0.0.1"

    @property
    def key(self) -> Path:
        return self.directory / "user"

    @property
    def known_hosts(self) -> Path:
        return self.directory / "known_hosts"

    def arguments(self) -> list[str]:
        """What ssh, scp and sftp need to come in."""
        options = {
            "Port": self.port,
            "IdentityFile": self.key,
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": self.known_hosts,
            "StrictHostKeyChecking": "yes",
            "Compression": "no",
            "ControlPath": "none",
        }
        return ["-F", "/dev/null", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]

    def inventory(self, **more: object) -> dict[str, object]:
        """Variables of a host."""
        return {
            "ansible_host": self.address,
            "ansible_port": self.port,
            "ansible_user": getpass.getuser(),
            "ansible_ssh_private_key_file": str(self.key),
            "ansible_ssh_args": f"-F /dev/null -o UserKnownHostsFile={self.known_hosts} -o ControlPath=none",
            "ansible_ssh_executable": shutil.which("ssh"),
            **more,
        }


def make_key(path: Path) -> str:
    """A key pair; returns the public half."""
    path.unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path.with_name(path.name + ".pub").read_text()


def free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        number: int = probe.getsockname()[1]
        return number


@contextmanager
def sshd(
    directory: Path, shell: str | None = None, address: str = "127.0.0.1", prefix: tuple[str, ...] = ()
) -> Iterator[Sshd]:
    """:param shell: what runs the commands, in place of the user's login shell.
    :param prefix: words before the command, such as ``ip netns exec NAME``.
    """
    binary = shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
    assert binary, "sshd is missing and these tests need it: install openssh-server"
    directory.mkdir(parents=True, exist_ok=True)
    port = free_port("127.0.0.1")
    public = make_key(directory / "host")
    (directory / "authorized_keys").write_text(make_key(directory / "user"))
    (directory / "known_hosts").write_text(f"[{address}]:{port} {public}")
    lines = [
        f"Port {port}",
        f"ListenAddress {address}",
        f"HostKey {directory}/host",
        f"AuthorizedKeysFile {directory}/authorized_keys",
        "PidFile none",
        "StrictModes no",
        "UsePAM no",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PermitRootLogin yes",
        "MaxStartups 100",
        "Subsystem sftp internal-sftp",
    ]
    if shell:
        lines.append(f'ForceCommand exec {shell} -c "$SSH_ORIGINAL_COMMAND"')
    (directory / "config").write_text("\n".join(lines) + "\n")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # privilege separation of sshd, where it is started by root
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([*prefix, binary, "-D", "-e", "-f", str(directory / "config")], stderr=log)
    try:
        _wait(address, port, process, directory / "log", prefix)
        yield Sshd(directory, port, process, address)
    finally:
        process.terminate()
        process.wait()


def _wait(address: str, port: int, process: subprocess.Popen[bytes], log: Path, prefix: tuple[str, ...]) -> None:
    for _ in range(200):
        assert process.poll() is None, log.read_text()
        if prefix:
            if "Server listening" in log.read_text():
                return
        else:
            with socket.socket() as probe:
                if probe.connect_ex((address, port)) == 0:
                    return
        time.sleep(0.05)
    raise AssertionError("sshd does not listen: " + log.read_text())
