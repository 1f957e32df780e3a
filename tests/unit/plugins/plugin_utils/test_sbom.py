# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The bill of materials, held against the official schema and the reference parser of package URLs."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from ansible_collections.freehyve.builder.plugins.plugin_utils import _sbom
from ansible_collections.freehyve.builder.plugins.plugin_utils._sbom_licences import SPDX, licences_of

ROOT = Path(__file__).parents[4]
RECORD: dict[str, Any] = json.loads((ROOT / "tests/fixtures/build.json").read_text(encoding="utf-8"))
NEEDS = {"tmux": ["libevent", "ncurses"], "curl": ["libssh2", "nothing-here", "curl"]}


def problem(bill: dict[str, Any]) -> Any:
    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill))


def bill() -> dict[str, Any]:
    return _sbom.sbom_of(RECORD, NEEDS, made=1795392000, collection="0.1.0")


def test_bill_is_valid_by_the_official_schema() -> None:
    assert problem(bill()) is None


def test_validator_can_say_no() -> None:
    broken = bill()
    broken["components"][0]["type"] = "penguin"
    assert problem(broken) is not None


def test_empty_image_gives_a_valid_bill() -> None:
    record = copy.deepcopy(RECORD)
    record["packages"], record["inputs"]["dists"]["sets"] = [], []
    record["inputs"]["dists"]["url"] = None
    assert problem(_sbom.sbom_of(record, {})) is None


def test_package_without_anything_known_is_valid() -> None:
    record = copy.deepcopy(RECORD)
    record["packages"][0].update(size=None, installed_size=None, sha256=None, licences=[], licence_logic=None)
    assert problem(_sbom.sbom_of(record, {})) is None


def test_base_and_every_package_are_listed_with_digests() -> None:
    made = bill()
    assert [row["name"] for row in made["components"]] == ["FreeBSD", *(row["name"] for row in RECORD["packages"])]
    assert [row["name"] for row in made["components"][0]["components"]] == ["base.txz", "kernel.txz"]
    assert _sbom.count(made) == len(RECORD["packages"]) + 3
    for row, component in zip(RECORD["packages"], made["components"][1:], strict=True):
        assert component["hashes"] == [{"alg": "SHA-256", "content": row["sha256"]}]
        assert {"name": "freehyve:origin", "value": row["origin"]} in component["properties"]


def test_package_urls_are_read_by_the_reference_parser() -> None:
    for row, component in zip(RECORD["packages"], bill()["components"][1:], strict=True):
        found = PackageURL.from_string(component["purl"])
        assert (found.type, found.namespace, found.name, found.version) == (
            "generic",
            "freebsd",
            row["name"],
            row["version"],
        )
        assert found.qualifiers["origin"] == row["origin"]


@pytest.mark.parametrize(
    ("name", "version", "expected"),
    [
        ("vm-bhyve", "1.5.0", "pkg:generic/freebsd/vm-bhyve@1.5.0"),
        ("lsof", "4.99.4,8", "pkg:generic/freebsd/lsof@4.99.4%2C8"),
        ("gtk+", "1.0_2", "pkg:generic/freebsd/gtk%2B@1.0_2"),
    ],
)
def test_package_url_is_encoded(name: str, version: str, expected: str) -> None:
    assert _sbom.purl(name, version, {"flavor": None}) == expected
    assert PackageURL.from_string(expected).version == version


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("15.1-RELEASE", "cpe:2.3:o:freebsd:freebsd:15.1:-:*:*:*:*:*:*"),
        ("15.1-RC2", "cpe:2.3:o:freebsd:freebsd:15.1:rc2:*:*:*:*:*:*"),
    ],
)
def test_cpe(release: str, expected: str) -> None:
    assert _sbom.cpe(release) == expected


def test_dependencies_name_only_what_is_there() -> None:
    rows = {row["ref"]: row.get("dependsOn", []) for row in bill()["dependencies"]}
    assert rows["package:tmux"] == ["package:libevent", "package:ncurses"]
    assert rows["package:curl"] == ["package:libssh2"]
    assert {"freebsd", "package:tmux"} <= set(rows["image"])
    assert "package:libevent" not in rows["image"]


def test_same_image_same_bill_other_image_other_serial_number() -> None:
    other = copy.deepcopy(RECORD)
    other["packages"][0]["version"] = "9.9"
    assert bill() == bill()
    assert _sbom.sbom_of(other, NEEDS, 1795392000, "0.1.0")["serialNumber"] != bill()["serialNumber"]


@pytest.mark.parametrize(
    ("names", "logic", "expected"),
    [
        ([], None, []),
        (["MIT"], "single", [{"license": {"id": "MIT"}}]),
        (["GPLv2+", "MIT"], "or", [{"expression": "GPL-2.0-or-later OR MIT"}]),
        (["GPLv2+", "MIT"], "and", [{"expression": "GPL-2.0-or-later AND MIT"}]),
        (["VIM", "MIT"], "or", [{"license": {"name": "VIM"}}, {"license": {"id": "MIT"}}]),
    ],
)
def test_licences(names: list[str], logic: str | None, expected: list[dict[str, Any]]) -> None:
    assert licences_of(names, logic) == expected


def test_licence_identifiers_are_on_the_spdx_list() -> None:
    every = copy.deepcopy(RECORD)
    every["packages"][0].update(licences=sorted(SPDX), licence_logic=None)
    assert problem(_sbom.sbom_of(every, {})) is None
