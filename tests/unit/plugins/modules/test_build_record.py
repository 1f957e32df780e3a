# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The module is the manual of the action plugin: both must ask for the same."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.action import build_record as action
from ansible_collections.freehyve.builder.plugins.modules import build_record as module


class Stop(Exception):
    pass


def test_manual_and_action_have_the_same_options(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    class FakeModule:
        def __init__(self, **arguments: Any) -> None:
            asked.update(arguments)

        def fail_json(self, msg: str) -> None:
            raise Stop(msg)

    monkeypatch.setattr(module, "AnsibleModule", FakeModule)
    with pytest.raises(Stop, match="runs on the controller only"):
        module.main()
    assert asked == {"argument_spec": action.ARGUMENTS, "supports_check_mode": True}
