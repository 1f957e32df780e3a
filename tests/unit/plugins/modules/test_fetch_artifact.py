# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The documented stub; the work and its tests are the action plugin's."""

from __future__ import annotations

import io
import json

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

from ansible_collections.freehyve.builder.plugins.modules import fetch_artifact
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_run import Fetched


def run(arguments: dict[str, object], capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    with patch_module_args(arguments), pytest.raises(SystemExit):
        fetch_artifact.main()
    told: dict[str, object] = json.loads(capsys.readouterr().out)
    return told


def test_the_stub_says_where_the_work_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    told = run({"src": "/a", "dest": "/b"}, capsys)
    assert told["failed"]
    assert "runs on the controller" in str(told["msg"])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "one of the following is required: src, files"),
        ({"src": "/a"}, "parameters are required together: src, dest"),
        ({"src": "/a", "dest": "/b", "files": []}, "mutually exclusive: src|files"),
        ({"src": "/a", "dest": "/b", "transport": "pigeon"}, "value of transport must be one of: auto, openssh"),
    ],
)
def test_a_task_that_makes_no_sense_is_refused(
    arguments: dict[str, object], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert text in str(run(arguments, capsys)["msg"])


def test_every_figure_of_a_file_is_documented() -> None:
    documented = yaml.safe_load(io.StringIO(fetch_artifact.RETURN))["files"]["contains"]
    assert set(documented) == set(Fetched("/a", "/b").as_result())
