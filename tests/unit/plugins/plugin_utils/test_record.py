# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Records out of receipts and results, held against the published schema."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ansible_collections.freehyve.builder.plugins.plugin_utils._record import (
    Given,
    Names,
    comparable,
    content_of,
    excuses,
    record_of,
)

ROOT = Path(__file__).parents[4]
SCHEMA = json.loads((ROOT / "docs/build.schema.json").read_text(encoding="utf-8"))
NAMES = Names("freehyve", "0.1.0", "15.1-RELEASE", "amd64", "fh151RELEASEamd64-freehyve")
IMAGE = "freehyve-0.1.0-amd64"
A, B, C = "a" * 64, "b" * 64, "c" * 64


def receipt(key: str, inputs: dict[str, Any], results: dict[str, Any]) -> dict[str, Any]:
    return {"stage": "x", "id": "x", "key": key, "inputs": inputs, "results": results, "made": 1795392000}


def stages() -> dict[str, Any]:
    """Receipts as the modules write them."""
    directory = f"/zroot/freehyve/images/{IMAGE}"
    return {
        "dists-15.1-RELEASE-amd64": receipt(
            A,
            {},
            {
                "url": "https://me:secret@mirror.example/15.1-RELEASE",
                "sets": {"base": {"path": "/x/base.txz", "sha256": B, "size": 5, "trust": "pinned", "inode": 7}},
            },
        ),
        "packages-fh151RELEASEamd64-freehyve": receipt(
            B,
            {
                "origins": ["sysutils/b", "sysutils/a"],
                "configuration": {"poudriere.conf": C},
                "ports": {"commit": "1" * 40},
            },
            {
                "built": [
                    {"origin": "sysutils/a", "pkgname": "a-1.0", "elapsed": 20, "ended": 1030},
                    {"origin": "sysutils/b", "pkgname": "b-2.0", "elapsed": 5, "ended": 1025},
                ],
                "failed": [],
                "skipped": [],
                "ignored": [],
                "fetched": [{"origin": "sysutils/c", "pkgname": "c-3.0"}],
                "seconds": {"a-1.0": 20, "b-2.0": 5, "d-4.0": 44},
            },
        ),
        f"layer-packages-{IMAGE}": receipt(
            C,
            {"install": ["a"]},
            {
                "packages": [
                    {"name": "c", "version": "3.0", "origin": "sysutils/c"},
                    {
                        "name": "a",
                        "version": "1.0",
                        "origin": "sysutils/a",
                        "flavor": "x",
                        "size": 10,
                        "installed_size": 30,
                        "sha256": A,
                        "licences": ["MIT", "GPLv2"],
                        "licence_logic": "or",
                        "deps": ["c"],
                    },
                    {"name": "d", "version": "4.0", "origin": "sysutils/d"},
                    {"name": "e", "version": "5.0", "origin": "sysutils/e"},
                ]
            },
        ),
        f"layer-system-{IMAGE}": receipt(
            C,
            {"overlay": {"etc/rc.conf": B}, "overlay as a whole": A, "timezone": "UTC", "files": {"etc/fstab": C}},
            {},
        ),
        f"image-{IMAGE}": receipt(
            A,
            {
                "pool content": C,
                "pool size": 7340032,
                "pool name": "freehyve",
                "pool boot environment": "0.1.0",
                "pool compatibility": "openzfs-2.2-freebsd",
                "pool datasets": {"persist/root": {"mountpoint": "/root", "exec": "off"}},
                "arch": "amd64",
                "disk size": "8m",
                "formats": ["raw"],
            },
            {
                "files": {
                    f"{directory}/{IMAGE}.raw.zst": {"size": 3, "sha256": B, "source_size": 8388608, "source_sha256": C}
                },
                "scheme": "gpt",
                "partitions": [
                    {"type": "freebsd-zfs", "label": "zfs0", "start": 1048576, "size": 7340032},
                    {"type": "freebsd-boot", "label": "gptboot0", "start": 20480, "size": 1024},
                ],
            },
        ),
        f"stream-{IMAGE}": receipt(
            B,
            {},
            {
                "path": f"{directory}/{IMAGE}.zfs.zst",
                "size": 9,
                "sha256": A,
                "from_guid": None,
                "toname": f"zroot/freehyve/release/{IMAGE}@0.1.0",
            },
        ),
    }


def facts() -> dict[str, Any]:
    return {
        "system": "FreeBSD",
        "release": "15.1-RELEASE",
        "osreldate": 1501000,
        "arch": "amd64",
        "cpus": 4,
        "memory": 1 << 34,
        "hostname": "secret-host.example",
        "poudriere_version": "3.4.8",
        "python": "3.11.12",
        "zfs_version": "2.4.0",
        "stages": stages(),
    }


def unchanged(**more: Any) -> dict[str, Any]:
    return {"changed": False, "actions": [], "seconds": 0.5, **more}


def results() -> dict[str, list[Any]]:
    here = [{"src": "/x", "dest": f"/home/me/artifacts/0.1.0/{IMAGE}.raw.zst", "sha256": B}]
    return {
        "dists": [unchanged(key=A)],
        "jail": [unchanged(key=B)],
        "ports": [unchanged(key=C, commit="1" * 40, inputs={"patches": {"p.patch": A}})],
        "packages": [unchanged(key=B)],
        "image": [{}, unchanged(), {"skipped": True}],
        "update": [unchanged()],
        "fetch": [unchanged(files=here)],
    }


def given(**more: Any) -> Given:
    base = Given(
        names=NAMES,
        builder="factory",
        facts=facts(),
        results=results(),
        started=1000.0,
        finished=1007.5,
        ports={"method": "git", "source": "https://git.FreeBSD.org/ports.git", "version": "2026Q4"},
    )
    return replace(base, **more)


def valid(record: dict[str, Any]) -> dict[str, Any]:
    jsonschema.validate(record, SCHEMA)
    return record


def row(record: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(stage for stage in record["stages"] if stage["name"] == name)
    return found


def test_record_of_a_run_without_work() -> None:
    record = valid(record_of(given()))
    assert record["state"] == "done"
    assert {stage["state"] for stage in record["stages"]} == {"current"}
    assert row(record, "dists")["key"] == A
    assert row(record, "jail")["key"] == B
    assert record["run"] == {"started": 1000, "finished": 1007, "seconds": 7.5}
    assert "secret-host" not in json.dumps(record)


def test_packages_have_what_catalogue_and_poudriere_say() -> None:
    record = valid(record_of(given()))
    rows = {package["name"]: package for package in record["packages"]}
    assert list(rows) == ["a", "c", "d", "e"]
    assert (rows["a"]["size"], rows["a"]["installed_size"], rows["a"]["sha256"]) == (10, 30, A)
    assert (rows["a"]["requested"], rows["a"]["source"], rows["a"]["build_seconds"]) == (True, "built", 20)
    assert (rows["a"]["flavor"], rows["a"]["licences"], rows["a"]["licence_logic"]) == ("x", ["MIT", "GPLv2"], "or")
    assert (rows["c"]["requested"], rows["c"]["source"], rows["c"]["build_seconds"]) == (False, "fetched", None)
    assert (rows["d"]["source"], rows["d"]["build_seconds"]) == ("earlier", 44)
    assert (rows["e"]["source"], rows["e"]["build_seconds"], rows["e"]["size"]) == ("earlier", None, None)


def test_build_times_of_an_earlier_record_are_not_lost() -> None:
    before = {"packages": [{"name": "e", "version": "5.0", "build_seconds": 99}], "ports": None, "stages": []}
    record = valid(record_of(given(previous=before)))
    assert record["packages"][3]["build_seconds"] == 99


def test_ports_are_on_one_time_line() -> None:
    ports = valid(record_of(given()))["ports"]
    assert [(port["pkgname"], port["start"], port["seconds"]) for port in ports["built"]] == [
        ("a-1.0", 0, 20),
        ("b-2.0", 10, 5),
    ]
    assert ports["this_run"] is False
    assert ports["counts"] == {"built": 2, "failed": 0, "skipped": 0, "ignored": 0, "fetched": 1}


def test_geometry_is_in_the_order_of_the_disk() -> None:
    geometry = valid(record_of(given()))["geometry"]
    assert geometry["size"] == 8 << 20
    assert [part["label"] for part in geometry["partitions"]] == ["gptboot0", "zfs0"]
    assert geometry["pool"] == {
        "name": "freehyve",
        "size": 7340032,
        "compatibility": "openzfs-2.2-freebsd",
        "boot_environment": "ROOT/0.1.0",
        "datasets": [{"name": "persist/root", "mountpoint": "/root", "properties": {"exec": "off"}}],
    }


def test_artifacts_and_stream() -> None:
    record = valid(record_of(given()))
    image, stream = record["artifacts"]
    assert (image["file"], image["format"], image["compression"], image["fetched"]) == (
        f"{IMAGE}.raw.zst",
        "raw",
        "zstd",
        True,
    )
    assert (stream["kind"], stream["format"], stream["fetched"]) == ("stream", "zfs", False)
    assert record["stream"] == {
        "file": f"{IMAGE}.zfs.zst",
        "boot_environment": "0.1.0",
        "incremental": False,
        "size": 9,
        "sha256": A,
    }


def test_inputs() -> None:
    inputs = valid(record_of(given()))["inputs"]
    assert inputs["ports"]["patches"] == {"p.patch": A}
    assert inputs["packages"]["listed"] == ["sysutils/a", "sysutils/b"]
    assert inputs["overlay"] == {"digest": A, "files": {"etc/rc.conf": B}}
    assert inputs["settings"] == {
        "disk size": "8m",
        "formats": ["raw"],
        "pool size": 7340032,
        "pool compatibility": "openzfs-2.2-freebsd",
        "timezone": "UTC",
        "file etc/fstab": C,
    }
    assert inputs["dists"]["url"] == "https://mirror.example/15.1-RELEASE"


FAILED_BULK = {
    "failed": True,
    "changed": True,
    "msg": "bulk 'x': 1 port failed: sysutils/broken in stage",
    "actions": [{"action": "build 2 listed ports", "reason": "origins: sysutils/broken added"}],
    "seconds": 61.0,
    "key": C,
    "bulk": {
        "built": [{"origin": "sysutils/a", "pkgname": "a-1.1", "elapsed": 9, "ended": 109}],
        "failed": [
            {
                "origin": "sysutils/broken",
                "pkgname": "broken-0.1",
                "phase": "stage",
                "errortype": "",
                "elapsed": 2,
                "ended": 111,
                "log": "/x/broken-0.1.log",
                "tail": ["\x1b[31mcc: error\x1b[0m\x07", "see https://me:pw@host/x", "x" * 1000],
            }
        ],
        "skipped": [{"origin": "sysutils/needs", "pkgname": "needs-1", "blocking": "broken-0.1"}],
        "ignored": [],
        "fetched": [],
    },
}


def failing() -> dict[str, list[Any]]:
    return {**results(), "packages": [FAILED_BULK], "image": [], "update": [], "fetch": []}


def test_record_of_a_failed_port_build() -> None:
    record = valid(record_of(given(results=failing())))
    assert record["state"] == "failed"
    assert record["failure"] == {"stage": "packages", "message": FAILED_BULK["msg"]}
    assert [stage["state"] for stage in record["stages"]] == ["current"] * 3 + ["failed"] + ["pending"] * 3
    assert row(record, "packages")["reasons"] == ["origins: sysutils/broken added"]
    assert record["ports"]["this_run"] is True
    (port,) = record["ports"]["failed"]
    assert (port["phase"], port["error"], port["allowed"], port["seconds"]) == ("stage", "unknown", False, 2)
    assert port["log"][:2] == ["cc: error", "see https://host/x"]
    assert len(port["log"][2]) < 500
    assert record["ports"]["skipped"] == [
        {"origin": "sysutils/needs", "pkgname": "needs-1", "needs": "broken-0.1", "allowed": False}
    ]


def test_failed_run_does_not_tell_of_an_image_that_it_did_not_make() -> None:
    record = valid(record_of(given(results=failing())))
    assert (record["packages"], record["geometry"], record["artifacts"], record["stream"]) == ([], None, [], None)


def test_run_that_stopped_somewhere_says_where() -> None:
    stopped = {**results(), "image": [], "update": [], "fetch": []}
    record = valid(record_of(given(results=stopped)))
    assert (record["state"], record["failure"]["stage"]) == ("failed", "image")


def test_allowed_failures_are_warnings() -> None:
    bulk = {**FAILED_BULK, "failed": False}
    record = valid(record_of(given(results={**results(), "packages": [bulk]}, allow_failures=["sysutils/broken"])))
    assert record["state"] == "done"
    assert record["ports"]["failed"][0]["allowed"] is True
    assert record["ports"]["skipped"][0]["allowed"] is True
    assert any("sysutils/broken" in text for text in record["warnings"])
    assert any("sysutils/needs" in text for text in record["warnings"])


def test_warnings_of_modules_and_of_trust() -> None:
    told = {**results(), "dists": [unchanged(warnings=["the mirror is slow", {"msg": "and far"}])]}
    record = given(results=told)
    record.facts["stages"]["dists-15.1-RELEASE-amd64"]["results"]["sets"]["base"]["trust"] = "mirror"
    assert valid(record_of(record))["warnings"] == [
        "dist set 'base': only the mirror vouches for its digest; pin it to be sure",
        "the mirror is slow",
        "and far",
    ]


def test_single_tag() -> None:
    only = {"fetch": results()["fetch"]}
    before = record_of(given())
    record = valid(record_of(given(results=only, run_tags=["fetch"], previous=before)))
    assert [stage["state"] for stage in record["stages"]] == ["skipped"] * 6 + ["current"]
    assert record["state"] == "done"
    assert row(record, "jail")["key"] == B
    assert record["inputs"]["ports"]["patches"] == {"p.patch": A}
    assert comparable(record) == comparable(before)


def test_nothing_was_ever_made() -> None:
    only = {"dists": [unchanged()]}
    record = valid(record_of(given(results=only, run_tags=["dists"], facts={})))
    assert (record["state"], record["packages"], record["ports"]) == ("partial", [], None)
    assert record["inputs"]["dists"]["sets"] == []


def test_expected_times_survive_runs_without_work() -> None:
    worked = {
        **results(),
        "dists": [unchanged(actions=[{"action": "download base", "reason": "not there"}], seconds=48.2)],
    }
    first = record_of(given(results=worked))
    assert row(first, "dists")["state"] == "ran"
    second = valid(record_of(given(previous=first)))
    assert (row(second, "dists")["seconds"], row(second, "dists")["work_seconds"]) == (0.5, 48.2)


def test_same_inputs_same_record_but_for_what_may_differ() -> None:
    first = record_of(given())
    later = given(started=5000.0, finished=5100.0, results={**results(), "packages": [{**unchanged(), "seconds": 9}]})
    later.facts["stages"][f"image-{IMAGE}"]["results"]["files"] = {
        f"/zroot/freehyve/images/{IMAGE}/{IMAGE}.raw.zst": {"size": 4, "sha256": C}
    }
    assert comparable(record_of(later)) == comparable(first)
    other = copy.deepcopy(later)
    other.facts["stages"][f"layer-system-{IMAGE}"]["inputs"]["overlay"]["etc/rc.conf"] = C
    assert comparable(record_of(other)) != comparable(first)


def test_content_has_one_digest_wherever_it_is_made() -> None:
    first = record_of(given())
    assert first["content"] == content_of(first)
    elsewhere = copy.deepcopy(first)
    elsewhere["builder"]["name"], elsewhere["inputs"]["dists"]["url"] = "other", "https://elsewhere.example"
    elsewhere["inputs"]["packages"]["configuration"]["poudriere.d/poudriere.conf"] = A
    elsewhere["packages"].reverse()
    elsewhere["artifacts"][0]["sha256"] = C
    assert content_of(elsewhere) == first["content"]


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record["inputs"]["dists"]["sets"][0].update(sha256=C),
        lambda record: record["inputs"]["packages"]["configuration"].update({"poudriere.d/make.conf": C}),
        lambda record: record["inputs"]["ports"].update(commit="2" * 40),
        lambda record: record["inputs"]["overlay"].update(digest=C),
        lambda record: record["inputs"]["settings"].update(timezone="Europe/Berlin"),
        lambda record: record["packages"][0].update(version="9"),
    ],
)
def test_other_content_has_another_digest(change: Callable[[dict[str, Any]], None]) -> None:
    record = record_of(given())
    change(record)
    assert content_of(record) != record["content"]


def test_what_has_no_image_has_no_content() -> None:
    record = record_of(given())
    record["artifacts"] = []
    assert content_of(record) is None


def test_comparing_leaves_the_record_alone() -> None:
    record = record_of(given())
    comparable(record)
    valid(record)


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [([], []), (["c/a"], ["a-1", "b-1", "d-1"]), (["c/b"], ["b-1", "d-1"]), (["c/i"], ["i-1"])],
)
def test_what_needs_an_allowed_failure_may_be_missing_too(allowed: list[str], expected: list[str]) -> None:
    lists = {
        "failed": [{"origin": "c/a@py", "pkgname": "a-1"}],
        "ignored": [{"origin": "c/i", "pkgname": "i-1"}],
        "skipped": [
            {"origin": "c/d", "pkgname": "d-1", "blocking": "b-1"},
            {"origin": "c/b", "pkgname": "b-1", "blocking": "a-1"},
        ],
    }
    may = excuses(lists, allowed)
    rows = [*lists["failed"], *lists["ignored"], *lists["skipped"]]
    assert sorted(str(one["pkgname"]) for one in rows if may(one)) == expected


def test_odd_receipts_are_no_traceback() -> None:
    odd: list[Any] = [None, [], "x", 7, {"results": None}, {"results": {"sets": [], "files": 3, "packages": "x"}}]
    for value in odd:
        valid(record_of(given(facts={**facts(), "stages": dict.fromkeys(stages(), value)})))
    valid(record_of(given(facts={"stages": None}, results={"dists": [None, "x"]})))
