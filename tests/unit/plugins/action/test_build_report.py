# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The report as a file: written once, beside its record, compared with the version before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.freehyve.builder.plugins.action.build_report import write_report
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.plugin_utils._report_files import previous_record
from tests.unit.build_records import Record, earlier, example

NONE = {"dest": None, "previous": None, "artifacts": None}


def place(artifacts: Path, record: Record, name: str = "build.json") -> Path:
    path: Path = artifacts / record["image"]["version"] / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record), encoding="utf-8")
    return path


def version(record: Record, number: str) -> Record:
    return {**record, "image": {**record["image"], "version": number}}


def test_four_runs(tmp_path: Path) -> None:
    options = {**NONE, "record": str(place(tmp_path, example()))}
    page = tmp_path / "0.1.0" / "report.html"
    check = write_report(options, True)
    assert check["actions"] == [{"action": "write report.html", "reason": "not made yet"}]
    assert not page.exists()
    assert write_report(options, False)["changed"] is True
    stamp = page.stat().st_mtime_ns
    for again in (write_report(options, False), write_report(options, True)):
        assert (again["changed"], again["actions"]) == (False, [])
    assert page.stat().st_mtime_ns == stamp
    assert sorted(path.name for path in page.parent.iterdir()) == ["build.json", "report.html"]
    assert page.stat().st_mode & 0o777 == 0o644


def test_a_record_that_changed_makes_another_page(tmp_path: Path) -> None:
    options = {**NONE, "record": str(place(tmp_path, example()))}
    write_report(options, False)
    place(tmp_path, {**example(), "warnings": ["something new"]})
    again = write_report(options, False)
    assert again["actions"] == [{"action": "write report.html", "reason": "the record changed"}]
    assert "something new" in Path(again["path"]).read_text(encoding="utf-8")


def test_the_version_before_is_found_beside(tmp_path: Path) -> None:
    for number in ("0.0.8", "0.0.9", "0.0.10-rc1", "0.2.0"):
        place(tmp_path, version(earlier(), number))
    (tmp_path / "0.0.11").mkdir()
    (tmp_path / "0.0.11" / "build.json").write_text("{", encoding="utf-8")
    place(tmp_path, {**version(earlier(), "0.0.12"), "schema": 7})
    other = version(earlier(), "0.0.13")
    other["image"]["arch"] = "arm64/aarch64"
    place(tmp_path, other)
    done = write_report({**NONE, "record": str(place(tmp_path, example()))}, False)
    assert done["previous"] == "0.0.10-rc1"
    assert done["changes"] == {"added": 2, "removed": 1, "upgraded": 2, "downgraded": 1}


def test_records_of_several_images_do_not_meet(tmp_path: Path) -> None:
    small = {**example(), "image": {**example()["image"], "name": "small"}}
    place(tmp_path, version(small, "0.0.9"), "build-small.json")
    place(tmp_path, version(earlier(), "0.0.8"), "build-freehyve.json")
    (tmp_path / "0.0.9" / "small.cdx.json").write_text("{}", encoding="utf-8")
    for record, name, before in ((small, "small", "0.0.9"), (example(), "freehyve", "0.0.8")):
        done = write_report({**NONE, "record": str(place(tmp_path, record, f"build-{name}.json"))}, False)
        assert (Path(done["path"]).name, done["previous"]) == (f"report-{name}.html", before)


def test_the_first_version_has_none_before(tmp_path: Path) -> None:
    done = write_report({**NONE, "record": str(place(tmp_path, example()))}, False)
    assert (done["previous"], done["changes"]) == (None, None)
    assert previous_record(tmp_path / "nowhere", example()) is None


def test_another_version_may_be_named(tmp_path: Path) -> None:
    named = place(tmp_path / "released", version(earlier(), "0.0.1"))
    options = {"record": str(place(tmp_path, example())), "previous": str(named), "artifacts": None}
    done = write_report({**options, "dest": str(tmp_path / "since.html")}, False)
    assert (done["previous"], done["path"]) == ("0.0.1", str(tmp_path / "since.html"))


def test_without_a_record_there_is_a_plan_or_an_error(tmp_path: Path) -> None:
    options = {**NONE, "record": str(tmp_path / "build.json")}
    assert write_report(options, True)["actions"] == [
        {"action": "write report.html", "reason": "there is no record yet"}
    ]
    with pytest.raises(ToolError, match=r"record '.*build.json': is not there; run the build first"):
        write_report(options, False)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is not JSON"),
        ("\xff", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is not a build record"),
        ('{"schema": 2}', "has format 2, this report reads 1"),
        ("{}", "has format unknown, this report reads 1"),
    ],
)
def test_what_is_no_record_is_refused_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "build.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ToolError, match=says) as caught:
        write_report({**NONE, "record": str(path)}, False)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "report.html").exists()


def test_a_page_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    options = {**NONE, "record": str(place(tmp_path, example())), "dest": str(tmp_path / "none" / "report.html")}
    with pytest.raises(ToolError, match=r"report '.*report.html': cannot be written \(No such file or directory\)"):
        write_report(options, False)
    (tmp_path / "directory").mkdir()
    with pytest.raises(ToolError, match="cannot be written"):
        write_report({**options, "dest": str(tmp_path / "directory")}, False)
