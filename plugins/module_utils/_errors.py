# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The one exception that utilities raise; only ``main()`` of a module turns it into an exit."""

from __future__ import annotations

import errno
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


def of_system(exc: OSError) -> ToolError:
    """What the operating system refused, as a line to read: the path, the cause, what to do about the common ones."""
    place = f"'{exc.filename}'" if exc.filename else "builder"
    hint = {errno.ENOSPC: "; free some space there and run again", errno.EDQUOT: "; raise the quota and run again"}
    return ToolError(f"{place}: {exc.strerror or exc}{hint.get(exc.errno or 0, '; see to it and run again')}")


__all__ = ["ToolError", "of_system"]
