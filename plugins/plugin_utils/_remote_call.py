# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Calls of this collection's modules from its action plugins: all travel as one archive, by one module of Ansible's."""

from __future__ import annotations

import base64
import io
import os
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

MODULE = "freehyve.builder.job"
PLUGINS = Path(__file__).resolve().parents[1]
PACKAGE = "ansible_collections/freehyve/builder/plugins"
CACHE = "freehyve-code.b64"
# Long enough for a router to start again; whoever has no time ends the run, and the next one attaches.
UNREACHABLE_SECONDS = 300.0
AGAIN_SECONDS = 1.0
START = """\
import sys
from ansible_collections.freehyve.builder.plugins.module_utils._detached import main
sys.exit(main(sys.argv[1]))
"""

display = Display()


def sources() -> dict[str, bytes]:
    """Path in the archive and content of every file of the collection that the builder may need."""
    found = {"__main__.py": START.encode()}
    parts = PACKAGE.split("/")
    packages = ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
    packages += [f"{PACKAGE}/modules", f"{PACKAGE}/module_utils"]
    found.update({f"{package}/__init__.py": b"" for package in packages})
    for kind in ("modules", "module_utils"):
        for path in sorted((PLUGINS / kind).glob("*.py")):
            found[f"{PACKAGE}/{kind}/{path.name}"] = path.read_bytes()
    return found


def archive() -> bytes:
    """The same bytes for the same code, whenever and wherever it is made."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as stream:
        for name, data in sorted(sources().items()):
            stream.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return made.getvalue()


def code() -> str:
    """The archive in base64, packed once in a run of Ansible: every task is a process of its own."""
    cache = os.path.join(C.DEFAULT_LOCAL_TMP, CACHE)
    try:
        with open(cache, encoding="ascii") as stream:
            return stream.read()
    except FileNotFoundError:
        pass
    text = base64.b64encode(archive()).decode()
    with tempfile.NamedTemporaryFile("w", encoding="ascii", dir=C.DEFAULT_LOCAL_TMP, delete=False) as made:
        made.write(text)
    os.replace(made.name, cache)
    return text


def call(
    action: ActionBase, name: str, params: dict[str, Any], task_vars: dict[str, Any] | None, **more: Any
) -> dict[str, Any]:
    """Run the module ``name`` of this collection on the builder.

    :param more: parameters of the module ``job``: ``key`` to look at a job.
    """
    answer: dict[str, Any] = action._execute_module(
        module_name=MODULE,
        module_args={"name": name, "params": params, "code": code(), **more},
        task_vars=task_vars,
    )
    return answer


def until_answer(look: Callable[[], dict[str, Any]], label: str) -> dict[str, Any]:
    """Look at a job, through a connection that may be away for a while: the job does not need us.

    :raises AnsibleConnectionFailure: it stayed away.
    """
    lost: float | None = None
    while True:
        try:
            return look()
        except AnsibleConnectionFailure as exc:
            minutes = f"{UNREACHABLE_SECONDS / 60:g} minutes"
            if lost is None:
                lost = time.monotonic()
                display.display(
                    f"{label}: the builder does not answer; the job goes on there. Asking again for {minutes}; "
                    "to leave it alone press ^C, and run again to attach to it"
                )
            if time.monotonic() - lost > UNREACHABLE_SECONDS:
                raise AnsibleConnectionFailure(
                    f"{label}: no answer for {minutes}; the job goes on there, run again to attach to it: {exc}"
                ) from exc
            time.sleep(AGAIN_SECONDS)


__all__ = ["archive", "call", "code", "sources", "until_answer"]
