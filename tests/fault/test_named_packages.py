# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""By name: a package repository is replaced while packages are installed from it.

poudriere publishes a repository as a directory ``.real_*`` to which the link ``.latest`` then points, and removes the
one before. The packages of these cases are made by hand, each needs the one before it, and all have one version.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.builders import Builder
from tests.fault.remote import files, module, read
from tests.integration.build_site import IMAGE, Site

PACKAGES = 8
PYTHON = "/usr/local/bin/python3"

_MAKE = """
import hashlib, io, json, os, subprocess, sys, tarfile
root, version, abi, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
os.makedirs(root + "/All")
for number in range(1, count + 1):
    name, before = "fh%d" % number, "fh%d" % (number - 1)
    path, data = "/usr/local/share/%s/version" % name, version.encode() * 4000
    manifest = {
        "name": name, "version": version, "origin": "misc/" + name, "comment": name, "desc": name,
        "maintainer": "nobody@example.org", "www": "https://example.org", "prefix": "/usr/local",
        "abi": abi, "flatsize": len(data), "licenselogic": "single", "licenses": ["BSD2CLAUSE"],
        "deps": {before: {"origin": "misc/" + before, "version": version}} if number > 1 else {},
    }
    whole = dict(manifest, files={path: "1$" + hashlib.sha256(data).hexdigest()})
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as stream:
        rows = [("+COMPACT_MANIFEST", json.dumps(manifest).encode()), ("+MANIFEST", json.dumps(whole).encode())]
        for member, content in rows + [(path, data)]:
            info = tarfile.TarInfo(member)
            info.size, info.uname, info.gname = len(content), "root", "wheel"
            stream.addfile(info, io.BytesIO(content))
    with open("%s/All/%s-%s.pkg" % (root, name, version), "wb") as stream:
        subprocess.run(["zstd", "-q", "-c"], input=made.getvalue(), stdout=stream, check=True)
subprocess.run(["pkg", "repo", "-q", root], check=True)
"""

# Waits for the moment, looking without a pause, and does what poudriere, or somebody less careful, does then.
_REPLACE = """
import glob, os, sys, time
latest, new, way, *patterns = sys.argv[1:]
old = os.path.realpath(latest)
print("ready", flush=True)
end = time.time() + 300
while not any(glob.glob(pattern) for pattern in patterns):
    if time.time() > end:
        sys.exit("the moment did not come")
if way == "in place":
    os.mkdir(old + ".away")
    for name in os.listdir(new):
        os.rename(old + "/" + name, old + ".away/" + name)
        os.rename(new + "/" + name, old + "/" + name)
else:
    os.symlink(os.path.basename(new), latest + ".new")
    os.rename(latest + ".new", latest)
    if way == "gone":
        os.rename(old, os.path.dirname(old) + "/.gone")
print("replaced", flush=True)
"""

MOMENTS = {
    "begun": (".pkg-*.part/freehyve.conf",),
    "catalogue": ("layers/packages-*/var/db/pkg/repos/*/db", "layers/packages-*/var/db/pkg/repo-*.sqlite"),
    "first package": ("layers/packages-*/usr/local/share/fh1/version",),
}


@contextmanager
def replaced(builder: Builder, latest: str, new: str, way: str, *patterns: str) -> Iterator[None]:
    """Have a repository replaced when one of the patterns first names something; it has been, when the block ends."""
    argv = " ".join(f"'{word}'" for word in (latest, new, way, *patterns))
    with subprocess.Popen(
        [*builder.ssh_argv(), f"{PYTHON} -c 'import sys; exec(sys.stdin.read())' {argv}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as watch:
        assert watch.stdin is not None
        assert watch.stdout is not None
        watch.stdin.write(_REPLACE)
        watch.stdin.close()
        assert watch.stdout.readline() == "ready\n"
        yield
        assert watch.stdout.read() == "replaced\n"


@pytest.fixture
def place(builder: Builder) -> Iterator[str]:
    """A workspace with two repositories, of which the first is published."""
    name = f"{builder.run(['zpool', 'list', '-H', '-o', 'name']).stdout.split()[0]}/fhrepo"
    module(builder, "workspace", name=name, path=f"/{name}")
    abi = builder.run(["pkg", "config", "ABI"]).stdout.strip()
    for number in ("1", "2"):
        builder.run([PYTHON, "-", f"/{name}/repo/.real_{number}", f"{number}.0", abi, str(PACKAGES)], input=_MAKE)
    builder.run(["ln", "-s", ".real_1", f"/{name}/repo/.latest"])
    yield name
    builder.run(["zfs", "destroy", "-r", "-f", name])
    builder.run(["rmdir", f"/{name}"], check=False)


def install(builder: Builder, place: str) -> dict[str, Any]:
    """The layer of packages, made in a job as by the role."""
    return module(
        builder,
        "layer",
        False,
        dataset=f"{place}/layers",
        name="packages",
        image="replaced",
        packages={
            "repository": f"/{place}/repo/.latest",
            "install": [f"misc/fh{PACKAGES}"],
            "abi": builder.run(["pkg", "config", "ABI"]).stdout.strip(),
        },
        leases=f"/{place}/leases",
        receipt=f"/{place}/stages/layer.json",
        jobs_dir=f"/{place}/jobs",
    )


def whole(builder: Builder, made: dict[str, Any]) -> str:
    """The one version that the packages of a layer have, by its receipt, its database and its files."""
    told: set[tuple[str, str]] = {(item["name"], item["version"]) for item in made["packages"]}
    assert len(told) == PACKAGES
    query = builder.run(["pkg", "--rootdir", made["mountpoint"], "query", "%n %v"]).stdout.splitlines()
    assert {tuple(line.split()) for line in query} == told
    found = builder.shell(f"cat {made['mountpoint']}/usr/local/share/fh*/version").stdout
    (version,) = {version for _name, version in told}
    assert found == version * 4000 * PACKAGES
    return version


@pytest.mark.parametrize(
    ("way", "moment"),
    [
        ("kept", "catalogue"),
        ("gone", "begun"),
        ("gone", "catalogue"),
        ("gone", "first package"),
        ("in place", "begun"),
        ("in place", "catalogue"),
    ],
)
def test_a_repository_that_is_replaced_in_mid_install(builder: Builder, place: str, way: str, moment: str) -> None:
    """What is installed is wholly what was published at the begin, or nothing is; the next run has what is new."""
    patterns = [f"/{place}/{pattern}" for pattern in MOMENTS[moment]]
    with replaced(builder, f"/{place}/repo/.latest", f"/{place}/repo/.real_2", way, *patterns):
        made = install(builder, place)
    if made["failed"]:
        assert way != "kept"
        assert made["msg"].startswith("package")
        assert "\n" not in made["msg"]
        layers = builder.run(["zfs", "list", "-H", "-o", "name", "-r", f"{place}/layers"]).stdout.split()
        assert layers == [f"{place}/layers"]
    else:
        assert whole(builder, made) == "1.0"
    assert files(builder, f"/{place}/leases") == [".lock"]
    again = install(builder, place)
    assert not again["failed"], again
    assert whole(builder, again) == "2.0"


@pytest.mark.timeout(1800)
def test_a_build_whose_repository_somebody_else_publishes_anew(builder: Builder, site: Site) -> None:
    """poudriere, run by hand in our jail and tree, removes the repository under a build; the next build ends well."""
    site.build("--tags", "dists,jail,ports,packages")
    stages = f"/{site.workspace}/stages"
    (receipt,) = (name for name in files(builder, stages) if name.startswith("packages-"))
    repository = json.loads(read(builder, f"{stages}/{receipt}"))["results"]["repository"]
    directory = os.path.dirname(repository)
    new = f"{directory}/.real_1"
    builder.run(["cp", "-R", repository, new])
    with replaced(builder, f"{directory}/.latest", new, "gone", f"/{site.workspace}/.pkg-*.part/freehyve.conf"):
        done = site.build("--skip-tags", "fetch", check=False)
    if done.rc:
        assert "packages: cannot be installed: " in done.output
    again = site.build("--skip-tags", "fetch")
    assert "Build the packages" in again.changed
    assert files(builder, f"/{site.workspace}/leases") == [".lock"]
    assert IMAGE in files(builder, f"/{site.workspace}/images")
    assert site.build("--skip-tags", "fetch").changed == []
