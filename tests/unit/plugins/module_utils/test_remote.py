# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Modules run through the archive, as jobs with real processes; only daemon(8) is played."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ansible
import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _job, _remote
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.plugin_utils import _remote_call
from tests.unit.builder import DaemonHost

LIBRARY = str(Path(ansible.__file__).parents[1])


@pytest.fixture
def host() -> Iterator[DaemonHost]:
    made = DaemonHost()
    yield made
    made.stop()


@pytest.fixture
def code(tmp_path: Path) -> str:
    path = tmp_path / "freehyve-code.zip"
    path.write_bytes(_remote_call.archive())
    return str(path)


def request(code: str, params: dict[str, Any], *, check: bool = False, wait: float = 20.0) -> _remote.Request:
    return _remote.Request("compress", params, check, diff=False, wait=wait, code=code, library=LIBRARY)


def params(tmp_path: Path, megabytes: int = 0) -> dict[str, Any]:
    """Nothing much to compress, or what takes xz a minute at its best."""
    (tmp_path / "disk.raw").write_bytes(os.urandom(megabytes << 20) or b"disk")
    return {
        "files": [{"src": str(tmp_path / "disk.raw")}],
        "method": "xz",
        "level": 9 if megabytes else 1,
        "threads": 1,
        "receipt": str(tmp_path / "receipt.json"),
        "jobs_dir": str(tmp_path / "jobs"),
    }


def test_work_is_a_job_whose_result_is_the_answer_and_nothing_to_do_is_none(
    host: DaemonHost, code: str, tmp_path: Path
) -> None:
    asked = params(tmp_path)
    planned = _remote.call(request(code, asked, check=True), host)
    assert planned["changed"] and not host.started
    made = _remote.call(request(code, asked), host)
    assert made["changed"] and made["job"]["state"] == "done" and made["job"]["attached"] is False
    assert (tmp_path / "disk.raw.xz").is_file()
    job = _job.Job(asked["jobs_dir"], made["job"]["key"])
    # The code is gone, the log and the result stay.
    assert not os.path.exists(job.path("code.zip")) and os.path.exists(job.log)
    again = _remote.call(request(code, asked), host)
    assert not again["changed"] and "job" not in again and len(host.started) == 1


def test_without_a_directory_of_jobs_the_work_is_done_at_once(host: DaemonHost, code: str, tmp_path: Path) -> None:
    asked = {name: value for name, value in params(tmp_path).items() if name != "jobs_dir"}
    made = _remote.call(request(code, asked), host)
    assert made["changed"] and "job" not in made and not host.started


def test_what_the_system_refuses_a_job_is_told_as_in_the_foreground(
    host: DaemonHost, code: str, tmp_path: Path
) -> None:
    asked = params(tmp_path)
    (tmp_path / "nosuch").write_text("a file where a directory is wanted")
    asked["files"][0]["dest"] = str(tmp_path / "nosuch" / "disk.raw.xz")
    failed = _remote.call(request(code, asked), host)
    assert failed["failed"] and failed["msg"] == f"'{tmp_path / 'nosuch'}': File exists; see to it and run again"


def test_a_mistake_of_ours_is_one_line_and_a_traceback_in_the_log(host: DaemonHost, code: str, tmp_path: Path) -> None:
    asked = dict(params(tmp_path), sums=str(tmp_path / "SHA256SUMS"))
    (tmp_path / "SHA256SUMS").write_bytes(b"\xff")
    failed = _remote.call(request(code, asked), host)
    assert failed["failed"] and failed["msg"].startswith("compress: ") and failed["msg"].endswith(failed["job"]["log"])
    assert "Traceback" in Path(failed["job"]["log"]).read_text(encoding="utf-8")


def test_long_work_goes_on_and_is_found_again(host: DaemonHost, code: str, tmp_path: Path) -> None:
    asked = params(tmp_path, megabytes=64)
    first = _remote.call(request(code, asked, wait=0.1), host)
    assert first["job"]["state"] == "running" and "changed" not in first
    second = _remote.call(request(code, asked, wait=0.1), host)
    assert second["job"]["attached"] is True and second["job"]["key"] == first["job"]["key"]
    assert len(host.started) == 1
    job = _job.Job(asked["jobs_dir"], first["job"]["key"])
    assert _remote.look(host, "compress", job)["job"]["pid"] == first["job"]["pid"]


def test_what_is_half_done_is_attached_to_and_not_judged(host: DaemonHost, code: str, tmp_path: Path) -> None:
    asked = params(tmp_path, megabytes=64)
    first = _remote.call(request(code, asked, wait=0.1), host)
    (tmp_path / "disk.raw").unlink()  # a plan would find fault with that
    second = _remote.call(request(code, asked, wait=0.1), host)
    assert second["job"]["attached"] is True and second["job"]["pid"] == first["job"]["pid"]


def test_a_job_that_was_killed_is_said_to_have_died_and_is_done_again(
    host: DaemonHost, code: str, tmp_path: Path
) -> None:
    asked = params(tmp_path, megabytes=64)
    first = _remote.call(request(code, asked, wait=0.1), host)
    job = _job.Job(asked["jobs_dir"], first["job"]["key"])
    os.killpg(first["job"]["pid"], signal.SIGKILL)
    host.started[0].wait()
    with pytest.raises(ToolError, match=r"compress: its job [0-9a-f]{12} died without a status.*; run again"):
        _remote.look(host, "compress", job)
    again = _remote.call(request(code, asked, wait=0.1), host)
    assert again["job"]["attached"] is False and len(host.started) == 2


def test_a_death_that_nobody_saw_is_told_by_the_run_that_does_it_again(
    host: DaemonHost, code: str, tmp_path: Path
) -> None:
    asked = params(tmp_path, megabytes=64)
    first = _remote.call(request(code, asked, wait=0.1), host)
    os.killpg(first["job"]["pid"], signal.SIGKILL)
    host.started[0].wait()
    again = _remote.call(request(code, asked, wait=0.1), host)
    assert len(again["warnings"]) == 1
    assert "died without a status" in again["warnings"][0] and again["warnings"][0].endswith("it is done again")


def test_the_key_does_not_depend_on_how_long_we_wait(tmp_path: Path) -> None:
    asked = params(tmp_path)
    assert _remote.job_of("compress", {**asked, "job_poll": 5}) == _remote.job_of("compress", {**asked, "job_poll": 9})
    assert _remote.job_of("compress", asked) != _remote.job_of("mkimg", asked)


@pytest.mark.parametrize(
    ("name", "message"),
    [("../evil", "no name of a module"), ("nosuch", "is not part of this collection")],
)
def test_a_module_that_is_not_ours_is_refused(name: str, message: str) -> None:
    with pytest.raises(ToolError, match=message):
        _remote.load(name)


def test_parameters_are_checked_as_ansible_does(code: str, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="missing required arguments: files"):
        _remote.call(request(code, {"receipt": str(tmp_path / "receipt.json")}))
