# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""build_report is done by its action plugin; the module itself only says so."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ansible_collections.freehyve.builder.plugins.action.build_report import OPTIONS
from ansible_collections.freehyve.builder.plugins.modules import build_report


def test_the_module_alone_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    said: dict[str, Any] = {}

    class Fake:
        def __init__(self, **kwargs: Any) -> None:
            said["spec"] = kwargs["argument_spec"]

        def fail_json(self, **kwargs: Any) -> None:
            said.update(kwargs)

    monkeypatch.setattr(build_report, "AnsibleModule", Fake)
    build_report.main()
    assert "its action plugin was not found" in said["msg"]
    assert said["spec"] == OPTIONS


def test_the_documented_options_are_those_of_the_action() -> None:
    documented = yaml.safe_load(build_report.DOCUMENTATION)["options"]
    assert {
        name: {key: option[key] for key in ("type", "required") if key in option} for name, option in documented.items()
    } == OPTIONS
