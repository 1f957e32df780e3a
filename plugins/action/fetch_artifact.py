# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Controller's half of fetch_artifact: reads the task, connects, fetches; the module of this name is its manual."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_command import RemoteCommand, interpreters
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_errors import FetchError, Unreachable
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_openssh import failure, openssh_transport
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_paramiko import paramiko_transport
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_part import check_possible
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_run import Fetched, Item, Options, Run
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_session import Session
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_transport import Transport, local_transport
from ansible_collections.freehyve.builder.plugins.plugin_utils._progress import report

display = Display()

ARGUMENTS = {
    "src": {"type": "str"},
    "dest": {"type": "path"},
    "checksum": {"type": "str"},
    "files": {
        "type": "list",
        "elements": "dict",
        "options": {
            "src": {"type": "str", "required": True},
            "dest": {"type": "path", "required": True},
            "recurse": {"type": "bool", "default": False},
            "exclude": {"type": "list", "elements": "str", "default": []},
            "checksum": {"type": "str"},
        },
    },
    "sums": {"type": "str"},
    "seed": {"type": "list", "elements": "path"},
    "transport": {"type": "str", "choices": ["auto", "openssh", "paramiko"], "default": "auto"},
    "compression": {"type": "str", "choices": ["auto", "always", "never"], "default": "auto"},
    "retries": {"type": "int", "default": 4},
    "pending_ok": {"type": "bool", "default": False},
    "preflight": {"type": "bool", "default": False},
    "cache": {"type": "path", "default": "~/.cache/freehyve-builder/digests"},
    "remote_cache": {"type": "str", "default": "~/.cache/freehyve-builder/digests"},
}
RULES: dict[str, Any] = {
    "required_one_of": [["src", "files"]],
    "required_together": [["src", "dest"]],
    "mutually_exclusive": [["src", "files"], ["checksum", "files"]],
}


def items_of(arguments: dict[str, Any]) -> list[Item]:
    """What is to be fetched; relative destinations start at the current directory."""
    rows = arguments["files"]
    if rows is None:
        rows = [{"src": arguments["src"], "dest": arguments["dest"], "checksum": arguments["checksum"]}]
    return [
        Item(
            row["src"],
            Path(os.path.abspath(os.path.expanduser(row["dest"]))),
            bool(row.get("recurse")),
            row.get("checksum"),
            tuple(row.get("exclude") or ()),
        )
        for row in rows
    ]


def difference(results: list[Fetched]) -> list[dict[str, str]]:
    return [
        {"header": result.dest, "prepared": f"{result.src} -> {result.dest}: {result.msg}\n"}
        for result in results
        if result.changed
    ]


class ActionModule(ActionBase):
    """Everything happens here; no module is sent."""

    _supports_check_mode = True
    _supports_async = False
    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self.validate_argument_spec(ARGUMENTS, **RULES)[1]
        begun = time.monotonic()
        variables = task_vars or {}
        host = str(variables.get("inventory_hostname", self._play_context.remote_addr))
        options = Options(
            check=bool(self._task.check_mode),
            pending_ok=boolean(arguments["pending_ok"]),
            compression=arguments["compression"],
            retries=arguments["retries"],
            seeds=None if arguments["seed"] is None else [Path(os.path.abspath(seed)) for seed in arguments["seed"]],
            sums=arguments["sums"],
            cache=arguments["cache"],
            tell=partial(report, host),
            warn=display.warning,
        )
        work = Run(self._connector(host, arguments, variables), options)
        try:
            if arguments["preflight"]:
                for item in items_of(arguments):
                    check_possible(item.dest)
                return {**result, "changed": False}
            fetched = work.fetch(items_of(arguments))
        except Unreachable as exc:
            raise AnsibleConnectionFailure(str(exc)) from None
        except FetchError as exc:
            done = [entry.as_result() for entry in work.results]
            return {**result, "failed": True, "msg": str(exc), "files": done, "moved": work.moved}
        return {**result, **self._told(work, fetched, begun)}

    def _told(self, work: Run, fetched: list[Fetched], begun: float) -> dict[str, Any]:
        changed = [entry for entry in fetched if entry.changed]
        told: dict[str, Any] = {
            "changed": bool(changed),
            "actions": [{"action": f"fetch {entry.src} to {entry.dest}", "reason": entry.msg} for entry in changed],
            "files": [entry.as_result() for entry in fetched],
            "moved": work.moved,
            "seconds": round(time.monotonic() - begun, 3),
        }
        if self._task.args.get("src") is not None:
            told = {**fetched[0].as_result(), **told}
        if self._task.diff:
            told["diff"] = difference(fetched)
        return told

    def _connector(self, host: str, arguments: dict[str, Any], variables: dict[str, Any]) -> Callable[[], Session]:
        pythons = interpreters(variables)
        remote = {"cache": arguments["remote_cache"]}
        become = self._connection.become

        def connect() -> Session:
            command = RemoteCommand(pythons, remote)
            text, secret = command.text, None
            if become is not None:
                text = become.build_become_command(text, self._connection._shell)
                secret = become.get_option("become_pass", playcontext=self._play_context)
            transport = self._transport(arguments["transport"], host)
            return Session(host, transport, command, failure).start(text, secret)

        return connect

    def _transport(self, wanted: str, host: str) -> Transport:
        kind = self._connection.transport
        if kind == "local" and wanted == "auto":
            return local_transport()
        if wanted == "paramiko" or kind.startswith("paramiko"):
            return paramiko_transport(self._connection, host)
        if kind != "ssh":
            raise AnsibleActionFail(f"connection '{kind}': cannot stream; use ansible_connection ssh or local")
        if wanted == "auto" and shutil.which(self._connection.get_option("ssh_executable")) is None:
            return paramiko_transport(self._connection, host)
        return openssh_transport(self._connection, host)
