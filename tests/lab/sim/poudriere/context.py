# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What every command of poudriere is given."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass

from .clock import Clock
from .config import PATH, Config
from .output import Failure, Output
from .statedir import Records


@dataclass
class Context:
    """One call: settings, messages, time and records."""

    config: Config
    out: Output
    clock: Clock

    @property
    def jails(self) -> Records:
        return Records(os.path.join(self.config.poudriered, "jails"))

    @property
    def trees(self) -> Records:
        return Records(os.path.join(self.config.poudriered, "ports"))

    def need_root(self) -> None:
        """Refuse what only root may do: poudriered, which would do it for others, is not there."""
        if os.geteuid() != 0:
            raise Failure(1, "This command requires root or poudriered running", "maybe_run_queued:12")

    def run(self, *argv: str, quiet: bool = False) -> int:
        """Run a command of the system as poudriere would, its output on ours unless quiet; return its status."""
        sink = subprocess.DEVNULL if quiet else None
        return subprocess.run(argv, env=environment(), stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
                              check=False).returncode


def environment() -> dict[str, str]:
    """Return the environment that poudriere leaves of its own."""
    return {"PATH": PATH, "HOME": "/root", "USER": "root", "LC_ALL": "C"}


def master_name(jail: str, tree: str, chosen: str) -> str:
    """Return MASTERNAME: ``jail-tree`` or ``jail-tree-set``."""
    return "-".join(part for part in (jail, tree, chosen) if part)
