# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.modules.host_packages import execute, parse_query, plan, removals
from tests.unit.fake_runner import FakeRunner

REMOVING = """The following 2 package(s) will be affected (of 0 checked):

Installed packages to be REMOVED:
\tpoudriere: 3.4.8

New packages to be INSTALLED:
\tpoudriere-devel: 3.4.99

Number of packages to be removed: 1
"""


def asked(*names: str, **more: Any) -> dict[str, Any]:
    return {"names": list(names), "commands": {}, "repository": None, **more}


def test_versions_of_installed_packages() -> None:
    assert parse_query("git 2.51.0\nvm-bhyve 1.7.5_1\n") == {"git": "2.51.0", "vm-bhyve": "1.7.5_1"}


@pytest.mark.parametrize(
    ("installed", "there", "expected"),
    [
        ({}, (), [("pkg", "install", "-y", "git", "poudriere")]),
        ({"git": "1"}, (), [("pkg", "install", "-y", "poudriere")]),
        ({"git": "1", "poudriere": "3.4.8"}, (), []),
        ({}, ("git",), [("pkg", "install", "-y", "poudriere")]),
        ({}, ("git", "poudriere"), []),
    ],
)
def test_only_missing_packages_are_installed(
    installed: dict[str, str], there: tuple[str, ...], expected: list[tuple[str, ...]]
) -> None:
    assert [tuple(step.argv) for step in plan(["git", "poudriere"], installed, set(there))] == expected


def test_a_repository_is_the_only_one_asked() -> None:
    assert list(plan(["git"], {}, set(), "freehyve")[0].argv) == ["pkg", "install", "-y", "-r", "freehyve", "git"]


def test_a_host_without_pkg_has_no_packages_and_is_not_bootstrapped_by_looking() -> None:
    runner = FakeRunner(tools={"pkg": "/usr/sbin/pkg"}).on("pkg -N", (1, "", "pkg: pkg is not installed\n"))
    result = execute(runner, asked("git"), True)
    assert result["changed"]
    assert runner.ran() == ["pkg -N"]


def test_a_command_that_is_there_is_enough() -> None:
    runner = FakeRunner(tools={"poudriere": "/usr/local/bin/poudriere"})
    result = execute(runner, asked("poudriere-devel", commands={"poudriere-devel": "poudriere"}), False)
    assert not result["changed"]
    assert result["diff"]["before"] == result["diff"]["after"]


def test_packages_to_be_removed_are_read_from_the_dry_run() -> None:
    assert removals(REMOVING) == ["poudriere"]
    assert removals("New packages to be INSTALLED:\n\tgit: 2\n") == []


def test_nothing_is_removed_to_make_room() -> None:
    runner = FakeRunner(tools={"pkg": "/usr/sbin/pkg"}).on("pkg -N").on(["pkg", "query", "%n %v"], "poudriere 3.4.8\n")
    runner.on("pkg install -y -n poudriere-devel", (1, REMOVING, ""))
    with pytest.raises(ToolError, match="refusing to install, pkg would remove poudriere; remove it yourself"):
        execute(runner, asked("poudriere-devel"), False)


def test_missing_packages_are_installed_and_looked_for() -> None:
    runner = FakeRunner(tools={"pkg": "/usr/sbin/pkg"}).on("pkg -N")
    runner.on(["pkg", "query", "%n %v"], "", "git 2.51.0\n").on("pkg install -y -n git").on("pkg install -y git")
    result = execute(runner, asked("git", "git"), False)
    assert result["versions"] == {"git": "2.51.0"}
    assert result["actions"] == [{"action": "pkg install git", "reason": "not installed"}]


def test_a_package_that_does_not_arrive_is_an_error() -> None:
    runner = FakeRunner(tools={"pkg": "/usr/sbin/pkg"}).on("pkg -N").on(["pkg", "query", "%n %v"])
    runner.on("pkg install -y -n git").on("pkg install -y git")
    with pytest.raises(ToolError, match="pkg query does not know it"):
        execute(runner, asked("git"), False)


@pytest.mark.parametrize("name", ["devel/git", "git;reboot", "-y", ""])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ToolError, match="not a package's name"):
        execute(FakeRunner(), asked(name), False)
