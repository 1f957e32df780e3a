# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _lease
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._product import receipt_of, write_receipt
from ansible_collections.freehyve.builder.plugins.modules import pool_image
from tests.unit.builder import Answer, PlayedRunner, module
from tests.unit.leases import dead_lease

MIB = 1 << 20


class Host:
    """Pools and memory disks of a builder whose own pool is called zroot, too."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self.mounted = True
        self.pools: dict[str, str] = {"zroot": "/dev/vtbd0p2"}
        self.units: dict[str, str] = {}
        self.referenced = 20 * MIB

    def zpool(self, argv: tuple[str, ...]) -> str:
        verb = argv[1]
        if verb == "create":
            self.pools[argv[argv.index("-t") + 1]] = argv[-1]
        elif verb in ("export", "destroy"):
            del self.pools[argv[-1]]
        elif verb == "list":
            rows = enumerate(self.pools, 1)
            return "".join(f"{name}\t1000\t10\t990\tONLINE\t-\t{number}000\n" for number, name in rows)
        elif verb == "status":
            name = argv[-1]
            head = f"  pool: {name}\n state: ONLINE\nconfig:\n\n\tNAME\tSTATE\n"
            return f"{head}\t{name}  ONLINE\n\t  {self.pools[name]}  ONLINE\n"
        return ""

    def mdconfig(self, argv: tuple[str, ...]) -> str:
        if "-l" in argv:
            return "".join(f"{name}\tvnode\t  33M\t{file}\t\n" for name, file in self.units.items())
        if "-d" in argv:
            name = argv[argv.index("-u") + 1]
            assert f"/dev/{name}" not in self.pools.values(), "detached under a pool"
            del self.units[name]
            return ""
        self.units["md3"] = argv[argv.index("-f") + 1]
        return "md3\n"

    def get(self, _argv: tuple[str, ...]) -> str:
        facts = (("referenced", self.referenced), ("logicalreferenced", 2 * self.referenced))
        rows = [f"w/release/i@0.1.0\t{name}\t{value}\t-\n" for name, value in facts]
        mounted = "yes" if self.mounted else "no"
        return "".join(rows) + f"w/release/i\tmountpoint\t{self.source}\tlocal\nw/release/i\tmounted\t{mounted}\t-\n"

    def runner(self, **more: Answer) -> PlayedRunner:
        answers: dict[str, Answer] = {
            "zpool ": self.zpool,
            "mdconfig": self.mdconfig,
            "zfs get": self.get,
            "zfs create": "",
            "zfs send": "",
            "zfs receive": "",
            "tar ": "",
            "ps ": "Sun Nov 22 21:15:21 2026",
            "sysctl -b kern.boot_id": "",
            "mount -p": "",
        }
        return PlayedRunner(answers={**answers, **more})


@pytest.fixture(autouse=True)
def builder_of_13_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_image, "available_sets", lambda: ["openzfs-2.0-freebsd", "openzfs-2.1-freebsd"])
    monkeypatch.setattr(os.path, "ismount", lambda _path: True)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "source/root").mkdir(parents=True)
    return Host(tmp_path / "source")


@pytest.fixture
def params(tmp_path: Path) -> dict[str, Any]:
    return {
        "path": str(tmp_path / "work/pool.raw"),
        "size": "512m",
        "pool": "zroot",
        "snapshot": "w/release/i@0.1.0",
        "content_key": "c" * 64,
        "boot_environment": "0.1.0",
        "release": "13.2-RELEASE",
        "datasets": [{"name": "persist", "mountpoint": "/persist"}, {"name": "persist/root", "mountpoint": "/root"}],
        "leases": str(tmp_path / "leases"),
        "receipt": str(tmp_path / "work/pool.json"),
    }


def run(play: PlayedRunner, params: dict[str, Any], check_mode: bool = False) -> dict[str, Any]:
    return pool_image.body(module(pool_image.ARGUMENTS, check_mode, **params), play)


def nothing_left(host: Host, tmp_path: Path) -> None:
    assert host.pools == {"zroot": "/dev/vtbd0p2"} and host.units == {}
    assert _lease.leases(str(tmp_path / "leases")) == []
    assert not list((tmp_path / "work").glob("*.part")) and not list((tmp_path / "work").glob(".alt*"))


def test_check_real_again_and_again_in_check(host: Host, params: dict[str, Any], tmp_path: Path) -> None:
    play = host.runner()
    planned = run(play, params, check_mode=True)
    assert planned["changed"] and all(call.startswith("zfs get") for call in play.calls)
    made = run(play, params)
    assert made["changed"] and made["compatibility"] == "openzfs-2.0-freebsd"
    assert Path(params["path"]).stat().st_size == 512 * MIB
    nothing_left(host, tmp_path)
    before = len(play.calls)
    for check_mode in (False, True):
        again = run(play, params, check_mode)
        assert not again["changed"] and again["identity"] == made["identity"]
    assert len(play.calls) == before, "a second run asks the builder nothing"


def test_the_commands_are_those_that_are_known_to_boot(host: Host, params: dict[str, Any]) -> None:
    play = host.runner()
    run(play, params)
    (create,) = play.did("zpool create")
    name = create.split(" -t ")[1].split()[0]
    assert name.startswith("fhb")
    for word in ("-o cachefile=none", "-o ashift=12", "-o compatibility=openzfs-2.0-freebsd", "-o autoexpand=on"):
        assert word in create
    for word in ("-O mountpoint=none", "-O compression=lz4", "-O atime=off"):
        assert word in create
    assert create.endswith(" zroot /dev/md3")
    assert play.did("zfs send") == ["zfs send w/release/i@0.1.0"]
    (receive,) = play.did("zfs receive")
    assert receive == f"zfs receive -u -o canmount=noauto -o mountpoint=/ {name}/ROOT/0.1.0"
    assert play.did("zpool set") == [f"zpool set bootfs={name}/ROOT/0.1.0 {name}"]
    assert [c.split()[-1] for c in play.did("zfs create")] == [
        f"{name}/ROOT",
        f"{name}/persist",
        f"{name}/persist/root",
    ]
    packs = play.did("tar ")
    assert len(packs) == 2 and packs[0].startswith(f"tar -C {host.source}/root ")
    assert play.calls.index(f"zpool export {name}") < play.calls.index("mdconfig -d -u md3")


@pytest.mark.parametrize(
    "command",
    ["mdconfig -a", "zpool create", "zfs create", "zfs send", "zfs receive", "tar ", "zpool set", "zpool export"],
)
def test_a_failure_leaves_nothing(host: Host, params: dict[str, Any], tmp_path: Path, command: str) -> None:
    with pytest.raises(ToolError, match="broken"):
        run(host.runner(**{command: (1, "", "broken")}), params)
    nothing_left(host, tmp_path)
    assert not Path(params["path"]).exists() and not Path(params["receipt"]).exists()


def test_a_pool_that_somebody_looks_at_is_waited_for(host: Host, params: dict[str, Any], tmp_path: Path) -> None:
    busy = [(1, "", f"cannot export '{name}': pool is busy") for name in ("x", "x")]
    play = host.runner(**{"zpool export": lambda argv: busy.pop() if busy else host.zpool(argv)})
    assert run(play, params)["changed"] and len(play.did("zpool export")) == 3
    nothing_left(host, tmp_path)


def test_what_a_dead_run_left_is_removed_first(host: Host, params: dict[str, Any], tmp_path: Path) -> None:
    wanted = pool_image.want(module(pool_image.ARGUMENTS, **params).params, pool_image.available_sets())
    (tmp_path / "work").mkdir()
    part = tmp_path / "work/pool.raw.part"
    part.touch()
    host.units["md9"] = str(part)
    host.pools[wanted.temporary_name] = "/dev/md9"
    for order, (kind, name) in enumerate((("file", str(part)), ("md", str(part)), ("pool", wanted.temporary_name))):
        dead_lease(params["leases"], kind, name, order, {"file": str(part)})
    play = host.runner()
    run(play, params)
    assert not play.did("zpool destroy")
    nothing_left(host, tmp_path)


def test_without_a_lease_a_memory_disk_on_our_file_is_not_ours(
    host: Host, params: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "work").mkdir()
    host.units["md9"] = str(tmp_path / "work/pool.raw.part")
    with pytest.raises(ToolError, match="md9 lies on it and no lease of ours says so"):
        run(host.runner(), params)
    assert list(host.units) == ["md9"]


def test_a_pool_of_our_temporary_name_elsewhere_is_not_touched(host: Host, params: dict[str, Any]) -> None:
    wanted = pool_image.want(module(pool_image.ARGUMENTS, **params).params, pool_image.available_sets())
    host.pools[wanted.temporary_name] = "/dev/ada7"
    with pytest.raises(ToolError, match="refusing to touch it"):
        run(host.runner(), params)
    assert wanted.temporary_name in host.pools and host.units == {}


def test_too_small_says_how_much_is_needed(host: Host, params: dict[str, Any], tmp_path: Path) -> None:
    host.referenced = 600 * MIB
    play = host.runner()
    for check_mode in (True, False):
        with pytest.raises(ToolError, match=r"512m is too small.* need 7\d\dm; make the image at least"):
            run(play, params, check_mode)
    assert not play.did("mdconfig") and not (tmp_path / "work").exists()


def test_a_pool_whose_file_could_not_grow_is_not_begun(
    host: Host, params: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_image, "free_bytes", lambda _path: 20 * MIB)
    play = host.runner()
    with pytest.raises(ToolError, match=r"pool file '.*/work/pool\.raw': its content needs .* and 20m are free there"):
        run(play, params)
    assert not play.did("mdconfig -a") and not (tmp_path / "work").exists()


def test_running_out_of_space_is_told_in_one_line(host: Host, params: dict[str, Any], tmp_path: Path) -> None:
    play = host.runner(**{"zfs receive": (1, "", "cannot receive new filesystem stream: out of space")})
    with pytest.raises(ToolError, match="512m is too small for its content"):
        run(play, params)
    nothing_left(host, tmp_path)


def test_a_product_that_is_up_to_date_needs_no_pool(host: Host, params: dict[str, Any], tmp_path: Path) -> None:
    image = tmp_path / "i.raw.zst"
    image.write_text("12345")
    receipt = tmp_path / "stages/image-i.json"
    params["product"] = {"receipt": str(receipt), "inputs": {"formats": ["raw"]}}
    play = host.runner()
    first = run(play, params, check_mode=True)
    assert first["needed"] and first["product_reasons"] == ["not made yet"]
    results = {"files": {str(image): {"size": 5}}}
    write_receipt(str(receipt), receipt_of("image", "i", first["product_inputs"], results))
    play.calls.clear()
    again = run(play, params)
    assert not again["changed"] and not again["needed"] and again["product_results"] == results
    assert play.calls == []
    params["product"]["inputs"] = {"formats": ["raw", "qcow2"]}
    assert run(play, params, check_mode=True)["product_reasons"] == ["formats: qcow2 added"]
    image.unlink()
    params["product"]["inputs"] = {"formats": ["raw"]}
    assert run(play, params, check_mode=True)["product_reasons"] == [f"{image}: gone"]


def test_a_release_that_is_not_mounted_is_no_empty_one(host: Host, params: dict[str, Any], tmp_path: Path) -> None:
    host.mounted = False
    with pytest.raises(ToolError, match=r"snapshot 'w/release/i@0.1.0': not there, or its dataset is not mounted"):
        run(host.runner(), params)
    nothing_left(host, tmp_path)


def test_check_mode_needs_no_snapshot_yet(host: Host, params: dict[str, Any]) -> None:
    missing: Answer = (1, "", "cannot open 'w/release/i@0.1.0': dataset does not exist")
    assert run(host.runner(**{"zfs get": missing}), params, check_mode=True)["changed"]
    with pytest.raises(ToolError, match="not there"):
        run(host.runner(**{"zfs get": missing}), params)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"size": "1m"}, "a pool needs 64m or more"),
        ({"pool": "mirror"}, "reserved"),
        ({"pool": "1x"}, "begins with a letter"),
        ({"snapshot": "a/b"}, "not a snapshot"),
        ({"boot_environment": "a/b"}, "must not contain"),
        ({"boot_environment": "a@b"}, "snapshot or bookmark"),
        ({"compression": "nosuch"}, "does not take 'nosuch'"),
        ({"compatibility": "nosuch"}, "no such feature set"),
        ({"release": "x"}, "not a FreeBSD release"),
        ({"filesystem_properties": {"mountpoint": "/x"}}, "never mounted"),
        ({"datasets": [{"name": "a", "properties": {"bogus": 1}}]}, "no such property 'bogus'"),
        ({"datasets": [{"name": "a", "mountpoint": "x"}]}, "bad mount point"),
        ({"path": "pool.raw"}, "absolute"),
    ],
)
def test_bad_input_is_refused_before_anything_is_asked(
    host: Host, params: dict[str, Any], change: dict[str, Any], text: str
) -> None:
    play = host.runner()
    with pytest.raises(ToolError, match=text):
        run(play, {**params, **change})
    assert not play.calls
