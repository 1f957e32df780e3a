# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The record of builds: a first one, one without work, a failed one, the first one again on a builder made empty."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from ansible_collections.freehyve.builder.plugins.plugin_utils._record import comparable
from tests.builders import ROOT, Builder
from tests.integration.build_site import FIRST, IMAGE, VERSION, Run, Site, open_site

SCHEMA = json.loads((ROOT / "docs" / "build.schema.json").read_text(encoding="utf-8"))
# A port of the builder's tree that cannot be built.
BROKEN = os.environ.get("FREEHYVE_TEST_BROKEN_PORT", "sysutils/broken")
STAGES = ["dists", "jail", "ports", "packages", "image", "update", "fetch"]


@pytest.fixture(scope="module")
def site(builder: Builder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_site(builder, tmp_path_factory.mktemp("record")) as found:
        yield found


@pytest.fixture(scope="module")
def first(site: Site) -> tuple[Run, dict[str, Any]]:
    run = site.build()
    return run, record(site)


def record(site: Site) -> dict[str, Any]:
    """The record as it is now, valid."""
    value: dict[str, Any] = json.loads((site.artifacts / "build.json").read_text(encoding="utf-8"))
    jsonschema.validate(value, SCHEMA)
    return value


def states(value: dict[str, Any]) -> list[str]:
    return [stage["state"] for stage in value["stages"]]


def test_first_build_tells_everything(site: Site, first: tuple[Run, dict[str, Any]]) -> None:
    run, told = first
    assert (told["state"], states(told)) == ("done", ["ran"] * 7)
    assert [stage["name"] for stage in told["stages"]] == STAGES
    assert all(stage["seconds"] > 0 and stage["reasons"] for stage in told["stages"])
    assert sum(stage["seconds"] for stage in told["stages"]) <= told["run"]["seconds"]
    rows = {package["origin"]: package for package in told["packages"]}
    assert rows[FIRST]["requested"] is True
    assert rows[FIRST]["source"] == "built"
    assert rows[FIRST]["size"] > 0
    assert len(rows[FIRST]["sha256"]) == 64
    assert [part["label"] for part in told["geometry"]["partitions"]] == ["gptboot0", "efiboot0", "swap0", "zfs0"]
    assert told["geometry"]["pool"]["boot_environment"] == f"ROOT/{VERSION}"
    assert "etc/rc.conf" in told["inputs"]["overlay"]["files"]
    assert f"{IMAGE}: done on " in run.output


def test_digests_are_those_of_the_files(site: Site, first: tuple[Run, dict[str, Any]]) -> None:
    _run, told = first
    rows = [*told["artifacts"], told["sbom"]]
    assert len(rows) == 4
    for row in rows:
        assert hashlib.sha256((site.artifacts / row["file"]).read_bytes()).hexdigest() == row["sha256"]
    assert all(row["fetched"] for row in told["artifacts"])


def test_bill_of_materials_is_valid(site: Site, first: tuple[Run, dict[str, Any]]) -> None:
    text = (site.artifacts / f"{IMAGE}.cdx.json").read_text(encoding="utf-8")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    names = {component["name"] for component in json.loads(text)["components"]}
    assert names == {"FreeBSD"} | {package["name"] for package in first[1]["packages"]}


def test_nothing_of_the_controller_is_told(site: Site, first: tuple[Run, dict[str, Any]]) -> None:
    for file in ("build.json", f"{IMAGE}.cdx.json"):
        text = (site.artifacts / file).read_text(encoding="utf-8")
        assert str(site.directory) not in text
        assert str(ROOT) not in text


def test_run_without_work(site: Site, first: tuple[Run, dict[str, Any]]) -> None:
    bill = (site.artifacts / f"{IMAGE}.cdx.json").read_bytes()
    run = site.build()
    told = record(site)
    assert run.changed == []
    assert states(told) == ["current"] * 7
    assert (site.artifacts / f"{IMAGE}.cdx.json").read_bytes() == bill
    assert comparable(told) == comparable(first[1])
    work = {stage["name"]: stage["work_seconds"] for stage in first[1]["stages"]}
    assert {stage["name"]: stage["work_seconds"] for stage in told["stages"]} == work


def test_report_tells_of_the_run(site: Site, first: tuple[Run, dict[str, Any]]) -> None:
    page = (site.artifacts / "report.html").read_text(encoding="utf-8")
    assert f"<title>freehyve {VERSION}: build report</title>" in page
    assert all(row["sha256"] in page for row in [*first[1]["artifacts"], first[1]["sbom"]])


def test_check_run_writes_nothing_and_shows_the_plan(site: Site, first: tuple[Run, dict[str, Any]]) -> None:
    before = (site.artifacts / "build.json").read_bytes()
    (site.overlay / "etc" / "motd.template").write_text("Planned.\n", encoding="utf-8")
    try:
        run = site.build("--check", "--diff")
    finally:
        (site.overlay / "etc" / "motd.template").unlink()
    assert (site.artifacts / "build.json").read_bytes() == before
    rows = [line.split()[:3] for line in run.output.splitlines() if line.startswith("  ")]
    assert ["dists", "up", "to"] in rows
    assert ["image", "will", "run"] in rows


def test_failed_port_leaves_a_record(site: Site, first: tuple[Run, dict[str, Any]]) -> None:
    site.write_list(FIRST, BROKEN)
    try:
        run = site.build(check=False)
    finally:
        site.write_list(FIRST)
    told = record(site)
    assert run.rc != 0
    assert (told["state"], told["failure"]["stage"]) == ("failed", "packages")
    assert states(told) == ["current"] * 3 + ["failed"] + ["pending"] * 3
    (port,) = told["ports"]["failed"]
    assert (port["origin"], port["allowed"]) == (BROKEN, False)
    assert port["log"]
    assert not any(ord(char) < 32 for line in port["log"] for char in line)
    assert BROKEN in told["failure"]["message"]
    assert f"port {BROKEN}: failed in {port['phase']}" in run.output


def test_same_inputs_on_a_fresh_builder_give_the_same_record(
    builder: Builder, first: tuple[Run, dict[str, Any]], site: Site, tmp_path: Path
) -> None:
    builder.run(["zfs", "destroy", "-r", "-f", site.workspace])
    builder.run(["rmdir", f"/{site.workspace}"], check=False)
    with open_site(builder, tmp_path) as again:
        again.build()
        told = record(again)
    assert states(told) == ["ran"] * 7
    assert comparable(told) == comparable(first[1])
