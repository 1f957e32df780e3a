# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Works out what roles are told once, not anew in every task: templates of templates are what a run waits for."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from ansible import constants as C
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

ROLES = Path(__file__).resolve().parents[2] / "roles"


def options_of(role: str) -> dict[str, Any]:
    """The options of a role's main entry point, as its argument_specs say."""
    text = (ROLES / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)["argument_specs"]["main"]["options"]
    return found


def problem_of(options: dict[str, Any], values: dict[str, Any]) -> str | None:
    """The first thing that is wrong with the values, by the same rules as Ansible's own check of a role."""
    found = _messages(options, values)
    if not found:
        return None
    # What is wrong inside a list of dictionaries does not say which list.
    for name, value in values.items():
        alone = _messages({name: options[name]}, {name: value})
        if alone and name not in alone[0]:
            return f"{name}: {alone[0]}"
    return found[0]


def nothing_to_do(known: Sequence[str], asked: Sequence[str]) -> list[str]:
    """A warning when no tag that the run asks for is one of the play."""
    if not known or {*known, "all", "tagged", "always"} & set(asked):
        return []
    return [f"tags {', '.join(asked)}: no stage has one of them, nothing is done; there are {', '.join(known)}"]


def _messages(options: dict[str, Any], values: dict[str, Any]) -> list[str]:
    found = ArgumentSpecValidator(options).validate(values, validate_role_argument_spec=True)
    return [str(message) for message in found.error_messages]


class ActionModule(ActionBase):
    """On the controller only."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        known = task_vars or {}
        keep = set(self._task.args.get("dynamic") or [])
        settled: dict[str, Any] = {}
        for role in self._task.args.get("roles") or []:
            options = options_of(role)
            values = {name: self._templar.template(known[name]) for name in options if name in known}
            problem = problem_of(options, values)
            if problem is not None:
                return {**result, "failed": True, "msg": f"role {role}: {problem}"}
            settled.update({name: value for name, value in values.items() if name not in keep})
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", prefix="freehyve-settings-", suffix=".json", dir=C.DEFAULT_LOCAL_TMP, delete=False
        ) as stream:
            json.dump(settled, stream)
        warnings = nothing_to_do(self._task.args.get("tags") or [], known.get("ansible_run_tags") or ["all"])
        if warnings:
            result["warnings"] = warnings
        return {**result, "changed": False, "path": stream.name}
