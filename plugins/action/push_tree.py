# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Controller's half of push_tree: walks the tree, asks the builder what differs, sends that."""

from __future__ import annotations

import base64
import os
import tempfile
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._push import (
    Manifest,
    below,
    check_path,
    file_node,
    pack,
    parents,
    tree_digest,
    walk,
)
from ansible_collections.freehyve.builder.plugins.plugin_utils._remote_call import call

INLINE = 1 << 20  # bytes of an archive that still travel inside the module's arguments
OURS = ("manifest", "data", "archive")


def wanted(src: str, exclude: list[str], preserve: list[str], extra: dict[str, str]) -> tuple[Manifest, Manifest]:
    """Manifest of the source tree, and the one to push: without what is preserved, with the extra files.

    :raises ToolError: a tree or a path that cannot be pushed.
    """
    for path in (*preserve, *extra):
        check_path(path)
    tree = walk(src, exclude)
    for path in extra:
        if path in tree:
            raise ToolError(f"extra file '{path}': is also in '{src}'; remove it there, it is decided per host")
    push = {path: node for path, node in tree.items() if not below(path, preserve)}
    for path in parents(extra):
        if push.setdefault(path, {"type": "directory"})["type"] != "directory":
            raise ToolError(f"extra file below '{path}': that is no directory in '{src}'")
    push.update({path: file_node(text.encode()) for path, text in extra.items()})
    return tree, push


class ActionModule(ActionBase):
    """At most two remote calls: one when nothing changed or in check mode."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        try:
            result.update(self._push(task_vars or {}))
        except ToolError as exc:
            result.update(failed=True, **exc.as_result())
        return result

    def _push(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        args = {key: value for key, value in self._task.args.items() if key not in OURS}
        for name in ("src", "dest"):
            if not args.get(name):
                raise ToolError(f"push_tree: {name} is missing")
        extra = args.get("extra_files") or {}
        exclude, preserve = args.get("exclude") or [], args.get("preserve") or []
        if not isinstance(extra, dict) or not isinstance(exclude, list) or not isinstance(preserve, list):
            raise ToolError("push_tree: extra_files is a dictionary, exclude and preserve are lists")
        src = self._source(str(args["src"]))
        tree, push = wanted(src, exclude, preserve, extra)
        args["manifest"] = push
        facts = {
            "digest": tree_digest(tree),
            "files": {path: node["sha256"] for path, node in push.items() if node["type"] == "file"},
        }
        answer = self._module(args, task_vars)
        if answer.get("missing"):
            contents = {path: text.encode() for path, text in extra.items()}
            answer = self._send(pack(answer["missing"], contents, src), args, task_vars)
        return answer if answer.get("failed") else {**answer, **facts}

    def _source(self, src: str) -> str:
        """As other actions look for files: below the role, then below the playbook."""
        path = os.path.expanduser(src)
        if os.path.isabs(path):
            return path
        try:
            return str(self._find_needle("files", path))
        except AnsibleError as exc:
            raise ToolError(f"tree '{src}': is not a directory on the controller") from exc

    def _module(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        answer = call(self, "push_tree", args, task_vars)
        answer.pop("invocation", None)
        return answer

    def _send(self, archive: bytes, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        if len(archive) < INLINE:
            return self._module({**args, "data": base64.b64encode(archive).decode()}, task_vars)
        remote = self._make_tmp_path()
        try:
            with tempfile.NamedTemporaryFile(prefix="freehyve-", suffix=".tar.gz") as local:
                local.write(archive)
                local.flush()
                target = self._connection._shell.join_path(remote, "tree.tar.gz")
                self._transfer_file(local.name, target)
            self._fixup_perms2((remote, target))
            return self._module({**args, "archive": target}, task_vars)
        finally:
            self._remove_tmp_path(remote)
