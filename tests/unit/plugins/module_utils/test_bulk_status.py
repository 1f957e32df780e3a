# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""poudriere's status files: seven recorded log directories, one run watched second by second."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils._bulk_status import (
    Builder,
    Built,
    Failed,
    Reasoned,
    Skipped,
    Stats,
    judge,
    parse_status,
    progress_line,
    read_status,
)

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures"
LOGS = FIXTURES / "poudriere-logs" / "base-default"
SNAPSHOTS = json.loads((FIXTURES / "transcripts" / "13.2" / "bulk_progress.json").read_text(encoding="utf-8"))[
    "snapshots"
]


@pytest.mark.parametrize(
    ("build", "built", "failed", "skipped", "trouble"),
    [
        ("2026-11-22_21h23m40s", 0, 0, 0, "poudriere crashed: Fatal errors encountered gathering ports metadata"),
        ("2026-11-22_21h24m38s", 0, 1, 2, None),
        ("2026-11-22_21h25m56s", 3, 0, 0, None),
        ("2026-11-22_21h33m49s", 0, 0, 0, None),
        (
            "2026-11-22_21h34m22s",
            0,
            0,
            0,
            "poudriere crashed: Fatal errors encountered gathering initial ports metadata",
        ),
        ("2026-11-22_21h34m50s", 0, 1, 0, None),
        ("2026-11-22_21h36m08s", 0, 0, 0, None),
    ],
)
def test_recorded_runs(build: str, built: int, failed: int, skipped: int, trouble: str | None) -> None:
    status = read_status(str(LOGS / build))
    assert status.stopped
    assert (len(status.built), len(status.failed), len(status.skipped)) == (built, failed, skipped)
    assert (status.stats.built, status.stats.failed, status.stats.skipped) == (built, failed, skipped)
    assert status.trouble == trouble
    assert judge(status).good is (trouble is None and failed == 0 and skipped == 0)


def test_all_recorded_directories_are_looked_at() -> None:
    assert len([path for path in LOGS.iterdir() if path.name.startswith("2026")]) == 7


def test_rows_of_a_good_run() -> None:
    status = read_status(str(LOGS / "2026-11-22_21h25m56s"))
    assert status.built[0] == Built("ports-mgmt/pkg", "pkg-2.8.99", 60)
    assert status.queued[1] == Reasoned("sysutils/hello", "hello-1.0", "listed")
    assert status.builders == (Builder("01", "idle", "", "", None, None),)


def test_rows_of_a_failed_run() -> None:
    status = read_status(str(LOGS / "2026-11-22_21h24m38s"))
    assert status.failed == (Failed("ports-mgmt/pkg", "pkg-2.8.99", "check-sanity", "check-sanity", 2),)
    assert status.skipped == (
        Skipped("sysutils/hello", "hello-1.0", "pkg-2.8.99"),
        Skipped("sysutils/world", "world-2.1", "pkg-2.8.99"),
    )


def test_every_snapshot_of_a_run_is_understood() -> None:
    built = 0
    for snapshot in SNAPSHOTS[1:]:
        status = parse_status(snapshot["files"])
        assert status.phase
        assert status.stats.built >= built
        built = status.stats.built
        assert status.done is (status.status == "stopped:done:")
        for builder in status.builders:
            assert builder.number in ("01", "02")
            assert bool(builder.origin) is (builder.phase not in ("idle", "clean_pool"))
    assert built == 3


def test_a_snapshot_with_two_builders() -> None:
    files = next(s["files"] for s in SNAPSHOTS if s["t"] == 125.7)
    status = parse_status(files)
    assert [(b.phase, b.origin) for b in status.builders] == [
        ("stage", "sysutils/hello"),
        ("extract", "sysutils/broken"),
    ]
    assert status.stats.remaining == 3
    assert progress_line(status) == "parallel_build: 1/4 built"


def test_progress_lines_of_a_run_change_seldom() -> None:
    lines = [progress_line(parse_status(s["files"])) for s in SNAPSHOTS[1:]]
    changes = [line for before, line in zip(["", *lines], lines, strict=False) if line != before]
    assert changes[0] == "loading_moved"
    assert "parallel_build: 2/4 built, 1 failed" in changes
    assert changes[-1] == "done: 3/4 built, 1 failed"
    assert len(changes) < 25


@pytest.mark.parametrize(
    ("status", "trouble"),
    [
        ("stopped:SIGTERM:", "poudriere was stopped by SIGTERM"),
        ("parallel_build:", "poudriere ended in 'parallel_build' without finishing"),
        ("", "poudriere wrote no status"),
        ("stopped:crashed:", "poudriere crashed: no reason given"),
        ("crashed:err:No space left: on device", "poudriere crashed: No space left: on device"),
        ("done:", "poudriere ended in 'done' without finishing"),
        ("stopped:done:", "poudriere wrote no counters"),
    ],
)
def test_only_stopped_done_with_counters_is_an_end(status: str, trouble: str) -> None:
    assert parse_status({".poudriere.status": status + "\n"}).trouble == trouble


def test_more_failures_counted_than_named_is_trouble() -> None:
    files = {f".poudriere.stats_{name}": "0\n" for name in ("queued", "built", "skipped", "ignored")}
    files.update({".poudriere.status": "stopped:done:\n", ".poudriere.stats_failed": "2\n"})
    assert parse_status(files).trouble == "poudriere counted 2 failed ports but named 0"


def test_a_directory_that_is_not_there_is_no_status(tmp_path: Path) -> None:
    assert read_status(str(tmp_path / "none")) == parse_status({})


def test_a_half_written_row_waits_for_its_newline() -> None:
    status = parse_status({".poudriere.ports.built": "a/b b-1 3\nc/d d-1"})
    assert status.built == (Built("a/b", "b-1", 3),)


def test_empty_counters_of_a_starting_run_are_zero() -> None:
    assert parse_status({".poudriere.stats_built": "", ".poudriere.status": "loading_moved:\n"}).stats == Stats()


def test_a_reason_keeps_its_spaces() -> None:
    status = parse_status({".poudriere.ports.ignored": "a/b b-1 is marked as broken: no fetch\n"})
    assert status.ignored[0].reason == "is marked as broken: no fetch"


def test_a_port_that_two_others_block_is_named_once() -> None:
    status = parse_status({".poudriere.ports.skipped": "a/c c-1 x-1\na/c c-1 y-1\na/d d-1 c-1\n"})
    assert status.skipped == (Skipped("a/c", "c-1", "x-1"), Skipped("a/d", "d-1", "c-1"))


def finished(failed: str = "", skipped: str = "", ignored: str = "") -> dict[str, str]:
    files = {".poudriere.status": "stopped:done:\n"}
    for name, text in (("failed", failed), ("skipped", skipped), ("ignored", ignored), ("built", ""), ("queued", "")):
        files[f".poudriere.ports.{name}"] = text
        files[f".poudriere.stats_{name}"] = f"{len(text.splitlines())}\n"
    return files


FAILED = "a/x x-1 build compiler_error 9\n"
SKIPPED = "a/y y-1 x-1\na/z z-1 y-1\n"


@pytest.mark.parametrize(
    ("allowed", "bad"),
    [
        ([], ["a/x", "a/y", "a/z"]),
        (["a/x"], []),
        (["a/x@gtk"], ["a/x", "a/y", "a/z"]),
        (["a/y"], ["a/x"]),
        (["b/q"], ["a/x", "a/y", "a/z"]),
    ],
)
def test_skips_follow_the_failure_that_is_allowed(allowed: list[str], bad: list[str]) -> None:
    verdict = judge(parse_status(finished(FAILED, SKIPPED)), allowed)
    assert [row.origin for row in verdict.failed] + [row.origin for row in verdict.skipped] == bad
    assert verdict.good is (not bad)


def test_an_origin_without_flavor_allows_all_flavors() -> None:
    status = parse_status(finished("a/x@py311 py311-x-1 build runaway_process 9\n"))
    assert judge(status, ["a/x"]).good
    assert judge(status, ["a/x@py311"]).good
    assert not judge(status, ["a/x@py312"]).good


@pytest.mark.parametrize(
    ("listed", "allowed", "good"),
    [(["a/i"], [], False), (["a/i"], ["a/i"], True), (["b/o"], [], True), (["a/i@all"], [], False)],
)
def test_an_ignored_port_matters_when_a_list_names_it(listed: list[str], allowed: list[str], good: bool) -> None:
    status = parse_status(finished(ignored="a/i i-1 is only for amd64\n"))
    assert judge(status, allowed, listed).good is good
