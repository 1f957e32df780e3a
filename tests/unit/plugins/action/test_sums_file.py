# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""One file of digests for the results of several images."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.template import Templar

from ansible_collections.freehyve.builder.plugins.action import sums_file

ONE, TWO, NEW = "1" * 64, "2" * 64, "3" * 64


def run(path: Path, files: list[dict[str, Any]], check: bool = False) -> dict[str, Any]:
    loader, task = DataLoader(), Task()
    task.args, task._role, task.check_mode = {"path": str(path), "files": files}, None, check
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    action = sums_file.ActionModule(task, connection, PlayContext(), loader, Templar(loader), None)
    result: dict[str, Any] = action.run(task_vars={})
    return result


@pytest.fixture
def sums(tmp_path: Path) -> Path:
    (tmp_path / "b.raw").write_bytes(b"")
    path = tmp_path / "SHA256SUMS"
    path.write_text(f"{ONE}  b.raw\n{TWO}  gone.raw\nnonsense\n", encoding="utf-8")
    return path


def test_other_images_stay_and_what_is_gone_goes(sums: Path) -> None:
    files: list[dict[str, Any]] = [
        {"dest": str(sums.parent / "a.raw"), "sha256": NEW},
        {"dest": str(sums.parent / "later"), "sha256": None},
    ]
    assert run(sums, files)["changed"] is True
    assert sums.read_text(encoding="utf-8") == f"{NEW}  a.raw\n{ONE}  b.raw\n"
    assert [path.name for path in sums.parent.iterdir() if path.name.startswith(".")] == []


def test_the_same_digests_change_nothing(sums: Path) -> None:
    sums.write_text(f"{ONE}  b.raw\n", encoding="utf-8")
    before = sums.stat().st_mtime_ns
    assert run(sums, [{"dest": str(sums.parent / "b.raw"), "sha256": ONE}])["changed"] is False
    assert sums.stat().st_mtime_ns == before


def test_a_check_run_writes_nothing(sums: Path) -> None:
    before = sums.read_bytes()
    assert run(sums, [{"dest": str(sums.parent / "b.raw"), "sha256": NEW}], check=True)["changed"] is True
    assert sums.read_bytes() == before


def test_without_digests_there_is_nothing_to_do(tmp_path: Path) -> None:
    assert run(tmp_path / "none" / "SHA256SUMS", [])["changed"] is False


def test_a_directory_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "none" / "SHA256SUMS"
    result = run(path, [{"dest": str(path.parent / "a"), "sha256": ONE}])
    assert result["msg"] == f"digests '{path}': cannot be written: No such file or directory; set freehyve_artifacts"
