#!/usr/bin/env python3
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Inventory of the virtual machines that vm.yml made: each is a host of the group builder.

FREEHYVE_VM_DIR names their directory, as it does for vm.yml. One that does not run says so when it is used.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any

HOME = "~/.local/share/freehyve/vm"


def directory() -> Path:
    return Path(os.environ.get("FREEHYVE_VM_DIR") or HOME).expanduser().absolute()


def runs(machine: Path) -> bool:
    """QEMU keeps a lock on its pid file as long as it lives."""
    try:
        with (machine / "pid").open("r+b") as stream:
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def complaint(text: str) -> str:
    """A value that stops a task which uses it with one line."""
    return "{{ undef(hint=%s) }}" % json.dumps(text)


def host(machine: Path, record: dict[str, Any]) -> dict[str, Any]:
    known_hosts = f"{machine}/known_hosts"
    quoted = f"'\"{known_hosts}\"'" if " " in known_hosts else known_hosts
    options = f"-o UserKnownHostsFile={quoted} -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes"
    up = runs(machine)
    name = record["name"]
    return {
        "ansible_host": "127.0.0.1"
        if up
        else complaint(f"machine '{name}' does not run; start it: ansible-playbook vm.yml -e builder_vm_name={name}"),
        "ansible_port": record["port"],
        "ansible_user": record["user"],
        "ansible_ssh_private_key_file": record["key"],
        "ansible_ssh_common_args": f"{options} -o IdentitiesOnly=yes",
        "builder_vm_name": name,
    }


def inventory(base: Path) -> dict[str, Any]:
    """What ``ansible-inventory --list`` wants of a script."""
    hosts: dict[str, Any] = {}
    for path in sorted(base.glob("[!.]*/vm.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        hosts[record["name"]] = host(path.parent, record)
    if not hosts:
        # A build on nothing would look like a good one.
        hosts["vm"] = {"ansible_host": complaint("there is no virtual machine yet; run ansible-playbook vm.yml first")}
    return {"builder": {"hosts": list(hosts)}, "_meta": {"hostvars": hosts}}


if __name__ == "__main__":
    print(json.dumps(inventory(directory()), indent=1))
