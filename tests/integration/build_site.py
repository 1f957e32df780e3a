# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""A site that builds images: its own workspace, overlay, package list and artifacts, all gone afterwards."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.builders import ROOT, Builder

# A port that the builder's ports tree has, and one more that is added on the way.
FIRST, MORE = os.environ.get("FREEHYVE_TEST_PORTS", "sysutils/hello sysutils/world").split()
VERSION = "0.9.1"
IMAGE = f"freehyve-{VERSION}-amd64"
_TASK = re.compile(r"^TASK \[(?:freehyve\.builder\.\w+ : )?(?P<task>.*)\] \**$", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    """What a run of build.yml said and did."""

    output: str
    rc: int

    @property
    def changed(self) -> list[str]:
        """Names of the tasks that changed something, in order."""
        parts = _TASK.split(self.output)
        tasks = zip(parts[1::2], parts[2::2], strict=True)
        return [name for name, text in tasks if re.search(r"^changed: \[", text, re.MULTILINE)]


@dataclass(frozen=True)
class Site:
    """Paths of a site, and its builder."""

    builder: Builder
    directory: Path
    workspace: str

    @property
    def overlay(self) -> Path:
        return self.directory / "overlay"

    @property
    def poudriere(self) -> Path:
        return self.directory / "poudriere"

    @property
    def artifacts(self) -> Path:
        return self.directory / "artifacts" / VERSION

    def write_list(self, *origins: str) -> None:
        (self.poudriere / "site.txt").write_text("\n".join(["# The site's list.", *origins, ""]), encoding="utf-8")

    def settings(self) -> list[str]:
        values = {
            "freehyve_workspace": self.workspace,
            "freehyve_version": VERSION,
            "freehyve_artifacts": self.directory / "artifacts",
            "freehyve_overlay": self.overlay,
            "freehyve_poudriere_etc": self.poudriere,
            "freehyve_packages": "site.txt",
            "freehyve_image_size": os.environ.get("FREEHYVE_TEST_IMAGE_SIZE", "512m"),
            "freehyve_swap_size": "32m",
            "disk_image_required_space": "1g",
            "package_bulk_min_space": "1g",
            "package_jail_min_space": "1g",
            "package_ports_min_space": "64m",
        }
        return [word for name, value in values.items() for word in ("-e", f"{name}={value}")]

    def build(self, *arguments: str, check: bool = True, playbook: str = "build.yml") -> Run:
        done = self.builder.ansible(playbook, *self.settings(), *arguments, check=check, timeout=3600)
        return Run(done.stdout + done.stderr, done.returncode)

    def exists(self) -> bool:
        """Whether anything of the site is on the builder."""
        return self.builder.run(["zfs", "list", "-H", self.workspace], check=False).returncode == 0


@contextmanager
def open_site(builder: Builder, directory: Path) -> Iterator[Site]:
    """A site below ``directory`` of the controller and below a dataset of the builder that did not exist."""
    pool = os.environ.get("FREEHYVE_TEST_POOL", "tank")
    site = Site(builder, directory, f"{pool}/fhsite")
    assert not site.exists(), f"{site.workspace} is on the builder already: it is not ours, remove or rename it"
    shutil.copytree(ROOT / "overlay", site.overlay)
    shutil.copytree(ROOT / "poudriere", site.poudriere)
    site.write_list(FIRST)
    try:
        yield site
    finally:
        if site.exists():
            builder.run(["zfs", "destroy", "-r", "-f", site.workspace])
            builder.run(["rmdir", f"/{site.workspace}"], check=False)
