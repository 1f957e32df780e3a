# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The small parts of a record: stages, text, past records, the age of a process, the summary."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.plugin_utils import _record_text
from ansible_collections.freehyve.builder.plugins.plugin_utils._record_age import (
    parse_elapsed,
    parse_stat,
    process_age,
)
from ansible_collections.freehyve.builder.plugins.plugin_utils._record_clean import Places, clean, line_of, log_of
from ansible_collections.freehyve.builder.plugins.plugin_utils._record_past import (
    expected_seconds,
    last_record,
    read_record,
)
from ansible_collections.freehyve.builder.plugins.plugin_utils._record_stages import (
    Stage,
    failure_of,
    selected,
    stage_of,
    stages_of,
)

ROOT = Path(__file__).parents[4]
EXAMPLE: dict[str, Any] = json.loads((ROOT / "tests/fixtures/build.json").read_text(encoding="utf-8"))
STEP = {"action": "make x", "reason": "not made yet"}


@pytest.mark.parametrize(
    ("results", "asked", "state", "seconds"),
    [
        ([], True, "pending", None),
        ([{}], False, "skipped", None),
        ([{"skipped": True, "changed": False}], True, "pending", None),
        ([{"changed": False, "actions": [], "seconds": 1}], True, "current", 1.0),
        ([{"changed": True}], True, "ran", None),
        ([{"changed": False, "actions": [STEP], "seconds": 2.5}, {"changed": False, "seconds": 1}], True, "ran", 3.5),
        ([{"failed": True, "msg": "no"}], True, "failed", None),
        ([{"changed": True}, {"failed": True, "msg": "no", "seconds": 4}], True, "failed", 4.0),
        ([{"unreachable": True, "msg": "gone"}], True, "failed", None),
    ],
)
def test_stage(results: list[Any], asked: bool, state: str, seconds: float | None) -> None:
    found = stage_of("image", results, asked)
    assert (found.state, found.seconds) == (state, seconds)


def test_reasons_are_said_once() -> None:
    stage = stage_of("image", [{"actions": [STEP, {"action": "make y", "reason": "not made yet"}]}], True)
    assert (stage.reasons, len(stage.actions)) == (["not made yet"], 2)


def test_failure_names_the_first_cause() -> None:
    assert failure_of([Stage("dists", "current"), Stage("jail", "skipped")]) is None
    both = [Stage("jail", "pending"), Stage("ports", "failed", message="no")]
    assert failure_of(both) == {"stage": "ports", "message": "no"}
    stopped = failure_of([Stage("dists", "current"), Stage("jail", "pending")])
    assert stopped is not None
    assert stopped["stage"] == "jail"


@pytest.mark.parametrize(
    ("run", "skip", "expected"),
    [
        ([], [], True),
        (["all"], [], True),
        (["image"], [], True),
        (["tagged"], [], True),
        (["fetch"], [], False),
        (["all"], ["image"], False),
        (["image"], ["image"], False),
    ],
)
def test_tags(run: list[str], skip: list[str], expected: bool) -> None:
    assert selected("image", run, skip) is expected


def test_stages_are_in_their_order() -> None:
    found = stages_of({"fetch": [], "dists": [], "image": []}, skip_tags=["image"])
    assert [stage.name for stage in found] == ["dists", "jail", "ports", "packages", "image", "update", "fetch"]
    assert [stage.state for stage in found] == [
        "pending",
        "skipped",
        "skipped",
        "skipped",
        "skipped",
        "skipped",
        "pending",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\x1b[1;31mred\x1b[0m b", "ared b"),
        ("title\x1b]0;evil\x07end", "titleend"),
        ("a\r\nb\x00\x9bc\u202ed", "a bcd"),
        ("see https://user:pass@host/x and ssh://git@host/y", "see https://host/x and ssh://host/y"),
        ("mail me@example.org", "mail me@example.org"),
        ("y" * 1000, "y" * 399 + "…"),
    ],
)
def test_line(text: str, expected: str) -> None:
    assert line_of(text) == expected


def test_log_keeps_indentation_and_the_last_lines() -> None:
    lines = log_of([f"line {number}" for number in range(50)] + ["\t^~~~ \x1b[K"])
    assert len(lines) == 20
    assert lines[-1] == "        ^~~~"
    assert log_of(None) == []


def test_data_is_cleaned_to_its_leaves() -> None:
    assert clean({"a\x07": ["b\x1b[0m", 1, None, True, 2.5, {"c": ("d",)}], "e": b"f"}) == {
        "a": ["b", 1, None, True, 2.5, {"c": ["d"]}],
        "e": "b'f'",
    }


def test_places_of_the_controller_are_hidden_where_tasks_speak() -> None:
    places = Places({"/home/me": "~", "/home/me/site": ".", "/home/me/site/artifacts": "artifacts"})
    assert places.hide("fetch /zroot/x to /home/me/site/artifacts/0.1/x") == "fetch /zroot/x to artifacts/0.1/x"
    assert places.hide("'/home/me/site': no") == "'.': no"
    assert places.hide("/home/me2/x /zroot/home/me/y") == "/home/me2/x /zroot/home/me/y"
    record = {
        "stages": [{"reasons": ["/home/me/a"], "actions": [{"action": "/home/me/b", "reason": ""}]}],
        "failure": {"stage": "image", "message": "/home/me/c"},
        "warnings": ["/home/me/d"],
        "geometry": {"mountpoint": "/home/me"},
    }
    places.hide_in(record)
    assert "/home/me" not in json.dumps({name: record[name] for name in ("stages", "failure", "warnings")})
    assert record["geometry"] == {"mountpoint": "/home/me"}


def test_no_places_hide_nothing() -> None:
    assert Places({"/": "root"}).hide("/etc /x") == "/etc /x"


def test_past_records(tmp_path: Path) -> None:
    assert last_record(tmp_path / "0.2.0") is None
    for number, version in enumerate(("0.0.9", "0.1.0", "0.0.8")):
        (tmp_path / version).mkdir()
        file = tmp_path / version / "build.json"
        file.write_text(json.dumps({"schema": 1, "version": version}), encoding="utf-8")
        os.utime(file, (1000 + number, 1000 + number))
    (tmp_path / "0.0.7").mkdir()
    (tmp_path / "0.0.7" / "build.json").write_text("{", encoding="utf-8")
    own, newest = last_record(tmp_path / "0.1.0"), last_record(tmp_path / "0.2.0")
    assert own is not None and newest is not None
    assert (own["version"], newest["version"]) == ("0.1.0", "0.0.8")


def test_past_record_of_another_version_is_of_the_same_image(tmp_path: Path) -> None:
    for number, (file, name) in enumerate((("build-a.json", "a"), ("build-b.json", "b"), ("build-b.cdx.json", "a"))):
        (tmp_path / "0.1.0").mkdir(exist_ok=True)
        path = tmp_path / "0.1.0" / file
        path.write_text(json.dumps({"schema": 1, "image": {"name": name, "arch": "amd64"}}), encoding="utf-8")
        os.utime(path, (1000 + number, 1000 + number))
    found = last_record(tmp_path / "0.2.0", "build-a.json", {"name": "a", "arch": "amd64", "version": "0.2.0"})
    assert found is not None
    assert found["image"]["name"] == "a"
    assert last_record(tmp_path / "0.2.0", "build.json", {"name": "a", "arch": "arm64/aarch64"}) is None
    own = last_record(tmp_path / "0.1.0", "build-b.json", {"name": "x"})
    assert own is not None
    assert own["image"]["name"] == "b"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 2}', "\xff"])
def test_what_is_no_record(tmp_path: Path, text: str) -> None:
    (tmp_path / "build.json").write_bytes(text.encode("latin-1"))
    assert read_record(tmp_path / "build.json") is None


def test_expected_seconds() -> None:
    assert expected_seconds(None) == {}
    assert expected_seconds({"stages": [{"name": "jail", "work_seconds": None}, "x"]}) == {}
    assert expected_seconds(EXAMPLE)["dists"] == 48.2


@pytest.mark.parametrize(
    ("text", "seconds"), [("00:05\n", 5), ("01:02:03", 3723), ("2-00:00:01", 172801), ("", None), ("ELAPSED", None)]
)
def test_elapsed(text: str, seconds: float | None) -> None:
    assert parse_elapsed(text) == seconds


def test_age_of_a_process() -> None:
    fields = " ".join(["S", *["0"] * 18, "12000"])
    assert parse_stat(f"7 (a) b (c)) {fields} 0", "150.50 9.9", 100) == 30.5
    assert parse_stat("7 (x) S", "1 1", 100) is None
    assert 0 <= process_age(os.getpid()) < 86400
    assert process_age(2**22 + 1) == 0.0


@pytest.mark.parametrize(
    ("value", "expected"), [(0.61, "0.6 s"), (59.9, "59.9 s"), (242, "4 min 02 s"), (3780, "1 h 03 min")]
)
def test_seconds_for_people(value: float, expected: str) -> None:
    assert _record_text.human_seconds(value) == expected


def test_summary() -> None:
    lines = _record_text.summary(EXAMPLE, "artifacts/0.1.0")
    assert lines[0] == "freehyve-0.1.0-amd64: done on builder in 35 min 06 s"
    assert "dists up to date" in lines[1]
    assert "packages 28 min" in lines[1]
    assert "ports: 46 built, 1 fetched, 2 failed, 1 skipped, 1 ignored" in lines
    assert "port net/iperf3: failed in stage (stage/missing)" in lines
    assert any(line.startswith("artifacts/0.1.0/freehyve-0.1.0-amd64.raw.zst: 1.6 GiB, sha256 ") for line in lines)


def test_summary_of_a_failure() -> None:
    record = {
        **EXAMPLE,
        "state": "failed",
        "failure": {"stage": "packages", "message": "bulk: no"},
        "artifacts": [],
        "stages": [
            {"name": "packages", "state": "failed", "seconds": 12.0},
            {"name": "image", "state": "pending", "seconds": None},
            {"name": "fetch", "state": "skipped", "seconds": None},
            {"name": "dists", "state": "ran", "seconds": None},
        ],
    }
    lines = _record_text.summary(record, "x")
    assert "failed in packages: bulk: no" in lines
    assert "stages: packages FAILED after 12.0 s, image not reached, fetch not asked for, dists" in lines
