# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _zfs
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from tests.unit.fake_runner import FakeRunner
from tests.unit.transcripts import RELEASES, find, rows

COLUMNS = "name,property,value,source"


@pytest.mark.parametrize("release", RELEASES)
def test_rows_of_get_become_datasets(release: str) -> None:
    row = find(
        release,
        "zfs",
        f"zfs get -Hp -o {COLUMNS} compression,mountpoint,canmount,mounted,origin lab/a lab/ROOT/be1",
    )
    found = _zfs.parse_get(row.stdout)
    assert set(found) == {"lab/a", "lab/ROOT/be1"}
    assert found["lab/ROOT/be1"].properties["compression"] == _zfs.Property("zstd", "inherited from lab")
    assert found["lab/ROOT/be1"].properties["canmount"].local
    assert found["lab/a"].value("mountpoint") == "/tank/alt/persist"
    assert found["lab/a"].value("origin") == found["lab/a"].value("nothing") == "-"


def test_a_value_may_hold_tabs() -> None:
    assert _zfs.parse_get("a\tuser:note\tone\ttwo\tlocal\n")["a"].value("user:note") == "one\ttwo"


def test_a_broken_row_is_an_error() -> None:
    with pytest.raises(ToolError, match="a line of 1 fields instead of 4"):
        _zfs.parse_get("nonsense\n")


@pytest.mark.parametrize("release", RELEASES)
def test_a_dataset_that_is_not_there_is_no_error(release: str) -> None:
    missing = find(release, "zfs", "zfs list -H nosuch")
    runner = FakeRunner().on(_zfs.get_argv(["nosuch"], ["type"], recursive=True), missing)
    assert _zfs.datasets(runner, "nosuch") == {}


def test_those_that_exist_are_returned_beside_a_missing_one() -> None:
    reply = (1, "tank\ttype\tfilesystem\t-\n", "cannot open 'tank/a': dataset does not exist\n")
    runner = FakeRunner().on(_zfs.get_argv(["tank", "tank/a"], ["type"]), reply)
    assert list(_zfs.named(runner, ["tank", "tank/a"])) == ["tank"]


def test_another_complaint_is_an_error() -> None:
    runner = FakeRunner().on(_zfs.get_argv(["tank"], ["type"]), (1, "", "cannot open 'tank': I/O error\n"))
    with pytest.raises(ToolError, match="dataset 'tank': reading failed: cannot open 'tank': I/O error"):
        _zfs.named(runner, ["tank"])


def test_nothing_asked_runs_nothing() -> None:
    assert _zfs.named(FakeRunner(), []) == {}


@pytest.mark.parametrize("release", RELEASES)
def test_recorded_commands_can_be_built(release: str) -> None:
    built = {
        "zfs create -o mountpoint=none lab/ROOT": _zfs.create_argv("lab/ROOT", {"mountpoint": "none"}),
        "zfs create -p lab/a/b/c": _zfs.create_argv("lab/a/b/c", parents=True),
        "zfs set mountpoint=/persist lab/a": _zfs.set_argv("lab/a", {"mountpoint": "/persist"}),
        "zfs inherit compression lab/a": _zfs.inherit_argv("lab/a", "compression"),
        "zfs snapshot lab/ROOT/be1@v1": _zfs.snapshot_argv(["lab/ROOT/be1@v1"]),
        "zfs snapshot -r lab@all": _zfs.snapshot_argv(["lab@all"], recursive=True),
        "zfs send -R lab/ROOT/be1@v1": _zfs.send_argv("lab/ROOT/be1@v1", replicate=True),
        "zfs send -i @v1 lab/ROOT/be1@v2": _zfs.send_argv("lab/ROOT/be1@v2", "@v1"),
        "zfs receive -u -o canmount=noauto -o mountpoint=/ lab/ROOT/be2": _zfs.receive_argv(
            "lab/ROOT/be2", {"mountpoint": "/", "canmount": "noauto"}
        ),
        "zfs clone lab/ROOT/be1@v1 lab/ROOT/cl": _zfs.clone_argv("lab/ROOT/be1@v1", "lab/ROOT/cl"),
        "zfs destroy lab/ROOT/be1@v1": _zfs.destroy_argv("lab/ROOT/be1@v1"),
        "zfs destroy -r lab/ROOT": _zfs.destroy_argv("lab/ROOT", recursive=True),
    }
    recorded = {row.cmd.split(" < ")[0].split(" > ")[0] for row in rows(release, "zfs")}
    assert {command: " ".join(argv) for command, argv in built.items()} == {command: command for command in built}
    assert set(built) <= recorded


def test_a_volume_has_a_size() -> None:
    argv = _zfs.create_argv("lab/swap", {"org.freebsd:swap": "on"}, size=1 << 20, sparse=True)
    assert argv == ["zfs", "create", "-s", "-o", "org.freebsd:swap=on", "-V", "1048576", "lab/swap"]


def test_send_without_options_suits_every_receiver() -> None:
    assert _zfs.send_argv("a@b") == ["zfs", "send", "a@b"]
    assert _zfs.send_argv("a@b", large_blocks=True, embedded=True, compressed=True)[2] == "-Lec"


@pytest.mark.parametrize("release", RELEASES)
def test_a_preview_names_what_would_go(release: str) -> None:
    names = _zfs.parse_preview(find(release, "zfs", "zfs destroy -nvpr lab/ROOT").stdout)
    assert names[-1] == "lab/ROOT"
    assert "lab/ROOT/renamed@v1" in names and len(names) == 13


@pytest.mark.parametrize("release", RELEASES)
def test_failures_carry_the_tools_cause(release: str) -> None:
    runner = FakeRunner().recorded(release, "zfs", "zfs create lab/x/y", "zfs destroy lab/ROOT/be1@v1")
    with pytest.raises(ToolError, match=r"dataset 'lab/x/y': creating failed: .*parent does not exist"):
        _zfs.create(runner, "lab/x/y")
    with pytest.raises(ToolError, match=r"destroying failed: .*snapshot has dependent clones"):
        _zfs.destroy(runner, "lab/ROOT/be1@v1")


@pytest.mark.parametrize("name", ["tank", "tank/a", "tank/poudriere/data/.m", "zroot/ROOT/13.2_p1", "tank/a:b/c-d"])
def test_names(name: str) -> None:
    assert _zfs.check_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "/tank", "tank/", "tank//a", "tank/a@b", "tank#c", "1tank/a", "tank/a*b", "tank/..", "t/" + "a" * 260]
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ToolError, match=r"^dataset '"):
        _zfs.check_name(name)


def test_relations_of_names() -> None:
    assert _zfs.pool_of("tank/a/b@c") == "tank" == _zfs.pool_of("tank@c")
    assert _zfs.parent_of("tank/a/b") == "tank/a"
    assert _zfs.parent_of("tank") is None
    assert _zfs.is_below("tank/a", "tank/a") and _zfs.is_below("tank/a/b", "tank/a")
    assert not _zfs.is_below("tank/ab", "tank/a")
