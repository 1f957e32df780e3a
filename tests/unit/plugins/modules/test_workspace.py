# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _lease
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.modules import workspace
from tests.unit.builder import PlayedRunner, module


class Host:
    """A pool, and a memory disk on a file of the workspace."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.datasets: dict[str, dict[str, str]] = {"tank": {"mountpoint": "/tank"}}
        self.file = path / "pool.raw.part"
        self.units = {"md0": str(self.file)}
        self.busy = False
        self.warnings: list[str] = []

    def lease(self) -> None:
        self.file.touch()
        directory = self.path / "leases"
        directory.mkdir()
        owner = {"pid": 77, "start": "", "boot": ""}
        value = {"kind": "md", "identity": str(self.file), "owner": owner, "job": None, "made": 1}
        path = Path(_lease.lease_path(str(directory), "md", str(self.file)))
        path.write_text(json.dumps(value), encoding="utf-8")

    def runner(self) -> PlayedRunner:
        def get(argv: tuple[str, ...]) -> tuple[int, str, str]:
            at = argv.index("-o") + 2
            names, wanted = argv[at + 1 :], argv[at].split(",")
            here = [name for name in names if name in self.datasets]
            defaults = {"type": "filesystem", "canmount": "on", "mounted": "yes"}
            rows = [
                f"{name}\t{prop}\t{self.datasets[name].get(prop, defaults.get(prop, '-'))}\tlocal\n"
                for name in here
                for prop in wanted
            ]
            missing = "".join(f"cannot open '{n}': dataset does not exist\n" for n in names if n not in here)
            return (1 if missing else 0, "".join(rows), missing)

        def create(argv: tuple[str, ...]) -> str:
            words = [argv[at + 1] for at, word in enumerate(argv) if word == "-o"]
            self.datasets[argv[-1]] = dict(word.split("=", 1) for word in words)
            return ""

        def detach(_argv: tuple[str, ...]) -> str | tuple[int, str, str]:
            if self.busy:
                return 1, "", "Device busy"
            self.units.clear()
            return ""

        answers: dict[str, Any] = {
            "zfs get": get,
            "zfs create": create,
            "mdconfig -l -v": lambda _argv: "".join(f"{u}\tvnode\t8M\t{f}\t\n" for u, f in self.units.items()),
            "mdconfig -d": detach,
            "sysctl": (1, "", ""),
        }
        return PlayedRunner(answers=answers)

    def run(self, check_mode: bool = False, **params: object) -> dict[str, Any]:
        asked = module(workspace.ARGUMENTS, check_mode, name="tank/fh", path=str(self.path), **params)
        asked.warn = self.warnings.append
        return workspace.body(asked, self.runner())


def actions(result: dict[str, Any]) -> list[str]:
    return [step["action"] for step in result["actions"]]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_check_real_again_and_again_in_check(host: Host) -> None:
    host.lease()
    expected = ["create tank/fh", *(f"create tank/fh/{name}" for name in ("dists", "images", "layers", "release"))]
    results = [host.run(check_mode=mode) for mode in (True, False, False, True)]
    assert [result["changed"] for result in results] == [True, True, False, False]
    assert actions(results[0]) == actions(results[1]) == [*expected, "detach md0"]
    assert results[1]["lines"][-1].startswith("detach md0: left by process 77, since ")
    assert host.datasets["tank/fh"] == {"mountpoint": str(host.path), "compression": "lz4", "atime": "off"}
    assert host.units == {}
    assert host.warnings == []


def test_reaping_alone_makes_nothing(host: Host) -> None:
    host.lease()
    assert actions(host.run(state="reaped")) == ["detach md0"]
    assert list(host.datasets) == ["tank"]


def test_what_cannot_be_removed_is_a_warning_and_keeps_its_lease(host: Host) -> None:
    host.lease()
    host.busy = True
    result = host.run(state="reaped", patience=0)
    assert result["changed"] is False
    assert result["kept"][0]["reason"] == "unit 'md0': detaching failed: Device busy"
    assert host.warnings[0].startswith(f"md '{host.file}': left by a dead build and not removed: ")
    assert len(_lease.leases(str(host.path / "leases"))) == 1


def test_a_workspace_with_nothing_left_costs_one_look(host: Host) -> None:
    host.run()
    runner = host.runner()
    asked = module(workspace.ARGUMENTS, name="tank/fh", path=str(host.path))
    assert workspace.body(asked, runner)["changed"] is False
    assert len(runner.calls) == 1


@pytest.mark.parametrize("path", ["/", "freehyve", "//"])
def test_what_is_no_place_for_a_workspace(path: str) -> None:
    asked = module(workspace.ARGUMENTS, name="tank/fh", path=path)
    with pytest.raises(ToolError, match="not a place for one"):
        workspace.body(asked, PlayedRunner())
