# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._tree import (
    Entry,
    check_tree,
    entry_of,
    ids_in,
    inside,
    lay_over,
    make_parents,
    put,
    unlisted,
)


@pytest.fixture(autouse=True)
def anyone_may_chown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests run as an ordinary user too."""
    monkeypatch.setattr(os, "chown", lambda *_args, **_kwargs: None)
    monkeypatch.setattr(os, "lchown", lambda *_args, **_kwargs: None)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A system with the links that a FreeBSD system has, and some that attack."""
    root = tmp_path / "root"
    (root / "usr/home").mkdir(parents=True)
    (root / "etc").mkdir()
    (root / "home").symlink_to("usr/home")
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "up").symlink_to("../../..")
    (root / "loop").symlink_to("loop")
    (tmp_path / "outside").mkdir()
    return root


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("etc/rc.conf", "etc/rc.conf"),
        ("/etc//./rc.conf", "etc/rc.conf"),
        ("home/a/b", "usr/home/a/b"),
        ("up/etc/x", "etc/x"),
        ("home", "home"),
    ],
)
def test_paths_are_resolved_from_the_root(root: Path, path: str, expected: str) -> None:
    assert inside(str(root), path) == str(root / expected)


def test_an_absolute_link_is_taken_from_the_root(root: Path, tmp_path: Path) -> None:
    found = inside(str(root), "out/x")
    assert found == str(root) + str(tmp_path / "outside/x")


@pytest.mark.parametrize("path", ["", "/", "..", "a/../b", "a/.."])
def test_paths_that_leave_are_refused(root: Path, path: str) -> None:
    with pytest.raises(ToolError, match="refusing it"):
        inside(str(root), path)


def test_loops_and_files_as_directories_are_refused(root: Path) -> None:
    with pytest.raises(ToolError, match="too many links"):
        inside(str(root), "loop/x")
    (root / "etc/file").write_text("x")
    with pytest.raises(ToolError, match="is not a directory"):
        inside(str(root), "etc/file/x")


def test_nothing_is_written_through_a_link_that_leaves(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="points to nothing below"):
        put(str(root), Entry("out/secret", content="x"))
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_link_at_the_place_of_a_file_is_replaced(root: Path, tmp_path: Path) -> None:
    victim = tmp_path / "outside/victim"
    victim.write_text("mine")
    (root / "etc/rc.conf").symlink_to(victim)
    put(str(root), Entry("etc/rc.conf", content="new"))
    assert victim.read_text() == "mine"
    assert (root / "etc/rc.conf").read_text() == "new" and not (root / "etc/rc.conf").is_symlink()


def test_entries_of_every_state(root: Path) -> None:
    put(str(root), Entry("root/.ssh", state="directory", mode=0o700))
    put(str(root), Entry("root/.ssh/authorized_keys", content="key\n", mode=0o600))
    put(str(root), Entry("etc/localtime", state="link", target="/usr/share/zoneinfo/UTC"))
    assert (root / "root/.ssh").stat().st_mode & 0o777 == 0o700
    assert (root / "root/.ssh/authorized_keys").stat().st_mode & 0o777 == 0o600
    assert os.readlink(root / "etc/localtime") == "/usr/share/zoneinfo/UTC"
    put(str(root), Entry("etc/localtime", state="absent"))
    put(str(root), Entry("etc/never", state="absent"))
    assert not os.path.lexists(root / "etc/localtime")
    with pytest.raises(ToolError, match="cannot be removed"):
        put(str(root), Entry("root", state="absent"))
    with pytest.raises(ToolError, match="is a directory"):
        put(str(root), Entry("etc", content="x"))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"path": "../x"}, "refusing it"),
        ({"path": "x", "mode": "rw"}, "not an octal number"),
        ({"path": "x", "mode": "77777"}, "out of range"),
        ({"path": "x", "state": "link"}, "needs a target"),
    ],
)
def test_bad_entries_are_refused(data: dict[str, Any], text: str) -> None:
    with pytest.raises(ToolError, match=text):
        entry_of(data)


def test_a_digest_stands_for_content_mode_and_owner() -> None:
    one = entry_of({"path": "x", "content": "a"})
    assert one.digest == entry_of({"path": "/x", "content": "a", "mode": "0644", "owner": "root"}).digest
    for other in ({"content": "b"}, {"mode": "0600"}, {"owner": "nobody"}, {"state": "directory"}):
        assert entry_of({"path": "x", "content": "a", **other}).digest != one.digest


def test_owners_are_those_of_the_system_below(root: Path) -> None:
    (root / "etc/passwd").write_text("# x\nroot:*:0:0::/root:/bin/sh\nntpd:*:123:124::/:/usr/sbin/nologin\n")
    (root / "etc/group").write_text("wheel:*:0:root\nntpd:*:123:\n")
    assert ids_in(str(root), "root", "wheel") == (0, 0)
    assert ids_in(str(root), "ntpd", "ntpd") == (123, 123)
    assert ids_in(str(root), "77", "78") == (77, 78)
    with pytest.raises(ToolError, match="no such user"):
        ids_in(str(root), "nosuchuser", "wheel")
    with pytest.raises(ToolError, match="no such group"):
        ids_in(str(root), "root", "nosuchgroup")


def tree(path: Path) -> dict[str, str]:
    """An overlay with a file, an executable, a link and an empty directory."""
    (path / "etc/rc.d").mkdir(parents=True)
    (path / "var/empty").mkdir(parents=True)
    (path / "etc/motd").write_text("hello\n")
    (path / "etc/rc.d/x").write_text("#!/bin/sh\n")
    (path / "etc/rc.d/x").chmod(0o755)
    (path / "etc/aliases").symlink_to("mail/aliases")
    files = ("etc/motd", "etc/rc.d/x")
    return {name: hashlib.sha256((path / name).read_bytes()).hexdigest() for name in files}


def test_a_tree_is_laid_over_with_links_and_modes(root: Path, tmp_path: Path) -> None:
    files = tree(tmp_path / "overlay")
    source = str(tmp_path / "overlay")
    assert sorted(unlisted(source, files)) == ["etc", "etc/aliases", "etc/rc.d", "var", "var/empty"]
    check_tree(source, files)
    assert lay_over(source, files, str(root)) == 3
    assert (root / "etc/motd").read_text() == "hello\n"
    assert (root / "etc/rc.d/x").stat().st_mode & 0o777 == 0o755
    assert os.readlink(root / "etc/aliases") == "mail/aliases"
    assert (root / "var/empty").is_dir()
    assert not list(root.rglob("*.fhb-part"))


def test_a_tree_that_differs_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    files = tree(tmp_path / "overlay")
    (tmp_path / "overlay/etc/motd").write_text("other\n")
    with pytest.raises(ToolError, match="'etc/motd' differs"):
        check_tree(str(tmp_path / "overlay"), files)
    with pytest.raises(ToolError, match="'gone' is not in"):
        check_tree(str(tmp_path / "overlay"), {"gone": "0" * 64})
    os.mkfifo(tmp_path / "overlay/fifo")
    with pytest.raises(ToolError, match="neither file, directory nor link"):
        check_tree(str(tmp_path / "overlay"), {"fifo": ""})


def test_directories_that_are_there_keep_their_mode(root: Path) -> None:
    (root / "root").mkdir(mode=0o750)
    (root / "root").chmod(0o750)
    make_parents(str(root), "root/a/x")
    assert (root / "root").stat().st_mode & 0o777 == 0o750
    assert (root / "root/a").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("target", ["/real", "real"])
def test_a_directory_laid_over_a_link_goes_where_the_root_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    monkeypatch.setattr(os, "chown", lambda *_args, **_more: None)
    root, source = tmp_path / "root", tmp_path / "overlay"
    (root / "real").mkdir(parents=True)
    (root / "bin").symlink_to(target)
    (source / "bin").mkdir(parents=True)
    (source / "bin" / "tool").touch()
    lay_over(str(source), {"bin/tool": "x"}, str(root))
    assert (root / "real" / "tool").is_file()
    assert (root / "bin").is_symlink()
