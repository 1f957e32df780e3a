# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""git is real, poudriere is played: it only keeps two files."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _mounts
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Completed, Runner
from ansible_collections.freehyve.builder.plugins.modules import poudriere_ports
from ansible_collections.freehyve.builder.plugins.modules.poudriere_ports import Git
from tests.unit.transcripts import RELEASES, find, row

PATCH = """--- a/README
+++ b/README
@@ -1 +1 @@
-ports
+patched ports
--- /dev/null
+++ b/new
@@ -0,0 +1 @@
+new
"""


@dataclass(frozen=True)
class Builder(Runner):
    root: Path = Path("/nonexistent")
    commands: list[list[str]] = field(default_factory=list)
    mounts: list[str] = field(default_factory=list)
    refuse_network: list[str] = field(default_factory=list)

    def which(self, name: str) -> str | None:
        return f"/usr/local/bin/{name}"

    def run(self, argv: Sequence[str], *args: Any, **kw: Any) -> Completed:
        command = list(argv)
        if command == ["mount", "-p"]:
            return Completed(tuple(command), 0, "".join(self.mounts), "")
        if command[0] == "git":
            verb = next(w for w in command[3:] if w not in ("-C",) and not w.startswith("/"))
            self.commands.append(["git", verb])
            if verb in ("ls-remote", "fetch") and self.refuse_network:
                words = self.refuse_network.pop(0)
                raise ToolError("git: failed", command, 128, "", words)
            return super().run(command, *args, **kw)
        self.commands.append(["poudriere", *command[4:]])
        name = command[command.index("-p") + 1]
        directory = self.root / "poudriere/etc/poudriere.d/ports" / name
        if "-d" in command:
            shutil.rmtree(directory)
        else:
            directory.mkdir(parents=True)
            (directory / "method").write_text("null\n")
            (directory / "mnt").write_text(command[command.index("-M") + 1] + "\n")
        return Completed(tuple(command), 0, "", "")


class FakeModule:
    def __init__(self, check: bool, params: dict[str, Any]) -> None:
        self.params, self.check_mode, self._diff = params, check, True


def git(directory: Path, *argv: str) -> str:
    config = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *config, "-C", str(directory), *argv], check=True, capture_output=True, text=True)
    return done.stdout.strip()


class Upstream:
    """A ports repository with two quarterly branches."""

    def __init__(self, path: Path) -> None:
        self.path, self.url = path, path.as_uri()
        (path / "Mk").mkdir(parents=True)
        (path / "Mk/bsd.port.mk").write_text("")
        (path / "README").write_text("ports\n")
        git(path, "init", "-q")
        self.first = self.commit("first")
        git(path, "branch", "2026Q3")
        git(path, "branch", "2026Q4")

    def commit(self, subject: str) -> str:
        (self.path / "subject").write_text(subject)
        git(self.path, "add", "-A")
        git(self.path, "commit", "-q", "-m", subject)
        return git(self.path, "rev-parse", "HEAD")


@pytest.fixture
def upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Upstream:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    return Upstream(tmp_path / "upstream")


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    (tmp_path / "poudriere/etc/patches").mkdir(parents=True)
    return Builder(root=tmp_path)


Call = Callable[..., dict[str, Any]]


@pytest.fixture
def call(builder: Builder, upstream: Upstream) -> Call:
    def run(check: bool = False, **params: Any) -> dict[str, Any]:
        defaults = {
            "name": "fh",
            "state": "present",
            "method": "git",
            "source": upstream.url,
            "version": "main",
            "path": None,
            "patches_dir": str(builder.root / "poudriere/etc/patches"),
            "update": True,
            "etcdir": str(builder.root / "poudriere/etc"),
            "allow_destroy": False,
            "timeout": 60,
        }
        module = FakeModule(check, {**defaults, **params})
        return poudriere_ports.run(module, builder, Git(builder, 60, sleep=lambda _seconds: None))

    return run


@pytest.fixture
def tree(builder: Builder) -> Path:
    return builder.root / "poudriere/ports/fh"


def test_four_runs(call: Call, builder: Builder, upstream: Upstream, tree: Path) -> None:
    checked = call(check=True)
    assert [a["action"] for a in checked["actions"]] == ["clone ports tree fh", "register ports tree fh"]
    assert checked["commit"] == upstream.first and not tree.exists()
    real = call()
    assert real["actions"] == checked["actions"] and real["key"] == checked["key"]
    assert real["tree"] == {"name": "fh", "method": "null", "mnt": str(tree)}
    assert (tree / "README").read_text() == "ports\n"
    builder.commands.clear()
    assert not call()["changed"] and not call(check=True)["changed"]
    assert builder.commands == [["git", "ls-remote"]] * 2


def test_a_branch_is_followed_unless_told_not_to(call: Call, upstream: Upstream, tree: Path) -> None:
    call()
    second = upstream.commit("second")
    assert not call(update=False)["changed"]
    moved = call()
    assert moved["actions"] == [{"action": "update ports tree fh", "reason": f"commit: {upstream.first} -> {second}"}]
    assert moved["commit"] == second and (tree / "subject").read_text() == "second"


def test_a_pinned_commit_needs_no_network_once_it_is_there(call: Call, builder: Builder, upstream: Upstream) -> None:
    upstream.commit("second")
    assert call(version=upstream.first)["commit"] == upstream.first
    builder.commands.clear()
    assert not call(version=upstream.first)["changed"]
    assert builder.commands == []


def test_quarterly_is_the_newest_quarterly_branch(call: Call, upstream: Upstream) -> None:
    second = upstream.commit("second")
    git(upstream.path, "branch", "2027Q1")
    assert call(version="quarterly", check=True)["commit"] == second


def test_patches_are_applied_once_and_tracked(call: Call, builder: Builder, tree: Path) -> None:
    patch = builder.root / "poudriere/etc/patches/one.patch"
    patch.write_text(PATCH)
    call()
    assert (tree / "README").read_text() == "patched ports\n" and (tree / "new").exists()
    assert not call()["changed"]
    patch.write_text(PATCH.replace("patched ports", "other ports"))
    assert call()["actions"] == [{"action": "update ports tree fh", "reason": "patches: one.patch changed"}]
    assert (tree / "README").read_text() == "other ports\n"
    patch.unlink()
    assert call()["actions"][0]["reason"] == "patches: one.patch removed"
    assert (tree / "README").read_text() == "ports\n" and not (tree / "new").exists()


def test_a_patch_that_does_not_apply_is_named_and_nothing_appears(call: Call, builder: Builder, tree: Path) -> None:
    patch = builder.root / "poudriere/etc/patches/bad.patch"
    patch.write_text(PATCH.replace("-ports", "-something else"))
    with pytest.raises(ToolError, match=r"ports tree 'fh': patch 'bad.patch' does not apply"):
        call()
    assert not tree.exists()
    patch.unlink()
    assert call()["changed"]


def interrupted(*_arguments: object) -> None:
    raise KeyboardInterrupt


def test_an_interrupted_update_is_finished(call: Call, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    call()
    upstream.commit("second")
    with monkeypatch.context() as patched:
        patched.setattr(poudriere_ports.Git, "fetch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            call()
    assert call(check=True, update=False)["actions"][0]["reason"] == "an earlier run was interrupted"
    call()
    assert not call()["changed"]


def test_a_checkout_by_hand_is_undone(call: Call, upstream: Upstream, tree: Path) -> None:
    call()
    second = upstream.commit("second")
    call()
    git(tree, "fetch", "-q", upstream.url, "2026Q3")
    git(tree, "checkout", "-q", "-f", "FETCH_HEAD")
    assert call()["actions"][0]["reason"] == "somebody checked out another commit"
    assert (tree / "subject").read_text() == "second" and call()["commit"] == second


def test_a_directory_of_somebody_else_is_left_alone(call: Call, tree: Path) -> None:
    tree.mkdir(parents=True)
    (tree / "mine").write_text("")
    with pytest.raises(ToolError, match=r"refusing to replace .*, it was not made by this collection"):
        call()
    assert (tree / "mine").exists()
    call(allow_destroy=True)
    assert not (tree / "mine").exists() and (tree / "README").exists()


def test_a_tree_that_a_build_uses_is_left_alone(call: Call, builder: Builder, upstream: Upstream, tree: Path) -> None:
    call()
    builder.mounts.append(f"{tree}\t/p/data/.m/j-fh/ref/usr/ports nullfs ro,noatime 0 0\n")
    assert not call()["changed"]
    upstream.commit("second")
    with pytest.raises(ToolError, match=r"refusing to change it, a build has it mounted at /p/data/.m/j-fh"):
        call()


def test_a_network_that_comes_back_is_asked_again(call: Call, builder: Builder) -> None:
    builder.refuse_network.extend(["fatal: unable to access: Could not resolve host: git.example.org"] * 2)
    assert call(check=True)["changed"]
    builder.refuse_network.extend(["fatal: unable to access: Could not resolve host: git.example.org"] * 3)
    with pytest.raises(ToolError, match=r"cannot be asked for 'main': fatal: unable to access: Could not resolve host"):
        call(check=True)
    builder.refuse_network.append("fatal: repository not found")
    builder.commands.clear()
    with pytest.raises(ToolError, match=r"fatal: repository not found"):
        call(check=True)
    assert len(builder.commands) == 1


def test_a_server_that_hands_out_branches_only_still_serves(call: Call, builder: Builder, upstream: Upstream) -> None:
    upstream.commit("second")
    builder.refuse_network.append("error: Server does not allow request for unadvertised object " + upstream.first)
    assert call(version=upstream.first)["commit"] == upstream.first


@pytest.mark.parametrize("moment", ["unregistered", "elsewhere"])
def test_poudriere_learns_the_tree_again(call: Call, builder: Builder, tree: Path, moment: str) -> None:
    call()
    state = builder.root / "poudriere/etc/poudriere.d/ports/fh"
    if moment == "unregistered":
        shutil.rmtree(state)
    else:
        (state / "mnt").write_text("/elsewhere\n")
    assert [a["action"] for a in call()["actions"]] == ["register ports tree fh"]
    assert not call()["changed"]


def test_a_tree_of_poudrieres_own_is_left_alone(call: Call, builder: Builder) -> None:
    state = builder.root / "poudriere/etc/poudriere.d/ports/fh"
    state.mkdir(parents=True)
    (state / "method").write_text("git+https\n")
    (state / "mnt").write_text("/elsewhere\n")
    with pytest.raises(ToolError, match=r"poudriere has one of its own under that name"):
        call()


def test_null_registers_and_never_writes(call: Call, builder: Builder, upstream: Upstream) -> None:
    params = {"method": "null", "path": str(upstream.path)}
    assert call(check=True, **params)["actions"][0]["action"] == "register ports tree fh"
    result = call(**params)
    assert result["commit"] == upstream.first and result["tree"]["mnt"] == str(upstream.path)
    assert not call(**params)["changed"]
    (builder.root / "poudriere/etc/patches/one.patch").write_text(PATCH)
    with pytest.raises(ToolError, match=r"refusing to patch"):
        call(**params)
    assert call(state="absent")["changed"] and (upstream.path / "README").exists()


def test_absent_deletes_what_is_ours(call: Call, tree: Path) -> None:
    call()
    assert call(state="absent", check=True)["changed"] and tree.exists()
    assert call(state="absent")["changed"] and not tree.exists()
    assert not call(state="absent")["changed"]


@pytest.mark.parametrize(
    ("params", "cause"),
    [
        ({"name": "a-b"}, "ports tree 'a-b': malformed name"),
        ({"version": "a..b"}, "version 'a..b' is malformed"),
        ({"version": "--upload-pack=x"}, "is malformed"),
        ({"source": "--upload-pack=x"}, "source '--upload-pack=x' is malformed"),
        ({"method": "null"}, "path is missing"),
        ({"method": "null", "path": "/"}, "path '/' is malformed"),
        ({"method": "null", "path": "/nonexistent"}, "'/nonexistent' is not there on the builder"),
        ({"method": "null", "path": "/etc"}, "'/etc' is no ports tree, it has no Mk/bsd.port.mk"),
        ({"version": "nosuch"}, "has no branch 'nosuch'"),
    ],
)
@pytest.mark.parametrize("check", [False, True])
def test_bad_input_is_one_line(
    call: Call, builder: Builder, tree: Path, params: dict[str, Any], cause: str, check: bool
) -> None:
    with pytest.raises(ToolError, match=cause) as error:
        call(check=check, **params)
    assert "\n" not in error.value.message and not tree.exists()
    assert not [c for c in builder.commands if c[0] == "poudriere"]


@pytest.mark.parametrize(
    ("patch", "level"),
    [
        (PATCH, 1),
        ("--- net/x/Makefile.orig\n+++ net/x/Makefile\n", 0),
        ("--- /dev/null\n+++ net/x/files/patch-a\n", 0),
        ("", 0),
    ],
)
def test_the_strip_level_follows_the_paths(patch: str, level: int) -> None:
    assert poudriere_ports.strip_level(patch.encode()) == level


@pytest.mark.parametrize("release", RELEASES)
def test_mounts_of_a_tree_are_found_in_mount_p(tmp_path: Path, release: str) -> None:
    shown = find(release, "files", "mount -t nullfs /tank/lab /tank/alt; mount -p | grep alt; umount /tank/alt").stdout
    mounts = _mounts.parse_mounts(shown)
    assert poudriere_ports.mounted_from(mounts, "/tank/lab/") == ["/tank/alt"]
    assert poudriere_ports.mounted_from(mounts, "/tank") == []
    others = _mounts.parse_mounts(row("13.2", "host", 21).stdout)
    assert poudriere_ports.mounted_from(others, "/usr/local/poudriere/ports") == []
    (tmp_path / "ports").symlink_to("/tank/lab")
    assert poudriere_ports.mounted_from(mounts, str(tmp_path / "ports")) == ["/tank/alt"]


def test_heads_are_picked_by_name() -> None:
    text = "a" * 40 + "\trefs/heads/2026Q4\n" + "b" * 40 + "\trefs/tags/v1\n" + "c" * 40 + "\trefs/tags/v1^{}\n"
    assert poudriere_ports.head_of(text, "u", "quarterly") == "a" * 40
    assert poudriere_ports.head_of(text, "u", "v1") == "c" * 40
    with pytest.raises(ToolError, match=r"has no quarterly branch"):
        poudriere_ports.head_of("", "u", "quarterly")
