# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _vm_firmware
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._vm_host import Controller


def descriptor(place: Path, name: str, arch: str = "x86_64", machine: str = "pc-q35-*", **more: Any) -> None:
    for kind in ("code", "vars"):
        (place / f"{name}.{kind}").touch()
    content = {
        "interface-types": ["uefi"],
        "mapping": {
            "device": "flash",
            "executable": {"filename": str(place / f"{name}.code"), "format": "raw"},
            "nvram-template": {"filename": str(place / f"{name}.vars"), "format": "raw"},
        },
        "targets": [{"architecture": arch, "machines": [machine]}],
        "features": [],
        **more,
    }
    (place / f"{name}.json").write_text(json.dumps(content))


def found(*places: Path, arch: str = "amd64") -> str:
    runner = Controller(environ={"PATH": "/nonexistent"})
    return Path(_vm_firmware.find(runner, "/usr/bin/qemu", arch, [str(place) for place in places]).code).stem


def test_the_first_that_suits_by_name(tmp_path: Path) -> None:
    descriptor(tmp_path, "60-plain")
    descriptor(tmp_path, "70-later")
    descriptor(tmp_path, "50-secure", features=["secure-boot", "requires-smm"])
    descriptor(tmp_path, "40-enrolled", features=["enrolled-keys"])
    descriptor(tmp_path, "30-arm", arch="aarch64", machine="virt-*")
    descriptor(tmp_path, "20-memory", mapping={"device": "memory", "filename": "x"})
    (tmp_path / "10-broken.json").write_text("{")
    (tmp_path / "15-odd.json").write_text("[]")
    assert found(tmp_path) == "60-plain"
    assert found(tmp_path, arch="aarch64") == "30-arm"


def test_a_site_hides_what_a_distribution_says(tmp_path: Path) -> None:
    site, system = tmp_path / "etc", tmp_path / "usr"
    for place in (site, system):
        place.mkdir()
        descriptor(place, "60-plain")
    (site / "60-plain.json").write_text("")
    descriptor(system, "70-other")
    assert found(site, system) == "70-other"


def test_files_that_are_not_there_do_not_count(tmp_path: Path) -> None:
    descriptor(tmp_path, "60-plain")
    (tmp_path / "60-plain.code").unlink()
    with pytest.raises(ToolError, match="UEFI for amd64: QEMU has no firmware here; install the package qemu"):
        found(tmp_path)


def test_firmware_beside_this_qemu_is_looked_for() -> None:
    assert "/opt/homebrew/share/qemu/firmware" in _vm_firmware.directories("/opt/homebrew/bin/qemu-system-aarch64")
