# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _poudriere
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._poudriere import Jail
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Completed, Runner
from ansible_collections.freehyve.builder.plugins.modules import poudriere_jail
from ansible_collections.freehyve.builder.plugins.modules.poudriere_jail import Observed, Wanted
from tests.unit.leases import dead_lease

SHA = {"base": "aa" * 32, "lib32": "bb" * 32, "src": "cc" * 32}
HEADING = " JID             IP Address      Hostname                      Path\n"


@dataclass(frozen=True)
class Builder(Runner):
    """poudriere, as far as jails go: state files and a directory."""

    root: Path = Path("/nonexistent")
    commands: list[list[str]] = field(default_factory=list)
    jls: str = HEADING
    manifests: list[str] = field(default_factory=list)

    def which(self, name: str) -> str | None:
        return f"/usr/local/bin/{name}"

    def run(self, argv: Sequence[str], *_args: Any, **_kw: Any) -> Completed:
        args = list(argv)
        if args == ["jls", "-N"]:
            return Completed(tuple(args), 0, self.jls, "")
        if args == ["uname", "-m"]:
            return Completed(tuple(args), 0, "amd64\n", "")
        if args[0] in ("ps", "sysctl"):
            return Completed(tuple(args), 0, "", "")
        self.commands.append(args)
        assert args[:4] == ["poudriere", "-N", "-e", str(self.root / "etc")] and args[4] == "jail"
        name = args[args.index("-j") + 1]
        directory, mnt = self.root / "etc/poudriere.d/jails" / name, self.root / "jails" / name
        if "-d" in args:
            shutil.rmtree(directory, ignore_errors=True)
            shutil.rmtree(mnt, ignore_errors=True)
            return Completed(tuple(args), 0, f"Removing {name} jail... done\n", "")
        method = args[args.index("-m") + 1]
        if method.startswith("url=file://"):
            self.manifests.append((Path(method[11:]) / "MANIFEST").read_text())
            assert (Path(method[11:]) / "base.txz").exists()
        directory.mkdir()
        (mnt / "etc").mkdir(parents=True)
        values = {"version": args[args.index("-v") + 1], "arch": "amd64", "method": "tar", "mnt": str(mnt)}
        for key, value in values.items():
            (directory / key).write_text(value + "\n")
        return Completed(tuple(args), 0, "", "")


class FakeModule:
    def __init__(self, check: bool, params: dict[str, Any]) -> None:
        self.params, self.check_mode, self._diff = params, check, True


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    (tmp_path / "etc/poudriere.d").mkdir(parents=True)
    (tmp_path / "etc/poudriere.conf").write_text("BASEFS=/p\n")
    (tmp_path / "sets").mkdir()
    for name, sha in SHA.items():
        (tmp_path / "sets" / f"{name}.txz").write_text("x")
        with (tmp_path / "sets/MANIFEST").open("a") as manifest:
            manifest.write(f'{name}.txz\t{sha}\t1\t{name}\t"{name}"\ton\n')
    return Builder(root=tmp_path)


@pytest.fixture
def call(builder: Builder) -> Callable[..., dict[str, Any]]:
    def run(check: bool = False, **params: Any) -> dict[str, Any]:
        defaults: dict[str, Any] = {
            "name": "fh",
            "state": "present",
            "release": "15.1-RELEASE",
            "arch": "amd64",
            "sets_dir": str(builder.root / "sets"),
            "sets": ["base"],
            "digests": {},
            "receipt": None,
            "etcdir": str(builder.root / "etc"),
            "distfiles": None,
            "allow_destroy": False,
            "timeout": 60,
        }
        return poudriere_jail.run(FakeModule(check, {**defaults, **params}), builder)

    return run


def test_four_runs(call: Callable[..., dict[str, Any]], builder: Builder) -> None:
    checked = call(check=True)
    assert checked["actions"] == [{"action": "make jail fh", "reason": "not there"}] and checked["jail"] is None
    assert builder.commands == []
    real = call()
    assert real["changed"] and real["actions"] == checked["actions"] and real["key"] == checked["key"]
    assert real["jail"]["version"] == "15.1-RELEASE"
    assert builder.commands[0][5:] == [
        *["-c", "-j", "fh", "-v", "15.1-RELEASE", "-a", "amd64"],
        *["-m", f"tar={builder.root}/sets/base.txz"],
    ]
    assert not call()["changed"] and not call(check=True)["changed"]
    assert len(builder.commands) == 1


def test_more_sets_are_given_as_a_directory_that_holds_nothing_else(
    call: Callable[..., dict[str, Any]], builder: Builder
) -> None:
    call(sets=["base", "src"])
    assert "lib32" not in builder.manifests[0] and SHA["src"] in builder.manifests[0]
    assert sorted(p.name for p in (builder.root / "sets").iterdir()) == ["MANIFEST", *(f"{n}.txz" for n in SHA)]


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"release": "15.2-RELEASE"}, "release: 15.1-RELEASE -> 15.2-RELEASE"),
        ({"arch": "i386"}, "arch: amd64 -> i386"),
        ({"digests": {"base": "dd" * 32}}, "sets: base changed"),
        ({"sets": ["base", "lib32"]}, "sets: lib32 added"),
    ],
)
def test_another_input_remakes_the_jail_and_says_why(
    call: Callable[..., dict[str, Any]], builder: Builder, params: dict[str, Any], reason: str
) -> None:
    call()
    assert call(check=True, **params)["actions"] == [{"action": "remake jail fh", "reason": reason}]
    call(**params)
    assert [c[5] for c in builder.commands] == ["-c", "-d", "-c"]
    assert not call(**params)["changed"]


def test_an_update_by_hand_is_noticed(call: Callable[..., dict[str, Any]], builder: Builder) -> None:
    call()
    (builder.root / "etc/poudriere.d/jails/fh/version").write_text("15.1-RELEASE-p3\n")
    assert call(check=True)["actions"][0]["reason"] == "release: 15.1-RELEASE-p3 -> 15.1-RELEASE"


def test_a_jail_whose_directory_is_gone_is_remade(call: Callable[..., dict[str, Any]], builder: Builder) -> None:
    call()
    shutil.rmtree(builder.root / "jails/fh")
    assert "is gone" in call()["actions"][0]["reason"]
    assert not call()["changed"]


def half_make(call: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed when the jail is there and its receipt is not."""

    def interrupted(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(poudriere_jail, "key_of", interrupted)
        with pytest.raises(KeyboardInterrupt):
            call()


def test_a_half_made_jail_is_remade(
    call: Callable[..., dict[str, Any]], builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    half_make(call, monkeypatch)
    assert (builder.root / "etc/poudriere.d/jails/fh").is_dir()
    assert "interrupted" in call(check=True)["actions"][0]["reason"]
    call()
    assert not call()["changed"]


def test_a_jail_that_is_finished_while_it_is_looked_at_is_ours(
    call: Callable[..., dict[str, Any]], builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    half_make(call, monkeypatch)
    intent = Path(poudriere_jail.intent_path(str(builder.root / "etc"), "fh"))
    jail = _poudriere.jail

    def finished(etcdir: str, name: str) -> Jail | None:
        seen = jail(etcdir, name)
        intent.unlink()
        return seen

    monkeypatch.setattr(_poudriere, "jail", finished)
    assert poudriere_jail.observe(builder, str(builder.root / "etc"), "fh").unfinished


def test_a_jail_of_somebody_else_is_left_alone(call: Callable[..., dict[str, Any]], builder: Builder) -> None:
    directory = builder.root / "etc/poudriere.d/jails/fh"
    directory.mkdir(parents=True)
    for state in ("present", "absent"):
        with pytest.raises(ToolError, match=r"refusing to .* it, it was not made by this collection; choose another"):
            call(state=state)
    assert builder.commands == [] and directory.is_dir()
    call(allow_destroy=True)
    assert [c[5] for c in builder.commands] == ["-d", "-c"]


def test_a_jail_that_another_build_is_making_is_left_alone(
    call: Callable[..., dict[str, Any]], builder: Builder
) -> None:
    call()
    leases = builder.root / "leases"
    with dead_lease(leases, "file", builder.root / "sets/.jail-fh").open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ToolError, match=r"held by another build \(process 77, since .*\); wait for it"):
            call(release="15.2-RELEASE", jobs_dir=str(builder.root / "jobs"))
    assert [command[5] for command in builder.commands] == ["-c"]


def test_a_jail_in_use_is_left_alone(builder: Builder) -> None:
    jail = Jail("fh", "15.0-RELEASE", "amd64", "tar", "/j", "", 0, {"inputs": {}})
    observed = Observed(jail, True, False, ["fh-freehyve"])
    wanted = Wanted("fh", "15.1-RELEASE", "amd64", ["base"], "/s", {"base": "aa" * 32})
    with pytest.raises(ToolError, match=r"refusing to remake it, a build runs in it \(fh-freehyve\)"):
        poudriere_jail.plan(wanted, "fh", observed, allow_destroy=True)


@pytest.mark.parametrize(
    ("conf", "datasets"),
    [
        ({"BASEFS": "/p", "ZPOOL": "tank"}, []),
        ({"BASEFS": "/p", "POUDRIERE_DATA": "/d"}, []),
        ({"BASEFS": "/p", "POUDRIERE_DATA": "/d", "ZPOOL": "tank", "NO_ZFS": "yes"}, []),
        ({"BASEFS": "/p", "POUDRIERE_DATA": "/d", "ZPOOL": "tank"}, ["tank/poudriere"]),
        ({"BASEFS": "/p", "POUDRIERE_DATA": "/d", "ZPOOL": "tank", "ZROOTFS": "/a/b"}, ["tank/a/b"]),
    ],
)
def test_poudrieres_root_is_mounted_where_basefs_says(conf: dict[str, str], datasets: list[str]) -> None:
    argvs = poudriere_jail.dataset_argvs(conf)
    assert [argv[-1] for argv in argvs] == datasets
    assert all("mountpoint=/p" in argv for argv in argvs[:1])


def test_absent_twice(call: Callable[..., dict[str, Any]], builder: Builder) -> None:
    call()
    assert call(state="absent", check=True)["changed"]
    gone = call(state="absent", release=None, sets_dir=None)
    assert gone["changed"] and gone["jail"] is None
    assert not call(state="absent")["changed"]


def test_a_builder_that_never_built_has_a_plan(call: Callable[..., dict[str, Any]], builder: Builder) -> None:
    params = {"etcdir": "/nonexistent/etc", "sets_dir": "/nonexistent", "receipt": "/nonexistent/x.json"}
    assert call(check=True, **params)["actions"] == [{"action": "make jail fh", "reason": "not there"}]


def test_the_directory_for_distfiles_is_made(call: Callable[..., dict[str, Any]], builder: Builder) -> None:
    call()
    directory = builder.root / "p/distfiles"
    for check in (True, False):
        actions = call(check=check, distfiles=str(directory))["actions"]
        assert actions == [{"action": f"make directory {directory}", "reason": "not there"}]
    assert directory.is_dir() and not call(distfiles=str(directory))["changed"]


def test_digests_come_from_the_receipt_of_the_stage(call: Callable[..., dict[str, Any]], builder: Builder) -> None:
    receipt = builder.root / "dists.json"
    receipt.write_text(json.dumps({"results": {"sets": {"base": {"sha256": "ee" * 32}}}}))
    assert f"base: {'ee' * 32}" in call(check=True, receipt=str(receipt))["diff"]["after"]


@pytest.mark.parametrize(
    ("params", "cause"),
    [
        ({"name": "a.b"}, r"poudriere jail 'a.b': malformed name"),
        ({"release": None}, "release is missing"),
        ({"release": "15"}, "unknown form"),
        ({"arch": "vax"}, "arch 'vax': unknown"),
        ({"sets": ["base", "kernel"]}, "cannot take the set 'kernel'"),
        ({"sets": ["src"]}, "needs the set 'base'"),
        ({"digests": {"base": "x"}}, "digest of 'base' is malformed"),
    ],
)
@pytest.mark.parametrize("check", [False, True])
def test_bad_input_is_one_line(
    call: Callable[..., dict[str, Any]], builder: Builder, params: dict[str, Any], cause: str, check: bool
) -> None:
    with pytest.raises(ToolError, match=cause) as error:
        call(check=check, **params)
    assert "\n" not in error.value.message and builder.commands == []


def test_what_is_missing_is_named_before_anything_changes(
    call: Callable[..., dict[str, Any]], builder: Builder
) -> None:
    with pytest.raises(ToolError, match=r"no verified set .*; run --tags dists first"):
        call(sets_dir="/nonexistent")
    (builder.root / "etc/poudriere.conf").write_text("NO_SRC=yes\n")
    with pytest.raises(ToolError, match=r"the set 'src' is wanted, but poudriere.conf sets NO_SRC"):
        call(sets=["base", "src"])
    (builder.root / "etc/poudriere.conf").unlink()
    with pytest.raises(ToolError, match=r"is not there; push it first"):
        call()
    assert builder.commands == []
