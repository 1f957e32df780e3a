# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import base64
import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _push
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.modules import push_tree


class FakeModule:
    def __init__(self, check: bool, **params: Any) -> None:
        ids = {"owner": str(os.getuid()), "group": str(os.getgid())}
        self.params = {"preserve": [], "data": None, "archive": None, **ids, **params}
        self.check_mode = check
        self._diff = True


class Pair:
    """A controller's and a builder's directory, and a push from one to the other."""

    def __init__(self, root: Path) -> None:
        self.src, self.dest = root / "src", root / "dest"
        (self.src / "sub").mkdir(parents=True)
        (self.src / "a.conf").write_text("one\n")
        (self.src / "sub/b.sh").write_text("#!/bin/sh\n")
        (self.src / "sub/b.sh").chmod(0o755)
        (self.src / "link").symlink_to("a.conf")

    def push(self, check: bool = False, **params: Any) -> dict[str, Any]:
        manifest = _push.walk(str(self.src))
        params = {"dest": str(self.dest), "manifest": manifest, **params}
        result = push_tree.run(FakeModule(check, **params))
        if "missing" in result:
            data = base64.b64encode(_push.pack(result["missing"], {}, str(self.src))).decode()
            result = push_tree.run(FakeModule(check, **{"data": data, **params}))
        return result

    def actions(self, **params: Any) -> list[str]:
        return [action["action"] for action in self.push(**params)["actions"]]


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


def test_four_runs(pair: Pair) -> None:
    checked = pair.push(check=True)
    assert checked["changed"] and not pair.dest.exists()
    real = pair.push()
    assert real["actions"] == checked["actions"]
    assert [a["action"] for a in real["actions"]] == ["write a.conf", "link link", "make sub", "write sub/b.sh"]
    assert (pair.dest / "a.conf").read_text() == "one\n"
    assert os.readlink(pair.dest / "link") == "a.conf"
    assert (pair.dest / "sub/b.sh").stat().st_mode & 0o777 == 0o755
    assert not pair.push()["changed"] and not pair.push(check=True)["changed"]


def test_only_what_differs_is_asked_for(pair: Pair) -> None:
    pair.push()
    (pair.src / "a.conf").write_text("two\n")
    result = push_tree.run(FakeModule(False, dest=str(pair.dest), manifest=_push.walk(str(pair.src))))
    assert result["missing"] == ["a.conf"] and result["changed"] is False
    assert (pair.dest / "a.conf").read_text() == "one\n"
    assert pair.push()["actions"] == [{"action": "write a.conf", "reason": "content changed"}]


def test_a_change_on_the_builder_is_undone(pair: Pair) -> None:
    pair.push()
    (pair.dest / "a.conf").write_text("xxx\n")
    (pair.dest / "sub/b.sh").chmod(0o600)
    assert pair.actions() == ["write a.conf", "adjust sub/b.sh"]
    assert not pair.push()["changed"]


def test_what_was_pushed_and_is_gone_is_removed(pair: Pair) -> None:
    pair.push()
    (pair.dest / "foreign").write_text("mine")
    (pair.dest / "sub/foreign").write_text("mine")
    (pair.src / "a.conf").unlink()
    (pair.src / "link").unlink()
    (pair.src / "sub/b.sh").unlink()
    (pair.src / "sub").rmdir()
    assert pair.actions() == ["remove sub/b.sh", "remove link", "remove a.conf"]
    left = sorted(str(p.relative_to(pair.dest)) for p in pair.dest.rglob("*") if p.name != _push.SIDECAR)
    assert left == ["foreign", "sub", "sub/foreign"]
    assert not pair.push()["changed"]
    (pair.dest / "sub/foreign").unlink()
    assert pair.actions() == ["remove sub"]
    assert not pair.push()["changed"]


def test_what_a_killed_push_left_half_written_goes_and_nothing_else(pair: Pair) -> None:
    pair.push()
    for name in (".a.conf.x1y2z3w4", "sub/.b.sh.abcdefgh", "..freehyve-manifest.json.abcdefgh"):
        (pair.dest / name).write_text("half")
    for name in (".mine.conf.x1y2z3w4", "sub/.a.conf.x1y2z3w4", ".a.conf.bak"):
        (pair.dest / name).write_text("not ours")
    pair.push(check=True)
    assert (pair.dest / ".a.conf.x1y2z3w4").exists()
    pair.push()
    assert sorted(path.name for path in pair.dest.rglob(".*")) == [
        *(".a.conf.bak", ".a.conf.x1y2z3w4", ".freehyve-manifest.json", ".mine.conf.x1y2z3w4"),
    ]
    assert (pair.dest / "sub/.a.conf.x1y2z3w4").exists()


def test_preserved_paths_of_an_earlier_push_stay(pair: Pair) -> None:
    pair.push()
    (pair.src / "a.conf").unlink()
    (pair.src / "link").unlink()
    assert pair.actions(preserve=["a.conf"]) == ["remove link"]
    assert (pair.dest / "a.conf").exists()
    assert not pair.push(preserve=["a.conf"])["changed"]
    assert pair.actions() == ["remove a.conf"]


def test_a_directory_that_a_preserved_file_lies_in_stays(pair: Pair) -> None:
    (pair.src / "sub/kept").write_text("x")
    pair.push()
    (pair.src / "sub/kept").unlink()
    (pair.src / "sub/b.sh").unlink()
    (pair.src / "sub").rmdir()
    assert pair.actions(preserve=["sub/kept"]) == ["remove sub/b.sh"]
    assert not pair.push(preserve=["sub/kept"])["changed"]


def test_a_kind_that_changed_is_replaced(pair: Pair) -> None:
    pair.push()
    (pair.src / "link").unlink()
    (pair.src / "link").mkdir()
    (pair.src / "a.conf").unlink()
    (pair.src / "a.conf").symlink_to("sub/b.sh")
    assert pair.actions() == ["link a.conf", "make link"]
    assert (pair.dest / "link").is_dir() and not (pair.dest / "link").is_symlink()


def test_a_directory_with_foreign_files_is_not_replaced(pair: Pair) -> None:
    (pair.dest / "a.conf").mkdir(parents=True)
    (pair.dest / "a.conf/foreign").write_text("mine")
    with pytest.raises(ToolError, match="is a directory with files in it; move it"):
        pair.push()
    assert (pair.dest / "a.conf/foreign").read_text() == "mine"


def test_nothing_is_written_through_a_link_of_the_builder(pair: Pair, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    pair.dest.mkdir()
    (pair.dest / "sub").symlink_to(outside)
    pair.push()
    assert not (pair.dest / "sub").is_symlink()
    assert not list(outside.iterdir())


def archive(name: str, data: bytes, kind: bytes = tarfile.REGTYPE) -> str:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo(name)
        member.type, member.size, member.linkname = kind, len(data), "/etc/passwd"
        tar.addfile(member, io.BytesIO(data))
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.mark.parametrize(
    "data",
    [
        archive("../evil", b"x"),
        archive("/etc/evil", b"x"),
        archive("unknown", b"x"),
        archive("a.conf", b"longer than announced"),
        archive("a.conf", b"", tarfile.SYMTYPE),
    ],
)
def test_an_archive_may_only_hold_what_was_announced(pair: Pair, data: str) -> None:
    with pytest.raises(ToolError, match="was not announced"):
        pair.push(data=data)
    assert not pair.dest.exists()


@pytest.mark.parametrize("data", ["AAAA", "no base64!"])
def test_a_damaged_archive_is_one_line(pair: Pair, data: str) -> None:
    with pytest.raises(ToolError, match="arrived damaged"):
        pair.push(data=data)


def test_unknown_accounts_are_named(pair: Pair) -> None:
    with pytest.raises(ToolError, match="owner 'nosuchuser': the builder has no such owner"):
        pair.push(owner="nosuchuser")


def test_without_its_action_plugin_it_says_so() -> None:
    with pytest.raises(ToolError, match="works through its action plugin only"):
        push_tree.run(FakeModule(False, dest="/nonexistent", manifest=None))


def test_the_diff_lists_files(pair: Pair) -> None:
    assert "a.conf: 0644 " in pair.push(check=True)["diff"]["after"]
