# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Words and lines of progress: single events, and a whole recorded bulk run second by second."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.action.poudriere_bulk import Reporter
from ansible_collections.freehyve.builder.plugins.module_utils._bulk_progress import Queue, progress_of
from ansible_collections.freehyve.builder.plugins.module_utils._bulk_status import parse_status
from ansible_collections.freehyve.builder.plugins.plugin_utils import _progress
from ansible_collections.freehyve.builder.plugins.plugin_utils._progress_board import Board
from ansible_collections.freehyve.builder.plugins.plugin_utils._progress_screen import Screen, terminal_size
from ansible_collections.freehyve.builder.plugins.plugin_utils._progress_text import (
    Meter,
    amount,
    body,
    clean,
    clock,
    cut,
    failure_lines,
    human,
    width,
)
from tests.unit.terminal import Terminal

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures"
RECORDED = FIXTURES / "transcripts" / "13.2" / "bulk_progress.json"
# The recorder's clock against the builder's monotonic clock, and against a wall clock.
MONOTONIC, EPOCH = 1665.5, 1795383787.0
EARLIER = (("ports-mgmt/pkg", 63), ("sysutils/broken", 31), ("sysutils/hello", 34), ("sysutils/world", 20))


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 20, "5.0 MiB"), (3 << 30, "3.0 GiB"), (2 << 40, "2.0 TiB")],
)
def test_bytes_have_a_unit(count: int, text: str) -> None:
    assert human(count) == text


@pytest.mark.parametrize(("seconds", "text"), [(-3, "0:00"), (0, "0:00"), (61, "1:01"), (3723, "1:02:03")])
def test_time_is_shown_as_on_a_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("dirty", "told"),
    [
        ("plain text", "plain text"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\", "xlink"),
        ("two\nlines\r\nand\ttab", "two lines and tab"),
        ("bell\x07 back\x08 del\x7f c1\x9b31m", "bell back del c131m"),
        ("right\u202eto\u2066left\u200b\ufeff", "righttoleft"),
        ("lone \udcff surrogate", "lone surrogate"),
        ("Zürich 漢字", "Zürich 漢字"),
        (7, "7"),
    ],
)
def test_nothing_from_the_builder_speaks_to_the_terminal(dirty: object, told: str) -> None:
    assert clean(dirty) == told


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [("abc", 3, "abc"), ("abcd", 3, "a.."), ("漢字漢字", 5, "漢.."), ("abc", 1, "."), ("abc", 0, ""), ("", 5, "")],
)
def test_a_line_is_cut_to_columns(text: str, columns: int, expected: str) -> None:
    assert cut(text, columns) == expected
    assert width(cut(text, columns)) <= columns


def test_rate_and_time_left_come_from_the_last_seconds() -> None:
    meter = Meter()
    for second in range(60):
        meter.add({"done": second * (1 << 20), "total": 100 << 20, "what": "a"}, float(second))
    for second in range(60, 90):
        meter.add({"done": (60 + (second - 60) * 0.5) * (1 << 20), "total": 100 << 20, "what": "a"}, float(second))
    assert meter.rate == pytest.approx(0.5 * (1 << 20), rel=0.01)
    event = {"done": 75 << 20, "total": 100 << 20, "unit": "bytes", "what": "a"}
    assert amount(event, meter.rate) == "a 75.0 MiB of 100.0 MiB (75%), 512.0 KiB/s, 0:50 left"


def test_another_file_has_another_rate() -> None:
    meter = Meter()
    for second, what, done in ((0, "a", 0), (1, "a", 50), (2, "b", 0)):
        meter.add({"done": done, "total": 100, "what": what}, second)
    assert meter.rate is None


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({}, ""),
        ({"text": "compressing"}, "compressing"),
        ({"done": 5, "total": None, "what": "x"}, "x 5 B"),
        ({"done": 3, "total": 12, "unit": "items", "what": "files"}, "files 3 of 12 (25%)"),
        ({"done": 30, "total": 10, "unit": "bytes"}, "30 B of 10 B (100%)"),
        ({"done": 1, "total": 0, "text": "t"}, "1 B; t"),
        ({"done": True, "text": "t"}, "t"),
        ({"done": "7", "what": None}, ""),
        ({"bulk": {"phase": "sanity", "stats": {}}}, "sanity"),
        ({"bulk": {"phase": 7, "stats": ["x"], "builders": "y", "more": "z", "left": "soon"}}, "7"),
        ({"bulk": {"stats": {"queued": "x"}, "builders": [None, {"pkgname": ["a"]}]}}, "starting |  ['a'] "),
        ({"bulk": "x", "text": "y"}, "y"),
        ({"bulk": {"stats": {"queued": 3, "ignored": 2}, "phase": "pkgrepo"}},
         "0/3 built, 0 failed, 0 skipped, 2 ignored, pkgrepo"),
        ({"bulk": {"stats": {"queued": 3}, "builders": [{"number": "01", "pkgname": "a-1", "phase": "build"}],
                   "more": 4}}, "0/3 built, 0 failed, 0 skipped | 01 a-1 build | and 4 more"),
    ],
)  # fmt: skip
def test_what_an_event_says(event: dict[str, Any], expected: str) -> None:
    assert body(event) == expected


# A whole run.


def files_of(snapshot: dict[str, Any]) -> dict[str, str]:
    """The recorder kept no ``.poudriere.ports.*``; ``.data.json`` has the same rows."""
    files = dict(snapshot["files"])
    try:
        ports = json.loads(files[".data.json"])["ports"]
    except (ValueError, KeyError):
        return files
    columns = {"built": ("elapsed",), "failed": ("phase", "errortype", "elapsed"), "queued": ("reason",)}
    for name, more in columns.items():
        rows = [" ".join([r["origin"], r["pkgname"], *(r[c] for c in more)]) + "\n" for r in ports.get(name, [])]
        files[".poudriere.ports." + name] = "".join(rows)
    return files


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, dict[str, Any]]]:
    """The events of the recorded run, made by the code that makes them of a running one."""
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0] + MONOTONIC)
    monkeypatch.setattr("time.time", lambda: now[0] + EPOCH)
    events: list[tuple[float, dict[str, Any]]] = []

    def keep(host: str, event: dict[str, Any]) -> None:
        # As it comes out of the pipe.
        events.append((now[0], json.loads(_progress.message(host, event))[1]))

    monkeypatch.setattr("ansible_collections.freehyve.builder.plugins.action.poudriere_bulk.report", keep)
    reporter = Reporter("factory", "bulk base-default")
    for snapshot in json.loads(RECORDED.read_text(encoding="utf-8"))["snapshots"][1:]:
        now[0] = snapshot["t"]
        status = parse_status(files_of(snapshot))
        reporter.progress(progress_of(status, None, int(EPOCH), Queue(builders=2, history=EARLIER)))
    reporter.end({"state": "done"})
    return events


def lines_of(events: list[tuple[float, dict[str, Any]]], columns: int) -> dict[float, str]:
    board = Board()
    board.start("factory", "Build the packages", "package_bulk", EPOCH)
    lines = {}
    for moment, event in events:
        board.event("factory", event, moment + EPOCH)
        [lines[moment]] = board.lines(moment + EPOCH, columns, 24)
    return lines


def test_the_live_line_of_a_whole_run(told: list[tuple[float, dict[str, Any]]]) -> None:
    lines = lines_of([pair for pair in told if "failed_port" not in pair[1]][:-1], 160)
    assert lines[13.3] == "factory  packages 0:13  loading_moved"
    assert lines[24.6] == "factory  packages 0:24  0/4 built, 0 failed, 0 skipped, pkgqueue_sanity_check"
    assert lines[29.7] == "factory  packages 0:29  0/4 built, 0 failed, 0 skipped, about 1:14 left"
    assert lines[66.5] == (
        "factory  packages 1:06  0/4 built, 0 failed, 0 skipped, about 0:56 left | 01 pkg-2.8.99 package 0:35"
    )
    assert lines[126.8] == (
        "factory  packages 2:06  1/4 built, 0 failed, 0 skipped, about 0:17 left | 01 hello-1.0 stage 0:27 | "
        "02 broken-0.1 patch-depends 0:23"
    )
    assert lines[147.3].startswith("factory  packages 2:27  2/4 built, 1 failed, 0 skipped, about 0:1")
    assert lines[170.0] == "factory  packages 2:50  3/4 built, 1 failed, 0 skipped, committing"


@pytest.mark.parametrize("columns", [1, 9, 20, 40, 79, 200])
def test_every_line_fits_its_terminal(told: list[tuple[float, dict[str, Any]]], columns: int) -> None:
    for line in lines_of(told, columns).values():
        assert width(line) <= columns
        assert line.isprintable()


def test_a_failed_port_is_told_in_the_look_that_finds_it(told: list[tuple[float, dict[str, Any]]]) -> None:
    [(moment, event)] = [pair for pair in told if "failed_port" in pair[1]]
    assert 136 < moment < 139
    port = event["failed_port"]
    assert [port[name] for name in ("origin", "pkgname", "phase", "elapsed")] == [
        *("sysutils/broken", "broken-0.1", "stage", 30)
    ]


def test_the_log_of_a_whole_run(told: list[tuple[float, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[float, str]] = []
    monkeypatch.setattr(_progress, "_shown", {})
    for moment, event in told:
        monkeypatch.setattr(_progress.display, "display", lambda text, color=None, at=moment: said.append((at, text)))
        _progress._say("factory", event, moment + EPOCH)
    port = next(index for index, (_at, text) in enumerate(said) if "sysutils/broken (broken-0.1) failed" in text)
    progress = [pair for index, pair in enumerate(said) if index != port][:-1]
    assert progress[0][1] == "factory: bulk base-default [0:13]: loading_moved"
    assert progress[1][1] == (
        "factory: bulk base-default [0:45]: "
        "0/4 built, 0 failed, 0 skipped, about 1:07 left | 01 pkg-2.8.99 package 0:13"
    )
    assert all(later - sooner >= 30 for (sooner, _one), (later, _other) in pairwise(progress))
    assert said[-1][1] == "factory: bulk base-default [2:54]: done"
    assert len(said) < 10


# The board and the screen.


def test_several_builders_stand_below_each_other() -> None:
    board = Board()
    board.start("one", "Look", "", 0.0)
    board.start("longer", "Image", "disk_image", 5.0)
    assert board.lines(0.5, 80, 24) == []
    assert board.lines(7.0, 80, 24) == ["one     0:07  Look", "longer  image 0:02  Image"]
    board.event("one", {"task": "dists", "state": "running", "done": 1, "total": 4, "what": "x"}, 7.0)
    board.event("nobody", {"task": "dists", "state": "running"}, 7.0)
    assert board.lines(8.0, 80, 24)[0] == "one     dists 0:08  x 1 B of 4 B (25%)"
    board.event("one", {"task": "dists", "state": "done"}, 8.0)
    assert board.lines(9.0, 80, 24)[0] == "one     0:09  Look"
    board.end("one")
    assert board.lines(9.0, 80, 24) == ["longer  image 0:04  Image"]


def test_more_builders_than_rows_are_counted() -> None:
    board = Board()
    for number in range(9):
        board.start(f"b{number}", "Look", "", 0.0)
    assert board.lines(5.0, 80, 3) == ["b0  0:05  Look", "b1  0:05  Look", "and 7 more builders"]


@pytest.mark.parametrize(("since", "expected"), [(90.0, "0:30"), (500.0, "0:20"), ("soon", "0:20"), (None, "0:20")])
def test_a_builder_whose_clock_is_ahead_has_worked_since_its_task_began(since: object, expected: str) -> None:
    board = Board()
    board.start("one", "Look", "disk_image", 100.0)
    board.event("one", {"task": "t", "state": "running", "text": "x", "since": since}, 101.0)
    assert board.lines(120.0, 80, 24) == [f"one  image {expected}  Look: x"]


def test_a_job_goes_on_being_as_old_as_it_is() -> None:
    board = Board()
    board.start("one", "Look", "disk_image", 100.0)
    board.event("one", {"task": "t", "state": "running", "text": "x", "since": 40.0}, 101.0)
    board.event("one", {"task": "t", "state": "done"}, 110.0)
    assert board.lines(110.0, 80, 24) == ["one  image 1:10  Look"]


def test_the_end_of_a_log_keeps_its_shape() -> None:
    port = {
        "origin": "a/b",
        "pkgname": "b-1",
        "phase": "build",
        "errortype": "",
        "tail": ["a\tb", "  c   d\x1b[1m ", ""],
    }
    lines = failure_lines("one", {"task": "packages", "state": "running", "failed_port": port})
    assert lines == [
        "one: packages: port a/b (b-1) failed in phase build: unknown error",
        "    a       b",
        "      c   d",
    ]


def test_the_names_of_hosts_and_tasks_are_cleaned_too() -> None:
    board = Board()
    board.start("one\x1b[2J", "L\x1b]0;x\x07ook", "\x1b[1mrole", 0.0)
    assert board.lines(2.0, 80, 24) == ["one  role 0:02  Look"]


class Drawn:
    """A screen and what is seen of it."""

    def __init__(self, columns: int = 20) -> None:
        self.near, self.far = os.pipe()
        self.seen = Terminal(columns)
        self.columns = columns
        self.screen = Screen(self.far, lambda _fd: (self.columns, 10))

    def look(self) -> list[str]:
        os.set_blocking(self.near, False)
        with suppress(BlockingIOError):
            self.seen.feed(os.read(self.near, 1 << 16).decode().replace("\n", "\r\n"))
        return self.seen.lines

    def say(self, text: str) -> None:
        self.screen.erase()
        os.write(self.far, text.encode())


def test_lines_are_drawn_over_in_place_and_leave_nothing() -> None:
    drawn = Drawn()
    drawn.screen.draw(["one 0:01", "two 0:01"])
    assert drawn.look() == ["one 0:01", "two 0:01"]
    drawn.screen.draw(["one 0:02 longer", "two 0:02"])
    assert drawn.look() == ["one 0:02 longer", "two 0:02"]
    drawn.say("ok: [one]\n")
    assert drawn.look() == ["ok: [one]", ""]
    drawn.screen.draw(["one 0:03", "two 0:03", "three"])
    drawn.screen.draw(["two"])
    assert drawn.look() == ["ok: [one]", "two"]
    drawn.screen.draw([])
    assert drawn.look() == ["ok: [one]", ""]


def test_what_did_not_change_is_not_drawn_again() -> None:
    drawn = Drawn()
    drawn.screen.draw(["one"])
    drawn.look()
    drawn.screen.draw(["one"])
    os.set_blocking(drawn.near, False)
    with pytest.raises(BlockingIOError):
        os.read(drawn.near, 1)


def test_a_terminal_that_became_narrower_is_cleared_whole() -> None:
    drawn = Drawn(20)
    drawn.say("before\n")
    drawn.screen.draw(["a" * 19, "b" * 19])
    drawn.look()
    # What a terminal makes of two lines of 19 columns when it has 10.
    drawn.columns = 10
    drawn.seen = Terminal(10)
    drawn.seen.feed("before\r\n" + "a" * 10 + "\r\n" + "a" * 9 + "\r\n" + "b" * 10 + "\r\n" + "b" * 9)
    drawn.screen.erase()
    assert drawn.look() == ["before", ""]


def test_the_last_column_and_two_rows_stay_free() -> None:
    assert Drawn(20).screen.size == (19, 8)
    near, far = os.pipe()
    assert terminal_size(far) == (80, 24)
    os.close(near)
    os.close(far)


def test_a_terminal_that_is_gone_is_no_error() -> None:
    drawn = Drawn()
    os.close(drawn.far)
    drawn.screen.draw(["one"])
    drawn.screen.erase()
