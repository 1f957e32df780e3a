# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""By name: builds that end in the middle, by a killed controller or a loss of power, and the one after them.

Images and streams of two builds are never the same bytes: a pool draws a GUID, and ZFS writes down times. What must be
the same is what they are made of, so that is compared: keys of the stages, and every file of the release.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.freehyve.builder.plugins.plugin_utils._record import comparable
from tests.builders import LAB, ROOT, Builder, lab_builder
from tests.fault.remote import dead_lease, files, module, read, start_job, write
from tests.integration.build_site import FIRST, IMAGE, MORE, VERSION, Site, open_site
from tests.integration.state import state_of
from tests.processes import kill_tree

SEED = int(os.environ.get("FREEHYVE_TEST_SEED", "20261123"))
MOMENTS = 3
# Paths below the release that differ from run to run: pkg writes down when it installed what.
_TIMES = {"var/db/pkg/local.sqlite"}
_LIST = """
import hashlib, json, os, stat, sys
found = {}
root = sys.argv[1]
for parent, directories, names in os.walk(root):
    for name in directories + names:
        path = os.path.join(parent, name)
        info = os.lstat(path)
        what = [stat.filemode(info.st_mode), info.st_uid, info.st_gid]
        if stat.S_ISLNK(info.st_mode):
            what.append(os.readlink(path))
        elif stat.S_ISREG(info.st_mode):
            with open(path, "rb") as stream:
                what.append(hashlib.sha256(stream.read()).hexdigest())
        found[os.path.relpath(path, root)] = what
print(json.dumps(found))
"""


def start(
    site: Site, *arguments: str, settings: Sequence[str] | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """A build in a session of its own, as it runs in a terminal; what it says is in the file ``said`` of the site."""
    tool = Path(sys.executable).with_name("ansible-playbook")
    argv = [str(tool) if tool.exists() else "ansible-playbook", "-i", str(site.builder.inventory), "build.yml"]
    with (site.directory / "said").open("ab") as said:
        return subprocess.Popen(
            [*argv, *(site.settings() if settings is None else settings), *arguments],
            cwd=ROOT,
            env={**os.environ, **site.builder.environment(), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )


def kill(build: subprocess.Popen[bytes]) -> None:
    """Everything at once: controller, its workers and its connections."""
    kill_tree(build.pid)
    build.wait()


def content(site: Site) -> dict[str, object]:
    """What a build's results are made of."""
    place = f"/{site.workspace}"
    stages = files(site.builder, f"{place}/stages")
    keys = {name: json.loads(site.builder.run(["cat", f"{place}/stages/{name}"]).stdout)["key"] for name in stages}
    python = ["/usr/local/bin/python3", "-", f"{place}/release/{IMAGE}"]
    tree = json.loads(site.builder.run(python, input=_LIST).stdout)
    # The stream's key has the GUID of its snapshot, that of the packages the time at which poudriere made the jail.
    layers = {name: key for name, key in keys.items() if name.startswith(("layer-", "dists-"))}
    told = json.loads((site.artifacts / "build.json").read_text(encoding="utf-8"))
    assert told["state"] == "done"
    return {
        "content": told["content"],
        "record": comparable(told),
        "keys": layers,
        "tree": {path: what for path, what in tree.items() if path not in _TIMES},
    }


def only_the_lock(site: Site) -> bool:
    return files(site.builder, f"/{site.workspace}/leases") == [".lock"]


def leftovers(site: Site) -> list[str]:
    """Temporary files of a workspace in which nothing runs."""
    found = files(site.builder, f"/{site.workspace}/images") + files(site.builder, f"/{site.workspace}/stages")
    return [name for name in found if name.endswith((".part", ".mnt")) or "/." in name or name.startswith(".")]


@pytest.mark.timeout(3600)
def test_a_controller_that_is_killed_at_random_moments(builder: Builder, tmp_path: Path) -> None:
    """Killed again and again, then left alone: what comes out is what an undisturbed build makes."""
    (tmp_path / "calm").mkdir()
    (tmp_path / "wild").mkdir()
    with open_site(builder, tmp_path / "calm") as site:
        began = time.monotonic()
        site.build()
        seconds = time.monotonic() - began
        calm = content(site)
    before = state_of(builder)
    dice = random.Random(SEED)
    with open_site(builder, tmp_path / "wild") as site:
        for moment in sorted(dice.uniform(0.1, 0.9) for _number in range(MOMENTS)):
            build = start(site)
            time.sleep(moment * seconds)
            kill(build)
        site.build()
        assert content(site) == calm, f"seed {SEED}"
        assert only_the_lock(site)
        assert leftovers(site) == []
        now = state_of(builder)
        assert now[:2] == before[:2]
    assert state_of(builder) == before


@pytest.fixture
def crashing() -> Iterator[Builder]:
    """A lab of its own, whatever the other tests run on: nobody pulls the plug of a real builder here."""
    with lab_builder() as found:
        found.run(["ln", "-s", "/usr/local/libexec/lab-git", "/usr/local/bin/git"])
        yield found


def again(site: Site) -> Site:
    """Power is back; the lab may answer elsewhere."""
    name = str(site.builder.lab)
    subprocess.run([LAB, "start", "--name", name], check=True, stdout=subprocess.DEVNULL)
    status = subprocess.run([LAB, "status", "--json", "--name", name], check=True, capture_output=True, text=True)
    known = json.loads(status.stdout)
    return replace(site, builder=replace(site.builder, host=known["host"], port=known["port"]))


def wait_for_lease(site: Site, kind: str, seconds: float) -> bool:
    """Whether a build got so far that it holds something of that kind."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if any(name.startswith(f"{kind}-") for name in files(site.builder, f"/{site.workspace}/leases")):
            return True
        time.sleep(0.1)
    return False


def wait_for_word(file: Path, word: str, seconds: float) -> bool:
    """Whether a file comes to say it."""
    deadline = time.monotonic() + seconds
    while word not in file.read_text(encoding="utf-8"):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@pytest.mark.timeout(1800)
def test_a_loss_of_power_while_an_image_is_made(crashing: Builder, tmp_path: Path) -> None:
    with open_site(crashing, tmp_path) as site:
        before = state_of(crashing)
        build = start(site)
        try:
            # Newest of all leases: file and memory disk are held too.
            assert wait_for_lease(site, "pool", 400)
            subprocess.run([LAB, "crash", "--name", str(crashing.lab)], check=True, stdout=subprocess.DEVNULL)
        finally:
            kill(build)
        site = again(site)
        done = module(site.builder, "workspace", name=site.workspace, path=f"/{site.workspace}", state="reaped")
        assert done["kept"] == []
        assert only_the_lock(site)
        assert leftovers(site) == []
        site.build("--skip-tags", "fetch")
        assert only_the_lock(site)
        now = state_of(site.builder)
        assert now[:2] == before[:2]


@pytest.mark.timeout(1800)
def test_two_builds_of_the_same_thing_at_once(builder: Builder, tmp_path: Path) -> None:
    """The second attaches to what runs, and both end well with one result; only one may bring it to one directory."""
    with open_site(builder, tmp_path) as site:
        first, second = (start(site, "--skip-tags", "fetch") for _number in range(2))
        assert (first.wait(900), second.wait(900)) == (0, 0)
        assert only_the_lock(site)
        assert leftovers(site) == []
        assert site.build("--skip-tags", "fetch").changed == []


@pytest.mark.timeout(1800)
def test_builds_of_different_images_at_once_by_two_controllers(builder: Builder, tmp_path: Path) -> None:
    """Other lists, so other packages and other layers: what the two have in common is made by one of them."""
    with open_site(builder, tmp_path) as site:
        before = state_of(builder)
        pairs = zip(site.settings()[::2], site.settings()[1::2], strict=True)
        common = [word for pair in pairs if not pair[1].startswith("freehyve_packages=") for word in pair]
        lists = {"edge": [FIRST], "core": [FIRST, MORE]}
        own = {}
        for name, origins in lists.items():
            (site.poudriere / f"{name}.txt").write_text("\n".join([*origins, ""]), encoding="utf-8")
            images = [{"name": name, "packages": f"{name}.txt"}]
            extra = {"freehyve_images": images, "freehyve_artifacts": str(tmp_path / name)}
            own[name] = ["-e", json.dumps(extra)]
        both = [start(site, *words, settings=common) for words in own.values()]
        assert [build.wait(1200) for build in both] == [0, 0], (tmp_path / "said").read_text(encoding="utf-8")
        assert only_the_lock(site)
        assert leftovers(site) == []
        assert state_of(builder)[:2] == before[:2]
        for name in lists:
            image = f"{name}-{VERSION}-amd64"
            (record,) = (tmp_path / name).rglob(f"build-{image}.json")
            assert json.loads(record.read_text(encoding="utf-8"))["state"] == "done"
            assert (record.parent / f"{image}.raw.zst").is_file()


@pytest.mark.timeout(1800)
def test_other_packages_in_a_jail_and_tree_that_a_job_has_are_refused(builder: Builder, tmp_path: Path) -> None:
    """It says who has them and since when, at once, and leaves the job alone; without it the build ends well."""
    with open_site(builder, tmp_path) as site:
        place, key = f"/{site.workspace}", "feed" * 16
        site.build("--tags", "dists,jail,ports,packages")
        (receipt,) = (name for name in files(builder, f"{place}/stages") if name.startswith("packages-"))
        master = receipt[len("packages-") : -len(".json")]
        start_job(builder, f"{place}/jobs/{key}")
        jail, _dash, ports = master.partition("-")
        details = {"etcdir": f"{place}/poudriere/etc", "jail": jail, "ports": ports}
        lease = dead_lease(builder, f"{place}/leases", "bulk", master, 1, details, job=f"{place}/jobs/{key}")
        site.write_list(FIRST, MORE)
        refused = site.build("--skip-tags", "fetch", check=False)
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(1))
        assert refused.rc == 2
        assert (
            f"bulk '{master}': held by another build (job {key[:12]}, since {since}); wait for it, or see "
            "playbooks/cancel.yml"
        ) in " ".join(refused.output.replace("''", "'").split())
        assert Path(lease).name in files(builder, f"{place}/leases")
        running = module(builder, "build_jobs", path=place)["jobs"]
        assert [job["key"] for job in running] == [key]
        site.build("-e", "job=feed", "-e", "grace=10", playbook="cancel.yml")
        assert "Build the packages" in site.build("--skip-tags", "fetch").changed
        assert only_the_lock(site)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("line", ["alive", "dead"])
def test_a_build_that_is_interrupted_at_the_terminal_goes_on(builder: Builder, tmp_path: Path, line: str) -> None:
    """^C ends the controller at once, also while it asks a dead line, and no job: the next run has what that made."""
    away = "the builder does not answer; the job goes on there"
    (tmp_path / "cut").mkdir()
    cutting = {
        "ANSIBLE_SSH_EXECUTABLE": str(ROOT / "tests" / "fault" / "cutting_ssh"),
        "FREEHYVE_CUT": str(tmp_path / "cut"),
        "FREEHYVE_CUT_AT": "none",
    }
    with open_site(builder, tmp_path) as site:
        build = start(site, "--skip-tags", "fetch", environment=cutting)
        try:
            assert wait_for_lease(site, "bulk", 400)
            if line == "dead":
                (tmp_path / "cut" / "dead").touch()
                assert wait_for_word(tmp_path / "said", away, 120)
                refused = len(list((tmp_path / "cut").glob("refused.*")))
                time.sleep(10)
                # It goes on asking, and says so once.
                assert len(list((tmp_path / "cut").glob("refused.*"))) > refused
            os.killpg(build.pid, signal.SIGINT)
            began = time.monotonic()
            build.wait(60)
            assert time.monotonic() - began < 10
        finally:
            kill(build)
        assert (tmp_path / "said").read_text(encoding="utf-8").count(away) == (line == "dead")
        site.build("--skip-tags", "fetch")
        stages = f"/{site.workspace}/stages"
        (receipt,) = (name for name in files(builder, stages) if name.startswith("packages-"))
        logs = os.path.dirname(json.loads(read(builder, f"{stages}/{receipt}"))["results"]["log_dir"])
        assert len([name for name in files(builder, logs) if re.fullmatch(r"\d{4}-\d\d-\d\d_\w+", name)]) == 1
        assert only_the_lock(site)


@pytest.mark.timeout(1800)
def test_a_package_build_that_is_cancelled(crashing: Builder, tmp_path: Path) -> None:
    """Its jails go, nothing stays behind, whoever waits for it is told, and the next run builds the packages.

    In a lab of its own: of no real port is it known that it takes long enough.
    """
    slow = f"/usr/local/poudriere/ports/default/{FIRST}/Makefile"
    with open_site(crashing, tmp_path) as site:
        before = state_of(crashing)
        makefile = read(crashing, slow)
        write(crashing, slow, f"{makefile}LAB_SECONDS=100000\n")
        build = start(site, "--skip-tags", "fetch")
        try:
            assert wait_for_lease(site, "bulk", 400)
            deadline = time.monotonic() + 60
            while not (jails := crashing.run(["jls", "name"]).stdout.split()) and time.monotonic() < deadline:
                time.sleep(0.2)
            assert jails
            done = site.build("-e", "grace=20", playbook="cancel.yml")
            said = " ".join(done.output.split())
            assert re.search(r"job [0-9a-f]{12}.*: process \d+ since .*cancel job [0-9a-f]{12}", said), said
            assert build.wait(60) == 2
        finally:
            kill(build)
        assert "its job was cancelled; run again" in " ".join((tmp_path / "said").read_text(encoding="utf-8").split())
        assert crashing.run(["jls", "name"]).stdout == ""
        assert only_the_lock(site)
        assert leftovers(site) == []
        write(crashing, slow, makefile)
        assert "Build the packages" in site.build("--skip-tags", "fetch").changed
        assert state_of(crashing)[:2] == before[:2]
