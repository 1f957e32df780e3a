# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _zfs
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.modules import zfs_stream
from tests.unit.fake_runner import FakeRunner, Reply

FRAME = zfs_stream.ZSTD_MAGIC + b"stream"
TOOLS = {"zfs": "/sbin/zfs", "zstd": "/usr/bin/zstd"}


def call(path: Path, **given: Any) -> dict[str, Any]:
    params: dict[str, Any] = {name: spec.get("default", False) for name, spec in zfs_stream.ARGUMENTS.items()}
    params.update(from_snapshot=None, receipt=None)
    return {**params, "snapshot": "tank/a@v2", "path": str(path), **given}


def host(*names: str, guid: str = "42", piped: bytes = FRAME) -> FakeRunner:
    wanted = list(names) or ["tank/a@v2"]
    text = "".join(f"{name}\tguid\t{guid if number == 0 else 41}\t-\n" for number, name in enumerate(wanted))
    runner = FakeRunner(tools=dict(TOOLS), piped=piped)
    return runner.on(_zfs.get_argv(wanted, ["guid"], "snapshot,bookmark"), text)


def sender(argv: str = "zfs send tank/a@v2", zstd: Sequence[str] = ("zstd -q -c -3 -T0",), **given: Any) -> FakeRunner:
    runner = host(**given).on(argv)
    for command in zstd:
        runner.on(command)
    return runner


def left(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


def test_a_stream_is_written_with_digest_and_receipt(tmp_path: Path) -> None:
    path, receipt = tmp_path / "a.zfs.zst", tmp_path / "stream-a-1.json"
    runner = sender()
    result = zfs_stream.execute(runner, call(path, receipt=str(receipt)), check_mode=False)
    assert path.read_bytes() == FRAME
    assert (result["changed"], result["size"], result["guid"]) == (True, len(FRAME), "42")
    assert result["sha256"] == hashlib.sha256(FRAME).hexdigest()
    assert result["actions"] == [{"action": f"write {path}", "reason": "not made yet"}]
    value = json.loads(receipt.read_text())
    assert (value["stage"], value["id"]) == ("stream", "a-1")
    assert value["results"]["toname"] == "tank/a@v2"
    assert left(tmp_path) == ["a.zfs.zst", "stream-a-1.json"]


def test_a_second_run_only_asks_for_the_guid(tmp_path: Path) -> None:
    params = call(tmp_path / "a.zfs.zst")
    first = zfs_stream.execute(sender(), params, check_mode=False)
    runner = host()
    second = zfs_stream.execute(runner, params, check_mode=False)
    assert second["changed"] is False
    assert (second["sha256"], second["size"]) == (first["sha256"], first["size"])
    assert (len(runner.calls), runner.pipes) == (1, [])


@pytest.mark.parametrize(
    ("given", "guid", "reason"),
    [
        ({}, "43", "snapshot: 42 -> 43"),
        ({"level": 9}, "42", "level: 3 -> 9"),
        ({"compressed": True}, "42", "flags: compressed added"),
        ({"threads": 4}, "42", None),
    ],
)
def test_what_makes_another_stream(tmp_path: Path, given: dict[str, Any], guid: str, reason: str | None) -> None:
    path = tmp_path / "a.zfs.zst"
    zfs_stream.execute(sender(), call(path), check_mode=False)
    result = zfs_stream.execute(host(guid=guid), call(path, **given), check_mode=True)
    assert [item["reason"] for item in result["actions"]] == ([reason] if reason else [])


@pytest.mark.parametrize(("content", "reason"), [(None, "the file is gone"), (b"short", "5 bytes instead of 10")])
def test_a_file_that_is_not_what_the_receipt_says(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "a.zfs.zst"
    zfs_stream.execute(sender(), call(path), check_mode=False)
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    result = zfs_stream.execute(host(), call(path), check_mode=True)
    assert reason in result["actions"][0]["reason"]


def test_check_mode_sends_nothing(tmp_path: Path) -> None:
    runner = host()
    result = zfs_stream.execute(runner, call(tmp_path / "a.zfs.zst"), check_mode=True)
    assert (result["changed"], result["sha256"], runner.pipes, left(tmp_path)) == (True, None, [], [])


@pytest.mark.parametrize(
    ("given", "send"),
    [
        ({"from_snapshot": "@v1"}, "zfs send -i tank/a@v1 tank/a@v2"),
        ({"from_snapshot": "tank/a@v1"}, "zfs send -i tank/a@v1 tank/a@v2"),
        ({"from_snapshot": "#v1"}, "zfs send -i tank/a#v1 tank/a@v2"),
        ({"large_blocks": True, "embedded": True, "compressed": True}, "zfs send -Lec tank/a@v2"),
        ({"properties": True}, "zfs send -p tank/a@v2"),
        ({}, "zfs send tank/a@v2"),
    ],
)
def test_the_senders_flags(given: dict[str, Any], send: str) -> None:
    assert " ".join(zfs_stream.send_argv(zfs_stream.wanted_of(call(Path("/a"), **given)))) == send


def test_without_compression_there_is_one_command(tmp_path: Path) -> None:
    runner = sender(zstd=(), piped=b"raw stream")
    zfs_stream.execute(runner, call(tmp_path / "a.zfs", compression="none"), check_mode=False)
    assert runner.pipes == [(("zfs", "send", "tank/a@v2"),)]
    assert (tmp_path / "a.zfs").read_bytes() == b"raw stream"


FAILED: Reply = (1, "", "warning: cannot send 'tank/a@v2': I/O error\n")


@pytest.mark.parametrize(
    ("piped", "reply", "message"),
    [
        (FRAME, FAILED, "snapshot 'tank/a@v2': sending it failed: warning: cannot send"),
        (b"", "", "0 bytes that are no stream came"),
        (b"no frame", "", "8 bytes that are no stream came"),
    ],
)
def test_a_failure_leaves_no_file(tmp_path: Path, piped: bytes, reply: Reply, message: str) -> None:
    path = tmp_path / "a.zfs.zst"
    path.write_bytes(b"the stream of before")
    runner = host(piped=piped).on("zfs send tank/a@v2", reply).on("zstd -q -c -3 -T0")
    with pytest.raises(ToolError) as caught:
        zfs_stream.execute(runner, call(path), check_mode=False)
    assert message in caught.value.message
    assert left(tmp_path) == ["a.zfs.zst"]
    assert path.read_bytes() == b"the stream of before"


def test_both_ends_of_a_real_pipeline(tmp_path: Path) -> None:
    """The named pipe carries more than a pipe holds."""
    from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner

    source = tmp_path / "source"
    source.write_bytes(os.urandom(3 << 20))
    wanted = zfs_stream.wanted_of(call(tmp_path / "out", compression="none"))

    class Cat(Runner):
        def pipe(
            self,
            *commands: Sequence[str],
            output: str | None = None,
            failed: str | None = None,
            stdin: IO[bytes] | None = None,
        ) -> None:
            super().pipe(["cat", str(source)], output=output, failed=failed)

    written = zfs_stream.write_stream(Cat(), wanted)
    assert written.size == 3 << 20
    assert written.sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
    assert (tmp_path / "out").read_bytes() == source.read_bytes()
    assert left(tmp_path) == ["out", "source"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"snapshot": "tank/a"}, "snapshot 'tank/a': not a snapshot's name"),
        ({"snapshot": "tank/a@"}, "not a snapshot's name"),
        ({"snapshot": "tank//a@x"}, "is no part of a name"),
        ({"from_snapshot": "v1"}, "from_snapshot is not a snapshot's name"),
        ({"from_snapshot": "@v2"}, "cannot be sent from itself"),
        ({"level": 0}, "level 0 is not one of zstd's 1 to 19"),
        ({"level": 22}, "level 22"),
        ({"threads": -1}, "threads -1 is below 0"),
    ],
)
def test_bad_input(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ToolError) as caught:
        zfs_stream.execute(FakeRunner(), call(Path("/nowhere/a"), **given), check_mode=False)
    assert message in caught.value.message


def test_a_snapshot_that_is_not_there(tmp_path: Path) -> None:
    reply = (1, "", "cannot open 'tank/a@v2': dataset does not exist\n")
    runner = FakeRunner().on(_zfs.get_argv(["tank/a@v2"], ["guid"], "snapshot,bookmark"), reply)
    with pytest.raises(ToolError, match="snapshot 'tank/a@v2': does not exist"):
        zfs_stream.execute(runner, call(tmp_path / "a"), check_mode=True)


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="there is no directory"):
        zfs_stream.execute(host(), call(tmp_path / "no" / "a"), check_mode=True)


def test_a_builder_without_zstd(tmp_path: Path) -> None:
    runner = host()
    del runner.tools["zstd"]
    with pytest.raises(ToolError, match="the builder has no zstd"):
        zfs_stream.execute(runner, call(tmp_path / "a"), check_mode=True)
    assert zfs_stream.execute(runner, call(tmp_path / "a", compression="none"), check_mode=True)["changed"]


def test_the_digest_joins_those_of_the_directory(tmp_path: Path) -> None:
    path, sums = tmp_path / "a.zfs.zst", tmp_path / "SHA256SUMS"
    (tmp_path / "a.raw.zst").write_bytes(b"")
    sums.write_text(f"{'0' * 64}  a.raw.zst\n{'1' * 64}  gone.zst\n")
    result = zfs_stream.execute(sender(), call(path, sums=str(sums)), check_mode=False)
    assert sums.read_text() == f"{'0' * 64}  a.raw.zst\n{result['sha256']}  a.zfs.zst\n"


def test_a_lost_line_is_put_back_without_sending_again(tmp_path: Path) -> None:
    path, sums = tmp_path / "a.zfs.zst", tmp_path / "SHA256SUMS"
    params = call(path, sums=str(sums))
    first = zfs_stream.execute(sender(), params, check_mode=False)
    sums.unlink()
    planned = zfs_stream.execute(host(), params, check_mode=True)
    assert (planned["changed"], sums.exists()) == (True, False)
    runner = host()
    again = zfs_stream.execute(runner, params, check_mode=False)
    assert (again["changed"], runner.pipes) == (True, [])
    assert sums.read_text() == f"{first['sha256']}  a.zfs.zst\n"
    assert zfs_stream.execute(host(), params, check_mode=False)["changed"] is False


def test_a_checksum_file_elsewhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="must lie in the directory of the stream"):
        zfs_stream.execute(host(), call(tmp_path / "a.zfs.zst", sums="/elsewhere/SHA256SUMS"), check_mode=False)
