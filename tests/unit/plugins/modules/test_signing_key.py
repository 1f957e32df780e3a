# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner
from ansible_collections.freehyve.builder.plugins.modules.signing_key import Observed, execute, plan


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        (Observed(None), ["make key /k"]),
        (Observed(0o400), []),
        (Observed(0o600), []),
        (Observed(0o644), ["close key /k"]),
    ],
)
def test_plan(observed: Observed, expected: list[str]) -> None:
    assert [step.action for step in plan("/k", observed)] == expected


def test_a_key_without_a_directory_is_refused() -> None:
    with pytest.raises(ToolError, match="there is no directory /nosuch"):
        plan("/nosuch/k", Observed(None, False))


def test_a_key_is_made_once_and_never_readable_by_others(tmp_path: Path) -> None:
    key = tmp_path / "key"
    asked = {"path": str(key), "bits": 2048}
    planned = execute(Runner(), asked, True)
    assert planned["changed"] and planned["public_key"] is None and not key.exists()
    made = execute(Runner(), asked, False)
    assert key.stat().st_mode & 0o777 == 0o400
    assert made["public_key"].startswith("-----BEGIN PUBLIC KEY-----")
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
    again = execute(Runner(), asked, False)
    assert not again["changed"]
    assert again["public_key"] == made["public_key"]
    key.chmod(0o644)
    closed = execute(Runner(), asked, False)
    assert closed["changed"] and key.stat().st_mode & 0o777 == 0o400


@pytest.mark.parametrize(("path", "message"), [("key", "not an absolute path"), ("/dev/null", "not a regular file")])
def test_bad_paths(path: str, message: str) -> None:
    with pytest.raises(ToolError, match=message):
        execute(Runner(), {"path": path, "bits": 2048}, False)


def test_what_is_no_key_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "notes"
    file.write_text("not a key")
    file.chmod(0o600)
    with pytest.raises(ToolError, match="is not an RSA key"):
        execute(Runner(), {"path": str(file), "bits": 2048}, False)
    assert file.read_text() == "not a key"
