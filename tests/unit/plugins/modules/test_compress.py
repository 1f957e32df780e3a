# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.modules import compress
from tests.unit.builder import PlayedRunner, module


def squeezed(argv: tuple[str, ...]) -> str:
    return "squeezed " + Path(argv[-1]).read_text(encoding="utf-8")


def runner(**more: Any) -> PlayedRunner:
    return PlayedRunner(answers={"zstd ": squeezed, "xz ": squeezed, "cat ": squeezed, **more})


def run(play: PlayedRunner, params: dict[str, Any], check_mode: bool = False) -> dict[str, Any]:
    return compress.body(module(compress.ARGUMENTS, check_mode, **params), play)


@pytest.fixture
def params(tmp_path: Path) -> dict[str, Any]:
    for name in ("a.raw", "b.qcow2"):
        (tmp_path / name).write_text(name)
    return {
        "files": [{"src": str(tmp_path / "a.raw")}, {"src": str(tmp_path / "b.qcow2")}],
        "sums": str(tmp_path / "SHA256SUMS"),
        "receipt": str(tmp_path / "compress.json"),
    }


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_check_real_again_and_again_in_check(params: dict[str, Any], tmp_path: Path) -> None:
    play = runner()
    assert run(play, params, check_mode=True)["changed"] and not play.calls
    made = run(play, params)
    assert made["changed"]
    assert made["files"][str(tmp_path / "a.raw.zst")] == {
        "size": 14,
        "sha256": sha("squeezed a.raw"),
        "source_size": 5,
        "source_sha256": sha("a.raw"),
    }
    assert (tmp_path / "SHA256SUMS").read_text() == (
        f"{sha('squeezed a.raw')}  a.raw.zst\n{sha('squeezed b.qcow2')}  b.qcow2.zst\n"
    )
    for check_mode in (False, True):
        assert not run(play, params, check_mode)["changed"]
    assert len(play.calls) == 2


def test_a_changed_source_or_level_is_told(params: dict[str, Any], tmp_path: Path) -> None:
    play = runner()
    run(play, params)
    assert "compression: zstd 3 -> zstd 9" in run(play, {**params, "level": 9}, check_mode=True)["actions"][0]["reason"]
    (tmp_path / "a.raw").write_text("other")
    assert "a.raw.zst changed" in run(play, params)["actions"][0]["reason"]
    (tmp_path / "a.raw.zst").unlink()
    assert "a.raw.zst: gone" in run(play, params)["actions"][0]["reason"]


def test_results_of_another_method_go(params: dict[str, Any], tmp_path: Path) -> None:
    run(runner(), params)
    run(runner(), {**params, "method": "xz"})
    assert sorted(p.name for p in tmp_path.glob("[ab].*")) == ["a.raw", "a.raw.xz", "b.qcow2", "b.qcow2.xz"]
    assert ".zst" not in (tmp_path / "SHA256SUMS").read_text()


def test_lines_of_other_files_stay(params: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "x.zfs.zst").touch()
    (tmp_path / "SHA256SUMS").write_text(f"{'a' * 64}  x.zfs.zst\n{'b' * 64}  gone\n")
    run(runner(), params)
    lines = (tmp_path / "SHA256SUMS").read_text().splitlines()
    assert [line.split("  ")[1] for line in lines] == ["a.raw.zst", "b.qcow2.zst", "x.zfs.zst"]


def test_a_stage_is_known_by_its_inputs_and_its_files_may_go(params: dict[str, Any], tmp_path: Path) -> None:
    stage = {"name": "image", "id": "i", "inputs": {"pool": "k"}, "results": {"guid": "7"}}
    sources = [item["src"] for item in params["files"]]
    params = {**params, "stage": stage, "remove": sources}
    run(runner(), params)
    assert not any(Path(src).exists() for src in sources)
    receipt = json.loads((tmp_path / "compress.json").read_text())
    assert (receipt["stage"], receipt["id"], receipt["inputs"]) == ("image", "i", {"pool": "k"})
    assert sorted(receipt["superseded"]) == sorted(sources)
    assert receipt["results"]["guid"] == "7" and len(receipt["results"]["files"]) == 2
    assert not run(runner(), params)["changed"]
    params["stage"] = {**stage, "inputs": {"pool": "l"}}
    assert run(runner(), params, check_mode=True)["actions"][0]["reason"] == "pool: k -> l"
    with pytest.raises(ToolError, match="cannot be compressed"):
        run(runner(), params)


def test_a_failure_leaves_nothing(params: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="cannot be compressed"):
        run(runner(**{"zstd ": (1, "", "zstd: error 25")}), params)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.raw", "b.qcow2"]


def test_a_source_that_changes_meanwhile_is_told(params: dict[str, Any], tmp_path: Path) -> None:
    def meddle(argv: tuple[str, ...]) -> str:
        Path(argv[-1]).write_text("something else")
        return "x"

    with pytest.raises(ToolError, match="changed while it was compressed"):
        run(runner(**{"zstd ": meddle}), params)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"files": []}, "no files given"),
        ({"files": [{"src": "x"}]}, "absolute"),
        ({"files": [{"src": "/nosuch/x"}], "sums": None}, "not there"),
        ({"files": [{"src": "/x"}], "method": "none"}, "over itself"),
        ({"files": [{"src": "/x", "dest": "/z"}, {"src": "/y", "dest": "/z"}]}, "given twice"),
        ({"level": 23}, "has levels 1 to 22"),
        ({"method": "xz", "level": 10}, "has levels 0 to 9"),
        ({"threads": -1}, "0 or more"),
        ({"sums": "/elsewhere/SHA256SUMS"}, "directory of every result"),
    ],
)
def test_bad_input_is_refused(params: dict[str, Any], change: dict[str, Any], text: str) -> None:
    play = runner()
    with pytest.raises(ToolError, match=text):
        run(play, {**params, **change})
    assert not play.calls
