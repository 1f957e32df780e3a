# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The whole push with this machine as the builder: the module runs in this process, each call is counted."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.template import Templar

from ansible_collections.freehyve.builder.plugins.action import push_tree
from ansible_collections.freehyve.builder.plugins.module_utils import _push
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.modules import push_tree as module


class FakeModule:
    def __init__(self, params: dict[str, Any]) -> None:
        ids = {"owner": str(os.getuid()), "group": str(os.getgid())}
        self.params = {"preserve": [], "data": None, "archive": None, "manifest": None, **params, **ids}
        self.check_mode = False
        self._diff = False


class Action(push_tree.ActionModule):
    """Runs the module in this process and counts the calls."""

    def __init__(self, args: dict[str, Any]) -> None:
        loader = DataLoader()
        task = Task()
        task.args = args
        task._role = None
        context = PlayContext()
        shell = SimpleNamespace(tmpdir="/nonexistent", join_path=os.path.join)
        super().__init__(task, SimpleNamespace(_shell=shell), context, loader, Templar(loader=loader), None)
        self.calls: list[dict[str, Any]] = []
        self.transferred: list[str] = []

    def _execute_module(self, module_name: str = "", module_args: Any = None, **_kw: Any) -> dict[str, Any]:
        assert (module_name, module_args["name"]) == ("freehyve.builder.job", "push_tree")
        self.calls.append(module_args["params"])
        try:
            return module.run(FakeModule(module_args["params"]))
        except ToolError as exc:
            return {"failed": True, **exc.as_result()}

    def _make_tmp_path(self, remote_user: Any = None) -> str:
        return str(self.tmp)

    def _transfer_file(self, local_path: str, remote_path: str) -> str:
        Path(remote_path).write_bytes(Path(local_path).read_bytes())
        self.transferred.append(remote_path)
        return remote_path

    def _fixup_perms2(self, remote_paths: Any, remote_user: Any = None, execute: bool = True) -> list[str]:
        return list(remote_paths)

    def _remove_tmp_path(self, tmp_path: str, force: bool = False) -> None:
        for path in Path(tmp_path).iterdir():
            path.unlink()

    tmp: Path = Path("/nonexistent")


@pytest.fixture
def src(tmp_path: Path) -> Path:
    root = tmp_path / "src"
    (root / "poudriere.d").mkdir(parents=True)
    (root / "poudriere.conf").write_text("A=b\n")
    return root


def push(tree: Path, **args: Any) -> tuple[dict[str, Any], Action]:
    action = Action({"src": str(tree), "dest": str(tree.parent / "dest"), **args})
    action.tmp = tree.parent / "remote"
    action.tmp.mkdir(exist_ok=True)
    return action.run(task_vars={}), action


def test_two_calls_bring_the_files_and_one_finds_them(src: Path) -> None:
    result, action = push(src, extra_files={"poudriere.d/poudriere.conf": "ZPOOL=zroot\n"})
    assert result["changed"] and len(action.calls) == 2
    assert (src.parent / "dest/poudriere.d/poudriere.conf").read_text() == "ZPOOL=zroot\n"
    again, action = push(src, extra_files={"poudriere.d/poudriere.conf": "ZPOOL=zroot\n"})
    assert not again["changed"] and len(action.calls) == 1
    assert again["digest"] == result["digest"] == _push.tree_digest(_push.walk(str(src)))
    assert sorted(again["files"]) == ["poudriere.conf", "poudriere.d/poudriere.conf"]


def test_a_push_without_the_extra_files_leaves_them(src: Path) -> None:
    preserve = ["poudriere.d/jails", "poudriere.d/poudriere.conf"]
    push(src, extra_files={"poudriere.d/poudriere.conf": "X\n"}, preserve=preserve)
    result, _action = push(src, preserve=preserve)
    assert not result["changed"]
    assert (src.parent / "dest/poudriere.d/poudriere.conf").read_text() == "X\n"


def test_a_big_archive_travels_as_a_file(src: Path) -> None:
    (src / "big").write_bytes(os.urandom(push_tree.INLINE + 1))
    result, action = push(src)
    assert result["changed"] and len(action.transferred) == 1
    assert (src.parent / "dest/big").read_bytes() == (src / "big").read_bytes()
    assert not list(action.tmp.iterdir())


@pytest.mark.parametrize(
    ("args", "cause"),
    [
        ({"src": "/nonexistent"}, "tree '/nonexistent': is not a directory on the controller"),
        ({"src": "nowhere/at/all"}, "tree 'nowhere/at/all': is not a directory on the controller"),
        ({"dest": None}, "push_tree: dest is missing"),
        ({"preserve": ["../x"]}, "path '../x': malformed"),
        ({"extra_files": {"poudriere.conf": ""}}, "extra file 'poudriere.conf': is also in"),
        ({"extra_files": {"poudriere.conf/x": ""}}, "extra file below 'poudriere.conf': that is no directory"),
        ({"extra_files": "x"}, "extra_files is a dictionary"),
    ],
)
def test_bad_input_is_told_without_a_remote_call(src: Path, args: dict[str, Any], cause: str) -> None:
    result, action = push(src, **args)
    assert result["failed"] and cause in result["msg"] and not action.calls


def test_arguments_of_the_wire_cannot_be_set_by_a_playbook(src: Path) -> None:
    _result, action = push(src, data="AAAA", manifest={"x": {"type": "directory"}})
    assert "x" not in action.calls[0]["manifest"] and "data" not in action.calls[0]
