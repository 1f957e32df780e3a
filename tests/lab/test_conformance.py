# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The simulation against recordings of a real FreeBSD 13.2; the lab plays no other release."""

from __future__ import annotations

import json
import os
import re
import subprocess
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest

from tests.builders import ROOT

REPLAY = ROOT / "tests" / "lab" / "replay"
RECORDINGS = ROOT / "tests" / "fixtures" / "transcripts" / "13.2"
EXCLUSIONS = ROOT / "tests" / "lab" / "exclusions.json"


def recordings() -> list[Path]:
    """Every file that is a list of rows."""
    return [file for file in sorted(RECORDINGS.glob("*.json")) if isinstance(json.loads(file.read_text()), list)]


def run_replay(file: Path) -> tuple[int, int, int, str]:
    """(rows that conform, all rows, rows left out, what replay printed)."""
    done = subprocess.run([REPLAY, str(file)], capture_output=True, text=True, check=False)
    last = done.stdout.splitlines()[-1] if done.stdout else done.stderr
    found = re.match(r"(\d+) of (\d+) rows(?:, (\d+) left out)?\Z", last)
    assert found, done.stdout + done.stderr
    return int(found[1]), int(found[2]), int(found[3] or 0), done.stdout


@cache
def replays() -> dict[Path, Future[tuple[int, int, int, str]]]:
    """All recordings, each in a lab of its own, one per processor at a time; the longest first."""
    pool = ThreadPoolExecutor(max_workers=os.cpu_count())
    files = sorted(recordings(), key=lambda file: -file.stat().st_size)
    return {file: pool.submit(run_replay, file) for file in files}


def replay(file: Path) -> tuple[int, int, int, str]:
    return replays()[file].result()


@pytest.mark.parametrize("file", recordings(), ids=lambda file: file.stem)
def test_every_row_conforms_or_is_explained(file: Path) -> None:
    good, rows, left_out, text = replay(file)
    assert good + left_out == rows, text


def test_at_least_95_percent_conform() -> None:
    results = [replay(file) for file in recordings()]
    good, rows = sum(result[0] for result in results), sum(result[1] for result in results)
    print(f"{good} of {rows} rows")
    assert good >= 0.95 * rows


def test_exclusions_name_recorded_rows_and_reasons() -> None:
    table: dict[str, dict[str, str]] = json.loads(EXCLUSIONS.read_text())
    for stem, rows in table.items():
        commands = {row["cmd"] for row in json.loads((RECORDINGS / f"{stem}.json").read_text())}
        for command, reason in rows.items():
            assert command in commands, f"{stem}: {command}: not a recorded row"
            assert len(reason) > 10, f"{stem}: {command}: no reason"


def test_no_exclusion_is_stale() -> None:
    """A row that conforms again must leave the table: replay says which do."""
    for stem in json.loads(EXCLUSIONS.read_text()):
        text = replay(RECORDINGS / f"{stem}.json")[3]
        assert "left out needlessly" not in text, text


def test_readme_lists_every_rule_and_exclusion() -> None:
    readme = (ROOT / "tests" / "lab" / "README.md").read_text()
    rules = subprocess.run([REPLAY, "--rules"], capture_output=True, text=True, check=True).stdout
    assert rules in readme, "copy the output of tests/lab/replay --rules into README.md"
    for rows in json.loads(EXCLUSIONS.read_text()).values():
        for command, reason in rows.items():
            assert command in readme and reason in readme, command


def test_what_is_no_recording_is_refused_in_one_line() -> None:
    done = subprocess.run([REPLAY, str(RECORDINGS / "bulk_progress.json")], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert re.match(r"\S+bulk_progress\.json: not a list of recorded rows, cannot be replayed\n\Z", done.stderr)
