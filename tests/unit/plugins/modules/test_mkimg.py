# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.modules import mkimg
from tests.unit.builder import Answer, PlayedRunner, module, sparse

MIB = 1 << 20


def fake_mkimg(argv: tuple[str, ...]) -> str:
    """Writes what the module proves: sizes and signatures; partitions of a raw GPT from its own arguments."""
    path, kind = argv[argv.index("-o") + 1], argv[argv.index("-f") + 1]
    if kind == "qcow2":
        Path(path).write_bytes(struct.pack(">4sIQIIQ", b"QFI\xfb", 2, 0, 0, 16, 64 * MIB).ljust(512, b"\0"))
        return ""
    entries = b""
    end = 0
    for word, spec in pairwise(argv):
        if word == "-p":
            name, content, start = spec.rsplit(":", 2)
            size = Path(content[1:]).stat().st_size if content.startswith("=") else int(content)
            label = name.rstrip(":").partition("/")[2]
            first, count = int(start) // 512, -(-size // 512)
            end = (first + count) * 512
            entries += struct.pack(
                "<16s16sQQQ72s", b"\1" * 16, b"\2" * 16, first, first + count - 1, 0, label.encode("utf-16-le")
            )
    capacity = int(argv[argv.index("-c") + 1]) if "-c" in argv else end + 512 + 16384
    header = struct.pack("<8s4sII4xQQQQ16sQII", b"EFI PART", b"\0\0\1\0", 92, 0, 1, 2, 34, 99, b"\3" * 16, 2, 128, 128)
    with open(path, "wb") as stream:
        stream.seek(512)
        stream.write(header.ljust(512, b"\0") + entries)
        stream.truncate(capacity)
    return ""


def runner(**more: Any) -> PlayedRunner:
    answers: dict[str, Answer] = {
        "mkimg --formats": "vmdk vhdx vhdf vhd raw qcow2 qcow\n",
        "mkimg --schemes": "mbr gpt ebr bsd apm\n",
        "mkimg -s": fake_mkimg,
    }
    return PlayedRunner(answers={**answers, **more})


@pytest.fixture
def params(tmp_path: Path) -> dict[str, Any]:
    sparse(tmp_path / "esp.img", 33 * MIB)
    (tmp_path / "pmbr").write_bytes(b"\1" * 512)
    return {
        "outputs": [{"format": kind, "path": str(tmp_path / f"out/x.{kind}")} for kind in ("raw", "qcow2")],
        "partitions": [
            {"type": "efi", "label": "efiboot0", "file": str(tmp_path / "esp.img"), "align": "1m"},
            {"type": "freebsd-swap", "label": "swap0", "size": "8m", "align": "1m"},
        ],
        "bootcode": str(tmp_path / "pmbr"),
        "capacity": "64m",
        "receipt": str(tmp_path / "mkimg.json"),
    }


def run(play: PlayedRunner, params: dict[str, Any], check_mode: bool = False) -> dict[str, Any]:
    return mkimg.body(module(mkimg.ARGUMENTS, check_mode, **params), play)


def test_check_real_again_and_again_in_check(params: dict[str, Any], tmp_path: Path) -> None:
    play = runner()
    assert run(play, params, check_mode=True)["changed"]
    assert not play.did("mkimg -s") and not (tmp_path / "out").exists()
    made = run(play, params)
    assert made["changed"] and [a["reason"] for a in made["actions"]] == ["not made yet"] * 2
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["x.qcow2", "x.raw"]
    assert [p["start"] for p in made["partitions"]] == [MIB, 34 * MIB]
    assert set(made["digests"]) == {o["path"] for o in params["outputs"]}
    for check_mode in (False, True):
        again = run(play, params, check_mode)
        assert not again["changed"] and again["files"] == made["files"]
    assert len(play.did("mkimg -s")) == 2


def test_changed_content_is_told_by_partition(params: dict[str, Any], tmp_path: Path) -> None:
    play = runner()
    run(play, params)
    with (tmp_path / "esp.img").open("r+b") as stream:
        stream.write(b"x")
    again = run(play, params, check_mode=True)
    assert again["actions"][0]["reason"] == "partitions: 1 efi/efiboot0 changed"


def test_digests_that_the_caller_knows_are_not_computed(
    params: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {params["partitions"][0]["file"]: "e", params["bootcode"]: "b"}
    monkeypatch.setattr(mkimg, "sha256_file", lambda path: pytest.fail(f"read {path}"))
    assert run(runner(), {**params, "file_digests": known}, check_mode=True)["changed"]


def test_check_mode_needs_no_content_yet(params: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "esp.img").unlink()
    planned = run(runner(), params, check_mode=True)
    assert planned["changed"] and "esp.img: not made yet" in planned["actions"][0]["reason"]
    with pytest.raises(ToolError, match="img': not there"):
        run(runner(), params)


def test_a_failure_leaves_neither_images_nor_parts(params: dict[str, Any], tmp_path: Path) -> None:
    def fail(argv: tuple[str, ...]) -> str | tuple[int, str, str]:
        return (74, "", "mkimg: No space left on device") if "qcow2" in argv else fake_mkimg(argv)

    with pytest.raises(ToolError, match=r"x\.qcow2': cannot be made: mkimg: No space left"):
        run(runner(**{"mkimg -s": fail}), params)
    assert list((tmp_path / "out").iterdir()) == []
    assert not (tmp_path / "mkimg.json").exists()


def test_a_short_image_is_not_taken(params: dict[str, Any], tmp_path: Path) -> None:
    def short(argv: tuple[str, ...]) -> str:
        sparse(argv[argv.index("-o") + 1], 4096)
        return ""

    params["outputs"] = params["outputs"][:1]
    with pytest.raises(ToolError, match="is 4096 bytes, expected 67108864"):
        run(runner(**{"mkimg -s": short}), params)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"scheme": "vtoc8"}, "scheme 'vtoc8': this builder's mkimg knows"),
        ({"outputs": [{"format": "nosuch", "path": "/x"}]}, "format 'nosuch'"),
        ({"outputs": [{"format": "raw", "path": "x"}]}, "absolute"),
        ({"outputs": [{"format": "raw", "path": "/a:b"}]}, "without ':'"),
        ({"outputs": [{"format": "raw", "path": "/x"}, {"format": "qcow2", "path": "/x"}]}, "given twice"),
        ({"outputs": []}, "no outputs"),
        ({"partitions": []}, "no partitions"),
        ({"capacity": "16m"}, "capacity of 16777216 bytes is too small"),
        ({"capacity": "12q"}, "capacity: '12q' is not a size"),
        ({"active": 1}, "only scheme mbr"),
        ({"partitions": [{"type": "efi", "size": "12q"}]}, "'12q' is not a size"),
        ({"partitions": [{"type": "efi", "size": "1m", "offset": "1k"}]}, "overlaps"),
        ({"partitions": [{"type": "efi", "command": "false"}]}, "refusing a command"),
    ],
)
def test_bad_input_is_refused_before_mkimg_runs(params: dict[str, Any], change: dict[str, Any], text: str) -> None:
    play = runner()
    with pytest.raises(ToolError, match=text):
        run(play, {**params, **change})
    assert not play.did("mkimg -s")
