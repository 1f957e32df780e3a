# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Three images on two builders in one run, from a list with mistakes to a run that changes nothing.

Always in labs of their own: there is only one FREEHYVE_TEST_BUILDER.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.builders import ROOT, Builder, lab_builder
from tests.integration.state import state_of

FIRST, MORE, BROKEN = "sysutils/hello", "sysutils/world", "sysutils/broken"
EDGE, CORE, NEXT = "edge-1.0.0-amd64", "core-1.0.0-amd64", "edge-1.1.0-amd64"
SECRET = "canary-4711"
IN_VERSIONS = (("1.0.0", EDGE), ("1.0.0", CORE), ("1.1.0", NEXT))
IMAGES: list[dict[str, Any]] = [
    {"name": "edge", "version": "1.0.0", "packages": "edge.txt"},
    {"name": "core", "version": "1.0.0", "packages": "core.txt", "builder": "second"},
    {"name": "edge", "version": "1.1.0", "packages": "edge.txt", "hostname": "next", "builder": "first"},
]


@dataclass(frozen=True)
class Site:
    """Two builders named first and second, and what the controller has."""

    directory: Path
    builders: Mapping[str, Builder]

    @property
    def artifacts(self) -> Path:
        return self.directory / "artifacts"

    def write_list(self, name: str, *origins: str) -> None:
        (self.directory / "poudriere" / name).write_text("".join(f"{line}\n" for line in origins), encoding="utf-8")

    def write_inventory(self, images: Any) -> Path:
        hosts = {}
        for name, builder in self.builders.items():
            status = subprocess.run(
                [ROOT / "tests" / "lab" / "lab", "status", "--json", "--name", str(builder.lab)],
                capture_output=True,
                check=True,
            )
            options = f"-o UserKnownHostsFile={builder.known_hosts} -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes"
            hosts[name] = {
                "ansible_host": builder.host,
                "ansible_port": builder.port,
                "ansible_user": builder.user,
                "ansible_ssh_private_key_file": str(builder.key),
                "ansible_ssh_common_args": options,
                "freehyve_mirror": json.loads(status.stdout)["mirror"],
            }
        settings = {
            "ansible_python_interpreter": "/usr/local/bin/python3",
            "ansible_pipelining": True,
            "freehyve_images": images,
            "site_token": SECRET,
            "freehyve_release": "13.2-RELEASE",
            "freehyve_workspace": "tank/fhsite",
            "freehyve_artifacts": str(self.artifacts),
            "freehyve_overlay": "{{ inventory_dir }}/overlay",
            "freehyve_poudriere_etc": "{{ inventory_dir }}/poudriere",
            "freehyve_ports_method": "null",
            "freehyve_ports_source": "/usr/local/poudriere/ports/default",
            "freehyve_image_size": "512m",
            "freehyve_swap_size": "32m",
            "freehyve_image_formats": ["raw"],
            "disk_image_required_space": "1g",
            "package_bulk_min_space": "1g",
            "package_jail_min_space": "1g",
            "package_ports_min_space": "64m",
        }
        path = self.directory / "inventory.yml"
        path.write_text(json.dumps({"builder": {"hosts": hosts, "vars": settings}}, indent=1), encoding="utf-8")
        return path

    def build(self, *arguments: str, images: Any = None) -> subprocess.CompletedProcess[str]:
        inventory = self.write_inventory(IMAGES if images is None else images)
        return self.builders["first"].ansible("build.yml", *arguments, check=False, inventory=inventory)

    def record(self, version: str, image: str) -> dict[str, Any]:
        path = self.artifacts / version / f"build-{image}.json"
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found

    def stages(self, version: str, image: str) -> dict[str, str]:
        return {row["name"]: row["state"] for row in self.record(version, image)["stages"]}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("several")
    with ExitStack() as stack:
        found = Site(directory, {name: stack.enter_context(lab_builder()) for name in ("first", "second")})
        for name in ("overlay", "poudriere"):
            shutil.copytree(ROOT / name, directory / name)
        found.write_list("edge.txt", FIRST)
        found.write_list("core.txt", FIRST, BROKEN)
        yield found


def table(output: str) -> list[str]:
    """What stands behind the recap: the overview of the images."""
    behind = output.partition("PLAY RECAP")[2].split("\n\n", 1)[1]
    return [line.rstrip() for line in behind.splitlines() if line.strip()]


def test_an_image_that_nobody_can_build_stops_the_run_before_anything_is_changed(site: Site) -> None:
    before = [state_of(builder) for builder in site.builders.values()]
    done = site.build(images=[*IMAGES, {"name": "future", "release": "15.1-RELEASE"}])
    assert done.returncode == 2
    assert (
        "image 'future-0.1.0-amd64': no builder can build it: first runs 13.2-RELEASE, older than 15.1-RELEASE, "
        "second runs 13.2-RELEASE, older than 15.1-RELEASE; add a builder to the inventory, or change the image"
    ) in " ".join(done.stdout.replace("''", "'").split())
    assert [state_of(builder) for builder in site.builders.values()] == before
    assert not site.artifacts.exists()


def test_one_image_fails_and_the_others_are_built(site: Site) -> None:
    done = site.build()
    assert done.returncode == 2, done.stdout + done.stderr
    said = table(done.stdout)
    assert said[0] == "2 of 3 images are good, 1 failed", done.stdout + done.stderr
    assert [line.split()[:3] for line in said[1:] if line.startswith("  ") and line[2] != " "] == [
        [EDGE, "first", "changed"],
        [CORE, "second", "failed"],
        [NEXT, "first", "changed"],
    ]
    assert any(BROKEN in line for line in said)
    # Two images end on one builder: whose lines are whose is told.
    assert f"\n{EDGE}@first: stages: " in done.stdout
    # Both images of the first builder have the same packages, and so one repository.
    stages = site.builders["first"].run(["ls", "/tank/fhsite/stages"]).stdout.split()
    assert [name for name in stages if name.startswith("packages-")] == [
        "packages-fh132RELEASEamd64-freehyve-edge.json"
    ]


def test_each_image_has_its_record_and_report(site: Site) -> None:
    states = {image: site.record(version, image)["state"] for version, image in IN_VERSIONS}
    assert states == {EDGE: "done", CORE: "failed", NEXT: "done"}
    assert site.record("1.1.0", NEXT)["builder"]["name"] == "first"
    assert EDGE in (site.artifacts / "1.0.0" / f"report-{EDGE}.html").read_text(encoding="utf-8")


def test_the_mended_image_is_built_and_nothing_else_changes(site: Site) -> None:
    site.write_list("core.txt", FIRST, MORE)
    done = site.build("--diff")
    assert done.returncode == 0, done.stdout + done.stderr
    said = table(done.stdout)
    assert said[0] == "3 images are good"
    assert [line.split()[1] for line in said[1:]] == ["first", "second", "first"]
    stages = {image: site.stages(version, image) for version, image in IN_VERSIONS}
    assert {image: stages[image]["packages"] for image in stages} == {EDGE: "current", CORE: "ran", NEXT: "current"}
    assert {image: stages[image]["image"] for image in stages} == {EDGE: "current", CORE: "ran", NEXT: "current"}
    assert f"{EDGE}: goes to first (it was built there)" in done.stdout


def test_the_results_of_a_version_have_one_file_of_digests(site: Site) -> None:
    directory = site.artifacts / "1.0.0"
    digests = dict(line.split("  ")[::-1] for line in (directory / "SHA256SUMS").read_text("utf-8").splitlines())
    assert set(digests) == {f"{image}.{kind}.zst" for image in (EDGE, CORE) for kind in ("raw", "zfs")}
    for name, digest in digests.items():
        assert hashlib.sha256((directory / name).read_bytes()).hexdigest() == digest


def test_a_plan_for_one_builder_is_about_its_images_only(site: Site) -> None:
    done = site.build("--check", "--diff", "--limit", "first", "--tags", "image,fetch", "-vvv")
    assert done.returncode == 0, done.stdout + done.stderr
    said = table(done.stdout)
    assert said[0] == "2 of 3 images can be built, 1 left out"
    assert [line.split()[:2] for line in said[1:3]] == [[EDGE, "first"], [NEXT, "first"]]
    assert said[3] == f"  left out: image '{CORE}': asks for second, which is not in this run"
    assert "changed=1" not in done.stdout
    assert SECRET not in done.stdout + done.stderr
