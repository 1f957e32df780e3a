# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _push
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "etc").mkdir(parents=True)
    (root / "etc/rc.conf").write_text("a=b\n")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o700)
    (root / "etc/link").symlink_to("../run.sh")
    (root / ".hidden~").write_text("")
    return root


def test_a_tree_is_walked_in_order_with_normalised_modes(tree: Path) -> None:
    manifest = _push.walk(str(tree))
    assert list(manifest) == [".hidden~", "etc", "etc/link", "etc/rc.conf", "run.sh"]
    assert manifest["run.sh"]["mode"] == "0755" and manifest["etc/rc.conf"]["mode"] == "0644"
    assert manifest["etc/link"] == {"type": "link", "target": "../run.sh"}
    assert manifest["etc/rc.conf"] == _push.file_node(b"a=b\n")


def test_only_patterns_exclude(tree: Path) -> None:
    assert list(_push.walk(str(tree), ["*~", "etc/link"])) == ["etc", "etc/rc.conf", "run.sh"]
    assert list(_push.walk(str(tree), ["etc"])) == [".hidden~", "run.sh"]


def test_the_digest_is_about_content_and_executability_only(tree: Path) -> None:
    before = _push.tree_digest(_push.walk(str(tree)))
    os.utime(tree / "run.sh", (1, 1))
    (tree / "etc/rc.conf").chmod(0o600)
    assert _push.tree_digest(_push.walk(str(tree))) == before
    (tree / "run.sh").chmod(0o644)
    assert _push.tree_digest(_push.walk(str(tree))) != before


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside", "../..", ".."])
def test_a_link_that_leaves_the_tree_is_refused(tree: Path, target: str) -> None:
    (tree / "etc/bad").symlink_to(target if target != ".." else "../..")
    with pytest.raises(ToolError, match=r"link 'etc/bad' leaves the tree \(to '.*'\); copy the file instead"):
        _push.walk(str(tree))


def test_fifos_and_sockets_are_refused(tree: Path) -> None:
    os.mkfifo(tree / "pipe")
    with pytest.raises(ToolError, match="'pipe' is a fifo"):
        _push.walk(str(tree))
    (tree / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as sock:
        cwd = Path.cwd()
        os.chdir(tree)
        try:
            sock.bind("sock")
        finally:
            os.chdir(cwd)
    with pytest.raises(ToolError, match="'sock' is a socket"):
        _push.walk(str(tree))


def test_names_with_a_newline_are_refused(tree: Path) -> None:
    (tree / "a\nb").write_text("")
    with pytest.raises(ToolError, match="control character") as error:
        _push.walk(str(tree))
    assert "\n" not in error.value.message


def test_a_missing_tree_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="is not a directory on the controller"):
        _push.walk(str(tmp_path / "none"))


@pytest.mark.parametrize("path", ["", "/a", "../a", "a/../b", "a//b", "a/", "./a", "a\tb", "."])
def test_a_malformed_path_is_refused(path: str) -> None:
    with pytest.raises(ToolError):
        _push.check_path(path)


@pytest.mark.parametrize(
    ("path", "target", "out"),
    [("a/b", "../c", False), ("a/b", "../../c", True), ("a", "b/../../c", True), ("a", "/c", True), ("a", "b", False)],
)
def test_links_are_judged_by_where_they_point(path: str, target: str, out: bool) -> None:
    assert _push.leaves(path, target) is out


def test_parents_come_outermost_first() -> None:
    assert _push.parents(["a/b/c", "d", "a/e"]) == ["a", "a/b"]
