# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Calls of this collection's modules from its action plugins: all travel as one archive, by one module of Ansible's."""

from __future__ import annotations

import base64
import io
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible.plugins.action import ActionBase

MODULE = "freehyve.builder.job"
PLUGINS = Path(__file__).resolve().parents[1]
PACKAGE = "ansible_collections/freehyve/builder/plugins"
CACHE = "freehyve-code.b64"
START = """\
import sys
from ansible_collections.freehyve.builder.plugins.module_utils._detached import main
sys.exit(main(sys.argv[1]))
"""


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


__all__ = ["archive", "call", "code", "sources"]
