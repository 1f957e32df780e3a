# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Writes the report of a build on the controller; the builder has no part in it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._files import write_file
from ansible_collections.freehyve.builder.plugins.plugin_utils._report import report
from ansible_collections.freehyve.builder.plugins.plugin_utils._report_changes import change_counts
from ansible_collections.freehyve.builder.plugins.plugin_utils._report_files import (
    previous_record,
    read_record,
    report_path,
)
from ansible_collections.freehyve.builder.plugins.plugin_utils._report_text import line, table

OPTIONS = {
    "record": {"type": "path", "required": True},
    "dest": {"type": "path"},
    "previous": {"type": "path"},
    "artifacts": {"type": "path"},
}


def write_report(options: Mapping[str, str | None], check_mode: bool) -> dict[str, Any]:
    """Write the report beside its record, unless it is there already, byte for byte.

    :raises ToolError: a record that cannot be read, or a report that cannot be written.
    """
    source = Path(str(options["record"])).absolute()
    dest = Path(options["dest"] or report_path(source)).absolute()
    if check_mode and not source.exists():
        return _result(dest, [{"action": f"write {dest.name}", "reason": "there is no record yet"}])
    record = read_record(source)
    if options["previous"]:
        earlier: dict[str, Any] | None = read_record(Path(options["previous"]))
    else:
        found = previous_record(Path(options["artifacts"] or source.parent.parent), record)
        earlier = found[1] if found else None
    page = report(record, earlier).encode("utf-8")
    try:
        before = dest.read_bytes() if dest.exists() else None
        if before != page and not check_mode:
            write_file(str(dest), page)
    except OSError as exc:
        raise ToolError(f"report '{dest}': cannot be written ({exc.strerror}); check the directory") from exc
    reason = "not made yet" if before is None else "the record changed"
    actions = [] if before == page else [{"action": f"write {dest.name}", "reason": reason}]
    return {
        **_result(dest, actions),
        "size": len(page),
        "sha256": hashlib.sha256(page).hexdigest(),
        "previous": line(table(earlier.get("image")).get("version")) if earlier else None,
        "changes": change_counts(record, earlier) if earlier else None,
    }


def _result(dest: Path, actions: list[dict[str, str]]) -> dict[str, Any]:
    return {"changed": bool(actions), "actions": actions, "path": str(dest)}


class ActionModule(ActionBase):
    """Never opens a connection."""

    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, options = self.validate_argument_spec(argument_spec=OPTIONS)
        try:
            result.update(write_report(options, bool(self._task.check_mode)))
        except ToolError as exc:
            result.update(failed=True, **exc.as_result())
        return result
