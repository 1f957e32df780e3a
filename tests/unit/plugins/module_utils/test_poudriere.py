# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _poudriere
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from tests.unit.transcripts import find


def state(etcdir: Path, kind: str, name: str, **values: str) -> None:
    directory = etcdir / "poudriere.d" / kind / name
    directory.mkdir(parents=True)
    for key, value in values.items():
        (directory / key).write_text(value + "\n")


def test_a_jail_is_read_from_poudrieres_files(tmp_path: Path) -> None:
    # The recording prints the files in the order of their names: arch fs method mnt pkgbase timestamp version.
    names = ("arch", "fs", "method", "mnt", "pkgbase", "timestamp", "version")
    recorded = find("13.2", "poudriere", "cat /usr/local/etc/poudriere.d/jails/base/*").stdout.splitlines()
    state(tmp_path, "jails", "base", **dict(zip(names, recorded, strict=True)))
    assert _poudriere.jail(str(tmp_path), "base") == _poudriere.Jail(
        name="base",
        version="13.2-RELEASE",
        arch="amd64",
        method="tar",
        mnt="/usr/local/poudriere/jails/base",
        fs="tank/poudriere/jails/base",
        timestamp=1795382525,
    )
    assert _poudriere.jail(str(tmp_path), "nosuch") is None
    assert _poudriere.jail_names(str(tmp_path)) == ["base"]


def test_a_ports_tree_is_read_from_poudrieres_files(tmp_path: Path) -> None:
    names = ("created_fs", "method", "mnt", "timestamp")
    recorded = find("13.2", "poudriere", "cat /usr/local/etc/poudriere.d/ports/default/*").stdout.splitlines()
    state(tmp_path, "ports", "default", **dict(zip(names, recorded, strict=True)))
    tree = _poudriere.ports_tree(str(tmp_path), "default")
    assert tree is not None and (tree.method, tree.mnt) == ("null", "/usr/local/poudriere/ports/default")
    assert tree.commit is None and tree.receipt is None


def test_nothing_there_is_nothing(tmp_path: Path) -> None:
    assert _poudriere.jail_names(str(tmp_path / "none")) == []
    assert _poudriere.ports_tree(str(tmp_path), "x") is None
    assert _poudriere.read_conf(str(tmp_path)) == {}


@pytest.mark.parametrize("packed", [False, True])
def test_a_clones_commit_is_read_without_git(tmp_path: Path, packed: bool) -> None:
    git, commit = tmp_path / ".git", "0123456789abcdef" * 2 + "01234567"
    (git / "refs/heads").mkdir(parents=True)
    assert _poudriere.git_head(str(tmp_path)) is None
    (git / "HEAD").write_text(commit + "\n")
    assert _poudriere.git_head(str(tmp_path)) == commit
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    if packed:
        (git / "packed-refs").write_text(f"# pack-refs with: peeled\n{commit} refs/heads/main\n")
    else:
        (git / "refs/heads/main").write_text(commit + "\n")
    assert _poudriere.git_head(str(tmp_path)) == commit


def test_a_configuration_is_read_as_the_shell_would(tmp_path: Path) -> None:
    (tmp_path / "poudriere.d").mkdir()
    (tmp_path / "poudriere.conf").write_text(
        "# comment\nZPOOL=tank # trailing\nBASEFS=/a\nexport HTTP_PROXY='http://p:1'\nX=\"a b\"\n"
        "if true; then :; fi\nEMPTY=\n"
    )
    (tmp_path / "poudriere.d/poudriere.conf").write_text("BASEFS=/b\nPOUDRIERE_DATA=${BASEFS}/data\nY=$X-$NOSUCH.\n")
    assert _poudriere.read_conf(str(tmp_path)) == {
        "ZPOOL": "tank",
        "BASEFS": "/b",
        "HTTP_PROXY": "http://p:1",
        "X": "a b",
        "EMPTY": "",
        "POUDRIERE_DATA": "/b/data",
        "Y": "a b-.",
    }
    assert _poudriere.logs_dir(str(tmp_path), "j-p") == "/b/data/logs/bulk/j-p"


def test_data_lies_below_basefs_by_default(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="has no BASEFS; run the jail stage first"):
        _poudriere.data_dir(str(tmp_path))
    (tmp_path / "poudriere.conf").write_text("BASEFS=/p\n")
    assert _poudriere.packages_dir(str(tmp_path), "j-p") == "/p/data/packages/j-p"


def test_masternames() -> None:
    assert _poudriere.mastername("j", "p") == "j-p"
    assert _poudriere.mastername("j", "p", "s") == "j-p-s"


@pytest.mark.parametrize("name", ["", "a.b", "-a", "a b", "a/b", "a:b"])
def test_malformed_names_are_refused(name: str) -> None:
    with pytest.raises(ToolError, match="malformed name"):
        _poudriere.check_jail_name(name)
    with pytest.raises(ToolError, match="malformed name"):
        _poudriere.check_tree_name(name)


def test_a_dash_is_for_jails_only() -> None:
    _poudriere.check_jail_name("a-b")
    with pytest.raises(ToolError, match="no '-'"):
        _poudriere.check_tree_name("a-b")


def test_no_build_runs_on_the_recorded_host() -> None:
    assert _poudriere.running_builds(find("13.2", "host", "jls -N").stdout, "base", ["base"]) == []


def test_builds_belong_to_the_jail_with_the_longest_matching_name() -> None:
    jls = (
        " JID             IP Address      Hostname                      Path\n"
        " base-default    127.0.0.1       builder                       /p/data/.m/base-default/ref\n"
        " base-default-job-01 127.0.0.1   builder                       /p/data/.m/base-default/01\n"
        " base-default-n  127.0.0.1       builder                       /p/data/.m/base-default/ref\n"
        " base-x-default  127.0.0.1       builder                       /p/data/.m/base-x-default/ref\n"
        " web             10.0.0.1        web                           /jails/web\n"
    )
    assert _poudriere.running_builds(jls, "base", ["base", "base-x"]) == ["base-default"]
    assert _poudriere.running_builds(jls, "base-x", ["base", "base-x"]) == ["base-x-default"]
    assert _poudriere.running_builds(jls, "nosuch", ["base"]) == []
