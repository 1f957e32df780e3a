#!/usr/bin/env python3
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Inventory of the running lab named FREEHYVE_LAB (default: default): group builder with the one host lab."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "lab"))

from runtime.errors import LabError
from runtime.lab import Lab


def inventory(name: str) -> dict[str, object]:
    """What ``ansible-inventory --list`` wants of a script."""
    lab = Lab(name)
    if lab.pid() is None:
        raise LabError(f"lab '{name}': is not running; start it with: tests/lab/lab start --name {name}")
    connection = json.loads(lab.paths.connection_file.read_text(encoding="utf-8"))
    host = {
        "ansible_host": connection["host"],
        "ansible_port": connection["port"],
        "ansible_user": connection["user"],
        "ansible_ssh_private_key_file": connection["key"],
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={connection['known_hosts']} -o StrictHostKeyChecking=yes "
        "-o IdentitiesOnly=yes -o Compression=no",
        "freehyve_mirror": connection["mirror"],
    }
    return {"builder": {"hosts": ["lab"]}, "_meta": {"hostvars": {"lab": host}}}


def main() -> int:
    try:
        print(json.dumps(inventory(os.environ.get("FREEHYVE_LAB") or "default"), indent=1))
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
