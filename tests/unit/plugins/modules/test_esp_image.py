# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _lease
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.modules import esp_image
from tests.unit.builder import Answer, PlayedRunner, module
from tests.unit.leases import dead_lease


class Host:
    """Memory disks and mounts of a small builder; files written to a mount go to ``content``."""

    def __init__(self) -> None:
        self.units: dict[str, str] = {}
        self.mounts: dict[str, str] = {}
        self.content: dict[str, int] = {}

    def mdconfig(self, argv: tuple[str, ...]) -> str | tuple[int, str, str]:
        if "-l" in argv:
            return "".join(f"{name}\tvnode\t  33M\t{file}\t\n" for name, file in self.units.items())
        if "-d" in argv:
            name = argv[argv.index("-u") + 1]
            if any(device == f"/dev/{name}" for device in self.mounts.values()):
                return 1, "", "mdconfig: ioctl(/dev/mdctl): Device busy"
            del self.units[name]
            return ""
        name = f"md{len(self.units)}"
        self.units[name] = argv[argv.index("-f") + 1]
        return f"{name}\n"

    def mount(self, argv: tuple[str, ...]) -> str:
        self.mounts[argv[-1]] = argv[-2]
        return ""

    def umount(self, argv: tuple[str, ...]) -> str:
        place = Path(argv[-1])
        self.content = {str(p.relative_to(place)): p.stat().st_size for p in place.rglob("*") if p.is_file()}
        for path in sorted(place.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        del self.mounts[argv[-1]]
        return ""

    def runner(self, **more: Answer) -> PlayedRunner:
        def listing(_argv: tuple[str, ...]) -> str:
            return "".join(f"{d}\t{p}\tmsdosfs\trw 0 0\n" for p, d in self.mounts.items())

        answers: dict[str, Answer] = {
            "mdconfig": self.mdconfig,
            "mount -t msdosfs": self.mount,
            "mount -p": listing,
            "umount": self.umount,
            "newfs_msdos": "",
            "ps ": "Sun Nov 22 21:15:21 2026",
            "sysctl -b kern.boot_id": "",
        }
        return PlayedRunner(answers={**answers, **more})


@pytest.fixture
def params(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "loader.efi").write_bytes(b"E" * 1000)
    return {
        "path": str(tmp_path / "esp.img"),
        "loader": str(tmp_path / "loader.efi"),
        "leases": str(tmp_path / "leases"),
        "receipt": str(tmp_path / "esp.json"),
    }


def run(play: PlayedRunner, params: dict[str, Any], check_mode: bool = False) -> dict[str, Any]:
    return esp_image.body(module(esp_image.ARGUMENTS, check_mode, **params), play)


def nothing_left(host: Host, tmp_path: Path) -> None:
    assert host.units == {} and host.mounts == {}
    assert _lease.leases(str(tmp_path / "leases")) == []
    assert not list(tmp_path.glob("*.part")) and not list(tmp_path.glob("*.mnt"))


def test_check_real_again_and_again_in_check(params: dict[str, Any], tmp_path: Path) -> None:
    host = Host()
    play = host.runner()
    assert run(play, params, check_mode=True)["changed"] and not play.calls
    made = run(play, params)
    assert made["changed"] and made["size"] == 33292 << 10
    assert host.content == {"EFI/BOOT/BOOTX64.EFI": 1000}
    assert play.did("newfs_msdos") == ["newfs_msdos -F 32 -c 1 -L EFISYS /dev/md0"]
    nothing_left(host, tmp_path)
    for check_mode in (False, True):
        again = run(play, params, check_mode)
        assert not again["changed"] and again["sha256"] == made["sha256"]
    assert len(play.did("newfs_msdos")) == 1


def test_another_architecture_has_another_name(params: dict[str, Any]) -> None:
    host = Host()
    run(host.runner(), {**params, "arch": "aarch64"})
    assert host.content == {"EFI/BOOT/BOOTAA64.EFI": 1000}


@pytest.mark.parametrize("command", ["newfs_msdos", "mount -t msdosfs", "mdconfig -a"])
def test_a_failure_leaves_nothing(params: dict[str, Any], tmp_path: Path, command: str) -> None:
    host = Host()
    with pytest.raises(ToolError, match="broken"):
        run(host.runner(**{command: (1, "", "broken")}), params)
    nothing_left(host, tmp_path)
    assert not Path(params["path"]).exists()


def test_what_a_dead_run_left_is_removed_first(params: dict[str, Any], tmp_path: Path) -> None:
    host = Host()
    part, place = tmp_path / "esp.img.part", tmp_path / "esp.img.mnt"
    part.touch()
    place.mkdir()
    host.units["md7"] = str(part)
    host.mounts[str(place)] = "/dev/md7"
    dead_lease(params["leases"], "file", part, 1)
    dead_lease(params["leases"], "md", part, 2, {"unit": "md7"})
    dead_lease(params["leases"], "mount", place, 3, {"source": "/dev/md7", "file": str(part)})
    run(host.runner(), params)
    nothing_left(host, tmp_path)


def test_without_a_lease_a_mount_at_our_place_is_not_ours(params: dict[str, Any], tmp_path: Path) -> None:
    host = Host()
    place = tmp_path / "esp.img.mnt"
    host.mounts[str(place)] = "/dev/da0s1"
    with pytest.raises(ToolError, match="'/dev/da0s1' is mounted and no lease of ours says so"):
        run(host.runner(), params)
    assert host.mounts == {str(place): "/dev/da0s1"}


def test_another_file_of_the_builder_stays_attached(params: dict[str, Any]) -> None:
    host = Host()
    host.units["md0"] = "/somebody/else.img"
    run(host.runner(), params)
    assert host.units == {"md0": "/somebody/else.img"}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"size": "1m"}, "33292k or more"),
        ({"size": "40000001"}, "33292k or more, in whole sectors"),
        ({"size": "much"}, "not a size"),
        ({"label": "too long a label"}, "label"),
        ({"loader": "/nosuch"}, "loader '/nosuch': not there"),
        ({"path": "esp.img"}, "absolute"),
    ],
)
def test_bad_input_is_refused(params: dict[str, Any], change: dict[str, Any], text: str) -> None:
    play = Host().runner()
    with pytest.raises(ToolError, match=text):
        run(play, {**params, **change})
    assert not play.calls


def test_check_mode_needs_no_loader_yet(params: dict[str, Any]) -> None:
    planned = run(Host().runner(), {**params, "loader": "/nosuch"}, check_mode=True)
    assert planned["actions"][0]["reason"] == "/nosuch: not made yet"
