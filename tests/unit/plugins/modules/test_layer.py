# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _lease
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.modules import layer
from tests.unit.builder import Answer, PlayedRunner, module

CATALOGUE = [
    {"name": "hello", "version": "1.0", "origin": "sysutils/hello", "sum": "a" * 64},
    {"name": "world", "version": "2.1", "origin": "sysutils/world", "sum": "b" * 64, "deps": {"hello": {}}},
]


class Host:
    """Datasets with their snapshots, mounted below a directory of the test."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.datasets: dict[str, dict[str, str]] = {"w/layers": {}, "w/release": {}}
        self.snapshots: set[str] = set()
        self.installed = "hello 1.0 sysutils/hello\nworld 2.1 sysutils/world\n"

    def path(self, dataset: str) -> Path:
        return self.base / dataset.removeprefix("w/")

    def value(self, name: str, prop: str) -> str:
        dataset = name.split("@")[0]
        known = {"mountpoint": str(self.path(dataset)), "mounted": "yes", "type": "filesystem", "guid": "1"}
        return self.datasets[dataset].get(prop) or known.get(prop, "-")

    def get(self, argv: tuple[str, ...]) -> tuple[int, str, str]:
        at = argv.index("name,property,value,source") + 1
        properties, names = argv[at].split(","), argv[at + 1 :]
        if "-r" in argv:
            names = tuple(n for n in self.datasets if n == names[0] or n.startswith(names[0] + "/"))
        rows, complaints = "", ""
        for name in names:
            if name in self.datasets or name in self.snapshots:
                rows += "".join(f"{name}\t{p}\t{self.value(name, p)}\t-\n" for p in properties)
            else:
                complaints += f"cannot open '{name}': dataset does not exist\n"
        return (1 if complaints else 0), rows, complaints

    def create(self, argv: tuple[str, ...]) -> str:
        name = argv[-1]
        options = [argv[i + 1] for i, word in enumerate(argv) if word == "-o"]
        self.datasets[name] = dict(option.split("=", 1) for option in options)
        if argv[1] == "clone":
            self.datasets[name]["origin"] = argv[-2]
        self.path(name).mkdir(parents=True)
        return ""

    def snapshot(self, argv: tuple[str, ...]) -> str:
        self.snapshots.add(argv[-1])
        return ""

    def destroy(self, argv: tuple[str, ...]) -> str | tuple[int, str, str]:
        name = argv[-1]
        if any(facts.get("origin", "").startswith(name + "@") for facts in self.datasets.values()):
            return 1, "", f"cannot destroy '{name}': filesystem has dependent clones"
        del self.datasets[name]
        shutil.rmtree(self.path(name), ignore_errors=True)
        self.snapshots = {s for s in self.snapshots if not s.startswith(name + "@")}
        return ""

    def pkg(self, argv: tuple[str, ...]) -> str:
        if "query" in argv:
            return self.installed
        root = Path(argv[argv.index("--rootdir") + 1])
        conf = Path(argv[argv.index("--repo-conf-dir") + 1])
        assert [p.name for p in conf.iterdir()] == ["freehyve.conf"]
        for rest in ("var/cache/pkg/hello.pkg", "var/db/pkg/repo-freehyve.sqlite", "var/db/pkg/local.sqlite"):
            (root / rest).parent.mkdir(parents=True, exist_ok=True)
            (root / rest).touch()
        return ""

    def tar(self, argv: tuple[str, ...]) -> str:
        if "-xOf" in argv:
            return json.dumps({"packages": CATALOGUE})
        root = Path(argv[argv.index("-C") + 1])
        (root / "etc").mkdir(exist_ok=True)
        (root / "etc/passwd").write_text("root:*:0:0::/root:/bin/sh\n")
        return ""

    def runner(self, **more: Answer) -> PlayedRunner:
        answers: dict[str, Answer] = {
            "zfs get": self.get,
            "zfs create": self.create,
            "zfs clone": self.create,
            "zfs snapshot": self.snapshot,
            "zfs destroy": self.destroy,
            "tar ": self.tar,
            "pkg ": self.pkg,
            "find ": "",
            "pw ": "",
            "pwd_mkdb": "",
            "cap_mkdb": "",
            "ps ": "Sun Nov 22 21:15:21 2026",
            "sysctl -b kern.boot_id": "",
        }
        return PlayedRunner(answers={**answers, **more})


@pytest.fixture(autouse=True)
def anyone_may_chown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "chown", lambda *_args, **_kwargs: None)
    monkeypatch.setattr(os, "lchown", lambda *_args, **_kwargs: None)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.fixture
def base(tmp_path: Path) -> dict[str, Any]:
    archive = tmp_path / "base.txz"
    archive.write_text("archive")
    return {
        "dataset": "w/layers",
        "name": "base",
        "image": "i",
        "archives": [{"path": str(archive), "sha256": hashlib.sha256(b"archive").hexdigest()}],
        "receipt": str(tmp_path / "stages/layer-base-i.json"),
    }


def run(play: PlayedRunner, params: dict[str, Any], check_mode: bool = False) -> dict[str, Any]:
    params = {"leases": str(Path(params["receipt"]).parents[1] / "leases"), **params}
    return layer.guarded(module(layer.ARGUMENTS, check_mode, **params), play)


def mutations(play: PlayedRunner) -> list[str]:
    return [c for c in play.calls if not c.startswith(("zfs get", "tar -xOf", "ps ", "sysctl "))]


def test_check_real_again_and_again_in_check(host: Host, base: dict[str, Any]) -> None:
    play = host.runner()
    planned = run(play, base, check_mode=True)
    assert planned["changed"] and not mutations(play)
    made = run(play, base)
    assert made["changed"] and made["snapshot"] == planned["snapshot"]
    assert made["dataset"] == f"w/layers/base-{made['key'][:12]}"
    assert made["snapshot"] in host.snapshots and Path(made["mountpoint"], "etc/passwd").exists()
    play.calls.clear()
    for check_mode in (False, True):
        again = run(play, base, check_mode)
        assert not again["changed"] and again["mountpoint"] == made["mountpoint"]
    assert len(play.calls) == 2, "one question each"


def test_a_wrong_or_missing_archive_is_refused_before_a_dataset_is_made(host: Host, base: dict[str, Any]) -> None:
    play = host.runner()
    base["archives"][0]["sha256"] = "0" * 64
    with pytest.raises(ToolError, match="SHA-256 is"):
        run(play, base)
    base["archives"][0]["path"] = "/nosuch.txz"
    with pytest.raises(ToolError, match="not there; run the stage 'dists'"):
        run(play, base)
    assert not mutations(play)


def test_archives_come_from_a_receipt(host: Host, base: dict[str, Any], tmp_path: Path) -> None:
    archive = base.pop("archives")[0]
    base["archives_of"] = {"receipt": str(tmp_path / "dists.json"), "sets": ["base"]}
    assert run(host.runner(), base, check_mode=True)["changed"]
    with pytest.raises(ToolError, match="distribution set 'base': not in"):
        run(host.runner(), base)
    (tmp_path / "dists.json").write_text(json.dumps({"results": {"sets": {"base": archive}}}))
    assert run(host.runner(), base)["changed"]


def test_a_failure_leaves_no_dataset(host: Host, base: dict[str, Any]) -> None:
    with pytest.raises(ToolError, match="cannot be extracted"):
        run(host.runner(**{"tar ": (1, "", "tar: Error opening archive")}), base)
    assert set(host.datasets) == {"w/layers", "w/release"}


def test_a_device_in_an_archive_is_refused(host: Host, base: dict[str, Any]) -> None:
    play = host.runner(**{"find ": lambda argv: f"{argv[1]}/dev/mem\n{argv[1]}/x\n"})
    with pytest.raises(ToolError, match="archives: refusing 'dev/mem', a device, FIFO or socket"):
        run(play, base)
    assert set(host.datasets) == {"w/layers", "w/release"}


def test_an_unfinished_layer_is_made_again(host: Host, base: dict[str, Any]) -> None:
    play = host.runner()
    name = run(play, base, check_mode=True)["dataset"]
    host.datasets[name] = {}
    made = run(play, base)
    assert [a["action"] for a in made["actions"]] == [f"destroy {name}", f"make {name}"]
    assert made["actions"][0]["reason"] == "left unfinished by an earlier run"


def test_a_layer_that_another_build_makes_is_left_to_it(
    host: Host, base: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play = host.runner()
    name = run(play, base, check_mode=True)["dataset"]
    host.datasets[name] = {}
    with monkeypatch.context() as other:
        other.setattr(os, "getpid", lambda: 1)
        # Locks of another process are not among ours, and stay when we go on.
        other.setattr(_lease, "_LOCKS", {})
        _lease.take(play, str(tmp_path / "leases"), "layer", name)
    monkeypatch.setattr(layer, "WAIT_SECONDS", 0.0)
    with pytest.raises(ToolError, match=r"held by another build \(process 1,"):
        run(play, base)
    assert name in host.datasets


def test_a_layer_of_earlier_inputs_is_used_again(host: Host, base: dict[str, Any]) -> None:
    play = host.runner()
    first = run(play, base)
    run(play, {**base, "facts": {"x": 1}})
    back = run(play, base)
    assert back["actions"] == [{"action": f"use {first['dataset']} again", "reason": 'facts: no longer {"x": 1}'}]
    assert not run(play, base)["changed"]


def test_what_earlier_stages_would_make_is_a_reason_in_check_mode_only(host: Host, base: dict[str, Any]) -> None:
    play, later = host.runner(), {**base, "pending": ["build 8 listed ports"]}
    run(play, base)
    assert not run(play, later)["changed"]
    assert run(play, later, check_mode=True)["actions"][0]["reason"] == "earlier stages: build 8 listed ports"


@pytest.fixture
def packages(host: Host, base: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    parent = run(host.runner(), base)["snapshot"]
    repository = tmp_path / "repo"
    repository.mkdir()
    (repository / "data.pkg").touch()
    receipt = tmp_path / "packages.json"
    receipt.write_text(json.dumps({"results": {"repository": str(repository), "origins": ["sysutils/world"]}}))
    return {
        "dataset": "w/layers",
        "name": "packages",
        "image": "i",
        "parent": parent,
        "packages": {"receipt": str(receipt), "abi": "FreeBSD:13:amd64"},
        "receipt": str(tmp_path / "stages/layer-packages-i.json"),
    }


def test_packages_are_installed_from_one_repository_and_proved(host: Host, packages: dict[str, Any]) -> None:
    play = host.runner()
    made = run(play, packages)
    (install,) = [c for c in play.did("pkg ") if " install " in c]
    assert install.endswith("install -y -r freehyve world") and "-o ABI=FreeBSD:13:amd64" in install
    assert [p["name"] for p in made["packages"]] == ["hello", "world"]
    assert [p["deps"] for p in made["packages"]] == [[], ["hello"]]
    root = Path(made["mountpoint"])
    assert sorted(p.name for p in root.rglob("*") if p.is_file()) == ["local.sqlite"]
    assert run(play, packages)["packages"] == made["packages"]


def test_a_package_that_pkg_forgot_is_told(host: Host, packages: dict[str, Any]) -> None:
    host.installed = "hello 1.0 sysutils/hello\n"
    with pytest.raises(ToolError, match="package 'world': pkg reports success but it is not installed"):
        run(host.runner(), packages)
    assert not any(name.startswith("w/layers/packages") for name in host.datasets)


def test_a_package_of_another_version_than_the_repository_had_is_told(host: Host, packages: dict[str, Any]) -> None:
    host.installed = host.installed.replace("hello 1.0", "hello 1.1")
    with pytest.raises(ToolError, match=r"version 1\.1 was installed where the repository had 1\.0; .* run again"):
        run(host.runner(), packages)
    assert not any(name.startswith("w/layers/packages") for name in host.datasets)


def test_a_link_to_the_repository_is_followed_once(host: Host, packages: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "later").mkdir()
    latest = tmp_path / ".latest"
    latest.symlink_to("repo")
    urls = []

    def pkg(argv: tuple[str, ...]) -> str:
        conf = Path(argv[argv.index("--repo-conf-dir") + 1], "freehyve.conf")
        urls.append(conf.read_text() if conf.exists() else "")
        latest.unlink()
        latest.symlink_to("later")
        return host.pkg(argv)

    packages["packages"]["repository"] = str(latest)
    run(host.runner(**{"pkg ": pkg}), packages)
    assert f'"file://{tmp_path}/repo"' in urls[0]


def test_packages_without_a_repository(host: Host, packages: dict[str, Any]) -> None:
    packages["packages"]["receipt"] = "/nosuch.json"
    packages["packages"]["also"] = ["ports-mgmt/pkg"]
    assert run(host.runner(), packages, check_mode=True)["changed"]
    with pytest.raises(ToolError, match="run the stage 'packages' first"):
        run(host.runner(), packages)


@pytest.fixture
def system(host: Host, base: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    overlay = tmp_path / "overlay"
    (overlay / "etc").mkdir(parents=True)
    (overlay / "etc/rc.conf").write_text("a\n")
    return {
        "dataset": "w/layers",
        "name": "system",
        "image": "i",
        "parent": run(host.runner(), base)["snapshot"],
        "tree": {
            "name": "overlay",
            "path": str(overlay),
            "files": {"etc/rc.conf": hashlib.sha256(b"a\n").hexdigest()},
            "digest": "d1",
        },
        "files": [
            {"path": "etc/fstab", "content": "x\n"},
            {"path": "root/.ssh", "state": "directory", "mode": "0700"},
            {"path": "root/.ssh/authorized_keys", "content": "ssh-ed25519 AAAA\n", "mode": "0600"},
        ],
        "directories": ["boot/efi", "/persist"],
        "lock_passwords": ["root"],
        "timezone": "UTC",
        "receipt": str(tmp_path / "stages/layer-system-i.json"),
    }


def test_a_system_gets_overlay_files_and_a_locked_root(host: Host, system: dict[str, Any]) -> None:
    play = host.runner()
    made = run(play, system)
    root = Path(made["mountpoint"])
    assert (root / "etc/rc.conf").read_text() == "a\n" and (root / "etc/fstab").read_text() == "x\n"
    assert (root / "root/.ssh/authorized_keys").stat().st_mode & 0o777 == 0o600
    assert (root / "boot/efi").is_dir() and (root / "persist").is_dir()
    assert play.did("pw ") == [f"pw -R {root} usermod root -h -"]
    assert (root / "var/db/zoneinfo").read_text() == "UTC\n"
    assert not run(play, system)["changed"]


def test_a_changed_overlay_is_told_by_file(host: Host, system: dict[str, Any], tmp_path: Path) -> None:
    play = host.runner()
    run(play, system)
    (tmp_path / "overlay/etc/rc.conf").write_text("b\n")
    system["tree"].update(files={"etc/rc.conf": hashlib.sha256(b"b\n").hexdigest()}, digest="d2")
    assert run(play, system, check_mode=True)["actions"][0]["reason"] == "overlay: etc/rc.conf changed"
    system["tree"].update(files={"etc/rc.conf": hashlib.sha256(b"a\n").hexdigest()}, digest="d2")
    assert run(play, system, check_mode=True)["actions"][0]["reason"] == "overlay as a whole: d1 -> d2"


def test_a_layer_records_what_it_was_made_from(host: Host, system: dict[str, Any]) -> None:
    system.update(record="usr/local/etc/freehyve/receipt.json", facts={"version": "0.1.0"})
    made = run(host.runner(), system)
    record = Path(made["mountpoint"], system["record"]).read_text()
    said = json.loads(record)
    assert (said["version"], said["layer"], said["image"], said["key"]) == ("0.1.0", "system", "i", made["key"])
    assert said["inputs"]["overlay"] == system["tree"]["files"] and "AAAA" not in record


def test_the_receipt_holds_no_content(host: Host, system: dict[str, Any]) -> None:
    run(host.runner(), system)
    assert "AAAA" not in Path(system["receipt"]).read_text()


def test_databases_are_rebuilt_when_their_sources_came(host: Host, system: dict[str, Any]) -> None:
    system["files"] += [{"path": "etc/master.passwd", "content": "x"}, {"path": "etc/login.conf", "content": "x"}]
    play = host.runner()
    root = run(play, system)["mountpoint"]
    assert play.did("pwd_mkdb") == [f"pwd_mkdb -p -d {root}/etc {root}/etc/master.passwd"]
    assert play.did("cap_mkdb") == [f"cap_mkdb {root}/etc/login.conf"]


def test_an_unknown_time_zone_is_told_and_a_known_one_linked(host: Host, system: dict[str, Any]) -> None:
    system["timezone"] = "Nowhere/City"
    with pytest.raises(ToolError, match="time zone 'Nowhere/City'"):
        run(host.runner(), system)

    def tar(argv: tuple[str, ...]) -> str:
        zone = Path(argv[argv.index("-C") + 1], "usr/share/zoneinfo/Europe/Berlin")
        zone.parent.mkdir(parents=True)
        zone.touch()
        return ""

    archive = str(Path(system["receipt"]).parents[1] / "base.txz")
    zones = {"archives": [{"path": archive, "sha256": hashlib.sha256(b"archive").hexdigest()}]}
    made = run(host.runner(**{"tar ": tar}), {**system, **zones, "timezone": "Europe/Berlin"})
    assert os.readlink(Path(made["mountpoint"], "etc/localtime")) == "/usr/share/zoneinfo/Europe/Berlin"


@pytest.fixture
def release(host: Host, system: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    return {
        "dataset": "w/release",
        "name": "release",
        "image": "i",
        "child": "i",
        "snapshot": "0.1.0",
        "parent": run(host.runner(), system)["snapshot"],
        "prune": True,
        "receipt": str(tmp_path / "stages/layer-release-i.json"),
    }


def test_a_release_keeps_its_name_and_old_layers_go(
    host: Host, system: dict[str, Any], release: dict[str, Any]
) -> None:
    play = host.runner()
    assert run(play, release)["snapshot"] == "w/release/i@0.1.0"
    old = release["parent"].split("@")[0]
    system["timezone"] = None
    release["parent"] = run(play, system)["snapshot"]
    made = run(play, release)
    assert [a["action"] for a in made["actions"]] == ["destroy w/release/i", "make w/release/i", f"destroy {old}"]
    assert made["actions"][0]["reason"] == "made from other inputs"
    assert old not in host.datasets and host.datasets["w/release/i"]["origin"] == release["parent"]
    assert not run(play, release)["changed"]


def test_a_release_that_something_depends_on_is_not_replaced(
    host: Host, system: dict[str, Any], release: dict[str, Any]
) -> None:
    play = host.runner()
    run(play, release)
    host.datasets["w/mine"] = {"origin": "w/release/i@0.1.0"}
    system["timezone"] = None
    release["parent"] = run(play, system)["snapshot"]
    with pytest.raises(ToolError, match=r"'w/release/i': destroying failed.* has dependent clones"):
        run(play, release)
    assert "w/release/i@0.1.0" in host.snapshots


def test_a_dataset_that_is_not_ours_is_not_replaced(host: Host, release: dict[str, Any]) -> None:
    host.datasets["w/release/i"] = {}
    play = host.runner()
    with pytest.raises(ToolError, match="was not made by this collection"):
        run(play, release)
    assert not mutations(play)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"name": "Base"}, "layer 'Base'"),
        ({"parent": "w/x"}, "not a snapshot"),
        ({"parent": "w/nosuch@ready"}, "make the layer below first"),
        ({"files": [{"path": "../x"}]}, "refusing it"),
        ({"files": [{"path": "a"}, {"path": "/a"}]}, "given twice"),
        ({"timezone": "../../etc/passwd"}, "refusing it"),
        ({"tree": {"path": "/nosuch", "files": {"a": "0" * 64}}}, "push it again"),
    ],
)
def test_bad_input_is_refused_before_a_dataset_is_made(
    host: Host, base: dict[str, Any], change: dict[str, Any], text: str
) -> None:
    play = host.runner()
    with pytest.raises(ToolError, match=text):
        run(play, {**base, **change})
    assert not mutations(play)
