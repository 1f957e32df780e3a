# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Documentation that every module with long work shares."""

from __future__ import annotations


class ModuleDocFragment:
    """Options that say how the work is run; playbooks set them for all modules with C(module_defaults)."""

    DOCUMENTATION = r"""
options:
  jobs_dir:
    description:
      - Absolute path of the directory of jobs. With it, work that has to be done is done by a detached process that
        outlives connection and controller, and the next run with the same parameters attaches to it.
      - Without it the work is done while the connection waits.
    type: path
  job_poll:
    description: Seconds between two looks at a job.
    type: int
    default: 5
  job_timeout:
    description: Seconds after which the task gives up waiting. The job goes on, and the next run attaches to it.
    type: int
    default: 86400
"""
