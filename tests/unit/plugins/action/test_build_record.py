# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What the action plugin brings to a record, and how it writes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ansible_collections.freehyve.builder.plugins.action.build_record import (
    builder_of,
    collection_version,
    facts_of,
    json_of,
    needs_of,
    places,
    put,
    worked,
)


def test_version_of_a_checkout(tmp_path: Path) -> None:
    assert collection_version() != "unknown"
    assert collection_version(tmp_path) == "unknown"
    (tmp_path / "galaxy.yml").write_text("---\nname: x\nversion: '1.2.3'\n", encoding="utf-8")
    assert collection_version(tmp_path) == "1.2.3"


def test_version_of_an_installed_collection(tmp_path: Path) -> None:
    (tmp_path / "MANIFEST.json").write_text(json.dumps({"collection_info": {"version": "2.0.0"}}), encoding="utf-8")
    assert collection_version(tmp_path) == "2.0.0"


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"changed": False, "actions": []}, False),
        ({}, False),
        ({"changed": True}, True),
        ({"failed": True}, True),
    ],
)
def test_builder_is_asked_only_after_work(result: dict[str, object], expected: bool) -> None:
    assert worked({"dists": [{"changed": False}], "image": [result]}) is expected


def test_needs_of_packages() -> None:
    layer = {"results": {"packages": [{"name": "a", "deps": ["b"]}, {"name": "b"}, "odd"]}}
    assert needs_of(layer) == {"a": ["b"], "b": []}
    assert needs_of({}) == {}


def test_files_are_written_whole_and_only_when_they_differ(tmp_path: Path) -> None:
    path = tmp_path / "build.json"
    assert put(path, json_of({"b": 1, "a": "é"})) is True
    assert path.read_text(encoding="utf-8") == '{\n "a": "é",\n "b": 1\n}\n'
    before = path.stat().st_mtime_ns
    assert put(path, json_of({"a": "é", "b": 1})) is False
    assert path.stat().st_mtime_ns == before
    assert path.stat().st_mode & 0o777 == 0o644
    assert os.listdir(tmp_path) == ["build.json"]


def test_host_that_stands_for_an_image_names_its_builder() -> None:
    assert builder_of({"inventory_hostname": "factory"}) == "factory"
    assert builder_of({"inventory_hostname": "factory/x", "freehyve_image_builder": "factory"}) == "factory"


def test_facts_are_found_where_ansible_keeps_them() -> None:
    assert facts_of({"ansible_facts": {"freehyve_builder": {"cpus": 1}}}) == {"cpus": 1}
    assert facts_of({"ansible_facts": {}, "freehyve_builder": {"cpus": 2}}) == {"cpus": 2}
    assert facts_of({"failed": True}) == {}


def test_places_of_this_controller() -> None:
    hide = places(Path("/srv/site/artifacts/0.1.0")).hide
    assert hide("fetch /z/x to /srv/site/artifacts/0.1.0/x") == "fetch /z/x to artifacts/x"
    assert hide(f"{os.getcwd()}/overlay") == "./overlay"
