# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _zfs
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.modules import builder_facts
from ansible_collections.freehyve.builder.plugins.modules.builder_facts import Asked, observe
from tests.unit.fake_runner import FakeRunner
from tests.unit.transcripts import RELEASES, find

LIST = "zpool list -Hp -o name,size,alloc,free,health,altroot,guid"
SYSCTL = """hw.machine: amd64
hw.machine_arch: amd64
hw.ncpu: 2
hw.physmem: 3196551168
kern.boottime: { sec = 1795383000, usec = 12 } Sun Nov 22 21:30:00 2026
kern.osreldate: 1302001
security.jail.jailed: 0
vfs.zfs.version.module: 2.1.9-FreeBSD_g92e0d9d18
"""
ASKED = Asked("zroot/freehyve", "/nonexistent/freehyve", None, "/nonexistent/compatibility.d")


def workspace(*rows: str) -> tuple[list[str], tuple[int, str, str]]:
    argv = _zfs.get_argv(["zroot", "zroot/freehyve"], ["available", "mountpoint", "mounted"])
    complaint = "cannot open 'zroot/freehyve': dataset does not exist\n"
    return argv, (0 if len(rows) > 3 else 1, "".join(f"{row}\n" for row in rows), complaint)


ZROOT = ("zroot\tavailable\t11717153792\t-", "zroot\tmountpoint\tnone\tlocal", "zroot\tmounted\tno\t-")
OURS = (
    "zroot/freehyve\tavailable\t900\t-",
    "zroot/freehyve\tmountpoint\t/zroot/freehyve\tlocal",
    "zroot/freehyve\tmounted\tyes\t-",
)


@pytest.fixture
def freebsd(monkeypatch: pytest.MonkeyPatch) -> None:
    name = SimpleNamespace(sysname="FreeBSD", release="13.2-RELEASE", nodename="builder", machine="amd64")
    monkeypatch.setattr(os, "uname", lambda: name)


def builder(release: str = "13.2", *rows: str) -> FakeRunner:
    runner = FakeRunner(tools={name: f"/sbin/{name}" for name in builder_facts.TOOLS})
    runner.on(builder_facts.sysctl_argv(), (1, SYSCTL, "sysctl: unknown oid 'kern.boot_id'\n"))
    runner.on(LIST, find(release, "zpool", LIST)).on("mount -p", find(release, "host", "mount -p"))
    argv, reply = workspace(*(rows or ZROOT + OURS))
    runner.on(argv, reply).on("mkimg --formats", "qcow2 raw\n").on("mkimg --schemes", "apm gpt mbr\n")
    return runner.on("poudriere version", "poudriere-git-3.4.99\n")


@pytest.mark.usefixtures("freebsd")
@pytest.mark.parametrize("release", RELEASES)
def test_facts_of_a_builder(release: str) -> None:
    runner = builder(release)
    facts = observe(runner, ASKED)
    assert (facts["system"], facts["release"], facts["osreldate"]) == ("FreeBSD", "13.2-RELEASE", 1302001)
    assert (facts["cpus"], facts["memory"], facts["jailed"]) == (2, 3196551168, False)
    assert facts["boot_time"] == 1795383000 and facts["boot_id"] is None
    assert sorted(facts["pools"]) == ["tank", "zroot"]
    assert facts["zpool_free"] == facts["pools"]["zroot"]["free"]
    assert (facts["pool_of_root"], facts["mounts"]["/"]) == ("zroot", "zroot/ROOT/default")
    assert (facts["workspace_exists"], facts["workspace_available"]) == (True, 900)
    assert (facts["workspace_mountpoint"], facts["workspace_mounted"]) == ("/zroot/freehyve", True)
    assert facts["zfs_version"] == "2.1.9-FreeBSD_g92e0d9d18"
    assert (facts["mkimg_formats"], facts["poudriere_version"]) == (["qcow2", "raw"], "3.4.99")
    assert facts["missing_tools"] == []
    assert len(runner.calls) == 7


@pytest.mark.usefixtures("freebsd")
def test_without_a_workspace_its_parent_says_what_is_free() -> None:
    facts = observe(builder("13.2", *ZROOT), ASKED)
    assert (facts["workspace_exists"], facts["workspace_available"]) == (False, 11717153792)
    assert facts["workspace_pool_exists"] is True and facts["workspace_mountpoint"] is None


@pytest.mark.usefixtures("freebsd")
def test_a_pool_that_does_not_exist() -> None:
    asked = Asked("nosuch/freehyve", "/nonexistent")
    runner = builder()
    argv = _zfs.get_argv(["nosuch", "nosuch/freehyve"], ["available", "mountpoint", "mounted"])
    runner.on(argv, (1, "", "cannot open 'nosuch': dataset does not exist\n"))
    facts = observe(runner, asked)
    assert (facts["workspace_pool_exists"], facts["workspace_available"], facts["zpool_free"]) == (False, None, None)


@pytest.mark.usefixtures("freebsd")
def test_a_jail_without_zfs() -> None:
    runner = builder()
    runner.on(builder_facts.sysctl_argv(), (1, SYSCTL.replace("jailed: 0", "jailed: 1"), ""))
    failure = (1, "", "internal error: failed to initialize ZFS library\n")
    runner.on(LIST, failure).on(workspace()[0], failure)
    facts = observe(runner, ASKED)
    assert (facts["jailed"], facts["pools"], facts["workspace_available"]) == (True, {}, None)


def test_a_host_that_is_no_builder() -> None:
    facts = observe(FakeRunner(), ASKED)
    assert facts["system"] == os.uname().sysname
    assert facts["osreldate"] is None and facts["zfs_version"] is None and facts["poudriere_version"] is None
    assert facts["pools"] == facts["stages"] == facts["mounts"] == {}
    assert facts["missing_tools"] == sorted(builder_facts.TOOLS)
    assert facts["cpus"] and facts["memory"]


def test_output_that_makes_no_sense_is_no_failure() -> None:
    runner = FakeRunner(tools={"zpool": "/sbin/zpool", "zfs": "/sbin/zfs", "sysctl": "/sbin/sysctl"})
    runner.on(builder_facts.sysctl_argv(), "hw.ncpu: many\nnonsense\n").on(LIST, "nonsense\n")
    runner.on(workspace()[0], "nonsense\n")
    facts = observe(runner, ASKED)
    assert facts["pools"] == {} and facts["workspace_exists"] is False


def test_receipts_by_their_stem(tmp_path: Path) -> None:
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "image-a.json").write_text('{"key": "1"}')
    (tmp_path / "stages" / "broken.json").write_text("{")
    (tmp_path / "stages" / ".image-b.json.x").write_text("{}")
    facts = observe(FakeRunner(), Asked("zroot/freehyve", str(tmp_path)))
    assert facts["stages"] == {"broken": None, "image-a": {"key": "1"}}


def test_jails_and_trees_of_poudriere(tmp_path: Path) -> None:
    for path, text in (
        ("jails/base/version", "13.2-RELEASE\n"),
        ("jails/base/arch", "amd64\n"),
        ("ports/default/method", "null\n"),
    ):
        file = tmp_path / "poudriere.d" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    facts = observe(FakeRunner(), Asked("zroot/freehyve", "/nonexistent", str(tmp_path)))
    assert facts["poudriere_jails"]["base"] == {"version": "13.2-RELEASE", "arch": "amd64", "method": None, "mnt": None}
    assert facts["poudriere_ports"]["default"]["method"] == "null"


@pytest.mark.parametrize(
    ("text", "version"),
    [("poudriere-git-3.4.99-12-gabc\n", "3.4.99-12-gabc"), ("3.4.8\n", "3.4.8"), ("", None), ("unknown", None)],
)
def test_poudrieres_version(text: str, version: str | None) -> None:
    assert builder_facts.parse_version(text) == version


@pytest.mark.parametrize(
    ("params", "path"),
    [({"workspace_path": None}, "/zroot/freehyve"), ({"workspace_path": "/build"}, "/build")],
)
def test_the_workspace_is_mounted_by_its_name(params: dict[str, Any], path: str) -> None:
    asked = builder_facts.asked_of({"workspace": "zroot/freehyve", "poudriere_etc": None, **params})
    assert asked.workspace_path == path


def test_a_workspace_that_is_no_dataset() -> None:
    with pytest.raises(ToolError, match="dataset '/zroot/freehyve'"):
        builder_facts.asked_of({"workspace": "/zroot/freehyve", "workspace_path": None, "poudriere_etc": None})
