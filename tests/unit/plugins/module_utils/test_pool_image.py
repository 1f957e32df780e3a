# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._pool_image import (
    below_place,
    choose_compatibility,
    copy_argvs,
    needed_size,
    reserved,
    specs,
    usable,
)
from tests.unit.transcripts import find

MIB = 1 << 20
SETS = {
    release: find(release, "zpool", "ls /usr/share/zfs/compatibility.d").stdout.split() for release in ("13.2", "15.1")
}


@pytest.mark.parametrize(
    ("builder", "release", "expected"),
    [
        ("13.2", "13.2-RELEASE", "openzfs-2.0-freebsd"),
        ("15.1", "13.5-RELEASE", "openzfs-2.0-freebsd"),
        ("13.2", "14.5-RELEASE", "openzfs-2.1-freebsd"),
        ("13.2", "15.1-RELEASE", "openzfs-2.1-freebsd"),
    ],
)
def test_features_are_those_that_loader_and_builder_know(builder: str, release: str, expected: str) -> None:
    assert choose_compatibility("auto", release, SETS[builder]) == expected


@pytest.mark.parametrize("release", ["14.5-RELEASE", "15.1-RELEASE", "15.0-RC1"])
def test_a_new_builder_takes_the_newest_set_that_both_loaders_read(release: str) -> None:
    chosen = choose_compatibility("auto", release, SETS["15.1"])
    assert chosen is not None and chosen.startswith("openzfs-2.2")


def test_features_by_hand() -> None:
    assert choose_compatibility("off", "15.1-RELEASE", []) is None
    assert choose_compatibility("grub2", "15.1-RELEASE", SETS["13.2"]) == "grub2"
    with pytest.raises(ToolError, match="no such feature set"):
        choose_compatibility("nosuch", "15.1-RELEASE", SETS["13.2"])
    with pytest.raises(ToolError, match="none of the feature sets"):
        choose_compatibility("auto", "15.1-RELEASE", [])
    with pytest.raises(ToolError, match="not a FreeBSD release"):
        choose_compatibility("auto", "fifteen", SETS["13.2"])


def test_datasets_are_ordered_and_get_their_parents() -> None:
    made = specs(
        [
            {"name": "persist/log", "mountpoint": "/var/log", "properties": {"exec": "off"}},
            {"name": "persist/vms"},
            {"name": "persist", "mountpoint": "/persist"},
            {"name": "a/b/c", "mountpoint": "none"},
        ]
    )
    names = [s.name for s in made]
    for child, parent in (("persist/vms", "persist"), ("persist/log", "persist"), ("a/b/c", "a/b"), ("a/b", "a")):
        assert names.index(child) > names.index(parent)
    by_name = {s.name: s for s in made}
    assert by_name["persist/vms"].place == "/persist/vms"
    assert by_name["persist/log"].place == "/var/log"
    assert by_name["persist/log"].properties == {"exec": "off", "mountpoint": "/var/log"}
    assert by_name["a"].place is None and by_name["a"].properties == {"canmount": "off"}


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ([{"name": "a b@c"}], "dataset 'pool/a b@c'"),
        ([{"name": "/a"}], "dataset"),
        ([{"name": "ROOT/x"}], "boot environments"),
        ([{"name": "a"}, {"name": "a"}], "given twice"),
        ([{"name": "a", "properties": {"bogus": "1"}}], "no such property 'bogus'"),
        ([{"name": "a", "properties": {"compression": "nosuch"}}], "does not take 'nosuch'"),
        ([{"name": "a", "properties": {"used": "1"}}], "can only be read"),
        ([{"name": "a", "mountpoint": "rel"}], "bad mount point 'rel'"),
        ([{"name": "a", "mountpoint": "/x/../y"}], "bad mount point"),
        ([{"name": "a", "mountpoint": "/"}], "belongs to the boot environment"),
        ([{"name": "a", "mountpoint": "/x"}, {"name": "b", "mountpoint": "/x"}], "is also that of 'a'"),
        ([{"name": "a", "mountpoint": "/x"}, {"name": "a/y"}, {"name": "b", "mountpoint": "/x/y"}], "is also that of"),
        (
            [{"name": "a", "mountpoint": "/v/l"}, {"name": "a/b", "mountpoint": "/v"}],
            "would hide that of 'a'",
        ),
    ],
)
def test_bad_datasets_are_refused(data: list[dict[str, Any]], text: str) -> None:
    with pytest.raises(ToolError, match=text):
        specs(data)


def test_unmounted_datasets_may_share_a_mount_point() -> None:
    made = specs(
        [{"name": "a", "mountpoint": "/x", "properties": {"canmount": False}}, {"name": "b", "mountpoint": "/x"}]
    )
    assert [s.place for s in made] == [None, "/x"]


def test_outer_mounts_come_first_and_leave_out_the_inner_ones() -> None:
    made = specs([{"name": "log", "mountpoint": "/var/log"}, {"name": "var", "mountpoint": "/var"}])
    assert [s.name for s in made] == ["var", "log"]
    assert below_place(made, "/var") == ["log"]


def test_only_the_inner_mount_is_left_out_of_a_copy(tmp_path: Path) -> None:
    for name in ("log/messages", "logs/a", "cache/log/b", "db/x/log"):
        path = tmp_path / "s" / name
        path.parent.mkdir(parents=True)
        path.touch()
    (tmp_path / "d").mkdir()
    pack, unpack = (["bsd" + words[0], *words[1:]] for words in copy_argvs(f"{tmp_path}/s", f"{tmp_path}/d", ["log"]))
    packed = subprocess.run(pack, capture_output=True, check=True).stdout
    subprocess.run(unpack, input=packed, check=True)
    copied = {str(path.relative_to(tmp_path / "d")) for path in (tmp_path / "d").rglob("*") if path.is_file()}
    assert copied == {"logs/a", "cache/log/b", "db/x/log"}


def test_reservations_count_once() -> None:
    made = specs(
        [
            {"name": "a", "properties": {"refreservation": "64m", "reservation": "32m"}},
            {"name": "b", "properties": {"reservation": "none"}},
        ]
    )
    assert reserved(made) == 64 * MIB


@pytest.mark.parametrize("content", [0, 100 * MIB, 1 << 30, 20 << 30])
def test_the_needed_size_holds_the_content_and_not_much_more(content: int) -> None:
    size = needed_size(content, 32 * MIB)
    assert size % MIB == 0
    assert usable(size) >= content + 32 * MIB
    assert usable(size - 64 * MIB) < content + content // 20 + 48 * MIB
