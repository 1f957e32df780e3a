# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Options of roles, checked and worked out once."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible import constants
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.template import Templar, trust_as_template

from ansible_collections.freehyve.builder.plugins.action import role_settings

ROLES = sorted(path.parents[1].name for path in role_settings.ROLES.glob("*/meta/argument_specs.yml"))
SPECS = """
argument_specs:
  main:
    options:
      dist_sets_release: {type: str}
      dist_sets_dest: {type: path}
      dist_sets_names: {type: list, elements: str}
      dist_sets_timeout: {type: int}
      dist_sets_rows: {type: list, elements: dict, options: {name: {type: str}}}
"""


def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variables: dict[str, Any], **args: Any) -> dict[str, Any]:
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    specs = tmp_path / "roles" / "dist_sets" / "meta" / "argument_specs.yml"
    specs.parent.mkdir(parents=True)
    specs.write_text(SPECS, encoding="utf-8")
    monkeypatch.setattr(role_settings, "ROLES", tmp_path / "roles")
    loader, task = DataLoader(), Task()
    task.args, task._role = args, None
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    templar = Templar(loader=loader, variables=variables)
    action = role_settings.ActionModule(task, connection, PlayContext(), loader, templar, None)
    result: dict[str, Any] = action.run(task_vars=variables)
    return result


def test_templates_of_templates_become_values(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    variables = {
        "site": "14.3-RELEASE",
        "dist_sets_release": trust_as_template("{{ site }}"),
        "dist_sets_dest": trust_as_template("/dists/{{ dist_sets_release }}"),
        "unrelated": 1,
    }
    result = run(monkeypatch, tmp_path, variables, roles=["dist_sets"])
    settled = json.loads(Path(result["path"]).read_text(encoding="utf-8"))
    assert settled == {"dist_sets_release": "14.3-RELEASE", "dist_sets_dest": "/dists/14.3-RELEASE"}
    assert result["changed"] is False


def test_what_changes_during_the_play_stays_a_template(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    variables = {"dist_sets_release": "14.3-RELEASE", "dist_sets_names": ["base"]}
    result = run(monkeypatch, tmp_path, variables, roles=["dist_sets"], dynamic=["dist_sets_names"])
    assert "dist_sets_names" not in json.loads(Path(result["path"]).read_text(encoding="utf-8"))


def test_a_value_of_the_wrong_type_is_one_line_that_names_the_role(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    result = run(monkeypatch, tmp_path, {"dist_sets_timeout": "soon"}, roles=["dist_sets"])
    assert result["failed"] is True
    assert result["msg"].startswith("role dist_sets: argument 'dist_sets_timeout' is of type str")
    assert "\n" not in result["msg"]


def test_a_list_of_something_else_than_dictionaries_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    result = run(monkeypatch, tmp_path, {"dist_sets_timeout": 1, "dist_sets_rows": "x"}, roles=["dist_sets"])
    assert result["msg"].startswith("role dist_sets: dist_sets_rows: dictionary requested")


@pytest.mark.parametrize(("asked", "warns"), [("imgae", True), ("image", False), ("all", False)])
def test_a_tag_that_no_stage_has(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, asked: str, warns: bool) -> None:
    variables = {"ansible_run_tags": [asked]}
    result = run(monkeypatch, tmp_path, variables, roles=["dist_sets"], tags=["dists", "image"])
    text = "tags imgae: no stage has one of them, nothing is done; there are dists, image"
    assert result.get("warnings", []) == ([text] if warns else [])


@pytest.mark.parametrize("role", ROLES)
def test_every_role_has_options_that_can_be_read(role: str) -> None:
    assert role_settings.options_of(role)
