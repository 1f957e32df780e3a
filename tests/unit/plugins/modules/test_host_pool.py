# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _zpool
from ansible_collections.freehyve.builder.plugins.module_utils._disk import Mesh
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.modules import host_pool
from ansible_collections.freehyve.builder.plugins.modules.host_pool import Device, Observed, Wanted, plan
from tests.unit.fake_runner import FakeRunner

GIB = 1 << 30
CREATE = "zpool create -o ashift=12 -O atime=off -O compression=lz4 tank"
DA1 = Device("/dev/da1", size=GIB)
DA2 = Device("/dev/da2", size=GIB)
EXPORTED = _zpool.Importable("tank", "123", "ONLINE", ("/dev/da1",))
OTHER = _zpool.Importable("old", "456", "ONLINE", ("/dev/da1",))


def params(**changes: Any) -> dict[str, Any]:
    return {"name": "tank", "devices": ["da1"], "file_size": None, "allow_destroy": False, **changes}


def commands(steps: list[Any]) -> list[str]:
    return [" ".join(step.argv) or step.action for step in steps]


@pytest.mark.parametrize(
    ("wanted", "observed", "expected"),
    [
        (Wanted("tank"), Observed(("tank",)), []),
        (Wanted("tank", ("da1",)), Observed(("tank",)), []),
        (Wanted("tank"), Observed(("tank",), enabled=False), ["sysrc zfs_enable=YES"]),
        (Wanted("tank", ("da1",)), Observed((), (), (DA1,)), [f"{CREATE} da1"]),
        (
            Wanted("tank", ("mirror", "da1", "da2")),
            Observed(("zroot",), (), (DA1, DA2), False),
            [f"{CREATE} mirror da1 da2", "sysrc zfs_enable=YES"],
        ),
        (Wanted("tank", ("da1",)), Observed((), (EXPORTED,), (DA1,)), ["zpool import 123"]),
        (
            Wanted("tank", ("/var/t.img",)),
            Observed((), (_zpool.Importable("tank", "9", "ONLINE", ("/var/t.img",)),)),
            ["zpool import -d /var 9"],
        ),
        (
            Wanted("tank", ("/tmp/t.img",), GIB),
            Observed((), (), (Device("/tmp/t.img", exists=False, file=True),)),
            ["make file /tmp/t.img of 1g", f"{CREATE} /tmp/t.img"],
        ),
        (
            Wanted("tank", ("da1",), None, True),
            Observed((), (OTHER,), (Device("/dev/da1", size=GIB, table=True, carries=("a partition table",)),)),
            ["gpart destroy -F da1", "clear both ends of da1", f"{CREATE} da1"],
        ),
        (
            Wanted("tank", ("da1",), None, True),
            Observed((), (OTHER,), (Device("/dev/da1", size=GIB, carries=("the pool 'old'",)),)),
            ["zpool labelclear -f /dev/da1", "clear both ends of da1", f"{CREATE} da1"],
        ),
    ],
)
def test_plan(wanted: Wanted, observed: Observed, expected: list[str]) -> None:
    assert commands(plan(wanted, observed)) == expected


@pytest.mark.parametrize(
    ("wanted", "observed", "message"),
    [
        (Wanted("tank"), Observed(("zroot",)), r"not on the builder, which has zroot; set freehyve_workspace"),
        (Wanted("tank"), Observed((), (EXPORTED,)), r"not imported, though it is on /dev/da1; import it with"),
        (
            Wanted("tank", ("da9",)),
            Observed((), (), (Device("/dev/da9", exists=False),), True, ("da0", "gpt/x")),
            r"disk 'da9': is not on the builder; it has da0$",
        ),
        (
            Wanted("tank", ("da1",)),
            Observed((), (), (Device("/dev/da1", size=GIB, in_use=True),)),
            "disk 'da1': refusing to make pool 'tank' of it, it is in use",
        ),
        (
            Wanted("tank", ("da1",), None, True),
            Observed((), (), (Device("/dev/da1", size=GIB, in_use=True, carries=("a GPT",)),)),
            "it is in use",
        ),
        (
            Wanted("tank", ("da1",)),
            Observed((), (), (Device("/dev/da1", size=GIB, carries=("a partition table", "a UFS file system")),)),
            "it carries a partition table and a UFS file system; name an empty disk, or set builder_host_allow_destroy",
        ),
        (
            Wanted("tank", ("da1",)),
            Observed((), (OTHER,), (Device("/dev/da1", size=GIB, carries=("the pool 'old'",)),)),
            "it carries the pool 'old'",
        ),
        (
            Wanted("tank", ("da1",)),
            Observed((), (), (Device("/dev/da1", size=1 << 20),)),
            "has 1m, a pool needs at least 64m",
        ),
        (
            Wanted("tank", ("/tmp/t.img",)),
            Observed((), (), (Device("/tmp/t.img", exists=False, file=True),)),
            "file '/tmp/t.img': does not exist; set builder_host_pool_file_size",
        ),
        (
            Wanted("tank", ("/nosuch/t.img",), GIB),
            Observed((), (), (Device("/nosuch/t.img", exists=False, file=True),)),
            "there is no directory /nosuch",
        ),
    ],
)
def test_refusals(wanted: Wanted, observed: Observed, message: str) -> None:
    with pytest.raises(ToolError, match=message):
        plan(wanted, observed)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "mirror"}, "the name is reserved"),
        ({"devices": ["da1;reboot"]}, "neither a disk nor a file"),
        ({"devices": ["/var/../etc/x"]}, "neither a disk nor a file"),
        ({"devices": ["/var/t.img", "da1"]}, "name it alone, or disks"),
        ({"devices": ["mirror", "da1", "/dev/da1"]}, "named twice"),
        ({"file_size": "big"}, "not a size"),
    ],
)
def test_parameters_that_cannot_be(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ToolError, match=message):
        host_pool.wanted_of(params(**changes))


def test_a_table_and_its_traces_are_told_once() -> None:
    assert host_pool._distinct(["a partition table", "a GPT"]) == ("a partition table",)
    assert host_pool._distinct(["the pool 'old'", "a ZFS pool"]) == ("the pool 'old'",)


def test_a_disk_in_use_is_not_read() -> None:
    device = host_pool.look("/dev/da1", Mesh({"da1": GIB}, frozenset({"da1"}), {}), [])
    assert device == Device("/dev/da1", size=GIB, in_use=True)


def runner() -> FakeRunner:
    return (
        FakeRunner()
        .on("zpool list -Hp -o name,size,alloc,free,health,altroot,guid")
        .on("sysrc -n zfs_enable", "YES\n")
        .on("sysctl -n kern.geom.confxml", "<mesh/>")
        .on("zpool import", (1, "", "no pools available to import\n"))
    )


def test_a_file_is_made_sparse_and_only_once(tmp_path: Path) -> None:
    image = tmp_path / "tank.img"
    fake = runner().on(f"zpool import -d {tmp_path}", (1, "", "no pools available to import\n"))
    fake.on(f"{CREATE} {image}")
    asked = params(devices=[str(image)], file_size="128m")
    planned = host_pool.execute(fake, asked, True)
    assert planned["changed"] and not image.exists() and not planned["imported"]
    done = host_pool.execute(fake, asked, False)
    assert done["actions"] == planned["actions"]
    assert image.stat().st_size == 128 << 20
    assert image.stat().st_blocks == 0
    assert image.stat().st_mode & 0o777 == 0o600


def test_what_a_file_carries_is_cleared_before_the_pool_is_made(tmp_path: Path) -> None:
    image = tmp_path / "tank.img"
    image.write_bytes(b"precious" + bytes(64 << 20))
    fake = runner().on(f"zpool import -d {tmp_path}", (1, "", "no pools available to import\n"))
    fake.on(f"{CREATE} {image}")
    with pytest.raises(ToolError, match="it carries data of an unknown kind"):
        host_pool.execute(fake, params(devices=[str(image)]), False)
    assert image.read_bytes().startswith(b"precious")
    host_pool.execute(fake, params(devices=[str(image)], allow_destroy=True), False)
    assert not image.read_bytes().strip(b"\0")
