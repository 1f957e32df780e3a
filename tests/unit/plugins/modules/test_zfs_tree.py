# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _zfs
from ansible_collections.freehyve.builder.plugins.module_utils import _zfs_tree as zfs_tree
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from tests.unit.fake_runner import FakeRunner
from tests.unit.transcripts import find

POOLS = "zpool list -Hp -o name,size,alloc,free,health,altroot,guid"


def dataset(name: str, type: str = "filesystem", **properties: str) -> str:
    """Rows of ``zfs get``; a value may carry its source behind a bar."""
    rows = [f"{name}\ttype\t{type}\t-"]
    for key, text in properties.items():
        value, _bar, source = text.partition("|")
        rows.append(f"{name}\t{key}\t{value}\t{source or 'local'}")
    return "\n".join(rows) + "\n"


def entry(name: str, **given: Any) -> dict[str, Any]:
    return {"name": name, "type": "filesystem", "properties": {}, "size": None, "sparse": False, **given}


def call(*entries: dict[str, Any], **given: Any) -> dict[str, Any]:
    return {"datasets": list(entries), "state": "present", "root": None, "allow_destroy": False, **given}


def host(params: dict[str, Any], stdout: str, missing: bool = True) -> FakeRunner:
    """A host that answers the one question about the datasets; changing commands are not expected."""
    items = zfs_tree.wanted_of(params)
    names = sorted({item.name for item in items} | {above for item in items for above in zfs_tree.ancestors(item.name)})
    reply: Any = (1, stdout, "cannot open 'x': dataset does not exist\n") if missing else stdout
    return FakeRunner().on(_zfs.get_argv(names, zfs_tree.asked_of(items)), reply)


def actions(params: dict[str, Any], stdout: str, missing: bool = True) -> list[tuple[str, str]]:
    result = zfs_tree.execute(host(params, stdout, missing), params, check_mode=True)
    assert result["changed"] is bool(result["actions"])
    return [(item["action"], item["reason"]) for item in result["actions"]]


WORKSPACE = call(
    entry("tank/fh/images"),
    entry("tank/fh", properties={"mountpoint": "/tank/fh", "compression": "lz4", "atime": False}),
    entry("tank/fh/swap", type="volume", size="1g", properties={"org.freebsd:swap": True}),
)


def test_parents_are_created_first() -> None:
    assert actions(WORKSPACE, dataset("tank")) == [
        ("create tank/fh", "does not exist"),
        ("create tank/fh/images", "does not exist"),
        ("create tank/fh/swap, a volume of 1g", "does not exist"),
    ]


def test_a_second_run_asks_once_and_changes_nothing() -> None:
    there = (
        dataset("tank")
        + dataset("tank/fh", mountpoint="/tank/fh", compression="lz4", atime="off")
        + dataset("tank/fh/images")
        + dataset(
            "tank/fh/swap", "volume", **{"org.freebsd:swap": "on", "volsize": "1073741824", "volblocksize": "8192"}
        )
    )
    runner = host(WORKSPACE, there, missing=False)
    result = zfs_tree.execute(runner, WORKSPACE, check_mode=False)
    assert result["changed"] is False
    assert len(runner.calls) == 1
    assert result["datasets"]["tank/fh"] == {
        "type": "filesystem",
        "mountpoint": "/tank/fh",
        "compression": "lz4",
        "atime": "off",
    }
    assert result["diff"]["before"] == result["diff"]["after"]


def test_creation_gives_properties_and_size() -> None:
    runner = host(WORKSPACE, dataset("tank"))
    for argv in (
        ["zfs", "create", "-o", "atime=off", "-o", "compression=lz4", "-o", "mountpoint=/tank/fh", "tank/fh"],
        ["zfs", "create", "tank/fh/images"],
        ["zfs", "create", "-o", "org.freebsd:swap=on", "-V", "1073741824", "tank/fh/swap"],
    ):
        runner.on(argv)
    result = zfs_tree.execute(runner, WORKSPACE, check_mode=False)
    assert result["changed"] is True
    assert len(runner.calls) == 4
    assert result["datasets"]["tank/fh/swap"]["volsize"] == "1073741824"


def test_only_what_differs_is_set_in_one_call() -> None:
    params = call(entry("tank/a", properties={"compression": "zstd", "quota": "1g", "atime": "off"}))
    there = dataset("tank") + dataset("tank/a", compression="lz4", quota="0|default", atime="off|default")
    assert actions(params, there, missing=False) == [
        ("set compression=zstd quota=1073741824 of tank/a", "compression is lz4, quota is 0")
    ]


def test_properties_that_nobody_asked_for_are_left() -> None:
    assert actions(call(entry("tank/a")), dataset("tank") + dataset("tank/a"), missing=False) == []


def test_a_parent_that_is_not_listed_is_created_and_said() -> None:
    assert actions(call(entry("tank/a/b")), dataset("tank")) == [
        ("create tank/a", "parent of tank/a/b"),
        ("create tank/a/b", "does not exist"),
    ]


def test_equal_by_inheritance_is_equal() -> None:
    params = call(entry("tank/a/b", properties={"compression": "lz4"}))
    there = dataset("tank") + dataset("tank/a") + dataset("tank/a/b", compression="lz4|inherited from tank")
    assert actions(params, there, missing=False) == []


def test_equal_by_inheritance_from_what_changes_is_set() -> None:
    params = call(
        entry("tank/a", properties={"compression": "zstd"}), entry("tank/a/b", properties={"compression": "lz4"})
    )
    there = (
        dataset("tank")
        + dataset("tank/a", compression="lz4")
        + dataset("tank/a/b", compression="lz4|inherited from tank/a")
    )
    assert actions(params, there, missing=False) == [
        ("set compression=zstd of tank/a", "compression is lz4"),
        ("set compression=lz4 of tank/a/b", "compression would change with tank/a"),
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("local", [("inherit compression of tank/a", "compression is lz4, set locally")]),
        ("received", [("inherit compression of tank/a", "compression is lz4, received")]),
        ("inherited from tank", []),
        ("default", []),
    ],
)
def test_inherit_removes_a_local_setting(source: str, expected: list[tuple[str, str]]) -> None:
    params = call(entry("tank/a", properties={"compression": "inherit"}))
    assert actions(params, dataset("tank") + dataset("tank/a", compression=f"lz4|{source}"), missing=False) == expected


def test_a_mount_point_below_an_alternate_root_is_the_one_that_was_set() -> None:
    params = call(entry("lab/a", properties={"mountpoint": "/persist"}))
    runner = host(params, dataset("lab") + dataset("lab/a", mountpoint="/tank/alt/persist"), missing=False)
    runner.on(POOLS, "lab\t1\t1\t1\tONLINE\t/tank/alt\t42\n")
    result = zfs_tree.execute(runner, params, check_mode=True)
    assert result["actions"] == []
    assert result["datasets"]["lab/a"]["mountpoint"] == "/persist"


@pytest.mark.parametrize(
    ("seen", "given", "expected"),
    [
        ({"mounted": "no", "canmount": "on"}, {}, [("mount tank/a", "not mounted")]),
        ({"mounted": "yes", "canmount": "on"}, {}, []),
        ({"mounted": "no", "canmount": "noauto"}, {}, []),
        ({"mounted": "no", "canmount": "on"}, {"canmount": "on"}, [("mount tank/a", "not mounted")]),
        ({"mounted": "no", "canmount": "off"}, {"canmount": "off"}, []),
    ],
)
def test_what_is_to_be_mounted_somewhere_is_mounted(
    seen: dict[str, str], given: dict[str, str], expected: list[tuple[str, str]]
) -> None:
    params = call(entry("tank/a", properties={"mountpoint": "/a", **given}))
    assert actions(params, dataset("tank") + dataset("tank/a", mountpoint="/a", **seen), missing=False) == expected


def test_what_inherits_its_place_is_mounted_there_too() -> None:
    params = call(entry("tank/a", properties={"mountpoint": "/a"}), entry("tank/a/b"))
    there = dataset("tank") + dataset("tank/a", mountpoint="/a", mounted="yes", canmount="on")
    there += dataset("tank/a/b", mountpoint="/a/b", mounted="no", canmount="on")
    assert actions(params, there, missing=False) == [("mount tank/a/b", "not mounted")]


def test_a_moved_mount_point_is_set_back() -> None:
    params = call(entry("lab/a", properties={"mountpoint": "/persist"}))
    runner = host(params, dataset("lab") + dataset("lab/a", mountpoint="/tank/alt/other"), missing=False)
    runner.on(POOLS, "lab\t1\t1\t1\tONLINE\t/tank/alt\t42\n")
    result = zfs_tree.execute(runner, params, check_mode=True)
    assert result["actions"] == [{"action": "set mountpoint=/persist of lab/a", "reason": "mountpoint is /other"}]


@pytest.mark.parametrize(
    ("size", "volsize", "expected"),
    [
        ("64m", 64 << 20, []),
        ("65m", 64 << 20, [("grow tank/v to 65m", "volsize is 64m")]),
        (str((64 << 20) - 1), 64 << 20, []),
    ],
)
def test_volumes_grow_in_blocks(size: str, volsize: int, expected: list[tuple[str, str]]) -> None:
    params = call(entry("tank/v", type="volume", size=size))
    there = dataset("tank") + dataset("tank/v", "volume", volsize=str(volsize), volblocksize="8192")
    assert actions(params, there, missing=False) == expected


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (call(entry("tank/a@b")), "a snapshot or bookmark is not expected here"),
        (call(entry("tank//a")), "is no part of a name"),
        (call(entry("tank/a"), entry("tank/a")), "dataset 'tank/a': listed twice"),
        (call(entry("tank/b"), root="tank/a"), "dataset 'tank/b': refusing, it is outside of root 'tank/a'"),
        (call(entry("tank/ab"), root="tank/a"), "outside of root"),
        (call(entry("tank/a", properties={"bogus": 1})), "no such property 'bogus'"),
        (call(entry("tank/a", properties={"compression": "nosuch"})), "does not take 'nosuch'"),
        (call(entry("tank/a", properties={"used": 1})), "can only be read"),
        (call(entry("tank/a", properties={"mountpoint": "rel"})), "an absolute path, none or legacy"),
        (call(entry("tank/a", properties={"volsize": "1g"})), "is given as size"),
        (call(entry("tank/a", properties={"volblocksize": "8k"})), "for volumes only"),
        (call(entry("tank/a", size="1g")), "a file system has no size"),
        (call(entry("tank/a", type="volume")), "a volume needs a size"),
        (call(entry("tank/a", type="volume", size="big")), "'big' is not a size"),
        (call(entry("tank/a", type="volume", size="0")), "of size 0 is not possible"),
        (call(entry("tank/a", type="volume", size="1g", properties={"mountpoint": "/a"})), "not for a volume"),
        (call(entry("tank/a", type="volume", size="1g"), entry("tank/a/b")), "its parent 'tank/a' is a volume"),
        (
            call(entry("tank/a", properties={"mountpoint": "/m"}), entry("tank/b", properties={"mountpoint": "/m/"})),
            "dataset 'tank/b': mount point '/m' is that of 'tank/a' too",
        ),
        (
            call(
                entry("tank/a", properties={"mountpoint": "/m"}),
                entry("tank/a/x"),
                entry("tank/b", properties={"mountpoint": "/m/x"}),
            ),
            "dataset 'tank/a/x': mount point '/m/x' is that of 'tank/b' too",
        ),
    ],
)
def test_bad_input_is_refused_before_anything_is_looked_at(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ToolError) as caught:
        zfs_tree.execute(FakeRunner(), params, check_mode=False)
    assert message in caught.value.message


@pytest.mark.parametrize(
    "entries",
    [
        [
            entry("t/a", properties={"mountpoint": "/", "canmount": "noauto"}),
            entry("t/b", properties={"mountpoint": "/"}),
        ],
        [
            entry("t/a", properties={"mountpoint": "/v", "canmount": "off"}),
            entry("t/b", properties={"mountpoint": "/v"}),
        ],
        [entry("t/a", properties={"mountpoint": "none"}), entry("t/b", properties={"mountpoint": "none"})],
        [entry("t/a"), entry("t/b")],
    ],
)
def test_datasets_that_are_not_mounted_may_share_a_mount_point(entries: list[dict[str, Any]]) -> None:
    assert len(zfs_tree.wanted_of(call(*entries))) == 2


@pytest.mark.parametrize(
    ("params", "stdout", "message"),
    [
        (call(entry("nosuch/a")), "", "dataset 'nosuch/a': there is no pool 'nosuch' on this builder"),
        (call(entry("tank/a/b"), root="tank/a/b"), dataset("tank"), "there is no dataset 'tank/a'; create it"),
        (
            call(entry("tank/a", type="volume", size="1g")),
            dataset("tank") + dataset("tank/a"),
            "it is a filesystem, not a volume",
        ),
        (call(entry("tank/v/a")), dataset("tank") + dataset("tank/v", "volume"), "its parent 'tank/v' is a volume"),
        (
            call(entry("tank/v", type="volume", size="1m")),
            dataset("tank") + dataset("tank/v", "volume", volsize="2097152", volblocksize="8192"),
            "dataset 'tank/v': refusing to shrink the volume from 2m to 1m",
        ),
        (
            call(entry("tank/a", properties={"casesensitivity": "mixed"})),
            dataset("tank") + dataset("tank/a", casesensitivity="sensitive|-"),
            "'casesensitivity' is sensitive and can only be chosen when it is created",
        ),
    ],
)
def test_what_the_host_makes_impossible_is_refused(params: dict[str, Any], stdout: str, message: str) -> None:
    with pytest.raises(ToolError) as caught:
        zfs_tree.execute(host(params, stdout), params, check_mode=False)
    assert message in caught.value.message


def test_one_impossible_dataset_stops_all() -> None:
    params = call(entry("tank/a"), entry("tank/v", type="volume", size="1m"))
    runner = host(params, dataset("tank") + dataset("tank/v", "volume", volsize="2097152", volblocksize="8192"))
    with pytest.raises(ToolError):
        zfs_tree.execute(runner, params, check_mode=False)
    assert len(runner.calls) == 1


def removal(name: str, **given: Any) -> dict[str, Any]:
    return call(entry(name), entry(f"{name}/child"), state="absent", **given)


def removing(params: dict[str, Any], stdout: str, preview: str = "") -> FakeRunner:
    runner = host(params, stdout).on("mount -p", find("13.2", "host", "mount -p"))
    for item in zfs_tree.wanted_of(params):
        runner.on(["zfs", "destroy", "-nvp", "-r", item.name], preview)
    return runner


def test_what_is_gone_is_absent() -> None:
    params = removal("tank/a")
    runner = host(params, dataset("tank"))
    assert zfs_tree.execute(runner, params, check_mode=False)["changed"] is False
    assert len(runner.calls) == 1


def test_destroying_needs_consent() -> None:
    params = removal("tank/a")
    with pytest.raises(ToolError, match="dataset 'tank/a': refusing to destroy; set allow_destroy: true"):
        zfs_tree.execute(removing(params, dataset("tank") + dataset("tank/a")), params, check_mode=False)


def test_destroying_says_how_much_goes() -> None:
    params = removal("tank/a", allow_destroy=True)
    preview = "destroy\ttank/a@x\ndestroy\ttank/a/child\ndestroy\ttank/a\n"
    runner = removing(params, dataset("tank") + dataset("tank/a"), preview)
    result = zfs_tree.execute(runner, params, check_mode=True)
    assert result["actions"] == [{"action": "destroy tank/a", "reason": "exists, with 2 datasets and snapshots below"}]
    assert "zfs destroy -r tank/a" not in runner.ran()
    zfs_tree.execute(runner.on("zfs destroy -r tank/a"), params, check_mode=False)
    assert runner.ran()[-1] == "zfs destroy -r tank/a"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("zroot", "it is a pool's own"),
        ("zroot/ROOT", "the running system is 'zroot/ROOT/default'"),
        ("zroot/ROOT/default", "the running system is 'zroot/ROOT/default'"),
    ],
)
def test_the_running_system_is_never_destroyed(name: str, message: str) -> None:
    params = call(entry(name), state="absent", allow_destroy=True)
    stdout = dataset("zroot") + dataset("zroot/ROOT") + dataset("zroot/ROOT/default")
    with pytest.raises(ToolError) as caught:
        zfs_tree.execute(removing(params, stdout), params, check_mode=False)
    assert message in caught.value.message
