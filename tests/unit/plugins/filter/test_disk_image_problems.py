# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.freehyve.builder.plugins.filter.disk_image_pool_size import pool_size
from ansible_collections.freehyve.builder.plugins.filter.disk_image_problems import FilterModule, problems

ROOT = Path(__file__).resolve().parents[4]
VARS = yaml.safe_load((ROOT / "roles/disk_image/vars/main.yml").read_text(encoding="utf-8"))


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    """The role's defaults, as its variables hand them to the filter."""
    (tmp_path / "overlay/etc").mkdir(parents=True)
    (tmp_path / "overlay/etc/rc.conf").touch()
    return {
        "name": "freehyve",
        "version": "0.1.0",
        "release": "15.1-RELEASE",
        "arch": "amd64",
        "workspace": "zroot/freehyve",
        "timezone": "UTC",
        "authorized_keys": [],
        "pool": "freehyve",
        "pool_compression": "lz4",
        "compatibility": "auto",
        "datasets": VARS["__disk_image_default_datasets"],
        "size": "8g",
        "swap_size": "1g",
        "esp_size": "33292k",
        "formats": ["raw", "qcow2"],
        "compression": "zstd",
        "required_space": "4g",
        "required_memory": "1g",
        "mastername": "fh151RELEASEamd64-freehyve",
        "overlay": str(tmp_path / "overlay"),
        "hostname": "freehyve",
        "level": 3,
        "run_tags": ["all"],
        "skip_tags": [],
    }


@pytest.fixture
def builder() -> dict[str, Any]:
    return {
        "system": "FreeBSD",
        "root": True,
        "jailed": False,
        "hostname": "factory",
        "memory": 3196551168,
        "zfs_version": "2.1.9",
        "pools": {"zroot": {"free": 12 << 30}, "tank": {"free": 20 << 30}},
        "workspace_available": None,
        "tools": {"zfs": "/sbin/zfs", "mkimg": "/usr/bin/mkimg"},
        "zfs_compatibility": ["openzfs-2.0-freebsd", "openzfs-2.1-freebsd"],
        "mkimg_formats": ["qcow", "qcow2", "raw", "vhd", "vhdf", "vhdx", "vmdk"],
        "stages": {},
    }


def test_the_role_hands_over_what_is_checked(settings: dict[str, Any]) -> None:
    assert set(VARS["__disk_image_settings"]) == set(settings)


def test_the_defaults_are_good(settings: dict[str, Any], builder: dict[str, Any]) -> None:
    assert problems(settings, builder) == []
    assert set(FilterModule().filters()) == {"disk_image_problems"}


def test_the_pool_gets_what_is_left() -> None:
    settings = {"size": "8g", "swap_size": "1g", "esp_size": "33292k"}
    assert pool_size(settings) == (8 << 30) - (1 << 30) - (36 << 20)
    assert pool_size({**settings, "swap_size": "0"}) == (8 << 30) - (36 << 20)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"name": "a b"}, "image name 'a b': malformed"),
        ({"version": "v 1"}, "version 'v 1': malformed"),
        ({"version": "../1"}, "version '../1': malformed"),
        ({"release": "15.1"}, "release '15.1': unknown form"),
        ({"arch": "vax"}, "architecture 'vax': unknown; use one of amd64, arm/armv7, arm64/aarch64"),
        ({"arch": "arm64"}, "architecture 'arm64': unknown"),
        ({"hostname": "-x"}, "host name '-x': malformed"),
        ({"timezone": "../x"}, "time zone '../x': malformed"),
        ({"authorized_keys": ["secret"]}, "authorized key 'secret…': not a public key"),
        ({"formats": []}, "image formats: none given"),
        ({"formats": ["iso"]}, "image format 'iso': unknown; this builder's mkimg has"),
        ({"formats": ["raw", "raw"]}, "image formats: one is given twice"),
        ({"level": 30}, "compression zstd: has levels 1 to 22"),
        ({"pool": "mirror"}, "pool 'mirror'"),
        ({"pool_compression": "nosuch"}, "property 'compression' does not take 'nosuch'"),
        ({"compatibility": "nosuch"}, "compatibility 'nosuch'"),
        ({"size": "much"}, "image size: 'much' is not a size"),
        ({"size": "64m", "swap_size": "0"}, "image size '64m': too small"),
        ({"size": "1g"}, "image size '1g': too small"),
        ({"datasets": [{"name": "a", "properties": {"bogus": 1}}]}, "no such property 'bogus'"),
        ({"datasets": [{"name": "a", "mountpoint": "x"}]}, "bad mount point 'x'"),
        (
            {"datasets": [{"name": "a", "mountpoint": "/x"}, {"name": "b", "mountpoint": "/x"}]},
            "mount point '/x' is also that of 'a'",
        ),
        ({"overlay": "/nosuch"}, "overlay '/nosuch': is not a directory"),
        ({"workspace": "nosuch/freehyve"}, "has no pool 'nosuch'; it has tank, zroot"),
        ({"required_space": "100g"}, "has 12g free, needs 100g"),
        ({"required_memory": "64g"}, "of memory, needs 64g"),
    ],
)
def test_bad_settings_are_told_in_one_line(
    settings: dict[str, Any], builder: dict[str, Any], change: dict[str, Any], text: str
) -> None:
    found = problems({**settings, **change}, builder)
    assert len(found) == 1 and text in found[0] and "\n" not in found[0], found


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"system": "Linux"}, "runs Linux, not FreeBSD"),
        ({"root": False}, "we are not root"),
        ({"jailed": True}, "is a jail"),
        ({"zfs_version": None}, "has no ZFS"),
        ({"tools": {"mkimg": None, "zfs": "/sbin/zfs"}}, "lacks mkimg"),
        ({"workspace_available": 1 << 30}, "has 1g free, needs 4g"),
        ({"memory": 512 << 20}, "has 512m of memory, needs 1g"),
        ({"zfs_compatibility": []}, "none of the feature sets"),
    ],
)
def test_an_unfit_builder_is_told_in_one_line(
    settings: dict[str, Any], builder: dict[str, Any], change: dict[str, Any], text: str
) -> None:
    found = problems(settings, {**builder, **change})
    assert len(found) == 1 and text in found[0], found


def test_a_builder_that_has_the_image_needs_no_more_space(settings: dict[str, Any], builder: dict[str, Any]) -> None:
    builder.update(workspace_available=1, stages={"image-freehyve-0.1.0-amd64": {}})
    assert problems(settings, builder) == []


def test_stages_before_are_there_or_run_now(settings: dict[str, Any], builder: dict[str, Any]) -> None:
    settings["run_tags"] = ["image", "fetch"]
    first, second = problems(settings, builder)
    assert first.startswith("stage 'dists': not done") and second.startswith("stage 'packages': not done")
    assert problems({**settings, "run_tags": ["preflight"]}, builder) == []
    builder["stages"] = {"dists-15.1-RELEASE-amd64": {}}
    settings["run_tags"] = ["image", "packages"]
    assert problems(settings, builder) == []
    [line] = problems({**settings, "run_tags": ["all"], "skip_tags": ["packages"]}, builder)
    assert line.startswith("stage 'packages': not done")
    assert problems({**settings, "run_tags": ["all"], "skip_tags": ["packages", "image"]}, builder) == []


def test_an_overlay_that_leaves_its_tree_or_has_devices_is_told(
    settings: dict[str, Any], builder: dict[str, Any]
) -> None:
    overlay = Path(settings["overlay"])
    (overlay / "x").symlink_to("../../..")
    assert "leaves the tree" in problems(settings, builder)[0]
    (overlay / "x").unlink()
    os.mkfifo(overlay / "x")
    assert "only files, directories and links" in problems(settings, builder)[0]
