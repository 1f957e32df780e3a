# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The simulated poudriere and pkg: what no recording shows but the collection relies on."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

LAB = Path(__file__).parent / "lab"
TREE = "/usr/local/poudriere/ports/default"
Shell = Callable[[str], "subprocess.CompletedProcess[str]"]
LOGS = "/tmp/pb/data/logs/bulk/fh-mine/latest"
PACKAGES = "/tmp/pb/data/packages/fh-mine"
PREPARE = f"""
mkdir -p /tmp/etc/poudriere.d
cd /tmp/etc && sed -e 's/^ZPOOL.*/NO_ZFS=yes/' -e 's,^BASEFS=.*,BASEFS=/tmp/pb,' ../../usr/local/etc/poudriere.conf > x
mv /tmp/etc/x /tmp/etc/poudriere.conf
printf 'NO_SRC=yes\\nNO_LIB32=yes\\nLAB_TIME_SCALE=0.005\\n' >> /tmp/etc/poudriere.conf
cp -R {TREE} /tmp/tree
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Shell]:
    """A lab of this module's own, with a poudriere of its own below /tmp/etc, and a copy of the ports tree."""
    name = f"poudriere-{os.getpid()}"
    subprocess.run([LAB, "start", "--name", name], check=True, capture_output=True)

    def shell(script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([LAB, "exec", "--name", name, "--", "sh", "-c", script], capture_output=True, text=True,
                              timeout=120, check=False)

    try:
        prepared = shell(PREPARE + "poudriere -e /tmp/etc jail -c -j fh -v 13.2-RELEASE -m tar=/tmp/dists/base.txz"
                                   " && poudriere -e /tmp/etc ports -c -p mine -m null -M /tmp/tree")
        assert prepared.returncode == 0, prepared.stderr
        yield shell
    finally:
        subprocess.run([LAB, "destroy", "--name", name], check=True, capture_output=True)


def bulk(lab: Shell, words: str) -> subprocess.CompletedProcess[str]:
    return lab(f"poudriere -e /tmp/etc bulk -j fh -p mine {words}")


def status(lab: Shell, name: str) -> list[str]:
    return lab(f"cat {LOGS}/.poudriere.{name}").stdout.splitlines()


def test_jail_keeps_one_value_per_file(lab: Shell) -> None:
    found = lab("cd /tmp/etc/poudriere.d/jails/fh && grep . *").stdout.splitlines()
    values = dict(line.split(":", 1) for line in found)
    assert values["version"] == "13.2-RELEASE"
    assert values["method"] == "tar"
    assert values["mnt"] == "/tmp/pb/jails/fh"
    assert values["timestamp"].isdigit()


def test_url_jail_is_refused_when_a_set_is_not_what_manifest_says(lab: Shell) -> None:
    lab("cp -R /tmp/dists /tmp/wrong && echo more >> /tmp/wrong/base.txz")
    result = lab("poudriere -e /tmp/etc jail -c -j wrong -v 13.2-RELEASE -m url=file:///tmp/wrong")
    assert result.returncode == 1
    assert "install_from_ftp:145:base.txz checksum mismatch" in result.stderr
    assert lab("test -e /tmp/pb/jails/wrong || test -e /tmp/etc/poudriere.d/jails/wrong").returncode == 1


def test_flavors_make_packages_of_their_own(lab: Shell) -> None:
    result = bulk(lab, "sysutils/edk2@bhyve sysutils/hello")
    assert result.returncode == 0
    assert "Building   sysutils/edk2@bhyve | edk2-bhyve-g202508" in result.stdout
    assert "sysutils/edk2@bhyve edk2-bhyve-g202508" in status(lab, "ports.built")[-1] + status(lab, "ports.built")[-2]
    built = json.loads(lab(f"cat {LOGS}/.data.json").stdout)["ports"]["built"]
    assert {"origin": "sysutils/edk2", "flavor": "bhyve", "pkgname": "edk2-bhyve-g202508"}.items() <= next(
        row for row in built if row["origin"] == "sysutils/edk2").items()


def test_second_build_has_nothing_to_do_and_is_published_all_the_same(lab: Shell) -> None:
    bulk(lab, "sysutils/hello")
    before = lab(f"readlink {PACKAGES}/.latest").stdout
    result = bulk(lab, "sysutils/hello")
    assert result.returncode == 0
    assert "Building" not in result.stdout
    assert lab(f"readlink {PACKAGES}/.latest").stdout != before
    assert status(lab, "stats_queued") == ["0"]
    assert status(lab, "status") == ["stopped:done:"]


NEW_VERSION = "sed -i '' 's/^PORTVERSION=.*/PORTVERSION=1.1/' /tmp/tree/sysutils/hello/Makefile"
NEW_OPTION = """echo OPTIONS_DEFINE=EXTRA >> /tmp/tree/sysutils/hello/Makefile
echo sysutils_hello_SET=EXTRA > /tmp/etc/poudriere.d/mine-make.conf"""


@pytest.mark.parametrize(("change", "reason"), [(NEW_VERSION, "new version: 1.1"), (NEW_OPTION, "changed options")])
def test_changed_port_is_built_again(lab: Shell, change: str, reason: str) -> None:
    bulk(lab, "sysutils/world")
    lab(change)
    result = bulk(lab, "sysutils/world")
    assert reason in result.stdout
    assert any(row.startswith("sysutils/hello ") for row in status(lab, "ports.built"))


def test_failed_port_takes_its_dependants_along(lab: Shell) -> None:
    lab("echo 'LAB_FAIL_PHASE=build' >> /tmp/tree/devel/libevent/Makefile")
    result = bulk(lab, "sysutils/tmux dns/unbound shells/bash sysutils/outdated")
    assert result.returncode == 3
    assert status(lab, "ports.failed")[0].startswith("devel/libevent libevent-2.1.12 build build ")
    assert sorted(status(lab, "ports.skipped")) == ["dns/unbound unbound-1.24.1 libevent-2.1.12",
                                                    "sysutils/tmux tmux-3.5a libevent-2.1.12"]
    assert status(lab, "ports.ignored") == [
        "sysutils/outdated outdated-0.9 is marked as broken: does not compile with any compiler"]
    assert lab(f"readlink {LOGS}/logs/errors/libevent-2.1.12.log").stdout == "../libevent-2.1.12.log\n"


def test_terminated_build_says_so_and_is_resumed(lab: Shell) -> None:
    lab("echo 'LAB_SECONDS=100000' >> /tmp/tree/security/doas/Makefile")
    result = lab("bulk='poudriere -e /tmp/etc bulk -j fh -p mine'; $bulk security/doas > /tmp/out 2>&1 & pid=$!;"
                 "sleep 2; jls -j fh-mine name; $bulk shells/bash;"
                 "kill -TERM $pid; wait $pid; echo rc=$?; jls -j fh-mine")
    assert result.stdout.splitlines()[0] == "fh-mine"
    assert "jail_start:171:jail already running: fh-mine" in result.stderr
    assert "rc=143" in result.stdout
    assert 'jls: jail "fh-mine" not found' in result.stderr
    assert status(lab, "status") == ["stopped:SIGTERM:"]
    assert "Using packages from previously failed" in bulk(lab, "sysutils/hello").stderr


def test_build_that_nobody_listens_to_ends_and_stops_its_jails(lab: Shell) -> None:
    result = lab("poudriere -e /tmp/etc bulk -j fh -p mine shells/bash | head -c 48; jls -j fh-mine")
    assert 'jls: jail "fh-mine" not found' in result.stderr


def test_unknown_origin_crashes_the_build(lab: Shell) -> None:
    result = bulk(lab, "sysutils/nosuch")
    assert result.returncode == 1
    assert status(lab, "status") == [
        "stopped:crashed:err:Fatal errors encountered gathering initial ports metadata"]


def test_tree_comes_from_git_once_the_builder_has_git(lab: Shell) -> None:
    command = "poudriere -e /tmp/etc ports -c -p tracked -m git -U file:///tmp/origin -B main"
    lab("git=/usr/local/libexec/lab-git; cp -R /tmp/tree /tmp/origin; cd /tmp/origin && $git init -q -b main"
        " && $git add . && $git -c user.name=a -c user.email=a@b commit -qm x")
    assert "Git is not installed" in lab(command).stderr
    lab("ln -s /usr/local/libexec/lab-git /usr/local/bin/git")
    result = lab(command)
    assert result.returncode == 0, result.stderr
    assert lab("cat /tmp/etc/poudriere.d/ports/tracked/method").stdout == "git+file\n"
    assert lab("test -f /tmp/pb/ports/tracked/sysutils/hello/Makefile").returncode == 0


def test_packages_go_into_a_root_with_owners_and_modes(lab: Shell) -> None:
    lab("sed -i '' /LAB_/d /tmp/tree/security/doas/Makefile; mkdir -p /tmp/root /tmp/conf;"
        "tar -xpf /tmp/dists/base.txz -C /tmp/root")
    lab(f"echo 'mine: {{ url: \"file://{PACKAGES}\" }}' > /tmp/conf/mine.conf")
    bulk(lab, "security/doas sysutils/edk2@bhyve sysutils/vm-bhyve")
    pkg = "pkg --rootdir /tmp/root --repo-conf-dir /tmp/conf -o ABI=FreeBSD:13:amd64"
    result = lab(f"{pkg} install -y -r mine doas sysutils/vm-bhyve sysutils/edk2@bhyve")
    assert result.returncode == 0, result.stderr
    assert "The following 3 package(s) will be affected (of 0 checked):" in result.stdout
    assert lab("stat -f %Sp /tmp/root/usr/local/bin/doas").stdout == "-rwsr-xr-x\n"
    assert lab("test -f /tmp/root/usr/local/etc/doas.conf").returncode == 0
    assert lab(f"{pkg} query '%n %a' edk2-bhyve").stdout == "edk2-bhyve 0\n"
    assert lab(f"{pkg} check -sa").returncode == 0


def test_package_taken_from_under_the_catalogue_is_missed(lab: Shell) -> None:
    bulk(lab, "shells/bash")
    pkg = "pkg --rootdir /tmp/root --repo-conf-dir /tmp/conf -o ABI=FreeBSD:13:amd64"
    lab(f"{pkg} update -f; mv {PACKAGES}/All/bash-5.3.3.pkg /tmp")
    result = lab(f"{pkg} install -y bash")
    assert result.returncode == 1
    assert f"cached package bash-5.3.3: file://{PACKAGES}/All/bash-5.3.3.pkg is missing from repo" in result.stderr
    lab(f"echo rubbish > {PACKAGES}/All/bash-5.3.3.pkg")
    assert lab(f"{pkg} install -y bash").returncode == 1
    assert lab("test -e /tmp/root/usr/local/bin/bash").returncode == 1
    lab(f"mv /tmp/bash-5.3.3.pkg {PACKAGES}/All")


def test_repository_of_another_abi_is_refused(lab: Shell) -> None:
    result = lab("pkg --rootdir /tmp/root --repo-conf-dir /tmp/conf -o ABI=FreeBSD:15:amd64 update -f")
    assert result.returncode == 1
    assert "repository mine contains packages with wrong ABI: FreeBSD:13:amd64" in result.stderr
