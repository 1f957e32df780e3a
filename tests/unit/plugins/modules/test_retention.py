# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _lease
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.modules import retention
from tests.unit.builder import PlayedRunner, module

NOW = int(time.time())


class Host:
    """A workspace with three images, each of its own layers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.datasets: dict[str, dict[str, str]] = {"w": {}, "w/fh": {}, "w/fh/layers": {}, "w/fh/release": {}}
        for age, image in ((300, "i-1-amd64"), (200, "i-2-amd64"), (100, "i-3-amd64")):
            made = NOW - age * 86400
            self.add(f"w/fh/layers/base-{age}", "-", made, image)
            self.add(f"w/fh/layers/system-{age}", f"w/fh/layers/base-{age}@layer", made, image)
            self.add(f"w/fh/release/{image}", f"w/fh/layers/system-{age}@layer", made, image)
            (path / "images" / image).mkdir(parents=True)
            (path / "images" / image / "disk.raw.zst").write_bytes(b"x" * 4096)
            (path / "stages").mkdir(exist_ok=True)
            (path / "stages" / f"image-{image}.json").write_text(json.dumps({"made": made}), encoding="utf-8")

    def add(self, name: str, origin: str, made: int, image: str) -> None:
        self.datasets[name] = {
            "origin": origin,
            "used": "1000",
            "creation": str(made),
            "freehyve:key": "k",
            "freehyve:image": image,
        }

    def job(self, key: str, age: int, **more: object) -> Path:
        directory = self.path / "jobs" / key
        directory.mkdir(parents=True)
        value = {"argv": [], "since": NOW - age, "note": {}, **more}
        (directory / "job.json").write_text(json.dumps(value), encoding="utf-8")
        return directory

    def runner(self) -> PlayedRunner:
        def get(argv: tuple[str, ...]) -> str | tuple[int, str, str]:
            names = sorted(self.datasets) if "-r" in argv else [argv[-1]]
            missing = [name for name in names if name not in self.datasets]
            if missing:
                return 1, "", f"cannot open '{missing[0]}': dataset does not exist\n"
            wanted = argv[argv.index("-o") + 2].split(",")
            return "".join(
                f"{name}\t{prop}\t{self.datasets[name].get(prop, '-')}\tlocal\n" for name in names for prop in wanted
            )

        def destroy(argv: tuple[str, ...]) -> str | tuple[int, str, str]:
            name = argv[-1]
            clones = [n for n, p in self.datasets.items() if p.get("origin", "").split("@")[0] == name]
            if clones:
                return 1, "", f"cannot destroy '{name}': filesystem has dependent clones"
            del self.datasets[name]
            return ""

        answers: dict[str, Any] = {"zfs get": get, "zfs destroy": destroy, "ps ": (1, "", "")}
        return PlayedRunner(answers=answers)

    def run(self, check_mode: bool = False, **params: object) -> dict[str, Any]:
        asked = module(retention.ARGUMENTS, check_mode, workspace="w/fh", path=str(self.path), **params)
        return retention.body(asked, self.runner())

    def images(self) -> list[str]:
        return sorted(os.listdir(self.path / "images"))


def actions(result: dict[str, Any]) -> list[str]:
    return [step["action"] for step in result["actions"]]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_an_image_goes_with_its_release_its_receipts_and_its_layers(host: Host) -> None:
    planned = host.run(check_mode=True, keep=2)
    assert host.images() == ["i-1-amd64", "i-2-amd64", "i-3-amd64"]
    done = host.run(keep=2)
    assert (
        actions(done)
        == actions(planned)
        == ["drop image i-1-amd64", "drop layer w/fh/layers/system-300", "drop layer w/fh/layers/base-300"]
    )
    assert done["freed"] == planned["freed"] > 3000
    assert planned["lines"][-1].startswith("would free ")
    assert done["lines"][-1].startswith("freed ")
    assert done["actions"][0]["reason"].startswith("newer ones are kept, 300 days old; frees ")
    assert host.images() == ["i-2-amd64", "i-3-amd64"]
    assert not any("300" in name or "i-1" in name for name in host.datasets)
    assert not (host.path / "stages" / "image-i-1-amd64.json").exists()
    assert host.run(keep=2)["changed"] is False
    assert host.run(check_mode=True, keep=2)["changed"] is False


def test_by_age_the_newest_stays(host: Host) -> None:
    assert actions(host.run(age="1d"))[:2] == ["drop image i-1-amd64", "drop image i-2-amd64"]
    assert host.images() == ["i-3-amd64"]


def test_what_somebody_cloned_stays_with_all_below_it(host: Host) -> None:
    host.add("w/mine", "w/fh/release/i-1-amd64@1", NOW, "-")
    result = host.run(keep=1)
    assert "drop image i-2-amd64" in actions(result)
    assert result["kept"] == [{"name": "image i-1-amd64", "reason": "'w/mine' is a clone of it"}]
    assert {"w/fh/release/i-1-amd64", "w/fh/layers/system-300", "w/fh/layers/base-300"} <= set(host.datasets)
    assert "i-1-amd64" in host.images()


def test_what_a_lease_names_stays(host: Host) -> None:
    os.makedirs(host.path / "leases")
    identity = str(host.path / "images" / "i-1-amd64" / "pool.raw.part")
    path = Path(_lease.lease_path(str(host.path / "leases"), "md", identity))
    owner = {"pid": 7, "start": "", "boot": ""}
    value = {"kind": "md", "identity": identity, "owner": owner, "job": None, "made": 1}
    path.write_text(json.dumps(value), encoding="utf-8")
    result = host.run(keep=1)
    assert "a lease of process 7" in result["kept"][0]["reason"]
    assert "i-1-amd64" in host.images()


def test_datasets_that_we_did_not_make_are_left_alone(host: Host) -> None:
    host.datasets["w/fh/release/theirs"] = {"creation": "1"}
    host.datasets["w/fh/layers/theirs-1"] = {"creation": "1"}
    (host.path / "images" / "notes").mkdir()
    host.run(keep=1)
    assert {"w/fh/release/theirs", "w/fh/layers/theirs-1"} <= set(host.datasets)
    assert "notes" in host.images()


def test_a_destroy_that_fails_is_told_and_the_rest_goes(host: Host) -> None:
    runner = host.runner()
    runner.answers["zfs destroy -r w/fh/release/i-1-amd64"] = (1, "", "dataset is busy")
    asked = module(retention.ARGUMENTS, workspace="w/fh", path=str(host.path), keep=1)
    result = retention.body(asked, runner)
    assert "dataset is busy" in result["kept"][0]["reason"]
    assert "drop image i-2-amd64" in actions(result)


def test_jobs_go_but_not_those_whose_end_nobody_saw(host: Host) -> None:
    for number in range(4):
        directory = host.job(f"{number}" * 8, age=10 - number)
        (directory / "rc").write_text("0\n", encoding="ascii")
        if number != 1:
            (directory / "result.json").write_text("{}", encoding="ascii")
    result = host.run(keep=3, keep_jobs=1)
    assert actions(result) == ["drop job 00000000", "drop job 22222222"]
    assert result["kept"] == [{"name": "job 11111111", "reason": "nobody has looked at its end yet"}]


def test_a_workspace_that_is_not_there(host: Host) -> None:
    host.datasets = {"w": {}}
    with pytest.raises(ToolError, match="nothing was ever built here"):
        host.run(keep=1)


def test_nothing_may_be_kept(host: Host) -> None:
    with pytest.raises(ToolError, match="must be 1 or more"):
        host.run(keep=0)


@pytest.mark.parametrize(
    ("image", "family"),
    [("freehyve-0.1.0-amd64", "freehyve-amd64"), ("a-b-2-arm64-aarch64", "a-b-arm64-aarch64"), ("x", "x")],
)
def test_a_family_is_a_name_without_its_version(image: str, family: str) -> None:
    assert retention.family_of(image) == family
