#!/usr/bin/env python3
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Inventory of the running lab named FREEHYVE_LAB (default: default): group builder with the one host lab."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

LAB = Path(__file__).resolve().parents[2] / "tests" / "lab" / "lab"


def inventory(name: str) -> dict[str, object] | None:
    """What ``ansible-inventory --list`` wants of a script; None when the lab does not run."""
    status = subprocess.run([LAB, "status", "--json", "--name", name], capture_output=True, text=True, check=False)
    if status.returncode != 0:
        return None
    connection = json.loads(status.stdout)
    options = f"-o UserKnownHostsFile={connection['known_hosts']} -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes"
    host = {
        "ansible_host": connection["host"],
        "ansible_port": connection["port"],
        "ansible_user": connection["user"],
        "ansible_ssh_private_key_file": connection["key"],
        "ansible_ssh_common_args": f"{options} -o Compression=no",
        "freehyve_mirror": connection["mirror"],
    }
    if connection["fresh"]:
        # The lab resolves nothing, so provisioning takes packages from the site's repository on the lab's mirror, and
        # the ports tree lies where the installer puts it.
        host |= {"freehyve_pkg_repo": f"{connection['mirror']}/packages", "freehyve_ports_source": "/usr/ports"}
    return {"builder": {"hosts": ["lab"]}, "_meta": {"hostvars": {"lab": host}}}


def main() -> int:
    name = os.environ.get("FREEHYVE_LAB") or "default"
    found = inventory(name)
    if found is None:
        print(f"lab '{name}': is not running; start it with: tests/lab/lab start --name {name}", file=sys.stderr)
        return 1
    print(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
