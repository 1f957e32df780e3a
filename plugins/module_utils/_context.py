# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What the code of a module sees of its caller, in the foreground as in a detached job."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Optional

from ansible_collections.freehyve.builder.plugins.module_utils._files import dump_json, write_file

# Arguments that say how a module runs, not what it does; documented in the fragment freehyve.builder.job.
JOB_ARGUMENTS: Dict[str, Any] = {
    "jobs_dir": {"type": "path"},
    "job_poll": {"type": "int", "default": 5},
    "job_timeout": {"type": "int", "default": 86400},
}
PROGRESS_SECONDS = 1.0

Report = Callable[[int, Optional[int], str, str], None]


@dataclass
class Context:
    """The part of AnsibleModule that our modules use."""

    params: Dict[str, Any]
    check_mode: bool = False
    _diff: bool = False
    progress_path: Optional[str] = None
    warnings: List[str] = field(default_factory=list)
    _reported: float = 0.0

    def warn(self, text: str) -> None:
        """Something the user should read that is no failure."""
        self.warnings.append(text)

    def progress(self, done: int, total: Optional[int], unit: str, what: str) -> None:
        """How far long work is, for whoever looks; cheap enough to be called for every chunk.

        :param unit: ``bytes`` or ``items``.
        :param what: what is worked on, such as the name of a file.
        """
        now = time.monotonic()
        if self.progress_path is None or now - self._reported < PROGRESS_SECONDS:
            return
        self._reported = now
        told = {"done": done, "total": total, "unit": unit, "what": what, "at": time.time()}
        write_file(self.progress_path, dump_json(told), durable=False)


def nowhere(_done: int, _total: Optional[int], _unit: str, _what: str) -> None:
    """The report of work that nobody looks at."""


def progress_of(module: Any) -> Report:
    """Where a module reports its progress to; nowhere when it runs by itself."""
    report: Report = getattr(module, "progress", nowhere)
    return report


__all__ = ["JOB_ARGUMENTS", "Context", "Report", "nowhere", "progress_of"]
