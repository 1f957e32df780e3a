# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The one exception that utilities raise; only ``main()`` of a module turns it into an exit."""

from __future__ import annotations

from typing import Any, Dict, List, Optional


class ToolError(Exception):
    """Something a user must read: object, verb, cause, next step, in one line.

    :param message: the line for the terminal.
    :param cmd: the command that failed, as an argument list.
    :param rc: its exit status.
    :param stdout: its standard output.
    :param stderr: its standard error.
    """

    def __init__(
        self,
        message: str,
        cmd: Optional[List[str]] = None,
        rc: Optional[int] = None,
        stdout: str = "",
        stderr: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.cmd = cmd
        self.rc = rc
        self.stdout = stdout
        self.stderr = stderr

    def as_result(self) -> Dict[str, Any]:
        """Keyword arguments for ``AnsibleModule.fail_json``."""
        result: Dict[str, Any] = {"msg": self.message}
        if self.cmd is not None:
            result.update(cmd=self.cmd, rc=self.rc, stdout=self.stdout, stderr=self.stderr)
        return result


__all__ = ["ToolError"]
