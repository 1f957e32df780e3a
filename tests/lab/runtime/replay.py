# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Replay recordings in a clean lab: the test of the simulation itself."""

from __future__ import annotations

import argparse
import difflib
import json
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import LabError
from .lab import Lab
from .paths import TESTS_LAB
from .volatile import normalise, rules_table

ROW_TIMEOUT = 180
RECORDED_STDOUT, RECORDED_STDERR = 6000, 4000
EXCLUSIONS = TESTS_LAB / "exclusions.json"


@dataclass(frozen=True)
class Row:
    cmd: str
    rc: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Outcome:
    """One row of a recording: what differs (nothing: it conforms), and why it is left out (None: it counts)."""

    index: int
    row: Row
    differences: tuple[str, ...]
    excluded: str | None = None

    @property
    def same(self) -> bool:
        return not self.differences


@dataclass
class Report:
    """Outcome of one file."""

    file: Path
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def good(self) -> int:
        return sum(outcome.same for outcome in self.outcomes if outcome.excluded is None)

    @property
    def excluded(self) -> int:
        return sum(outcome.excluded is not None for outcome in self.outcomes)

    @property
    def differing(self) -> int:
        return len(self.outcomes) - self.good - self.excluded


def load_rows(file: Path) -> list[Row]:
    """Rows of a recording; LabError when the file is something else."""
    try:
        data: Any = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LabError(f"{file}: cannot read: {error}") from None
    if not isinstance(data, list) or not all(isinstance(row, dict) and {"cmd", "rc"} <= row.keys() for row in data):
        raise LabError(f"{file}: not a list of recorded rows, cannot be replayed")
    return [Row(row["cmd"], int(row["rc"]), row.get("stdout", ""), row.get("stderr", "")) for row in data]


def load_exclusions() -> dict[str, dict[str, str]]:
    """{file stem: {command: reason}}."""
    if not EXCLUSIONS.exists():
        return {}
    table: dict[str, dict[str, str]] = json.loads(EXCLUSIONS.read_text(encoding="utf-8"))
    return table


@contextmanager
def clean_lab(keep: bool = False) -> Iterator[Lab]:
    """A started lab of its own name that nobody used before; destroyed after, unless kept."""
    lab = Lab(f"replay-{secrets.token_hex(4)}")
    try:
        lab.start()
        yield lab
    finally:
        if keep:
            print(f"lab '{lab.name}' kept; remove it with: tests/lab/lab destroy --name {lab.name}")
        else:
            lab.destroy()


def run_row(lab: Lab, command: str) -> tuple[int, str, str]:
    """(rc, stdout, stderr) of one command line in its own sh; files, not pipes, so that a daemon cannot hold us."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        argv = lab.enter_argv(["/bin/sh", "-c", command])
        try:
            code = subprocess.run(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, timeout=ROW_TIMEOUT, check=False
            ).returncode
        except subprocess.TimeoutExpired:
            code = 124
        out.seek(0)
        err.seek(0)
        return code, out.read().decode(errors="surrogateescape"), err.read().decode(errors="surrogateescape")


def compare(row: Row, code: int, stdout: str, stderr: str) -> tuple[str, ...]:
    """Lines that say what differs, empty when nothing does."""
    found = [] if row.rc == code else [f"  rc: recorded {row.rc}, lab {code}"]
    streams = (
        ("stdout", *_as_recorded(row.stdout, stdout, RECORDED_STDOUT)),
        ("stderr", *_as_recorded(row.stderr, stderr, -RECORDED_STDERR)),
    )
    for name, recorded, lab in streams:
        wanted, got = normalise(recorded, row.cmd, "recorded"), normalise(lab, row.cmd, "lab")
        if wanted != got:
            found += [f"  {name}: (- recorded, + lab)", *_short_diff(wanted, got)]
    return tuple(found)


def _as_recorded(recorded: str, lab: str, limit: int) -> tuple[str, str]:
    """Both texts as far as the recording goes: it kept the first 6000 characters of stdout, the last 4000 of stderr.

    The line that the cut went through is left out: it need not be the same place in both.
    """
    if len(recorded) != abs(limit) or len(lab) <= len(recorded):
        return recorded, lab
    if limit > 0:
        return recorded.rpartition("\n")[0], lab[: len(recorded)].rpartition("\n")[0]
    return recorded.partition("\n")[2], lab[-len(recorded) :].partition("\n")[2]


def _short_diff(wanted: str, got: str) -> list[str]:
    lines = list(difflib.unified_diff(wanted.splitlines(), got.splitlines(), lineterm="", n=0))[2:]
    lines = [f"    {line}" for line in lines if not line.startswith("@@")]
    if not lines:
        lines = [f"    - {wanted[-40:]!r}", f"    + {got[-40:]!r}"]
    return lines[:24] + ([f"    … {len(lines) - 24} more"] if len(lines) > 24 else [])


def replay_file(file: Path, keep: bool = False) -> Report:
    """Run every row of ``file`` in a clean lab; excluded rows run too, since later ones build on them."""
    rows = load_rows(file)
    excluded = load_exclusions().get(file.stem, {})
    report = Report(file)
    with clean_lab(keep) as lab:
        for index, row in enumerate(rows):
            differences = compare(row, *run_row(lab, row.cmd))
            report.outcomes.append(Outcome(index, row, differences, excluded.get(row.cmd)))
    return report


def print_report(report: Report) -> None:
    for outcome in report.outcomes:
        if outcome.excluded is not None:
            if outcome.same:
                print(f"{report.file.name}[{outcome.index}] left out needlessly: it conforms; $ {outcome.row.cmd}")
            continue
        if outcome.same:
            continue
        print(f"{report.file.name}[{outcome.index}] $ {outcome.row.cmd}")
        print("\n".join(outcome.differences))
    left_out = f", {report.excluded} left out" if report.excluded else ""
    print(f"{report.file.name}: {report.good} of {len(report.outcomes)} rows{left_out}", flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point: 0 all rows conform or are excluded, 1 some differ, 2 nothing could be replayed."""
    parser = argparse.ArgumentParser(prog="replay", description="Replay recorded FreeBSD commands in a clean lab.")
    parser.add_argument("--rules", action="store_true", help="print the table of what may differ, and do nothing else")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="a recording: [{cmd, rc, stdout, stderr}]")
    parser.add_argument("--keep", action="store_true", help="keep each lab for a look inside")
    options = parser.parse_args(argv)
    if options.rules:
        print(rules_table())
        return 0
    if not options.files:
        parser.error("no FILE given")
    reports = []
    for file in options.files:
        try:
            reports.append(replay_file(file, options.keep))
            print_report(reports[-1])
        except LabError as error:
            print(error, file=sys.stderr)
    if not reports:
        return 2
    total = sum(len(report.outcomes) for report in reports)
    left_out = sum(report.excluded for report in reports)
    print(f"{sum(report.good for report in reports)} of {total} rows" + (f", {left_out} left out" if left_out else ""))
    return 1 if any(report.differing for report in reports) else 0


__all__ = ["Outcome", "Report", "Row", "compare", "load_exclusions", "load_rows", "main", "replay_file"]
