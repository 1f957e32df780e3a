# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Keeps one SHA256SUMS for the results of several images; the module of this name is the manual."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.freehyve.builder.plugins.module_utils._files import write_file

# `<64 hexadecimal digits>  <name>`, as sha256sum(1) writes and `sha256sum -c` reads.
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")
ARGUMENTS = {
    "path": {"type": "path", "required": True},
    "files": {"type": "list", "elements": "dict", "required": True},
}


def merged(text: str, directory: Path, digests: Mapping[str, str]) -> str:
    """The lines of a file of digests with newer ones in it, by name; files that are gone have no line any more."""
    found = {match[2]: match[1] for match in map(_LINE.fullmatch, text.splitlines()) if match}
    kept = {name: digest for name, digest in found.items() if (directory / name).is_file()}
    return "".join(f"{digest}  {name}\n" for name, digest in sorted({**kept, **digests}.items()))


class ActionModule(ActionBase):
    """On the controller; several of these may work on one file at a time."""

    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self.validate_argument_spec(ARGUMENTS)[1]
        path = Path(os.path.abspath(arguments["path"]))
        files = [row for row in arguments["files"] if row.get("sha256")]
        digests = {os.path.relpath(row["dest"], path.parent): str(row["sha256"]) for row in files}
        outcome = {**result, "changed": False, "actions": [], "path": str(path)}
        if not digests:
            return outcome
        try:
            changed = self._keep(path, digests)
        except OSError as exc:
            cause = f"cannot be written: {exc.strerror or exc}"
            return {**result, "failed": True, "msg": f"digests '{path}': {cause}; set freehyve_artifacts"}
        actions = [{"action": f"write {path.name}", "reason": "digests changed"}] if changed else []
        return {**outcome, "changed": changed, "actions": actions}

    def _keep(self, path: Path, digests: Mapping[str, str]) -> bool:
        # The directory is there: the results were put into it. Locking it leaves no file behind.
        lock = os.open(path.parent, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
            after = merged(before, path.parent, digests)
            if after != before and not self._task.check_mode:
                write_file(str(path), after.encode("utf-8"))
            return after != before
        finally:
            os.close(lock)
