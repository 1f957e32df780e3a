# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""One line for each thing that would stop a build."""

from __future__ import annotations

from typing import Any

import pytest

from .roles import value_of

GIB = 1 << 30
#: What builder_facts tells of a host on which everything is well.
GOOD: dict[str, Any] = {
    "system": "FreeBSD",
    "release": "15.1-RELEASE",
    "arch": "amd64",
    "osreldate": 1501000,
    "jailed": False,
    "root": True,
    "zfs_version": "2.4.2",
    "missing_tools": [],
    "pools": {"zroot": {"health": "ONLINE"}},
    "workspace_pool_exists": True,
    "workspace_exists": True,
    "workspace_mounted": True,
    "workspace_mountpoint": "/zroot/freehyve",
    "workspace_available": 100 * GIB,
    "zpool_free": 100 * GIB,
    "memory": 8 * GIB,
    "cpus": 4,
}


def stops(facts: dict[str, Any], **variables: Any) -> list[str]:
    known = {"ansible_facts": {"freehyve_builder": GOOD | facts}, **variables}
    lines: list[str] = value_of("builder_host", "__builder_host_stops", known)
    return lines


def test_nothing_stops_a_build_on_a_good_host() -> None:
    assert stops({}) == []


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        ({"system": "Linux"}, "runs Linux, a build host runs FreeBSD; name another in the inventory"),
        (
            {"osreldate": 1301000, "release": "13.1-RELEASE"},
            "runs 13.1-RELEASE, builds need FreeBSD 13.2 or newer; update it",
        ),
        (
            {"jailed": True},
            "is a jail, which may neither make pools nor load kernel modules; name the host itself in the inventory",
        ),
        ({"root": False}, "we are not root there; connect as root or set ansible_become"),
        ({"zfs_version": None}, "has no ZFS in its kernel; run provision.yml"),
        ({"missing_tools": ["poudriere", "git"]}, "lacks poudriere git; run provision.yml"),
        (
            {
                "workspace_pool_exists": False,
                "workspace_exists": False,
                "workspace_mounted": False,
                "pools": {"tank": {"health": "ONLINE"}},
            },
            "has no pool zroot, but tank; set freehyve_workspace, or builder_host_pool_devices and run provision.yml",
        ),
        ({"pools": {"zroot": {"health": "SUSPENDED"}}}, "pool zroot is SUSPENDED; see zpool status zroot"),
        ({"workspace_mounted": False}, "workspace zroot/freehyve is not mounted; run zfs mount zroot/freehyve"),
        (
            {"workspace_mountpoint": "/work"},
            (
                "workspace zroot/freehyve is mounted at /work, not at /zroot/freehyve; set freehyve_workspace_path, "
                "or run provision.yml"
            ),
        ),
        (
            {"workspace_available": 2 * GIB},
            "workspace zroot/freehyve has 2.00 GB free, a build needs 8g; make room",
        ),
        ({"memory": GIB // 2}, "has 512.00 MB of memory, a build needs 1g"),
    ],
)
def test_each_obstacle_is_one_line(facts: dict[str, Any], line: str) -> None:
    assert stops(facts) == [line]


def test_every_obstacle_is_told_at_once() -> None:
    told = stops({"root": False, "missing_tools": ["git"], "memory": None})
    assert [line.split()[0] for line in told] == ["we", "lacks", "has"]


def test_git_is_not_missed_where_the_ports_tree_is_there_already() -> None:
    assert stops({"missing_tools": ["git"]}, freehyve_ports_method="null") == []


def test_the_limits_are_the_sites() -> None:
    assert stops({"memory": GIB}, builder_host_min_memory="2g") == ["has 1.00 GB of memory, a build needs 2g"]
