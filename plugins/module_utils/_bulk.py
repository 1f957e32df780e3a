# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Pure parts of a bulk run: its command, what its log says, what its end means."""

from __future__ import annotations

import os
import re
from dataclasses import asdict
from typing import Any, Dict, List, Optional, Sequence

from ansible_collections.freehyve.builder.plugins.module_utils._bulk_inputs import Names
from ansible_collections.freehyve.builder.plugins.module_utils._bulk_status import (
    Built,
    BulkStatus,
    Failed,
    Verdict,
)
from ansible_collections.freehyve.builder.plugins.module_utils._job import strip_escapes, tail_lines
from ansible_collections.freehyve.builder.plugins.module_utils._poudriere import base_argv

TAIL_LINES = 20
EPILOGUE_LINES = 20
PORT_LISTS = ("built", "failed", "skipped", "ignored", "fetched")
SHOWN = 5

# `[00:01:08] Committing packages to repository: /…/packages/base-default/.real_1795383357 via .latest symlink`
_COMMIT = re.compile(r"^(?:\[[0-9:]+\] )?Committing packages to repository: (/.+) via \.latest symlink$", re.MULTILINE)
# `[00:00:00] Error: /usr/local/share/poudriere/bulk.sh:149:No such jail: nosuch`
_ERROR = re.compile(r"^(?:\[[0-9:]+\] )?Error: (?:/\S+\.sh:(?:[A-Za-z_]+:)?\d+:)?(.+)$", re.MULTILINE)


def bulk_argv(
    etcdir: str,
    names: Names,
    lists: Sequence[str],
    jobs: Optional[int] = None,
    fetch_branch: Optional[str] = None,
    signing_key: Optional[str] = None,
) -> List[str]:
    """The command line of ``poudriere bulk`` (poudriere-bulk(8)).

    The signing key goes in with ``-s``, because poudriere empties its environment.
    """
    argv = base_argv(etcdir)
    if signing_key:
        argv += ["-s", f"PKG_REPO_SIGNING_KEY={signing_key}"]
    argv += ["bulk", "-j", names.jail, "-p", names.ports]
    if names.set_name:
        argv += ["-z", names.set_name]
    if jobs:
        argv += ["-J", str(jobs)]
    if fetch_branch:
        argv += ["-b", fetch_branch]
    for path in lists:
        argv += ["-f", path]
    return argv


def committed_repository(log: str) -> Optional[str]:
    """The directory that became ``.latest`` by this very run; None when nothing was committed."""
    found = _COMMIT.findall(log)
    return found[-1] if found else None


def errors_of(log: str) -> List[str]:
    """poudriere's own error lines, without time and place in its scripts."""
    return list(dict.fromkeys(text.strip() for text in _ERROR.findall(strip_escapes(log))))


def failed_log(log_dir: str, pkgname: str) -> str:
    """Path of a failed port's log; poudriere links it under errors/ when it has filed it."""
    filed = os.path.join(log_dir, "logs", "errors", pkgname + ".log")
    return filed if os.path.exists(filed) else os.path.join(log_dir, "logs", pkgname + ".log")


def failure_tail(path: str, count: int) -> List[str]:
    """The last lines before poudriere cleans up, which is where the error is; its own epilogue says nothing of it."""
    lines = tail_lines(path, count + EPILOGUE_LINES)
    ends = [number for number, line in enumerate(lines) if line == "=>> Cleaning up wrkdir"]
    return lines[: ends[-1] if ends else None][-count:]


def log_ended(path: str) -> Optional[int]:
    """When a port was done, seconds since the epoch: poudriere keeps no date of it but that of the log."""
    try:
        return int(os.stat(path).st_mtime)
    except OSError:
        return None


def failed_entry(row: Failed, log_dir: str) -> Dict[str, Any]:
    """A failed port for the result: the row, path, date and tail of its log."""
    path = failed_log(log_dir, row.pkgname)
    return dict(asdict(row), log=path, ended=log_ended(path), tail=failure_tail(path, TAIL_LINES))


def built_entry(row: Built, log_dir: str) -> Dict[str, Any]:
    """A built package for the result: the row, and when it was done."""
    return dict(asdict(row), ended=log_ended(os.path.join(log_dir, "logs", row.pkgname + ".log")))


def build_times(before: Any, status: BulkStatus, repository: str) -> Dict[str, int]:
    """Seconds that the packages of a repository took to build, those of earlier runs included."""
    times = dict(before) if isinstance(before, dict) else {}
    times.update({row.pkgname: row.elapsed for row in status.built if row.elapsed is not None})
    try:
        there = {os.path.splitext(name)[0] for name in os.listdir(os.path.join(repository, "All"))}
    except OSError:
        there = set()
    return {name: seconds for name, seconds in times.items() if name in there}


def port_lists(status: BulkStatus, log_dir: str) -> Dict[str, Any]:
    """Every port of the run by how it ended."""
    return {
        "built": [built_entry(row, log_dir) for row in status.built],
        "failed": [failed_entry(row, log_dir) for row in status.failed],
        "skipped": [asdict(row) for row in status.skipped],
        "ignored": [asdict(row) for row in status.ignored],
        "fetched": [asdict(row) for row in status.fetched],
    }


def available(listed: Sequence[str], status: BulkStatus) -> List[str]:
    """The listed origins whose package should be in the repository."""
    gone = {row.origin for row in status.failed}
    gone |= {row.origin for row in status.skipped} | {row.origin for row in status.ignored}
    return [origin for origin in listed if origin not in gone]


def _and_more(words: Sequence[str]) -> str:
    more = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return ", ".join(words[:SHOWN]) + more


def _count(number: int) -> str:
    return f"{number} port" if number == 1 else f"{number} ports"


def verdict_message(mastername: str, verdict: Verdict, errors: Sequence[str], log_dir: Optional[str], log: str) -> str:
    """One line for a run that is not good: object, verb, cause, next step."""
    if verdict.trouble:
        causes = [text for text in errors if text not in verdict.trouble][:2]
        detail = ": " + "; ".join(causes) if causes else ""
        return f"bulk '{mastername}': {verdict.trouble}{detail}; see {log}"
    parts = []
    if verdict.failed:
        words = [
            f"{row.origin} in {row.phase} ({row.errortype or 'unknown'}; {failed_log(log_dir or '', row.pkgname)})"
            for row in verdict.failed
        ]
        parts.append(f"{_count(len(words))} failed: {_and_more(words)}")
    if verdict.skipped:
        words = [f"{row.origin} (needs {row.blocking})" for row in verdict.skipped]
        parts.append(f"{_count(len(words))} skipped: {_and_more(words)}")
    if verdict.ignored:
        words = [f"{row.origin} ({row.reason})" for row in verdict.ignored]
        parts.append(f"{_count(len(words))} ignored: {_and_more(words)}")
    return f"bulk '{mastername}': {'; '.join(parts)}; mend them, or name them in package_bulk_allow_failures"


__all__ = [
    "PORT_LISTS",
    "TAIL_LINES",
    "available",
    "build_times",
    "bulk_argv",
    "committed_repository",
    "errors_of",
    "failed_entry",
    "failed_log",
    "failure_tail",
    "port_lists",
    "verdict_message",
]
