# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Start of a detached job: the archive that a job is made of runs ``main``, with the directory of the job."""

from __future__ import annotations

import json
import os
import sys


def main(directory: str) -> int:
    """Find Ansible's library for the modules, then be the job. Returns the exit status."""
    with open(os.path.join(directory, "job.json"), encoding="utf-8") as stream:
        sys.path.append(json.load(stream)["note"]["library"])
    # Only now: the modules import from Ansible.
    from ansible_collections.freehyve.builder.plugins.module_utils._remote import detached

    return detached(directory)


__all__ = ["main"]
