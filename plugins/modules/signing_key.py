#!/usr/bin/python
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

DOCUMENTATION = r"""
module: signing_key
short_description: An RSA key on the build host that signs package repositories
version_added: 0.1.0
description:
  - Makes the key with openssl of the base system, readable by root only. The private half never leaves the host.
  - Never replaces a file that is there; one that others may read is closed to them.
author:
  - The freehyve.builder authors (@freehyve)
attributes:
  check_mode:
    description: Says what would be done and changes nothing.
    support: full
  diff_mode:
    description: Shows whether there is a key and its mode, never the key.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
options:
  path:
    description: Where the private key lies on the host. Its directory must exist.
    type: path
    required: true
  bits:
    description: Size of a new key.
    type: int
    choices: [2048, 3072, 4096]
    default: 4096
"""

EXAMPLES = r"""
- name: Key for the packages that we build
  freehyve.builder.signing_key:
    path: /usr/local/etc/ssl/freehyve.key
  register: key
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode.
  returned: always
  type: list
  elements: dict
  sample: [{action: make key /usr/local/etc/ssl/freehyve.key, reason: there is none}]
public_key:
  description: The public half, as C(pubkey) of pkg's repository files names it; null in check mode for a key to come.
  returned: always
  type: str
  sample: "-----BEGIN PUBLIC KEY-----"
"""

import contextlib
import os
import stat
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._files import replace_file
from ansible_collections.freehyve.builder.plugins.module_utils._plan import Step, diff_of, run_module
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner

MODE = 0o400


@dataclass(frozen=True)
class Observed:
    """Mode of the key's file, None when there is none; whether its directory is there."""

    mode: Optional[int]
    directory: bool = True


def genrsa_argv(path: str, bits: int) -> List[str]:
    return ["openssl", "genrsa", "-out", path, str(bits)]


def public_argv(path: str) -> List[str]:
    return ["openssl", "rsa", "-in", path, "-pubout"]


def observe(path: str) -> Observed:
    directory = os.path.isdir(os.path.dirname(path))
    try:
        found = os.stat(path)
    except OSError:
        return Observed(None, directory)
    if not stat.S_ISREG(found.st_mode):
        raise ToolError(f"key '{path}': is not a regular file; name another")
    return Observed(stat.S_IMODE(found.st_mode), directory)


def plan(path: str, observed: Observed) -> List[Step]:
    if observed.mode is None:
        if not observed.directory:
            raise ToolError(f"key '{path}': there is no directory {os.path.dirname(path)}; make it, or name another")
        return [Step(f"make key {path}", "there is none")]
    if observed.mode & 0o077:
        return [Step(f"close key {path}", f"its mode is {observed.mode:04o}, others may read it")]
    return []


def apply(runner: Runner, path: str, bits: int, observed: Observed) -> None:
    if observed.mode is not None:
        os.chmod(path, MODE)
        return
    temporary = f"{path}.{os.getpid()}.new"
    # The key must never be readable by others, not even while it is written.
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        runner.run(genrsa_argv(temporary, bits), failed=f"key '{path}': cannot be made")
        os.chmod(temporary, MODE)
        replace_file(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def execute(runner: Runner, params: Mapping[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Look, plan, and do unless in check mode."""
    path = params["path"]
    if not os.path.isabs(path):
        raise ToolError(f"key '{path}': not an absolute path; name one on the builder")
    observed = observe(path)
    steps = plan(path, observed)
    if steps and not check_mode:
        apply(runner, path, params["bits"], observed)
    public = None
    if observed.mode is not None or not check_mode:
        public = runner.run(public_argv(path), failed=f"key '{path}': is not an RSA key without a passphrase").stdout
    before = {"key": observed.mode is not None, "mode": f"{observed.mode:04o}" if observed.mode is not None else None}
    mode = MODE if steps or observed.mode is None else observed.mode
    return {
        "changed": bool(steps),
        "actions": [step.as_dict() for step in steps],
        "public_key": public,
        "diff": diff_of(before, {"key": True, "mode": f"{mode:04o}"}),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            # A key's size and place are no secrets, whatever their names look like.
            "bits": {"type": "int", "choices": [2048, 3072, 4096], "default": 4096},
        },
        supports_check_mode=True,
    )
    run_module(module, lambda: execute(Runner(), module.params, module.check_mode))


if __name__ == "__main__":
    main()
