# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""By name: pools and memory disks of somebody else that look like ours, before, in and after a build."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.builders import Builder
from tests.fault.remote import attach, dead_lease, files, module, read, start_job, units
from tests.integration.build_site import IMAGE, Site
from tests.integration.state import state_of

SIZE = 128 << 20


@pytest.fixture
def scratch(builder: Builder, site: Site) -> Iterator[str]:
    """A workspace without a build: only the datasets."""
    name = f"{site.workspace}scratch"
    module(builder, "workspace", name=name, path=f"/{name}")
    yield name
    builder.run(["zfs", "destroy", "-r", "-f", name])
    builder.run(["rmdir", f"/{name}"], check=False)


def reap(builder: Builder, scratch: str) -> dict[str, list[dict[str, str]]]:
    return module(builder, "workspace", name=scratch, path=f"/{scratch}", state="reaped", patience=2)


def own_pool(builder: Builder) -> str:
    """The pool that the builder runs from."""
    rows = [row.split() for row in builder.run(["mount", "-p"]).stdout.splitlines()]
    return next(row[0].split("/")[0] for row in rows if row[1] == "/")


@pytest.mark.timeout(1800)
def test_an_image_called_like_the_builders_own_pool_beside_a_foreign_pool(builder: Builder, site: Site) -> None:
    """The pool of the image bears the name of the root pool, and a foreign one of that name waits to be imported."""
    name = own_pool(builder)
    foreign = f"/{site.workspace.split('/')[0]}/foreign.img"
    builder.run(["truncate", "-s", str(SIZE), foreign])
    unit = attach(builder, foreign)
    try:
        builder.run(["zpool", "create", "-t", "fhforeign", "-o", "cachefile=none", "-m", "none", name, unit])
        guid = builder.run(["zpool", "list", "-H", "-o", "guid", "fhforeign"]).stdout.strip()
        builder.run(["zpool", "export", "fhforeign"])
        before = state_of(builder)
        site.build("-e", f"freehyve_pool={name}", "--skip-tags", "fetch")
        after = state_of(builder)
        assert after[:2] == before[:2]
        assert [row for row in after[3] if site.workspace not in row] == before[3]
        assert guid in builder.run(["zpool", "import", "-d", f"/dev/{unit}"]).stdout
        assert files(builder, f"/{site.workspace}/leases") == [".lock"]
    finally:
        builder.run(["mdconfig", "-d", "-u", unit])
        builder.run(["rm", foreign])


def test_our_file_attached_by_somebody_else_too(builder: Builder, scratch: str) -> None:
    file, leases = f"/{scratch}/pool.raw.part", f"/{scratch}/leases"
    builder.run(["truncate", "-s", "1m", file])
    ours, theirs = attach(builder, file), attach(builder, file)
    try:
        dead_lease(builder, leases, "file", file, 1)
        dead_lease(builder, leases, "md", file, 2, {"unit": ours})
        done = reap(builder, scratch)
        assert [step["action"] for step in done["actions"]] == [f"detach {ours}"]
        assert f"{theirs} lies on it" in done["kept"][0]["reason"]
        assert theirs in units(builder)
        assert ours not in units(builder)
    finally:
        builder.run(["mdconfig", "-d", "-u", theirs])
    assert [step["action"] for step in reap(builder, scratch)["actions"]] == [f"remove {file}"]


def test_leases_of_another_boot_with_numbers_that_are_used_again(builder: Builder, scratch: str) -> None:
    """Process 1 lives, the unit exists, a pool has the name: all of them are others by now."""
    mine, theirs, leases = f"/{scratch}/pool.raw.part", f"/{scratch}/theirs.img", f"/{scratch}/leases"
    builder.run(["truncate", "-s", str(SIZE), theirs])
    unit = attach(builder, theirs)
    try:
        builder.run(["zpool", "create", "-o", "cachefile=none", "-m", "none", "fhbother", unit])
        dead_lease(builder, leases, "file", mine, 1, pid=1, boot="00" * 16)
        dead_lease(builder, leases, "md", mine, 2, {"unit": unit}, pid=1, boot="00" * 16)
        dead_lease(builder, leases, "pool", "fhbother", 3, {"guid": "42", "file": mine}, pid=1, boot="00" * 16)
        done = reap(builder, scratch)
        assert all(step["action"].startswith("forget ") for step in done["actions"])
        assert (len(done["actions"]), done["kept"]) == (3, [])
        assert unit in units(builder)
        builder.run(["zpool", "list", "fhbother"])
        assert files(builder, leases) == [".lock"]
    finally:
        builder.run(["zpool", "destroy", "-f", "fhbother"], check=False)
        builder.run(["mdconfig", "-d", "-u", unit])


def test_what_a_person_keeps_open_is_told_and_waits(builder: Builder, scratch: str) -> None:
    """A half-made layer that somebody works in: the lease stays, and the next run has it."""
    layer, leases = f"{scratch}/layers/base-dead", f"/{scratch}/leases"
    builder.run(["zfs", "create", "-o", "freehyve:key=dead", layer])
    dead_lease(builder, leases, "layer", layer, 1, {"key": "dead", "snapshot": f"{layer}@layer"})
    sleeper = ["daemon", "-f", "-p", f"/{scratch}/pid", "sh", "-c", f"cd /{layer} && exec sleep 60"]
    builder.run(sleeper)
    try:
        done = reap(builder, scratch)
        assert done["actions"] == []
        assert "busy" in done["kept"][0]["reason"]
    finally:
        builder.run(["kill", read(builder, f"/{scratch}/pid").strip()])
    assert [step["action"] for step in reap(builder, scratch)["actions"]] == [f"destroy {layer}"]


def test_a_log_with_terminal_escapes_does_not_reach_the_terminal(builder: Builder, scratch: str, site: Site) -> None:
    directory, text = (
        f"/{scratch}/jobs/{'feed' * 16}",
        "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x1b[0m line\r\n\x9b1m8 bit\n",
    )
    start_job(builder, directory, text)
    settings = ["-e", f"freehyve_workspace={scratch}"]
    listed = builder.ansible("cancel.yml", *settings, "--check").stdout
    try:
        assert "red line" in listed
        assert not set(listed) & {"\x1b", "\x9b", "\x07"}
    finally:
        stopped = builder.ansible("cancel.yml", *settings, "-e", "job=feed", "-e", "grace=10").stdout
    assert "cancel job feedfeedfeed" in stopped
    assert module(builder, "build_jobs", path=f"/{scratch}")["jobs"] == []


def test_cleaning_after_the_build_keeps_the_one_image(builder: Builder, site: Site) -> None:
    if not files(builder, f"/{site.workspace}/images"):
        pytest.fail("the build of this file's first test is missing")
    output = site.build("-e", "keep=1", playbook="clean.yml").output
    assert "nothing was left" in output
    assert "nothing is old enough to go" in output
    assert IMAGE in files(builder, f"/{site.workspace}/images")
