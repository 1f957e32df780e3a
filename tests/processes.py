# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Processes of a run: Ansible's workers have sessions of their own, so a signal to the group misses them."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress


def kill_tree(pid: int) -> None:
    """SIGKILL a process and all below it; the process itself first, so that it starts no more of them."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    for child in found.stdout.split():
        kill_tree(int(child))
