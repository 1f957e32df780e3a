# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.modules import zpool
from tests.unit.fake_runner import FakeRunner
from tests.unit.transcripts import RELEASES, find

LIST = "zpool list -Hp -o name,size,alloc,free,health,altroot,guid"
HOST = "tank\t10\t1\t9\tONLINE\t-\t64\nzroot\t10\t1\t9\tONLINE\t-\t10\n"
LAB = "lab\t10\t1\t9\tONLINE\t/tank/alt\t42\n"


def call(**given: Any) -> dict[str, Any]:
    params: dict[str, Any] = {name: spec.get("default") for name, spec in zpool.ARGUMENTS.items()}
    return {**params, "name": "lab", **given}


def planned(runner: FakeRunner, **given: Any) -> list[str]:
    """Commands that would run, in check mode: anything that changes something is unexpected."""
    wanted = zpool.wanted_of(call(**given))
    observed = zpool.observe(runner, wanted)
    steps = zpool.plan(wanted, observed)
    result = zpool.execute(runner, call(**given), check_mode=True)
    assert result["changed"] is bool(steps)
    return [" ".join(step.argv) for step in steps]


def refusal(runner: FakeRunner, **given: Any) -> str:
    with pytest.raises(ToolError) as caught:
        zpool.execute(runner, call(**given), check_mode=False)
    return caught.value.message


@pytest.fixture
def device(tmp_path: Path) -> str:
    path = tmp_path / "md0"
    path.touch()
    return str(path)


def test_creation(device: str) -> None:
    runner = FakeRunner().on(LIST, HOST)
    (command,) = planned(
        runner,
        vdevs=[device],
        temporary_name="fhbuild",
        name="zroot",
        altroot="/tank/alt/",
        properties={"ashift": 12, "autoexpand": True},
        filesystem_properties={"mountpoint": "none", "atime": False},
    )
    assert command == (
        "zpool create -t fhbuild -o ashift=12 -o autoexpand=on -o cachefile=none -R /tank/alt -O atime=off "
        f"-O mountpoint=none zroot {device}"
    )


def test_a_new_pool_is_returned_with_its_guid(device: str) -> None:
    runner = FakeRunner().on(LIST, HOST, HOST + LAB).on(["zpool", "create", "lab", device])
    result = zpool.execute(runner, call(vdevs=[device]), check_mode=False)
    assert (result["changed"], result["guid"], result["name"]) == (True, "42", "lab")
    assert len(runner.calls) == 3


def test_creation_is_never_tried_twice(device: str) -> None:
    failure = find("13.2", "zpool", "zpool create -o cachefile=none other /dev/md5")
    runner = FakeRunner().on(LIST, HOST).on(["zpool", "create", "lab", device], failure)
    with pytest.raises(ToolError, match="pool 'lab': create failed: /dev/md5 is part of active pool 'lab'"):
        zpool.execute(runner, call(vdevs=[device]), check_mode=False)
    assert len(runner.calls) == 2


def test_check_mode_asks_only_what_is_imported(device: str) -> None:
    runner = FakeRunner().on(LIST, HOST)
    result = zpool.execute(runner, call(vdevs=[device]), check_mode=True)
    assert (result["changed"], result["guid"], runner.ran()) == (True, None, [LIST])
    assert result["diff"] == {"before": "imported: false\n", "after": "imported: true\n"}


@pytest.mark.parametrize("release", RELEASES)
def test_a_pool_that_is_as_asked_is_left(release: str) -> None:
    runner = FakeRunner().on(LIST, HOST + LAB).recorded(release, "zpool", "zpool status -P lab")
    recorded = find(release, "zpool", "zpool get -Hp all lab").stdout
    rows = [
        line for line in recorded.splitlines() if line.split("\t")[1] in ("cachefile", "autoexpand", "feature@draid")
    ]
    runner.on("zpool get -Hp -o name,property,value,source autoexpand,cachefile,feature@draid lab", "\n".join(rows))
    runner.on(
        "zfs get -Hp -t filesystem,volume -o name,property,value,source compression,mountpoint lab",
        "lab\tcompression\tlz4\tlocal\nlab\tmountpoint\tnone\tlocal\n",
    )
    given = {
        "vdevs": ["md5"],
        "altroot": "/tank/alt",
        "guid": "42",
        "properties": {"cachefile": "none", "autoexpand": False, "feature@draid": "enabled"},
        "filesystem_properties": {"compression": "lz4", "mountpoint": "none"},
    }
    assert planned(runner, **given) == []


def test_differing_properties_are_set() -> None:
    runner = FakeRunner().on(LIST, LAB)
    runner.on("zpool get -Hp -o name,property,value,source autoexpand,bootfs lab", "lab\tautoexpand\toff\tdefault\n")
    runner.on(
        "zfs get -Hp -t filesystem,volume -o name,property,value,source atime,quota lab",
        "lab\tatime\ton\tdefault\nlab\tquota\t1073741824\tlocal\n",
    )
    assert planned(
        runner,
        properties={"autoexpand": "on", "bootfs": "lab/ROOT/default"},
        filesystem_properties={"atime": "off", "quota": "1g"},
    ) == ["zpool set autoexpand=on lab", "zpool set bootfs=lab/ROOT/default lab", "zfs set atime=off lab"]


def test_bootfs_of_a_pool_under_a_temporary_name() -> None:
    runner = FakeRunner().on(LIST, "fhbuild\t10\t1\t9\tONLINE\t/tank/alt\t42\n")
    runner.on("zpool get -Hp -o name,property,value,source bootfs fhbuild", "fhbuild\tbootfs\tfhbuild/ROOT/a\tlocal\n")
    given = {"name": "zroot", "temporary_name": "fhbuild", "guid": "42"}
    assert planned(runner, **given, properties={"bootfs": "zroot/ROOT/a"}) == []
    assert planned(runner, **given, properties={"bootfs": "zroot/ROOT/b"}) == [
        "zpool set bootfs=fhbuild/ROOT/b fhbuild"
    ]


@pytest.mark.parametrize(
    ("status", "vdevs", "equal"),
    [
        ("/dev/md0p2", ["/dev/md0p2"], True),
        ("/dev/md0p2", ["md0p2"], True),
        ("/dev/md0p2", ["/dev/md0"], False),
        ("/dev/gpt/zfs0", ["gpt/zfs0"], True),
        ("/dev/gpt/zfs0", ["/dev/md0p2"], False),
    ],
)
def test_vdevs_are_compared_as_given(status: str, vdevs: list[str], equal: bool) -> None:
    text = f"config:\n\n\tNAME  STATE\n\tlab  ONLINE  0 0 0\n\t  {status}  ONLINE  0 0 0\n"
    runner = FakeRunner().on(LIST, LAB).on("zpool status -P lab", text)
    if equal:
        assert planned(runner, vdevs=vdevs) == []
    else:
        message = refusal(runner, vdevs=vdevs)
        assert message.startswith(
            f"pool 'lab': refusing, it is made of {status}, not of {' '.join(vdevs)}; another pool"
        )


@pytest.mark.parametrize("state", ["present", "imported", "exported", "absent"])
def test_another_guid_is_another_pool(state: str) -> None:
    runner = FakeRunner().on(LIST, LAB).on("mount -p", find("13.2", "host", "mount -p"))
    message = refusal(runner, state=state, guid="43", allow_destroy=True)
    assert message.startswith("pool 'lab': refusing, its GUID is 42, not 43")


@pytest.mark.parametrize("release", RELEASES)
def test_import_goes_by_guid(release: str) -> None:
    offer = find(release, "zpool", "zpool import -d /dev")
    guid = "3158072871239408338" if release == "13.2" else "12112940409447811573"
    runner = FakeRunner().on(LIST, HOST).on("zpool import", offer)
    assert planned(runner, state="imported", altroot="/tank/alt", temporary_name="tmp", guid=guid) == [
        f"zpool import -R /tank/alt -t {guid} tmp"
    ]
    assert planned(runner, state="imported") == [f"zpool import {guid}"]


def test_an_imported_pool_gets_its_properties_after_the_import() -> None:
    runner = FakeRunner().on(LIST, HOST, HOST + LAB).on("zpool import", find("13.2", "zpool", "zpool import"))
    runner.on("zpool import -o cachefile=none 3158072871239408338")
    runner.on(
        "zpool get -Hp -o name,property,value,source autoexpand,cachefile lab",
        "lab\tautoexpand\toff\tdefault\nlab\tcachefile\tnone\tlocal\n",
    )
    runner.on("zpool set autoexpand=on lab")
    given = call(state="imported", properties={"cachefile": "none", "autoexpand": "on"})
    result = zpool.execute(runner, given, check_mode=False)
    assert [item["action"] for item in result["actions"]] == ["import pool lab", "set autoexpand=on of pool lab"]


@pytest.mark.parametrize(
    ("given", "offer", "message"),
    [
        ({}, "", "cannot import it, no device in /dev has a pool of that name"),
        ({"guid": "43"}, find("13.2", "zpool", "zpool import").stdout, "no device in /dev has a pool of GUID 43"),
        (
            {},
            find("13.2", "zpool", "zpool import").stdout + find("15.1", "zpool", "zpool import").stdout,
            "there are 2 of that name; give guid, one of 3158072871239408338, 12112940409447811573",
        ),
        (
            {"name": "other", "guid": "3158072871239408338"},
            find("13.2", "zpool", "zpool import").stdout,
            "the pool of GUID 3158072871239408338 is called 'lab'",
        ),
        ({}, find("13.2", "zpool", "zpool import -d /tank/lab").stdout, "cannot import it, it is UNAVAIL"),
    ],
)
def test_imports_that_cannot_be(given: dict[str, Any], offer: str, message: str) -> None:
    runner = FakeRunner().on(LIST, HOST).on("zpool import", offer)
    assert message in refusal(runner, state="imported", **given)


@pytest.mark.parametrize("state", ["exported", "absent"])
def test_a_pool_that_is_not_imported_is_gone(state: str) -> None:
    assert planned(FakeRunner().on(LIST, HOST), state=state) == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"state": "exported"}, "zpool export lab"),
        ({"state": "exported", "force": True}, "zpool export -f lab"),
        ({"state": "absent", "allow_destroy": True}, "zpool destroy lab"),
        ({"state": "absent", "allow_destroy": True, "guid": "42"}, "zpool destroy lab"),
        ({"state": "exported", "name": "zroot", "temporary_name": "lab", "guid": "42"}, "zpool export lab"),
    ],
)
def test_leaving(given: dict[str, Any], expected: str) -> None:
    runner = FakeRunner().on(LIST, HOST + LAB).on("mount -p", find("13.2", "host", "mount -p"))
    assert planned(runner, **given) == [expected]


@pytest.mark.parametrize("state", ["exported", "absent"])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "zroot"}, "it is the builder's own"),
        ({"name": "other", "temporary_name": "zroot", "guid": "10"}, "it is the builder's own"),
        ({"name": "tank", "workspace": "tank/freehyve"}, "it holds the workspace"),
        ({"name": "zroot", "temporary_name": "lab"}, "by a temporary name alone; give its guid or its vdevs too"),
    ],
)
def test_refusing_to_leave(state: str, given: dict[str, Any], message: str) -> None:
    runner = FakeRunner().on(LIST, HOST + LAB).on("mount -p", find("13.2", "host", "mount -p"))
    assert message in refusal(runner, state=state, allow_destroy=True, **given)


def test_destroying_needs_consent() -> None:
    runner = FakeRunner().on(LIST, LAB).on("mount -p", find("13.2", "host", "mount -p"))
    assert refusal(runner, state="absent") == "pool 'lab': refusing to destroy; set allow_destroy: true"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "1bad"}, "pool '1bad': a name begins with a letter"),
        ({"name": "mirror"}, "the name is reserved"),
        ({"temporary_name": "c0"}, "the name is reserved"),
        ({"guid": "lab"}, "guid 'lab' is not a GUID"),
        ({"properties": {"bogus": 1}}, "no such property 'bogus'"),
        ({"properties": {"size": "1g"}}, "'size' can only be read"),
        ({"properties": {"autoexpand": "maybe"}}, "does not take 'maybe'"),
        ({"properties": {"altroot": "/mnt"}}, "is given as the parameter altroot"),
        ({"filesystem_properties": {"compression": "nosuch"}}, "does not take 'nosuch'"),
        ({"altroot": "mnt"}, "altroot 'mnt' is not an absolute path"),
        ({"compatibility": "nosuch"}, "compatibility 'nosuch' is no feature set of this builder"),
    ],
)
def test_bad_input_is_refused_before_anything_is_looked_at(given: dict[str, Any], message: str) -> None:
    assert message in refusal(FakeRunner(), **given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "cannot create it without vdevs"),
        ({"vdevs": ["/dev/nosuch9"]}, "cannot create it, there is no /dev/nosuch9"),
        ({"vdevs": ["/dev/null"], "guid": "42"}, "there is none with GUID 42"),
        ({"vdevs": ["/dev/null"], "properties": {"bootfs": "lab/ROOT/a"}}, "bootfs 'lab/ROOT/a' cannot exist before"),
    ],
)
def test_pools_that_cannot_be_created(given: dict[str, Any], message: str) -> None:
    runner = FakeRunner().on(LIST, HOST)
    assert message in refusal(runner, **given)
    assert runner.ran() == [LIST]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"altroot": "/mnt"}, "its altroot is /tank/alt, not /mnt"),
        ({"properties": {"readonly": "on"}}, "'readonly' is off and can only be chosen on import"),
        ({"filesystem_properties": {"utf8only": "on"}}, "'utf8only' is off and can only be chosen when"),
    ],
)
def test_what_cannot_be_set_is_refused(given: dict[str, Any], message: str) -> None:
    runner = FakeRunner().on(LIST, LAB)
    runner.on("zpool get -Hp -o name,property,value,source readonly lab", "lab\treadonly\toff\t-\n")
    runner.on("zfs get -Hp -t filesystem,volume -o name,property,value,source utf8only lab", "lab\tutf8only\toff\t-\n")
    assert message in refusal(runner, **given)


def test_feature_sets_are_files_of_the_builder(tmp_path: Path) -> None:
    (tmp_path / "openzfs-2.0-freebsd").touch()
    (tmp_path / "grub2").touch()
    for good in ("off", "legacy", "openzfs-2.0-freebsd", "grub2,openzfs-2.0-freebsd"):
        zpool.check_compatibility("pool 'lab'", good, [str(tmp_path), "/nosuch"])
    with pytest.raises(
        ToolError, match=r"'openzfs-2.9' is no feature set of this builder; it has openzfs-2.0-freebsd$"
    ):
        zpool.check_compatibility("pool 'lab'", "openzfs-2.9", [str(tmp_path)])
