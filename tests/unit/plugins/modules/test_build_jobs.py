# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _job, _lease
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.modules import build_jobs
from tests.unit.builder import DaemonHost, Reply, module

FIRST, SECOND = "a" * 64, "b" * 64


@dataclass(frozen=True)
class Host(DaemonHost):
    """A host with real processes, whose jails and poudriere are played too."""

    jails: list[str] = field(default_factory=list)

    def play(self, words: list[str]) -> Reply | None:
        if words[0] == "jls":
            return "".join(f"{name}\n" for name in self.jails)
        if words[0] == "poudriere":
            self.jails.clear()
        elif words[0] not in ("sysctl", "mdconfig", "mount"):
            return super().play(words)
        self.calls.append(words)
        return ""


@pytest.fixture
def host() -> Iterator[Host]:
    made = Host()
    yield made
    made.stop()


def start(host: Host, path: Path, key: str, script: str = "sleep 60", **note: Any) -> _job.Job:
    job = _job.Job(str(path / "jobs"), key)
    _job.start(host, job, ["sh", "-c", script], note=note)
    return job


def run(host: Host, path: Path, check_mode: bool = False, **params: object) -> dict[str, Any]:
    return build_jobs.body(module(build_jobs.ARGUMENTS, check_mode, path=str(path), grace=1, **params), host)


def test_where_nothing_runs_nothing_is_done(host: Host, tmp_path: Path) -> None:
    result = run(host, tmp_path, state="cancelled")
    assert (result["changed"], result["jobs"], result["lines"]) == (False, [], ["no job runs"])


def test_what_runs_is_listed_with_the_end_of_its_log_and_without_parameters(host: Host, tmp_path: Path) -> None:
    job = start(host, tmp_path, FIRST, module="zfs_stream", params={"path": "/w/a.zst", "token": "hush"})
    Path(job.log).write_text("one\n\x1b[31mtwo\x1b[0m\n", encoding="utf-8")
    result = run(host, tmp_path)
    listed = result["jobs"][0]
    assert (listed["module"], listed["subject"], listed["state"]) == ("zfs_stream", "/w/a.zst", "running")
    assert listed["log_tail"] == ["one", "two"]
    assert result["lines"][0].startswith("job aaaaaaaaaaaa (zfs_stream /w/a.zst): process ")
    assert result["changed"] is False
    assert "hush" not in repr(result)


def test_a_check_lists_and_stops_nothing(host: Host, tmp_path: Path) -> None:
    start(host, tmp_path, FIRST, module="mkimg", params={"outputs": [{"path": "/a"}, {"path": "/b"}]})
    result = run(host, tmp_path, check_mode=True, state="cancelled")
    assert [step["action"] for step in result["actions"]] == ["cancel job aaaaaaaaaaaa (mkimg /a and 1 more)"]
    assert host.started[0].poll() is None


def test_all_are_stopped_or_the_one_that_is_named(host: Host, tmp_path: Path) -> None:
    first, second = start(host, tmp_path, FIRST), start(host, tmp_path, SECOND)
    assert len(run(host, tmp_path, state="cancelled", job="bb")["actions"]) == 1
    assert _job.observe(host, second).cancelled
    assert _job.observe(host, first).state == _job.RUNNING
    assert len(run(host, tmp_path, state="cancelled")["actions"]) == 1
    assert _job.observe(host, first).state != _job.RUNNING
    assert run(host, tmp_path, state="cancelled")["changed"] is False


def test_a_key_when_nothing_runs(host: Host, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="job 'c': does not run; none does"):
        run(host, tmp_path, state="cancelled", job="c")


@pytest.mark.parametrize(("key", "said"), [("c", "does not run; running: aaaaaaaaaaaa"), ("a", "2 jobs begin so")])
def test_a_key_that_means_none_or_several(host: Host, tmp_path: Path, key: str, said: str) -> None:
    start(host, tmp_path, FIRST)
    if key == "a":
        start(host, tmp_path, "a" + SECOND[1:])
    with pytest.raises(ToolError, match=said):
        run(host, tmp_path, state="cancelled", job=key)


def test_one_that_ignores_us_loses_its_jails_and_is_killed(host: Host, tmp_path: Path) -> None:
    logs = tmp_path / "logs" / "j-t" / "now"
    logs.mkdir(parents=True)
    (logs.parent / "latest").symlink_to("now")
    job = start(host, tmp_path, FIRST, "trap '' TERM; while :; do sleep 1; done")
    Path(job.log).write_text(f"[00:00:01] Logs: {logs}\n", encoding="utf-8")
    details = {"etcdir": "/etc/p", "jail": "j", "ports": "t"}
    leases = str(tmp_path / "leases")
    _lease.leave(_lease.entrust(_lease.take(host, leases, "bulk", "j-t", job=job.directory, details=details)))
    host.jails.append("j-t")
    before = time.monotonic()
    result = run(host, tmp_path, state="cancelled")
    assert time.monotonic() - before < 10
    assert ["poudriere", "-N", "-e", "/etc/p", "jail", "-k", "-j", "j", "-p", "t"] in host.calls
    assert result["actions"][0]["action"].startswith("cancel job aaaaaaaaaaaa")
    assert _lease.leases(leases) == []
    assert _job.observe(host, job).state == _job.DIED


def test_what_a_stopped_job_held_is_removed(host: Host, tmp_path: Path) -> None:
    file = tmp_path / "x.part"
    file.touch()
    leases = str(tmp_path / "leases")
    job = start(host, tmp_path, FIRST)
    _lease.leave(_lease.entrust(_lease.take(host, leases, "file", str(file), job=job.directory)))
    result = run(host, tmp_path, state="cancelled")
    assert [step["action"] for step in result["actions"]][1:] == [f"remove {file}"]
    assert not os.path.exists(file)
