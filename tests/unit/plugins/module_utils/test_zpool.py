# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _zpool
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from tests.unit.fake_runner import FakeRunner
from tests.unit.transcripts import RELEASES, find, rows

LIST = "zpool list -Hp -o name,size,alloc,free,health,altroot,guid"

MIRRORS = """  pool: big
 state: DEGRADED
status: One or more devices could not be opened.  Sufficient replicas exist for
\tthe pool to continue functioning in a degraded state.
  scan: none requested
config:

\tNAME                      STATE     READ WRITE CKSUM
\tbig                       DEGRADED     0     0     0
\t  mirror-0                DEGRADED     0     0     0
\t    /dev/gpt/a            ONLINE       0     0     0
\t    6493941557731488108   UNAVAIL      0     0     0  was /dev/gpt/b
\t  raidz2-1                ONLINE       0     0     0
\t    /dev/da0p2            ONLINE       0     0     0
\t    /dev/da1p2            ONLINE       0     0     0
\t    /dev/da2p2            ONLINE       0     0     0
\tlogs\t
\t  mirror-2                ONLINE       0     0     0
\t    /dev/nda0p1           ONLINE       0     0     0
\t    /dev/nda1p1           ONLINE       0     0     0
\tcache
\t  /dev/nda2               ONLINE       0     0     0
\tspares
\t  /dev/da9                AVAIL

errors: No known data errors
"""


@pytest.mark.parametrize("release", RELEASES)
def test_rows_of_a_listing(release: str) -> None:
    found = _zpool.parse_list(find(release, "zpool", LIST).stdout)
    assert sorted(found) == ["tank", "zroot"]
    assert found["tank"].size == 25232932864
    assert (found["tank"].altroot, found["tank"].health) == (None, "ONLINE")
    assert found["zroot"].guid.isdigit()


def test_a_faulted_pool_has_no_sizes() -> None:
    pool = _zpool.parse_list("lab\t-\t-\t-\tFAULTED\t/tank/alt\t42\n")["lab"]
    assert (pool.size, pool.free, pool.altroot) == (0, 0, "/tank/alt")


@pytest.mark.parametrize("release", RELEASES)
def test_properties_have_value_and_source(release: str) -> None:
    found = _zpool.parse_get(
        find(release, "zpool", "zpool get -Hp bootfs,cachefile,altroot,ashift,autoexpand,compatibility,guid lab").stdout
    )
    assert (found["cachefile"].value, found["cachefile"].source) == ("none", "local")
    assert found["compatibility"].value == "off"


@pytest.mark.parametrize("release", RELEASES)
def test_vdevs_are_the_words_of_a_command_line(release: str) -> None:
    runner = FakeRunner().recorded(release, "zpool", "zpool status -P lab")
    assert _zpool.status_vdevs(runner, "lab") == ["/dev/md5"]


def test_vdevs_of_a_degraded_pool_with_classes() -> None:
    assert " ".join(_zpool.parse_status(MIRRORS)) == (
        "mirror /dev/gpt/a /dev/gpt/b raidz2 /dev/da0p2 /dev/da1p2 /dev/da2p2 "
        "log mirror /dev/nda0p1 /dev/nda1p1 cache /dev/nda2 spare /dev/da9"
    )


def test_a_pool_may_be_called_like_a_class() -> None:
    status = (
        "config:\n\n\tNAME       STATE  READ WRITE CKSUM\n\tcache      ONLINE  0 0 0\n\t  /dev/md0  ONLINE  0 0 0\n"
    )
    assert _zpool.parse_status(status) == ["/dev/md0"]


def test_no_config_no_vdevs() -> None:
    assert _zpool.parse_status("pool 'lab' is healthy\n") == []


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("/dev/md0", "md0", True),
        ("/dev/md0p2", "/dev/md0", False),
        ("/dev/md0p2", "md0p2", True),
        ("/dev/gpt/zfs0", "gpt/zfs0", True),
        ("/dev/gpt/zfs0", "/dev/md0p2", False),
        ("a b", "b a", True),
        ("mirror a b", "mirror b a", True),
        ("mirror a b", "a b", False),
        ("mirror a b mirror c d", "mirror d c mirror b a", True),
        ("mirror a b mirror c d", "mirror a c mirror b d", False),
        ("raidz a b c", "raidz1 a b c", True),
        ("raidz1 a b c", "raidz2 a b c", False),
        ("a log b", "a b", False),
        ("a log b cache c", "a cache c log b", True),
        ("/tank/p.img", "/dev/p.img", False),
    ],
)
def test_layouts_compare_as_given(one: str, other: str, equal: bool) -> None:
    assert (_zpool.layout(one.split()) == _zpool.layout(other.split())) is equal


def test_devices_of_a_layout() -> None:
    assert _zpool.devices(["mirror", "a", "/dev/b", "log", "c"]) == ["/dev/a", "/dev/b", "/dev/c"]


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    ("command", "state", "vdevs"),
    [("zpool import", "ONLINE", ("md5",)), ("zpool import -d /tank/lab", "UNAVAIL", ("/tank/lab/p.img",))],
)
def test_pools_that_can_be_imported(release: str, command: str, state: str, vdevs: tuple[str, ...]) -> None:
    (found,) = _zpool.parse_import(find(release, "zpool", command).stdout)
    assert (found.name, found.state, found.vdevs, found.destroyed) == ("lab", state, vdevs, False)
    assert found.guid.isdigit()


@pytest.mark.parametrize("release", RELEASES)
def test_no_pool_to_import_is_an_empty_list(release: str) -> None:
    (row,) = [row for row in rows(release, "zpool") if "no pools available" in row.stderr]
    assert _zpool.importable(FakeRunner().on(row.cmd, row), ["/dev"]) == []


def test_two_pools_of_one_name() -> None:
    text = find("13.2", "zpool", "zpool import").stdout
    twice = text + "\n" + text.replace("3158072871239408338", "42").replace("ONLINE", "ONLINE (DESTROYED)", 1)
    assert [(pool.guid, pool.destroyed) for pool in _zpool.parse_import(twice)] == [
        ("3158072871239408338", False),
        ("42", True),
    ]


@pytest.mark.parametrize("release", RELEASES)
def test_recorded_commands_can_be_built(release: str) -> None:
    built = {
        "zpool create -o cachefile=none -R /tank/alt -O atime=off -O compression=lz4 -O mountpoint=none lab /dev/md5": (
            _zpool.create_argv(
                "lab",
                ["/dev/md5"],
                altroot="/tank/alt",
                properties={"cachefile": "none"},
                filesystem_properties={"mountpoint": "none", "compression": "lz4", "atime": "off"},
            )
        ),
        "zpool create -t labtmp -o cachefile=none -R /tank/alt -O mountpoint=none lab /dev/md5": _zpool.create_argv(
            "lab", ["/dev/md5"], "labtmp", "/tank/alt", {"cachefile": "none"}, {"mountpoint": "none"}
        ),
        "zpool import -N -R /tank/alt -t lab labtmp": _zpool.import_argv(
            "lab", "labtmp", temporary=True, altroot="/tank/alt", mount=False
        ),
        "zpool import -d /tank/lab": _zpool.search_argv(["/tank/lab"]),
        "zpool export lab": _zpool.export_argv("lab"),
        "zpool destroy -f lab": _zpool.destroy_argv("lab", force=True),
        "zpool set autoexpand=on lab": _zpool.set_argv("lab", "autoexpand", "on"),
        LIST: _zpool.list_argv(),
        "zpool status -P lab": _zpool.status_argv("lab"),
    }
    assert {command: " ".join(argv) for command, argv in built.items()} == {command: command for command in built}
    recorded = {" ".join(sorted(row.cmd.split())) for row in rows(release, "zpool")}
    assert {" ".join(sorted(command.split())) for command in built} <= recorded


@pytest.mark.parametrize("release", RELEASES)
def test_creating_on_an_active_device_fails_with_the_cause(release: str) -> None:
    runner = FakeRunner().recorded(release, "zpool", "zpool create -o cachefile=none other /dev/md5")
    with pytest.raises(ToolError, match="pool 'other': creating failed: /dev/md5 is part of active pool 'lab'"):
        _zpool.create(runner, "other", ["/dev/md5"], properties={"cachefile": "none"})
    assert len(runner.calls) == 1


def test_a_new_pool_is_known_by_its_guid() -> None:
    runner = FakeRunner().on("zpool create -t tmp zroot /dev/md0").on(LIST, "tmp\t1\t1\t1\tONLINE\t-\t42\n")
    assert _zpool.create(runner, "zroot", ["/dev/md0"], temporary_name="tmp") == "42"


@pytest.mark.parametrize("verb", ["export", "destroy"])
def test_another_pool_of_the_name_is_left_alone(verb: str) -> None:
    runner = FakeRunner().on(LIST, "lab\t1\t1\t1\tONLINE\t-\t42\n")
    with pytest.raises(ToolError, match=f"pool 'lab': refusing to {verb}, its GUID is not 43"):
        getattr(_zpool, verb)(runner, "lab", guid="43")


@pytest.mark.parametrize(
    "name", ["1bad", "mirror", "mirror2", "raidz", "c0", "c0t0d0", "log", "spare", "a/b", "", "a b"]
)
def test_names_that_no_pool_can_have(name: str) -> None:
    with pytest.raises(ToolError, match=r"^pool '"):
        _zpool.check_name(name)


@pytest.mark.parametrize("name", ["zroot", "tank", "fh-build_1.0", "cache", "logs", "c"])
def test_names_that_a_pool_can_have(name: str) -> None:
    assert _zpool.check_name(name) == name
