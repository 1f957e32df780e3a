# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Hooks of a site: ``poudriere.d/hooks/<hook>.sh`` and those of its plugins."""

from __future__ import annotations

import glob
import os
import subprocess

from .context import Context, environment


def run_hook(context: Context, hook: str, event: str, *arguments: str) -> None:
    """Run the hook's files if there are any; a failing one does not end the simulated build."""
    directory = os.path.join(context.config.poudriered, "hooks")
    files = [os.path.join(directory, f"{hook}.sh"), *sorted(glob.glob(f"{glob.escape(directory)}/plugins/*/{hook}.sh"))]
    for path in files:
        if os.path.isfile(path):
            subprocess.run(["/bin/sh", path, event, *arguments], cwd="/tmp", check=False,
                           env={**environment(), "POUDRIERED": context.config.poudriered,
                                "POUDRIERE_DATA": context.config.data, "POUDRIERE_BUILD_TYPE": "bulk"})
