# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""poudriere_bulk: what is built and why, and what is made of the end of a run."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _bulk, _job, _lease
from ansible_collections.freehyve.builder.plugins.module_utils._bulk_inputs import Names
from ansible_collections.freehyve.builder.plugins.module_utils._bulk_status import Built, Failed, Verdict, read_status
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._poudriere import log_dir_of
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Completed, Runner
from ansible_collections.freehyve.builder.plugins.modules import poudriere_bulk as bulk
from tests.unit import transcripts

LOGS = Path(__file__).resolve().parents[3] / "fixtures" / "poudriere-logs" / "base-default"
GOOD, FAILED, CRASHED = "2026-11-22_21h25m56s", "2026-11-22_21h34m50s", "2026-11-22_21h34m22s"
ALL_FAILED = "2026-11-22_21h24m38s"


class Host(Runner):
    """Has poudriere, runs nothing but ps and tells which jails run."""

    jails = ""

    def which(self, name: str) -> str | None:
        return f"/usr/local/bin/{name}"

    def run(self, argv: Any, *args: Any, **kwargs: Any) -> Completed:
        if argv[0] == "jls":
            return Completed(tuple(argv), 0, self.jails, "")
        return super().run(argv, *args, **kwargs)


class Scene:
    """A builder's workspace with jail, tree, list and configuration."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.etc = root / "etc"
        for kind, name, values in (
            ("jails", "j", {"version": "15.1-RELEASE", "arch": "amd64", "method": "tar", "timestamp": "7"}),
            ("ports", "p", {"method": "null", "timestamp": "9"}),
        ):
            directory = self.etc / "poudriere.d" / kind / name
            directory.mkdir(parents=True)
            (root / kind).mkdir()
            for entry, value in dict(values, mnt=str(root / kind)).items():
                (directory / entry).write_text(value + "\n", encoding="ascii")
        (self.etc / "poudriere.conf").write_text(f"# basics\nBASEFS={root}/base\n", encoding="ascii")
        (self.etc / "list.txt").write_text("sysutils/hello # greets\nsysutils/world\n", encoding="ascii")
        self.wanted = bulk.Wanted(
            names=Names("j", "p"),
            lists=(str(self.etc / "list.txt"),),
            etcdir=str(self.etc),
            jobs_dir=str(root / "jobs"),
            receipt=str(root / "stages" / "packages-j-p.json"),
        )

    def observe(self, **changes: Any) -> bulk.Observed:
        return bulk.observe(replace(self.wanted, **changes), Host())

    def plan(self, **changes: Any) -> bulk.Plan:
        wanted = replace(self.wanted, **changes)
        return bulk.plan(wanted, bulk.observe(wanted, Host()))

    def job(self) -> _job.Job:
        return _job.Job(self.wanted.jobs_dir, self.observe().key)

    def ended(self, build: str, rc: int = 0, committed: bool = True) -> _job.Job:
        """A job that ended as a recorded run did."""
        job = self.job()
        os.makedirs(job.directory)
        log_dir = self.root / "base" / "data" / "logs" / "bulk" / "j-p" / build
        if not log_dir.exists():
            shutil.copytree(LOGS / build, log_dir)
        lines = ["[00:00:00] Creating the reference jail... done", f"[00:00:14] Logs: {log_dir}"]
        if committed:
            repository = self.root / "base" / "data" / "packages" / "j-p" / ".real_1"
            repository.mkdir(parents=True, exist_ok=True)
            lines.append(f"[00:01:08] Committing packages to repository: {repository} via .latest symlink")
        Path(job.log).write_text("\n".join(lines) + "\n", encoding="utf-8")
        note = {"argv": ["poudriere"], "since": 5, "note": {"inputs": self.observe().inputs}}
        Path(job.path("job.json")).write_text(json.dumps(note), encoding="utf-8")
        Path(job.path("rc")).write_text(f"{rc}\n", encoding="ascii")
        return job

    def look(self, job: _job.Job, **changes: Any) -> dict[str, Any]:
        return bulk.look(replace(self.wanted, **changes), Host(), job, 0)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_nothing_made_yet_is_built(scene: Scene) -> None:
    plan = scene.plan()
    assert plan.state == "build"
    assert plan.steps[0].as_dict() == {"action": "build 2 listed ports", "reason": "not made yet"}


def test_a_good_run_gives_a_receipt_and_is_not_repeated(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    job = scene.ended(GOOD)
    result = scene.look(job)
    assert result["state"] == "done"
    assert [row["origin"] for row in result["bulk"]["built"]] == ["ports-mgmt/pkg", "sysutils/hello", "sysutils/world"]
    receipt = json.loads(Path(scene.wanted.receipt).read_text(encoding="utf-8"))
    assert receipt["key"] == job.key
    assert receipt["results"]["repository"] == result["repository"]
    assert receipt["results"]["origins"] == ["sysutils/hello", "sysutils/world"]
    monkeypatch.setattr(bulk, "ending_of", lambda *_args: pytest.fail("the log of a run that is judged is read again"))
    assert scene.plan().state == "current"
    again = bulk.run_start(scene.wanted, Host(), diff=True)
    assert (again["changed"], again["actions"], again["repository"]) == (False, [], result["repository"])
    assert "diff" not in again


def test_a_judge_who_is_killed_has_written_the_receipt_first(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    job = scene.ended(GOOD)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(_job, "finish", interrupt)
        scene.look(job)
    assert scene.plan().state == "current"


def interrupt(*_args: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("rc", [1, 4])
def test_the_exit_status_says_nothing(scene: Scene, rc: int) -> None:
    assert scene.look(scene.ended(GOOD, rc=rc))["state"] == "done"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s: (s.etc / "list.txt").write_text("sysutils/hello\n"), "origins: sysutils/world removed"),
        (
            lambda s: (s.etc / "list.txt").write_text("sysutils/world\nsysutils/hello\n"),
            "origins: order changed",
        ),
        (
            lambda s: (s.etc / "poudriere.d" / "make.conf").write_text("A=b\n"),
            "configuration: poudriere.d/make.conf added",
        ),
        (
            lambda s: (s.etc / "poudriere.d" / "j-p-make.conf").write_text("A=b\n"),
            "configuration: poudriere.d/j-p-make.conf added",
        ),
        (lambda s: (s.etc / "poudriere.d" / "jails" / "j" / "timestamp").write_text("8\n"), "jail: made from changed"),
        (lambda s: (s.etc / "poudriere.d" / "ports" / "p" / "timestamp").write_text("8\n"), "ports: made from changed"),
        (lambda s: shutil.rmtree(s.root / "base" / "data" / "packages"), "repository .*/.real_1 is gone"),
    ],
)
def test_what_changed_is_said(scene: Scene, change: Any, reason: str) -> None:
    scene.look(scene.ended(GOOD))
    change(scene)
    plan = scene.plan()
    assert plan.state == "build"
    assert re.fullmatch(reason.replace(".*", "\0").replace(".", r"\.").replace("\0", ".*"), plan.steps[0].reason)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: (s.etc / "list.txt").write_text("# new words\nsysutils/hello\nsysutils/world # too\n"),
        lambda s: (s.etc / "poudriere.conf").write_text(f"\nBASEFS={s.root}/base\n# more\n"),
        lambda s: (s.etc / "poudriere.d" / "other-make.conf").write_text("A=b\n"),
        lambda s: (s.etc / "other.txt").write_text("a/b\n"),
    ],
)
def test_what_does_not_matter_builds_nothing(scene: Scene, change: Any) -> None:
    scene.look(scene.ended(GOOD))
    change(scene)
    assert scene.plan().state == "current"


def test_the_first_options_directory_counts(scene: Scene) -> None:
    for name in ("options", "j-options"):
        (scene.etc / "poudriere.d" / name / "sysutils_hello").mkdir(parents=True)
        (scene.etc / "poudriere.d" / name / "sysutils_hello" / "options").write_text(name, encoding="ascii")
    found = scene.observe().inputs["configuration"]
    assert "poudriere.d/j-options/sysutils_hello/options" in found
    assert "poudriere.d/options/sysutils_hello/options" not in found


def test_names_of_files_that_apply() -> None:
    names = Names("j", "p", "s")
    assert names.mastername == "j-p-s"
    assert names.prefixes() == ["", "s-", "p-", "j-", "p-s-", "j-p-", "j-s-", "j-p-s-"]
    assert names.option_directories()[0] == "j-p-s-options"
    assert names.option_directories()[-1] == "options"
    assert Names("j", "p").prefixes() == ["", "p-", "j-", "j-p-"]
    assert Names("j", "p").option_directories() == ["j-p-options", "p-options", "j-options", "options"]


def test_a_failed_port_fails_with_phase_and_log(scene: Scene) -> None:
    job = scene.ended(FAILED, rc=1)
    with pytest.raises(bulk.BulkFailed) as caught:
        scene.look(job)
    result = caught.value.as_result()
    log_dir = result["log_dir"]
    assert result["msg"] == (
        f"bulk 'j-p': 1 port failed: sysutils/broken in stage (stage; {log_dir}/logs/broken-0.1.log); "
        "mend them, or name them in package_bulk_allow_failures"
    )
    assert result["bulk"]["failed"][0]["phase"] == "stage"
    assert 0 < len(result["bulk"]["failed"][0]["tail"]) <= 20
    assert not os.path.exists(scene.wanted.receipt)


def test_a_failure_that_is_known_is_built_again(scene: Scene) -> None:
    job = scene.ended(FAILED, rc=1)
    with pytest.raises(bulk.BulkFailed):
        scene.look(job)
    plan = scene.plan()
    assert plan.state == "build"
    assert plan.steps[0].reason == "not made yet; an earlier job of the same inputs failed"


def test_a_failure_that_becomes_allowed_is_not_built_again(scene: Scene) -> None:
    with pytest.raises(bulk.BulkFailed):
        scene.look(scene.ended(FAILED, rc=1))
    assert scene.plan(allow_failures=("sysutils/broken",)).state == "accept"


def test_a_failure_that_is_no_longer_allowed_is_built_again(scene: Scene) -> None:
    scene.look(scene.ended(FAILED, rc=1), allow_failures=("sysutils/broken",))
    assert scene.plan(allow_failures=("sysutils/broken",)).state == "current"
    plan = scene.plan()
    assert (plan.state, plan.steps[0].reason) == ("build", "sysutils/broken is no longer allowed to be missing")


def test_allowed_failures_and_their_skips_are_left_out_of_the_origins(scene: Scene) -> None:
    result = scene.look(scene.ended(ALL_FAILED, rc=3), allow_failures=("ports-mgmt/pkg",))
    assert result["origins"] == []
    assert [row["origin"] for row in result["bulk"]["skipped"]] == ["sysutils/hello", "sysutils/world"]


def test_skipped_ports_are_named_with_what_they_need(scene: Scene) -> None:
    with pytest.raises(bulk.BulkFailed) as caught:
        scene.look(scene.ended(ALL_FAILED, rc=3))
    assert "2 ports skipped: sysutils/hello (needs pkg-2.8.99), sysutils/world (needs" in caught.value.message


def test_a_crash_gives_poudrieres_reason(scene: Scene) -> None:
    job = scene.ended(CRASHED, rc=1, committed=False)
    with open(job.log, "a", encoding="utf-8") as log:
        log.write("\x1b[31m[00:00:19] Error: Nonexistent origin listed: sysutils/nosuch\x1b[0m\n")
    with pytest.raises(bulk.BulkFailed) as caught:
        scene.look(job)
    assert caught.value.message == (
        "bulk 'j-p': poudriere crashed: Fatal errors encountered gathering initial ports metadata: "
        f"Nonexistent origin listed: sysutils/nosuch; see {job.log}"
    )
    assert caught.value.as_result()["log_tail"][-1].startswith("[00:00:19] Error")


def test_a_run_that_did_not_begin_gives_its_error(scene: Scene) -> None:
    job = scene.ended(CRASHED, rc=1, committed=False)
    Path(job.log).write_text(transcripts.rows("13.2", "poudriere")[28].stderr, encoding="utf-8")
    with pytest.raises(bulk.BulkFailed, match=r"poudriere wrote no status: No such jail: nosuch; see "):
        scene.look(job)


def test_a_run_without_a_committed_repository_is_refused(scene: Scene) -> None:
    with pytest.raises(bulk.BulkFailed, match="committed no repository; ATOMIC_PACKAGE_REPOSITORY"):
        scene.look(scene.ended(GOOD, committed=False))


def test_a_job_that_ended_well_meanwhile_is_taken(scene: Scene) -> None:
    scene.ended(GOOD)
    assert scene.plan().state == "accept"
    result = bulk.run_start(scene.wanted, Host(), diff=False)
    assert (result["changed"], result["state"]) == (True, "done")
    assert scene.plan().state == "current"


def test_a_cancelled_job_is_built_again(scene: Scene) -> None:
    job = scene.ended(GOOD)
    Path(job.path("cancelled")).write_text("5\n", encoding="ascii")
    plan = scene.plan()
    assert (plan.state, plan.steps[0].reason) == ("build", "not made yet; an earlier job was cancelled")


def test_a_died_job_is_said(scene: Scene) -> None:
    job = scene.ended(GOOD)
    os.unlink(job.path("rc"))
    assert scene.plan().steps[0].reason == "not made yet; an earlier job died without a status"
    with pytest.raises(bulk.BulkFailed, match=r"its job died without an exit status; run again"):
        scene.look(job)


def test_a_job_that_is_gone_is_said(scene: Scene) -> None:
    with pytest.raises(ToolError, match="is gone; run again to start another"):
        scene.look(scene.job())


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("jails", "poudriere jail 'j': does not exist; run the jail stage first (--tags jail)"),
        ("ports", "ports tree 'p': does not exist; run the ports stage first (--tags ports)"),
    ],
)
def test_what_is_missing_is_said_before_anything_starts(scene: Scene, gone: str, message: str) -> None:
    shutil.rmtree(scene.etc / "poudriere.d" / gone)
    with pytest.raises(ToolError) as caught:
        bulk.run_start(scene.wanted, Host(), diff=False)
    assert caught.value.message == message
    assert not os.path.exists(scene.wanted.jobs_dir)


def test_a_check_run_plans_without_jail_tree_and_lists(scene: Scene) -> None:
    shutil.rmtree(scene.etc)
    wanted = replace(scene.wanted, check=True, origins=("a/b", "c/d", "e/f"))
    result = bulk.run_start(wanted, Host(), diff=True)
    assert (result["changed"], result["state"]) == (True, "planned")
    assert result["actions"][0] == {"action": "build 3 listed ports", "reason": "not made yet"}
    assert "c/d" in result["diff"]["after"]


def test_a_check_run_sees_what_earlier_stages_would_change(scene: Scene) -> None:
    scene.look(scene.ended(GOOD))
    assert scene.plan(check=True).state == "current"
    plan = scene.plan(check=True, pending=("jail 'j' is to be made again",))
    assert plan.steps[0].reason == "jail 'j' is to be made again"
    assert scene.plan(pending=("jail 'j' is to be made again",)).state == "current"
    plan = scene.plan(check=True, origins=("sysutils/hello", "sysutils/world", "a/new"))
    assert plan.steps[0].reason == "origins: a/new added"


@pytest.mark.parametrize(
    ("text", "message"),
    [("nonsense\n", "line 1: 'nonsense' is not an origin"), ("# none\n", "names no port"), (None, "no such file")],
)
def test_bad_lists_stop_before_anything_starts(scene: Scene, text: str | None, message: str) -> None:
    path = scene.etc / "list.txt"
    path.unlink() if text is None else path.write_text(text, encoding="ascii")
    with pytest.raises(ToolError, match=message):
        bulk.run_start(scene.wanted, Host(), diff=False)
    assert not os.path.exists(scene.wanted.jobs_dir)


def test_a_list_that_is_no_text_is_said(scene: Scene) -> None:
    (scene.etc / "list.txt").write_bytes(b"a/b\n\xff\n")
    with pytest.raises(ToolError, match=r"not a text file \(byte 4 is not UTF-8\)"):
        scene.observe()


def test_too_little_space_is_said_in_gib(scene: Scene) -> None:
    with pytest.raises(ToolError, match=r"bulk 'j-p': needs 1048576.0 GiB free at .*; free some, or lower"):
        bulk.run_start(replace(scene.wanted, min_space=1 << 50), Host(), diff=False)


def test_a_signing_key_that_is_not_there_is_said(scene: Scene) -> None:
    with pytest.raises(ToolError, match="signing key '/none': no such file"):
        bulk.run_start(replace(scene.wanted, signing_key="/none"), Host(), diff=False)


def test_a_started_job_gets_the_command_and_is_running(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    started: dict[str, Any] = {}

    def start(_runner: Runner, job: _job.Job, argv: list[str], note: dict[str, Any]) -> tuple[_job.JobState, bool]:
        started.update(argv=argv, note=note)
        log_dir = LOGS / FAILED
        os.makedirs(job.directory)
        # A large run says much more than one look reads.
        chatter = "[00:00:20] [01] [00:00:00] Building a/b | b-1\n" * 4000
        Path(job.log).write_text(f"[00:00:14] Logs: {log_dir}\n{chatter}", encoding="utf-8")
        return _job.JobState(_job.RUNNING), True

    def observe(_runner: Runner, job: _job.Job) -> _job.JobState:
        if not started:
            return _job.JobState(_job.ABSENT)
        return _job.JobState(_job.RUNNING, since=5, note=started["note"])

    monkeypatch.setattr(_job, "start", start)
    monkeypatch.setattr(_job, "observe", observe)
    result = bulk.run_start(scene.wanted, Host(), diff=False)
    assert (result["state"], result["attached"], result["changed"]) == ("running", False, True)
    assert started["argv"] == ["poudriere", "-N", "-e", str(scene.etc), "bulk", "-j", "j", "-p", "p"] + [
        "-f",
        str(scene.etc / "list.txt"),
    ]
    assert started["note"]["inputs"]["origins"] == ["sysutils/hello", "sysutils/world"]
    assert result["progress"]["stats"]["failed"] == 1
    assert result["progress"]["failed"][0]["pkgname"] == "broken-0.1"


def test_a_job_that_ends_while_we_attach_is_not_started_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    job, ended = scene.job(), _job.JobState(_job.DONE, rc=0, note={"inputs": scene.observe().inputs})
    states = iter([_job.JobState(_job.RUNNING), ended])
    monkeypatch.setattr(_job, "observe", lambda _runner, _job: next(states))
    monkeypatch.setattr(_job, "start", lambda *_args, **_more: pytest.fail("started"))
    os.makedirs(job.directory)
    Path(job.log).write_text(f"[00:00:14] Logs: {LOGS / FAILED}\n", encoding="utf-8")
    with pytest.raises(bulk.BulkFailed, match="1 port failed: sysutils/broken"):
        bulk.run_start(scene.wanted, Host(), diff=False)


def test_another_job_in_the_same_jail_and_tree_is_named(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is started; poudriere itself would only say that the jail is in use."""
    other = _job.Job(scene.wanted.jobs_dir, "feedfeedfeedfeed")
    observe = _job.observe

    def state(runner: Runner, job: _job.Job) -> _job.JobState:
        return _job.JobState(_job.RUNNING) if job == other else observe(runner, job)

    monkeypatch.setattr(_job, "observe", state)
    monkeypatch.setattr(_job, "start", lambda *_args, **_more: pytest.fail("started"))
    leases = bulk.leases_of(scene.wanted)
    _lease.leave(_lease.entrust(_lease.take(Host(), leases, "bulk", "j-p", job=other.directory)))
    said = r"^bulk 'j-p': held by another build \(job feedfeedfeed, since \d{4}-.*\); wait for it, or see .*cancel.yml$"
    with pytest.raises(ToolError, match=said):
        bulk.run_start(scene.wanted, Host(), diff=False)


def test_two_runs_that_start_the_same_job_at_once_share_it(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    job, leases = scene.job(), bulk.leases_of(scene.wanted)
    lease = _lease.entrust(_lease.take(Host(), leases, "bulk", "j-p", job=job.directory))
    monkeypatch.setattr(_lease, "_LOCKS", {})
    with bulk.held(scene.wanted, Host(), job):
        assert _lease.leases(leases) == [lease]
    assert _lease.leases(leases) == [lease]


@pytest.mark.parametrize(("jails", "kept"), [("j-p\nj-p-n\n", True), ("j-px\n", False)])
def test_the_lease_of_a_poudriere_that_was_killed_stays_while_its_jails_run(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, jails: str, kept: bool
) -> None:
    job, leases = scene.ended(CRASHED, rc=137), bulk.leases_of(scene.wanted)
    _lease.leave(_lease.entrust(_lease.take(Host(), leases, "bulk", "j-p", job=job.directory)))
    monkeypatch.setattr(Host, "jails", jails)
    with pytest.raises(bulk.BulkFailed):
        scene.look(job)
    assert bool(_lease.leases(leases)) is kept


def test_all_options_of_the_command() -> None:
    argv = _bulk.bulk_argv("/e", Names("j", "p", "s"), ["/l", "/m"], 3, "quarterly", "/k")
    words = "poudriere -N -e /e -s PKG_REPO_SIGNING_KEY=/k bulk -j j -p p -z s -J 3 -b quarterly -f /l -f /m"
    assert " ".join(argv) == words


def test_recorded_output_names_logs_and_repository() -> None:
    row = transcripts.rows("13.2", "poudriere")[32]
    assert log_dir_of(row.stdout) == f"/usr/local/poudriere/data/logs/bulk/base-default/{FAILED}"
    assert _bulk.committed_repository(row.stdout) == (
        "/usr/local/poudriere/data/packages/base-default/.real_1795383357"
    )
    crashed = transcripts.rows("13.2", "poudriere")[31]
    assert _bulk.committed_repository(crashed.stdout) is None
    assert _bulk.errors_of(crashed.stderr) == [
        "Nonexistent origin listed: sysutils/nosuch",
        "Fatal errors encountered gathering initial ports metadata",
    ]


def test_no_more_than_five_ports_are_named() -> None:
    rows = tuple(Failed(f"a/p{n}", f"p{n}-1", "build", "", None) for n in range(7))
    verdict = Verdict(None, rows, (), ())
    message = _bulk.verdict_message("m", verdict, [], "/l", "/log")
    assert "7 ports failed: a/p0 in build (unknown; /l/logs/p0-1.log)" in message
    assert "a/p4 in build" in message
    assert "a/p5" not in message
    assert "and 2 more" in message


def test_a_runner_without_poudriere_names_provisioning(scene: Scene) -> None:
    class Bare(Host):
        def which(self, name: str) -> str | None:
            return None

        def run(self, argv: Any, *args: Any, **kwargs: Any) -> Completed:
            raise AssertionError(argv)

    with pytest.raises(ToolError, match=r"not installed on the builder; run provision.yml, or `pkg install poudriere`"):
        bulk.run_start(scene.wanted, Bare(), diff=False)


def test_when_a_port_was_done_is_the_date_of_its_log(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "hello-1.0.log"
    log.write_text("x\n", encoding="utf-8")
    os.utime(log, (1795383000, 1795383000))
    row = Built("sysutils/hello", "hello-1.0", 7)
    assert _bulk.built_entry(row, str(tmp_path))["ended"] == 1795383000
    assert _bulk.built_entry(replace(row, pkgname="gone-1"), str(tmp_path))["ended"] is None


def test_build_times_of_packages_that_are_still_there_are_kept(tmp_path: Path) -> None:
    status = read_status(str(transcripts.ROOT.parent / "poudriere-logs" / "base-default" / "2026-11-22_21h25m56s"))
    (tmp_path / "All").mkdir()
    names = [row.pkgname for row in status.built]
    assert names
    for name in [*names, "old-1.0", "never-timed-1"]:
        (tmp_path / "All" / f"{name}.pkg").touch()
    before = {"old-1.0": 9, "dropped-2.0": 8, names[0]: 10**6}
    times = _bulk.build_times(before, status, str(tmp_path))
    assert times == {"old-1.0": 9, **{row.pkgname: row.elapsed for row in status.built}}
    assert _bulk.build_times(None, status, str(tmp_path / "nowhere")) == {}
