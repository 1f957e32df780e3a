# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The table that a check run of build.yml ends in, with the default callback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import Builder
from tests.integration.build_site import Site, open_site

STAGES = {"dists", "jail", "ports", "packages", "image", "update", "fetch"}
# Seconds that an earlier version took, as its record tells.
IS = {"id": "freehyve-0.9.0-amd64", "name": "freehyve", "version": "0.9.0", "release": "15.1-RELEASE", "arch": "amd64"}
TOOK = {"dists": 12.3, "packages": 1752.0, "image": 131.4}


@pytest.fixture(scope="module")
def site(builder: Builder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_site(builder, tmp_path_factory.mktemp("plan")) as found:
        earlier = found.directory / "artifacts" / "0.9.0"
        earlier.mkdir(parents=True)
        stages = [{"name": name, "work_seconds": seconds} for name, seconds in TOOK.items()]
        (earlier / "build.json").write_text(json.dumps({"schema": 1, "image": IS, "stages": stages}), encoding="utf-8")
        yield found


def table(output: str) -> tuple[str, dict[str, str], str]:
    """First line of the plan, the line of each stage, the sum."""
    lines = output.splitlines()
    [begin] = [number for number, line in enumerate(lines) if line.split()[:4] == ["stage", "plan", "expected", "why"]]
    rows, last = {}, ""
    for line in lines[begin + 1 :]:
        if not line.startswith("  "):
            break
        last = line.strip()
        if line.split()[0] in STAGES:
            rows[line.split()[0]] = last
    return lines[begin - 1], rows, last


def test_the_plan_of_everything(site: Site) -> None:
    head, rows, last = table(site.build("--check", "--diff").output)
    assert head.endswith(": plan")
    assert set(rows) == STAGES
    for name in rows:
        assert rows[name].startswith(name)
        assert "  will run  " in rows[name], rows
        assert len(rows[name].split("  will run  ")[1].split()) > 2, rows[name]
    assert " 0:12 " in rows["dists"]
    assert " 29:12 " in rows["packages"]
    assert " ? " in rows["jail"]
    assert last == "7 of 7 stages will run, expected at least 31:35"


def test_the_plan_of_some_stages(site: Site) -> None:
    _head, rows, last = table(site.build("--check", "--diff", "--tags", "dists").output)
    assert "  will run  " in rows["dists"]
    assert all(rows[name].endswith("not asked for by the tags") for name in rows if name != "dists")
    assert last == "1 of 7 stages will run, expected 0:12"
    assert not site.exists()
    assert [path.name for path in Path(site.directory, "artifacts").iterdir()] == ["0.9.0"]


def test_the_plan_without_a_stage(site: Site) -> None:
    _head, rows, last = table(site.build("--check", "--skip-tags", "fetch").output)
    assert rows["fetch"].endswith("not asked for by the tags")
    assert last == "6 of 7 stages will run, expected at least 31:35"


@pytest.mark.parametrize("limit", ["keep=x", "keep_jobs=0", "age=soon"])
def test_a_wrong_limit_stops_cleaning_before_anything_is_removed(site: Site, limit: str) -> None:
    run = site.build("-e", limit, playbook="clean.yml", check=False)
    assert run.rc == 2
    name, _equals, value = limit.partition("=")
    assert f"{name} '{value}': not a" in run.output
    assert "Remove what dead builds left" not in run.output
