#!/usr/bin/python
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

DOCUMENTATION = r"""
module: job
short_description: Run another module of this collection, detached when it has long work to do
version_added: 0.1.0
description:
  - What the modules of this collection use to run on the builder. Playbooks name the module they want instead.
  - All modules travel as one archive, so that Ansible packs a module once in a run and not once for each.
  - A module that is given a directory for jobs first says whether there is anything to do. If so, the work is done by a
    detached process that needs neither the connection nor the controller, and that the next call finds again.
author: The freehyve.builder authors (@freehyve)
options:
  name:
    description: Name of the module, without the collection.
    type: str
    required: true
  params:
    description: Its parameters.
    type: dict
    default: {}
  code:
    description: Zip archive of the collection's code, base64.
    type: str
    required: true
  key:
    description: Look at the job of this key, and start nothing.
    type: str
  wait:
    description: Seconds that the call may last when the work goes on without it.
    type: float
    default: 5
attributes:
  check_mode:
    description: That of the module.
    support: full
  diff_mode:
    description: That of the module.
    support: full
  idempotent:
    description: That of the module.
    support: full
"""

EXAMPLES = r"""
# The modules' own names are what tasks use; this one is behind them.
- name: Full stream of the release
  freehyve.builder.zfs_stream:
    snapshot: zroot/freehyve/release/freehyve-0.1.0-amd64@0.1.0
    path: /freehyve/images/freehyve-0.1.0-amd64/freehyve-0.1.0-amd64.zfs.zst
    jobs_dir: /freehyve/jobs
"""

RETURN = r"""
job:
  description: The detached job, when the module needed one. The module's own result stands beside it once it has ended.
  returned: when a job was started or found
  type: dict
  sample:
    key: 4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
    state: running
    since: 1795383078
    pid: 4711
    log: /freehyve/jobs/4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393/log
    progress: {done: 1048576, total: 4194304, unit: bytes, what: base.txz}
    log_tail: []
    attached: false
"""

import base64
import importlib
import os
import sys
import tempfile
from typing import Any

from ansible.module_utils import basic
from ansible.module_utils.basic import AnsibleModule

OURS = "ansible_collections"


def library() -> str:
    """Zip file, or directory, that Ansible's own code was imported from."""
    loader: Any = basic.__loader__
    archive = getattr(loader, "archive", None)
    return str(archive) if archive else os.path.dirname(os.path.dirname(os.path.dirname(basic.__file__)))


def install(code: str, directory: str) -> str:
    """Make the archive importable, in place of the little that Ansible packed for this module; returns its path."""
    path = os.path.join(directory, "freehyve-code.zip")
    with open(path, "wb") as stream:
        stream.write(base64.b64decode(code))
    for name in [name for name in sys.modules if name.split(".")[0] == OURS]:
        del sys.modules[name]
    sys.path.insert(0, path)
    importlib.invalidate_caches()
    return path


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "params": {"type": "dict", "default": {}},
            # No secret, but nobody wants it in the system's log.
            "code": {"type": "str", "required": True, "no_log": True},
            "key": {"type": "str", "no_log": False},
            "wait": {"type": "float", "default": 5.0},
        },
        supports_check_mode=True,
    )
    with tempfile.TemporaryDirectory(prefix="freehyve-") as directory:
        code = install(module.params["code"], directory)
        remote = importlib.import_module(f"{OURS}.freehyve.builder.plugins.module_utils._remote")
        remote.main(module, code, library())


if __name__ == "__main__":
    main()
