# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What a look at a running bulk tells, over a real run that was watched second by second."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Dict, List, Optional

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils._bulk_progress import (
    Queue,
    builder_rows,
    progress_of,
    read_history,
    read_queue,
    seconds_since,
    time_left,
)
from ansible_collections.freehyve.builder.plugins.module_utils._bulk_status import parse_status, read_status

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures"
LOGS = FIXTURES / "poudriere-logs" / "base-default"
# The recorder's clock against CLOCK_MONOTONIC: a builder started at 1697 and was first seen so at 31.7.
OFFSET = 1665.5
WANTED = (
    ("sysutils/broken", "broken-0.1"),
    ("sysutils/hello", "hello-1.0"),
    ("sysutils/world", "world-2.1"),
    ("ports-mgmt/pkg", "pkg-2.8.99"),
)


def snapshots() -> List[Dict[str, Any]]:
    path = FIXTURES / "transcripts" / "13.2" / "bulk_progress.json"
    recorded: List[Dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["snapshots"]
    return recorded[1:]


def files_of(snapshot: Dict[str, Any]) -> Dict[str, str]:
    """The recorder kept no ``.poudriere.ports.*``; ``.data.json`` has the same rows."""
    files = dict(snapshot["files"])
    try:
        ports = json.loads(files[".data.json"])["ports"]
    except (ValueError, KeyError):
        return files
    columns = {"built": ("elapsed",), "failed": ("phase", "errortype", "elapsed"), "queued": ("reason",), "tobuild": ()}
    for name, more in columns.items():
        rows = [" ".join([r["origin"], r["pkgname"], *(r[c] for c in more)]) + "\n" for r in ports.get(name, [])]
        files[".poudriere.ports." + name] = "".join(rows)
    return files


def left_over_the_run(history: Dict[str, int]) -> Dict[float, Optional[int]]:
    queue = Queue(WANTED, 2, tuple(history.items()))
    return {s["t"]: time_left(parse_status(files_of(s)), queue, s["t"] + OFFSET) for s in snapshots()}


def test_builders_say_for_how_long() -> None:
    at = next(s for s in snapshots() if s["t"] == 126.8)
    rows = builder_rows(parse_status(at["files"]).builders, 126.8 + OFFSET)
    assert [(row["number"], row["pkgname"], row["phase"], row["seconds"]) for row in rows] == [
        ("01", "hello-1.0", "stage", 27),
        ("02", "broken-0.1", "patch-depends", 23),
    ]
    assert [row["phase_seconds"] for row in rows] == [0, 0]


@pytest.mark.parametrize(("begun", "expected"), [(None, None), (10, 5), (15, 0), (16, 0), (17, None)])
def test_a_begin_in_the_future_is_none(begun: Optional[int], expected: Optional[int]) -> None:
    assert seconds_since(begun, 15.4) == expected


def test_without_a_finished_port_nothing_is_guessed() -> None:
    left = left_over_the_run({})
    assert all(value is None for moment, value in left.items() if moment < 94)
    assert all(value is not None for moment, value in left.items() if moment > 100)


def test_earlier_runs_make_a_guess_from_the_begin() -> None:
    left = left_over_the_run({"ports-mgmt/pkg": 63, "sysutils/hello": 34, "sysutils/broken": 31, "sysutils/world": 20})
    assert left[28.7] == (63 + 34 + 31 + 20) // 2
    assert left[76.7] == (63 - 45 + 34 + 31 + 20) // 2
    # The last port ended at 161.8.
    for moment, value in left.items():
        if 31 < moment < 160 and value is not None:
            assert abs((161.8 - moment) - value) < 62, (moment, value)
    assert left[162.8] == 0


def test_a_running_port_that_takes_longer_than_ever_does_not_count_backwards() -> None:
    assert all((value or 0) >= 0 for value in left_over_the_run({"ports-mgmt/pkg": 1, "sysutils/hello": 1}).values())


def test_history_is_of_earlier_runs_only() -> None:
    log_dir = str(LOGS / "2026-11-22_21h34m50s")
    assert read_history(log_dir) == {"ports-mgmt/pkg": 60, "sysutils/hello": 22, "sysutils/world": 24}
    assert read_history(str(LOGS / "2026-11-22_21h25m56s")) == {}
    assert read_history("/nowhere/at/all") == {}


def test_the_queue_is_read_from_poudrieres_files() -> None:
    queue = read_queue(str(LOGS / "2026-11-22_21h25m56s"))
    assert queue.builders == 2
    assert queue.todo[-1] == ("ports-mgmt/pkg", "pkg-2.8.99")
    assert read_queue(None) == Queue()


def test_failed_ports_bring_the_end_of_their_logs(tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(LOGS / "2026-11-22_21h34m50s", run)
    told = progress_of(read_status(str(run)), str(run), None)
    [failed] = told["failed"]
    assert (failed["origin"], failed["phase"]) == ("sysutils/broken", "stage")
    assert failed["log"].endswith("/broken-0.1.log")
    assert len(failed["tail"]) == 10
    assert failed["tail"][-4:] == [
        "boom",
        "*** Error code 1",
        "Stop.",
        "make: stopped in /usr/ports/sysutils/broken",
    ]
    assert told["elapsed"] is None


def test_only_the_newest_failures_travel_with_their_tails(tmp_path: Path) -> None:
    rows = "".join(f"a/p{n} p{n}-1 build ??? 4\n" for n in range(9))
    (tmp_path / "logs").mkdir()
    for n in range(9):
        (tmp_path / "logs" / f"p{n}-1.log").write_text("the end\n")
    status = parse_status({".poudriere.ports.failed": rows})
    told = progress_of(status, str(tmp_path), None)["failed"]
    assert [row.get("tail") for row in told] == [None] * 5 + [["the end"]] * 4
