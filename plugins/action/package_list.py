# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Reads package lists on the controller, so that a mistake in one stops a build before anything is changed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._package_list import merge_lists


def read_lists(files: Sequence[str]) -> list[str]:
    """The origins of all files.

    :raises ToolError: a file that is missing, empty, malformed or no text.
    """
    texts: dict[str, str | None] = {}
    for file in files:
        try:
            with open(os.path.expanduser(file), encoding="utf-8") as stream:
                texts[file] = stream.read()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            texts[file] = None
        except UnicodeDecodeError as exc:
            raise ToolError(f"package list {file}: not a text file (byte {exc.start} is not UTF-8)") from exc
        except OSError as exc:
            raise ToolError(f"package list {file}: cannot be read: {exc.strerror}") from exc
    return merge_lists(texts, "on the controller")


class ActionModule(ActionBase):
    """Never opens a connection."""

    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        files = self._task.args.get("files") or []
        unknown = sorted(set(self._task.args) - {"files"})
        if unknown:
            return dict(result, failed=True, msg=f"package_list: unknown parameter {', '.join(unknown)}")
        try:
            origins = read_lists([files] if isinstance(files, str) else files)
        except ToolError as exc:
            return dict(result, failed=True, **exc.as_result())
        return dict(result, changed=False, origins=origins, actions=[])
