# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""build.yml from nothing to a second image, in the order in which a user would meet it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import Builder
from tests.integration.build_site import FIRST, IMAGE, MORE, VERSION, Site, open_site
from tests.integration.state import state_of

RESULTS = {f"{IMAGE}.raw.zst", f"{IMAGE}.qcow2.zst", f"{IMAGE}.zfs.zst", "SHA256SUMS"}
RESULTS |= {"build.json", f"{IMAGE}.cdx.json", "report.html"}
# What a changed overlay makes again, and what a changed package list makes again before that.
AFTER_SYSTEM = ["Layers", "Pool of the image", "EFI system partition", "Disk images"]
AFTER_SYSTEM += ["Compress the images", "Full stream of the release"]


@pytest.fixture(scope="module")
def site(builder: Builder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_site(builder, tmp_path_factory.mktemp("site")) as found:
        yield found


@pytest.fixture(scope="module")
def before(builder: Builder) -> list[list[str]]:
    return state_of(builder)


def makes(changed: list[str], wanted: list[str]) -> bool:
    """Whether the changed tasks are these, in order; bookkeeping such as pushing and fetching aside."""
    return [task for task in changed if task in {*wanted, "Build the packages"}] == wanted


def layers_made(output: str) -> set[str]:
    """Kinds of the layers that a run says it made or would make."""
    return set(re.findall(r"make \S+/layers/([a-z]+)-[0-9a-f]{12}", output))


def test_the_plan_of_a_builder_that_never_built(before: list[list[str]], site: Site) -> None:
    run = site.build("--check", "--diff")
    assert "would" in run.output or "changed=" in run.output
    assert {"Download and verify", "Make the jail", "Build the packages", "Layers"} <= set(run.changed)
    assert not site.exists()
    assert state_of(site.builder) == before


def test_a_stage_says_what_to_run_first(site: Site) -> None:
    run = site.build("--tags", "image", check=False)
    assert run.rc != 0
    assert "dists" in run.output
    assert not site.exists()


def test_the_first_build_brings_everything_home(site: Site) -> None:
    run = site.build()
    assert {path.name for path in site.artifacts.iterdir()} == RESULTS
    for line in (site.artifacts / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        digest, _space, name = line.partition("  ")
        assert hashlib.sha256((site.artifacts / name).read_bytes()).hexdigest() == digest
    assert "as in SHA256SUMS" in run.output


def test_the_builder_holds_only_the_workspace(before: list[list[str]], site: Site) -> None:
    now = state_of(site.builder)
    place = f"/{site.workspace}"
    assert now[0] == before[0]
    assert now[1] == before[1]
    assert [line for line in now[2] if not line.startswith(site.workspace)] == before[2]
    assert [line for line in now[3] if site.workspace not in line and place not in line] == before[3]


def test_a_second_build_changes_nothing(site: Site) -> None:
    run = site.build()
    assert run.changed == []
    assert "changed=0 " in run.output


def test_a_check_after_a_build_plans_nothing(site: Site) -> None:
    assert site.build("--check", "--diff").changed == []


def test_the_image_holds_what_it_should(site: Site) -> None:
    """Looked at on the builder: partitions, pool, datasets, files, owners, modes."""
    run, work = site.builder.run, f"/{site.workspace}/look"
    run(["mkdir", "-p", f"{work}/root"])
    run(["zstd", "-q", "-d", "-f", f"/{site.workspace}/images/{IMAGE}/{IMAGE}.raw.zst", "-o", f"{work}/raw"])
    unit = run(["mdconfig", "-a", "-t", "vnode", "-f", f"{work}/raw"]).stdout.strip()
    try:
        rows = [row.split() for row in run(["gpart", "backup", unit]).stdout.splitlines()[1:]]
        assert [(row[1], row[4]) for row in rows] == [
            ("freebsd-boot", "gptboot0"),
            ("efi", "efiboot0"),
            ("freebsd-swap", "swap0"),
            ("freebsd-zfs", "zfs0"),
        ]
        assert all(int(row[2]) % 2048 == 0 for row in rows)
        run(["zpool", "import", "-d", f"/dev/{unit}p4", "-N", "-t", "-R", f"{work}/root", "freehyve", "fhlook"])
        try:
            look_inside(site.builder, f"{work}/root")
        finally:
            run(["zpool", "export", "fhlook"])
        run(["mount", "-t", "msdosfs", "-o", "ro", f"/dev/{unit}p2", f"{work}/root"])
        try:
            assert run(["find", f"{work}/root", "-type", "f"]).stdout.upper().strip().endswith("/EFI/BOOT/BOOTX64.EFI")
        finally:
            run(["umount", f"{work}/root"])
    finally:
        run(["mdconfig", "-d", "-u", unit])
        run(["rm", "-rf", work])


def look_inside(builder: Builder, root: str) -> None:
    """The pool ``fhlook``, imported below ``root`` and not mounted."""
    run = builder.run
    bootfs = run(["zpool", "get", "-Hp", "-o", "value", "bootfs", "fhlook"]).stdout.strip()
    assert bootfs == f"fhlook/ROOT/{VERSION}"
    listed = run(["zfs", "list", "-H", "-o", "name,mountpoint,canmount", "-r", "fhlook"]).stdout
    datasets = {name: (place, mount) for name, place, mount in (line.split("\t") for line in listed.splitlines())}
    assert datasets[bootfs] == (root, "noauto")
    places = {name.removeprefix("fhlook/"): place.removeprefix(root) for name, (place, _mount) in datasets.items()}
    assert {name: places[name] for name in ("persist", "persist/vms", "persist/home", "persist/log")} == {
        "persist": "/persist",
        "persist/vms": "/persist/vms",
        "persist/home": "/home",
        "persist/log": "/var/log",
    }
    assert (places["persist/ssh"], places["persist/root"]) == ("/etc/ssh", "/root")
    run(["zfs", "mount", bootfs])
    run(["zfs", "mount", "fhlook/persist/ssh"])
    receipt = json.loads(run(["cat", f"{root}/usr/local/etc/freehyve/receipt.json"]).stdout)
    assert receipt["version"] == VERSION
    shadow = run(["head", "-1", f"{root}/etc/master.passwd"]).stdout
    users = dict(
        line.split(":")[:2] for line in run(["cat", f"{root}/etc/master.passwd"]).stdout.splitlines() if ":" in line
    )
    assert users["root"] not in ("",), shadow
    assert run(["stat", "-f", "%Su %Sg %OLp", f"{root}/etc/master.passwd"]).stdout.split() == ["root", "wheel", "600"]
    assert "PasswordAuthentication no" in run(["cat", f"{root}/etc/ssh/sshd_config"]).stdout
    assert "swap0" in run(["cat", f"{root}/etc/fstab"]).stdout
    installed = run(["pkg", "--rootdir", root, "query", "%o"]).stdout.split()
    assert FIRST in installed


def test_a_changed_overlay_redoes_the_system_and_says_why(site: Site) -> None:
    motd = site.overlay / "etc" / "motd.template"
    motd.write_text("Welcome to the site.\n", encoding="utf-8")
    # Other results will be there to fetch, whatever those of now are.
    assert "The results would be fetched" in site.build("--check").changed
    run = site.build("--diff")
    assert makes(run.changed, AFTER_SYSTEM), run.changed
    assert layers_made(run.output) == {"system"}
    assert "etc/motd.template" in run.output


def test_a_longer_package_list_redoes_the_packages_and_says_why(site: Site) -> None:
    site.write_list(FIRST, MORE)
    run = site.build("--diff")
    assert makes(run.changed, ["Build the packages", *AFTER_SYSTEM]), run.changed
    assert layers_made(run.output) == {"packages", "system"}
    assert MORE in run.output


def test_a_single_tag_works_alone(site: Site) -> None:
    assert site.build("--tags", "image,fetch").changed == []


def test_a_lost_artifact_is_fetched_again(site: Site) -> None:
    lost: Path = site.artifacts / f"{IMAGE}.zfs.zst"
    lost.unlink()
    assert site.build("--tags", "fetch").changed == ["Fetch what is not here yet"]
    assert lost.is_file()
