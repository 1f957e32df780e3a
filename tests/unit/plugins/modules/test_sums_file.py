# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""sums_file is done by its action plugin; the module itself only says so."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.modules import sums_file


def test_the_module_alone_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    said: dict[str, Any] = {}

    class Fake:
        def __init__(self, **_kwargs: Any) -> None:
            pass

        def fail_json(self, **kwargs: Any) -> None:
            said.update(kwargs)

    monkeypatch.setattr(sums_file, "AnsibleModule", Fake)
    sums_file.main()
    assert "its action plugin was not found" in said["msg"]
