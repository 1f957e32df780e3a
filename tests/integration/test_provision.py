# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""provision.yml makes a build host of a fresh one, and build.yml builds on it. Always in labs of their own: whatever
builder the environment names is not fresh. How Python comes there is test_provision_bootstrap.py's matter.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.builders import LAB, ROOT, Builder, lab_builder

PROVISION = ROOT / "provision.yml"
DOCTOR = ROOT / "doctor.yml"


@pytest.fixture(scope="module")
def fresh() -> Iterator[Builder]:
    with lab_builder(fresh=True) as builder:
        yield builder


def state_of(builder: Builder) -> str:
    """What provisioning changes, before it has been let loose: nothing of that may move."""
    look = "ls -A /usr/local; cat /etc/rc.conf; zpool list -H -o name; zfs list -H -o name; pw usershow -a"
    return builder.shell(look).stdout


def message(output: str) -> str:
    """What a failed run says, in one line."""
    return re.sub(r"\s+", " ", output)


def recap(output: str) -> dict[str, int]:
    line = next(line for line in output.splitlines() if "unreachable=" in line)
    return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", line)}


def lab_vars(builder: Builder) -> dict[str, str]:
    done = subprocess.run(
        [LAB, "status", "--json", "--name", str(builder.lab)], check=True, capture_output=True, text=True
    )
    known: dict[str, str] = json.loads(done.stdout)
    return known


BAD = {
    "workspace": ({"freehyve_workspace": "zroot"}, "workspace 'zroot': not a dataset below a pool"),
    "repository": (
        {"freehyve_pkg_repo": "ftp://mirror"},
        "package repository 'ftp://mirror': not a http, https or file URL",
    ),
    "repository with a blank": ({"freehyve_pkg_repo": "http://a b"}, "not a http, https or file URL"),
    "repository with a quote": ({"freehyve_pkg_repo": "http://a/'x"}, "not a http, https or file URL"),
    "repository with history": ({"freehyve_pkg_repo": "http://a/!!"}, "not a http, https or file URL"),
    "signature": ({"builder_host_pkg_repo_signature": "yes"}, "signature 'yes': neither none nor an absolute path"),
    "interpreter": ({"builder_host_python": "python3"}, "'python3': not an absolute path"),
    "module": ({"builder_host_kernel_modules": ["../x"]}, "one is no module's name"),
    "package": ({"builder_host_packages": ["devel/git"]}, "one is no package's name"),
    "poudriere": ({"builder_host_poudriere": "poudriere4"}, "value of builder_host_poudriere must be one of"),
    "ccache": ({"builder_host_ccache": "cache"}, "builder_host_ccache 'cache'"),
    "key": ({"builder_host_signing_public_key": "/tmp/k"}, "there is no key to fetch it from"),
    "file size": ({"builder_host_pool_file_size": "big"}, "builder_host_pool_file_size 'big': not a size"),
    "user": ({"builder_host_user": "Bob Smith"}, "build user 'Bob Smith': not a user's name"),
    "root": ({"builder_host_user": "root", "builder_host_user_keys": ["ssh-ed25519 AAAA"]}, "is root already"),
    "user without a key": ({"builder_host_user": "build"}, "could not log in, it has no key"),
    "no key": ({"builder_host_user": "build", "builder_host_user_keys": ["hello"]}, "'hello' is no public SSH key"),
    "password": (
        {"builder_host_sshd_harden": True, "ansible_ssh_pass": "x"},
        "refusing to turn passwords off in sshd, we came in by one",
    ),
    "key of the repository": (
        {"builder_host_pkg_repo_signature": "/nosuch.pub"},
        "there is no /nosuch.pub to check packages with",
    ),
    "distfiles": ({"builder_host_distfiles": "../x"}, "_distfiles '../x': not an absolute path"),
    "least space": ({"builder_host_min_space": "much"}, "builder_host_min_space 'much'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_nothing_is_changed(fresh: Builder, case: str) -> None:
    variables, says = BAD[case]
    before = state_of(fresh)
    done = fresh.ansible(PROVISION, "-e", json.dumps(variables), check=False)
    assert done.returncode == 2, done.stdout
    assert says in message(done.stdout + done.stderr)
    assert "Traceback" not in done.stdout + done.stderr
    assert state_of(fresh) == before


def test_check_mode_tells_the_plan_of_a_host_without_python(fresh: Builder) -> None:
    before = state_of(fresh)
    done = fresh.ansible(PROVISION, "--check", "--diff")
    told = message(done.stdout)
    assert "bootstrap pkg from http://127.0.0.1" in told
    assert "install python3 poudriere git from" in told
    assert "load nullfs" in told
    assert "create dataset tank/freehyve at /tank/freehyve" in told
    assert recap(done.stdout)["changed"] == 1
    assert "[WARNING]" not in done.stdout + done.stderr
    assert state_of(fresh) == before


def test_the_doctor_sends_a_fresh_host_to_provisioning(fresh: Builder) -> None:
    done = fresh.ansible(DOCTOR, check=False)
    assert done.returncode == 2
    assert "no /usr/local/bin/python3; run ansible-playbook provision.yml" in message(done.stdout)


def test_a_build_sends_a_fresh_host_to_provisioning(fresh: Builder) -> None:
    done = fresh.ansible(ROOT / "build.yml", check=False)
    assert done.returncode == 2
    assert "no /usr/local/bin/python3; run ansible-playbook provision.yml" in message(done.stdout)


@pytest.fixture(scope="module")
def provisioned(fresh: Builder, tmp_path_factory: pytest.TempPathFactory) -> tuple[Builder, list[str], Path]:
    """The host after a first run with everything asked for, from a signed repository; arguments of the run."""
    place = tmp_path_factory.mktemp("provision")
    public = Path(lab_vars(fresh)["key"]).with_suffix(".pub").read_text(encoding="utf-8").strip()
    fresh.run(["cp", "/lab/mirror/packages-signed.pub", "/root/site.pub"])
    variables = {
        "freehyve_pkg_repo": f"{lab_vars(fresh)['mirror']}/packages-signed",
        "builder_host_pkg_repo_signature": "/root/site.pub",
        "builder_host_poudriere": "poudriere-devel",
        "freehyve_ccache": "/tank/freehyve/ccache",
        "builder_host_signing_key": "/root/repo.key",
        "builder_host_signing_public_key": str(place / "repo.pub"),
        "builder_host_user": "build",
        "builder_host_user_keys": [public],
        "builder_host_sshd_harden": True,
    }
    arguments = ["-e", json.dumps(variables)]
    done = fresh.ansible(PROVISION, *arguments)
    assert "missing nothing" in message(done.stdout)
    assert "[WARNING]" not in done.stdout + done.stderr
    return fresh, arguments, place


def test_a_second_run_changes_nothing(provisioned: tuple[Builder, list[str], Path]) -> None:
    builder, arguments, _place = provisioned
    for mode in ((), ("--check", "--diff")):
        done = builder.ansible(PROVISION, *arguments, *mode)
        assert recap(done.stdout)["changed"] == 0, done.stdout


def test_what_was_asked_for_is_there(provisioned: tuple[Builder, list[str], Path]) -> None:
    builder, _arguments, place = provisioned
    installed = builder.run(["pkg", "query", "%n"]).stdout.split()
    assert {"pkg", "python3", "poudriere-devel", "git", "doas"} <= set(installed)
    conf = builder.run(["cat", "/usr/local/etc/pkg/repos/freehyve.conf"]).stdout
    assert 'signature_type: "pubkey", pubkey: "/root/site.pub"' in conf
    assert builder.run(["stat", "-f", "%Lp", "/root/repo.key"]).stdout.strip() == "400"
    assert (place / "repo.pub").read_text(encoding="utf-8").startswith("-----BEGIN PUBLIC KEY-----")
    assert builder.run(["ls", "/tank/freehyve"]).stdout.split() == ["ccache", "poudriere"]
    head = builder.run(["cat", "/etc/ssh/sshd_config"]).stdout.splitlines()[:4]
    assert head == [
        "# BEGIN freehyve.builder",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "# END freehyve.builder",
    ]
    # The way back was let go, so nothing will undo it.
    assert builder.shell("ls /etc/ssh").stdout.split() == ["ssh_config", "sshd_config"]


def test_the_build_user_becomes_root_and_nothing_else(provisioned: tuple[Builder, list[str], Path]) -> None:
    builder, arguments, _place = provisioned
    user = replace(builder, user="build")
    become = {"ansible_user": "build", "ansible_become": True, "ansible_become_method": "freehyve.builder.doas"}
    done = builder.ansible(PROVISION, *arguments, "-e", json.dumps(become))
    assert recap(done.stdout)["changed"] == 0
    assert user.run(["id", "-u"]).stdout.strip() != "0"
    assert user.run(["doas", "-n", "/bin/sh", "-c", "id -u"]).stdout.strip() == "0"
    refused = user.run(["doas", "-n", "/sbin/zpool", "list"], check=False)
    assert refused.returncode == 1 and "Operation not permitted" in refused.stderr
    nobody = user.ansible(PROVISION, *arguments, "-e", json.dumps({"ansible_user": "build"}), check=False)
    assert "not root there; connect as root, or set ansible_become" in message(nobody.stdout)


def test_sudo_does_as_well(provisioned: tuple[Builder, list[str], Path]) -> None:
    builder, arguments, _place = provisioned
    builder.ansible(PROVISION, *arguments, "-e", "builder_host_user_become=sudo", "--tags", "packages,user")
    become = {"ansible_user": "build", "ansible_become": True, "ansible_become_method": "ansible.builtin.sudo"}
    done = builder.ansible(PROVISION, *arguments, "-e", json.dumps(become), "--tags", "kernel")
    assert recap(done.stdout)["changed"] == 0


def test_modules_come_back_after_a_boot(provisioned: tuple[Builder, list[str], Path]) -> None:
    builder, _arguments, _place = provisioned
    for verb in ("stop", "start"):
        subprocess.run([LAB, verb, "--name", str(builder.lab)], check=True, stdout=subprocess.DEVNULL)
    assert builder.run(["kldstat", "-q", "-n", "nullfs"], check=False).returncode == 0


def test_a_pool_of_a_file_is_made_with_the_workspace(provisioned: tuple[Builder, list[str], Path]) -> None:
    builder, arguments, _place = provisioned
    variables = {
        "freehyve_workspace": "other/work",
        "builder_host_pool_devices": ["/root/other.img"],
        "builder_host_pool_file_size": "256m",
    }
    arguments = [*arguments, "-e", json.dumps(variables), "--tags", "workspace"]
    planned = builder.ansible(PROVISION, *arguments, "--check")
    assert recap(planned.stdout)["changed"] == 1
    assert recap(builder.ansible(PROVISION, *arguments).stdout)["changed"] == 3
    assert recap(builder.ansible(PROVISION, *arguments).stdout)["changed"] == 0
    assert builder.run(["zfs", "get", "-H", "-o", "value", "mountpoint", "other/work"]).stdout.strip() == "/other/work"
    builder.run(["zpool", "destroy", "other"])


@pytest.fixture
def disk(provisioned: tuple[Builder, list[str], Path]) -> Iterator[str]:
    """An empty disk: a memory disk, which GEOM knows as any other."""
    builder, _arguments, _place = provisioned
    builder.run(["truncate", "-s", "128m", "/root/disk.img"])
    unit = builder.run(["mdconfig", "-a", "-t", "vnode", "-f", "/root/disk.img"]).stdout.strip()
    yield unit
    builder.run(["zpool", "destroy", "nosuch"], check=False)
    builder.run(["mdconfig", "-d", "-u", unit])
    builder.run(["rm", "/root/disk.img"])


def test_a_pool_that_is_not_there_is_one_line(provisioned: tuple[Builder, list[str], Path]) -> None:
    builder, _arguments, _place = provisioned
    done = builder.ansible(PROVISION, "-e", "freehyve_workspace=nosuch/work", "--tags", "workspace", check=False)
    assert "pool 'nosuch': not on the builder, which has tank, zroot; set freehyve_workspace" in message(done.stdout)


def test_what_carries_something_is_refused_without_consent(
    provisioned: tuple[Builder, list[str], Path], disk: str
) -> None:
    """What the module refuses besides stands in targets/host_pool."""
    builder, _arguments, _place = provisioned

    def pool(device: str, *more: str, check: bool = False) -> str:
        variables = json.dumps({"freehyve_workspace": "nosuch/work", "builder_host_pool_devices": [device]})
        done = builder.ansible(PROVISION, "-e", variables, "--tags", "workspace", *more, check=check)
        return message(done.stdout)

    refusing = f"disk '{disk}': refusing to make pool 'nosuch' of it, it carries"
    assert "disk 'vtbd1': refusing to make pool 'nosuch' of it, it is in use" in pool("vtbd1")
    builder.run(["newfs_msdos", f"/dev/{disk}"])
    assert f"{refusing} a FAT file system; name an empty disk, or set builder_host_allow_destroy" in pool(disk)
    builder.run(["zpool", "create", "-f", "other", disk])
    builder.run(["zpool", "export", "other"])
    assert f"{refusing} the pool 'other'" in pool(disk)
    builder.run(["zpool", "import", "other"])
    builder.run(["zpool", "destroy", "other"])
    builder.run(["zpool", "labelclear", "-f", disk], check=False)
    builder.run(["gpart", "create", "-s", "gpt", disk])
    assert f"{refusing} a partition table" in pool(disk)
    assert "GPT" in builder.run(["gpart", "show", disk]).stdout
    assert "changed=1" in pool(disk, "-e", "builder_host_allow_destroy=true", "--check", check=True)
    assert "GPT" in builder.run(["gpart", "show", disk]).stdout
    pool(disk, "-e", "builder_host_allow_destroy=true", check=True)
    assert builder.run(["zfs", "list", "-H", "-o", "name", "nosuch/work"]).stdout.strip() == "nosuch/work"


SSH_THAT_BREAKS = """#!/bin/sh
# ssh to a host whose sshd lets nobody in once the connection was given up.
case " $* " in
*" -O stop "*) touch "$0.broken" ;;
*) test -e "$0.broken" && { echo "build@builder: Permission denied (publickey)." >&2; exit 255; } ;;
esac
exec ssh "$@"
"""


def test_sshd_goes_back_by_itself_when_nobody_comes_in(
    provisioned: tuple[Builder, list[str], Path], tmp_path: Path
) -> None:
    builder, arguments, _place = provisioned
    builder.run(["sed", "-i", "", "-e", "1,4d", "/etc/ssh/sshd_config"])
    before = builder.run(["cat", "/etc/ssh/sshd_config"]).stdout
    assert "PasswordAuthentication no" not in before
    ssh = tmp_path / "ssh"
    ssh.write_text(SSH_THAT_BREAKS, encoding="utf-8")
    ssh.chmod(0o755)
    broken = {"ansible_ssh_executable": str(ssh), "ansible_ssh_retries": 0, "builder_host_sshd_wait": 4}
    done = builder.ansible(PROVISION, *arguments, "-e", json.dumps(broken), "--tags", "sshd", check=False)
    assert done.returncode == 2
    told = message(done.stdout)
    assert "cannot be reached any more with passwords off" in told and "Permission denied (publickey)" in told
    assert "takes its old sshd_config back within 4 s" in told
    for _second in range(20):
        if builder.shell("ls /etc/ssh").stdout.split() == ["ssh_config", "sshd_config"]:
            break
        time.sleep(1)
    assert builder.run(["cat", "/etc/ssh/sshd_config"]).stdout == before
    again = builder.ansible(PROVISION, *arguments, "--tags", "sshd")
    assert recap(again.stdout)["changed"] > 0
    assert "PasswordAuthentication no" in builder.run(["cat", "/etc/ssh/sshd_config"]).stdout


# Tag -> the tasks that it runs, beyond Python, the checks and the summary.
TAGS = {
    "packages": "Install the packages of a build host",
    "kernel": "Load kernel modules, now and at boot",
    "workspace": "The workspace's pool",
    "key": "The key that signs packages",
    "user": "The build user",
    "sshd": "No passwords in sshd",
}


def test_each_tag_does_its_part(provisioned: tuple[Builder, list[str], Path]) -> None:
    builder, arguments, _place = provisioned
    for tag, task in TAGS.items():
        listed = builder.ansible(PROVISION, *arguments, "--tags", tag, "--list-tasks").stdout
        others = [other for name, other in TAGS.items() if name not in (tag, "sshd") and f": {other}\t" in listed]
        assert others == [], listed
        # The sshd part is included when it runs, so only its door is listed.
        assert (task if tag != "sshd" else "Daemon of ssh") in listed


def test_the_doctor_says_everything_that_would_stop_a_build(provisioned: tuple[Builder, list[str], Path]) -> None:
    builder, _arguments, _place = provisioned
    before = state_of(builder)
    done = builder.ansible(DOCTOR)
    assert "nothing would stop a build" in done.stdout
    assert recap(done.stdout)["changed"] == 0
    variables = {"freehyve_workspace": "nosuch/work", "builder_host_min_memory": "900g"}
    done = builder.ansible(DOCTOR, "-e", json.dumps(variables), check=False)
    assert done.returncode == 2
    told = message(done.stdout)
    assert "has no pool nosuch, but tank, zroot" in told
    assert "of memory, a build needs 900g" in told
    done = builder.ansible(DOCTOR, "-e", "builder_host_min_space=900t", check=False)
    assert "free, a build needs 900t; make room" in message(done.stdout)
    assert state_of(builder) == before


def test_build_passes_on_what_was_provisioned(provisioned: tuple[Builder, list[str], Path], tmp_path: Path) -> None:
    builder, arguments, _place = provisioned
    variables = json.dumps({"freehyve_artifacts": str(tmp_path)})
    site = ["-e", variables, "-e", "freehyve_ccache=/tank/freehyve/ccache", "-e", "package_jail_parallel_jobs=1"]
    builder.ansible(ROOT / "build.yml", *site)
    assert any(path.name == "SHA256SUMS" for path in tmp_path.rglob("*"))
    conf = builder.run(["cat", "/tank/freehyve/poudriere/etc/poudriere.d/poudriere.conf"]).stdout.splitlines()
    assert {
        "ZPOOL=tank",
        "ZROOTFS=/freehyve/poudriere",
        "BASEFS=/tank/freehyve/poudriere/base",
        "DISTFILES_CACHE=/tank/freehyve/poudriere/distfiles",
        "CCACHE_DIR=/tank/freehyve/ccache",
        f"FREEBSD_HOST={lab_vars(builder)['mirror']}",
        "PARALLEL_JOBS=1",
    } <= set(conf)
    again = builder.ansible(ROOT / "build.yml", *site)
    assert recap(again.stdout)["changed"] == 0
    provision = builder.ansible(PROVISION, *arguments)
    assert recap(provision.stdout)["changed"] == 0
