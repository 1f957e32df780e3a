# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""A user's place for virtual machines, and what a user types there."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent
# A small guest in software emulation: acceleration is another test's matter.
SMALL = {
    "builder_vm_memory": "256m",
    "builder_vm_cpus": 1,
    "builder_vm_disk_size": "128m",
    "builder_vm_work_size": "64m",
    "builder_vm_accel": "tcg",
    "builder_vm_wait": 300,
    "builder_vm_stop_timeout": 60,
}


@dataclass(frozen=True)
class Site:
    """Machines and images below ``path``; the user's own are not seen."""

    path: Path

    @property
    def machines(self) -> Path:
        return self.path / "machines"

    def environment(self) -> dict[str, str]:
        return {**os.environ, "FREEHYVE_VM_DIR": str(self.machines), "ANSIBLE_NOCOLOR": "1"}

    def run(self, *argv: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv,
            cwd=ROOT,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def playbook(self, *arguments: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        settings = {**SMALL, "builder_vm_cache": str(self.path / "cache"), **variables}
        return self.run(str(TOOLS / "ansible-playbook"), *arguments, "-e", json.dumps(settings))

    def vm(self, **variables: Any) -> str:
        """``ansible-playbook vm.yml`` that must succeed: what it printed."""
        done = self.playbook("vm.yml", "-i", "inventory/vm", **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "[WARNING]" not in done.stdout + done.stderr
        return done.stdout

    def refused(self, **variables: Any) -> str:
        """The one line of a run that must fail."""
        done = self.playbook("vm.yml", "-i", "inventory/vm", **variables)
        assert done.returncode != 0, done.stdout
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("[ERROR]")]
        assert len(lines) == 1, done.stdout + done.stderr
        return lines[0]

    def guest(self, name: str, command: str) -> str:
        """Run a command in a guest."""
        record = self.record(name)
        known = f"UserKnownHostsFile={self.machines / name / 'known_hosts'}"
        options = ["-F", "/dev/null", "-o", known, "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes"]
        login = ["-i", record["key"], "-p", str(record["port"]), f"{record['user']}@127.0.0.1"]
        done = self.run("ssh", *options, *login, command, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def ansible(self, name: str, command: str) -> subprocess.CompletedProcess[str]:
        """The same as Ansible does it, by inventory/vm."""
        tool = str(TOOLS / "ansible")
        return self.run(tool, name, "-i", "inventory/vm", "-m", "ansible.builtin.raw", "-a", command)

    def record(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.machines / name / "vm.json").read_text(encoding="utf-8"))
        return found

    def serial(self, name: str) -> str:
        return (self.machines / name / "serial.log").read_text(encoding="utf-8", errors="replace")

    def pid(self, name: str) -> int | None:
        """The process that holds the lock of the machine's pid file."""
        try:
            with (self.machines / name / "pid").open("r+b") as stream:
                try:
                    fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    return int(stream.read())
        except FileNotFoundError:
            pass
        return None


def changed(output: str) -> int:
    """Number of tasks that changed something."""
    recap = output.rpartition("PLAY RECAP")[2]
    return int(recap.partition("changed=")[2].split()[0])
