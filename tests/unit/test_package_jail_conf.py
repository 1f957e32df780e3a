# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What package_jail writes for a builder into poudriere.conf, as templates say it."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from .roles import value_of

GIB = 1 << 30


def conf(*, memory: int = 8 * GIB, cpus: int = 2, **variables: Any) -> dict[str, str]:
    known = {"ansible_facts": {"freehyve_builder": {"memory": memory, "cpus": cpus}}, **variables}
    text = value_of("package_jail", "__package_jail_conf", known)
    lines = [line for line in text.splitlines() if "=" in line]
    return {name: shlex.split(value)[0] for name, value in (line.split("=", 1) for line in lines)}


def test_pool_and_places_follow_the_workspace() -> None:
    found = conf(freehyve_workspace="work/freehyve")
    assert found["ZPOOL"] == "work"
    assert found["ZROOTFS"] == "/freehyve/poudriere"
    assert found["BASEFS"] == "/work/freehyve/poudriere/base"
    assert found["DISTFILES_CACHE"] == "/work/freehyve/poudriere/distfiles"


@pytest.mark.parametrize(
    ("memory", "cpus", "says"),
    [(8 * GIB, 2, "yes"), (8 * GIB - 1, 2, "no"), (64 * GIB, 32, "no"), (4 * GIB, 1, "yes"), (3 * GIB, 2, "no")],
)
def test_work_directories_are_in_memory_where_there_is_memory(memory: int, cpus: int, says: str) -> None:
    assert conf(memory=memory, cpus=cpus)["USE_TMPFS"] == says


def test_tmpfs_as_the_site_says() -> None:
    assert conf(memory=GIB, package_jail_tmpfs="wrkdir data")["USE_TMPFS"] == "wrkdir data"
    assert "USE_TMPFS" not in conf(package_jail_tmpfs="")


@pytest.mark.parametrize(
    ("mirror", "says"),
    [
        ("https://mirror.example.org", "https://mirror.example.org"),
        ("http://10.0.0.1", "http://10.0.0.1"),
        ("file:///m", None),
    ],
)
def test_poudriere_asks_no_other_mirror(mirror: str, says: str | None) -> None:
    assert conf(freehyve_mirror=mirror).get("FREEBSD_HOST") == says


def test_ccache_and_jobs_only_when_asked_for() -> None:
    plain = conf()
    assert "CCACHE_DIR" not in plain and "PARALLEL_JOBS" not in plain
    asked = conf(freehyve_ccache="/work/ccache", package_jail_parallel_jobs=3)
    assert (asked["CCACHE_DIR"], asked["PARALLEL_JOBS"]) == ("/work/ccache", "3")


def test_settings_of_the_site_win() -> None:
    assert conf(package_jail_settings={"USE_TMPFS": "all", "MAX_MEMORY": 8})["USE_TMPFS"] == "all"
