# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The module that carries the others: its archive replaces the collection that Ansible packed."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import ansible

from ansible_collections.freehyve.builder.plugins.plugin_utils import _remote_call

SCRIPT = """
import json, sys
sys.path[:0] = [{collections!r}, {library!r}]
from ansible_collections.freehyve.builder.plugins.modules import job
path = job.install(sys.stdin.read(), {directory!r})
from ansible_collections.freehyve.builder.plugins.module_utils import _remote
print(json.dumps([path, _remote.__file__, job.library()]))
"""


def test_the_code_of_the_archive_is_the_code_that_runs(tmp_path: Path) -> None:
    library = Path(ansible.__file__).parents[1]
    collections = Path(_remote_call.__file__).parents[5]
    script = SCRIPT.format(collections=str(collections), library=str(library), directory=str(tmp_path))
    text = base64.b64encode(_remote_call.archive()).decode()
    done = subprocess.run([sys.executable, "-c", script], input=text, capture_output=True, text=True, check=True)
    path, imported, found = json.loads(done.stdout)
    assert imported.startswith(path + os.sep)
    assert Path(found) == library


def test_the_archive_is_the_same_whenever_it_is_made() -> None:
    assert _remote_call.archive() == _remote_call.archive()
