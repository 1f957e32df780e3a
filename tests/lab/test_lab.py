# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The lab as its users meet it: start, stop, crash, ssh, several at once, an ordinary user."""

from __future__ import annotations

import json
import os
import pwd
import secrets
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import LAB, ROOT, Builder, lab_builder
from tests.lab.runtime import host
from tests.lab.runtime.errors import LabError


def lab(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([LAB, *arguments], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def inside(name: str, command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return lab("exec", "--name", name, "--", "/bin/sh", "-c", command, check=check)


@pytest.fixture(scope="module")
def builder() -> Iterator[Builder]:
    with lab_builder() as found:
        yield found


@pytest.fixture
def name() -> Iterator[str]:
    """Name of a lab that does not exist yet."""
    chosen = f"test-{secrets.token_hex(4)}"
    yield chosen
    lab("destroy", "--name", chosen)


def test_first_start_takes_seconds_and_later_ones_less(name: str) -> None:
    began = time.monotonic()
    lab("start", "--name", name)
    first = time.monotonic() - began
    lab("stop", "--name", name)
    began = time.monotonic()
    lab("start", "--name", name)
    again = time.monotonic() - began
    # Twice the aim, so that a loaded machine does not fail it.
    assert first < 10, first
    assert again < 4, again


def test_start_of_a_running_lab_says_so(builder: Builder) -> None:
    assert "runs already" in lab("start", "--name", str(builder.lab)).stdout


def test_state_outlives_stop_and_goes_with_destroy(name: str) -> None:
    lab("start", "--name", name)
    inside(name, "echo kept > /root/note")
    lab("stop", "--name", name)
    assert lab("status", "--name", name, check=False).returncode == 3
    lab("start", "--name", name)
    assert inside(name, "cat /root/note").stdout == "kept\n"
    lab("destroy", "--name", name)
    lab("start", "--name", name)
    assert inside(name, "test -e /root/note", check=False).returncode == 1


def test_stop_ends_every_process(name: str) -> None:
    lab("start", "--name", name)
    mark = f"3{secrets.randbelow(10**6):06d}"
    inside(name, f"daemon -f sleep {mark}")
    assert _running(mark)
    lab("stop", "--name", name)
    assert not _running(mark)


def _running(mark: str) -> bool:
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark.encode() in (entry / "cmdline").read_bytes():
                return True
        except OSError:
            continue
    return False


def test_crash_loses_memory_disks_and_keeps_files(name: str) -> None:
    lab("start", "--name", name)
    inside(
        name, "echo kept > /root/note; truncate -s 64m /root/disk; mdconfig -a -t vnode -f /root/disk -u 3; mdconfig -l"
    )
    lab("crash", "--name", name)
    lab("start", "--name", name)
    assert inside(name, "cat /root/note; mdconfig -l").stdout == "kept\n"


def test_a_lab_that_was_killed_starts_again(name: str) -> None:
    lab("start", "--name", name)
    directory = Path(json.loads(lab("status", "--json", "--name", name).stdout)["dir"])
    os.kill(json.loads((directory / "init.json").read_text())["pid"], 9)
    time.sleep(0.2)
    assert "started" in lab("start", "--name", name).stdout


def test_two_labs_live_side_by_side(builder: Builder, name: str) -> None:
    lab("start", "--name", name)
    other = json.loads(lab("status", "--json", "--name", name).stdout)
    assert other["port"] != builder.port
    inside(name, "touch /root/other")
    assert builder.run(["test", "-e", "/root/other"], check=False).returncode == 1


def test_ssh_greets_with_csh_and_freebsds_path(builder: Builder) -> None:
    assert builder.shell("echo $shell").stdout == "/bin/csh\n"
    path = builder.run(["printenv", "PATH"]).stdout.strip().split(":")
    assert path[:6] == ["/sbin", "/bin", "/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"]


def test_csh_refuses_what_only_sh_understands(builder: Builder) -> None:
    done = builder.shell("x=1 true", check=False)
    assert done.returncode != 0
    assert "Command not found" in done.stdout + done.stderr


def test_host_key_is_checked(builder: Builder, tmp_path: Path) -> None:
    empty = tmp_path / "known_hosts"
    empty.touch()
    argv = [word.replace(str(builder.known_hosts), str(empty)) for word in builder.ssh_argv()]
    done = subprocess.run([*argv, "true"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 255
    assert "Host key verification failed" in done.stderr


@pytest.mark.parametrize("word", ["it's", "two words", "!bang", "$HOME", "*", "a;b", '"', "\\", "`id`", "tab\there"])
def test_arguments_arrive_as_given_through_csh(builder: Builder, word: str) -> None:
    assert builder.run(["printf", "%s", word]).stdout == word


@pytest.mark.parametrize("tool", ["bash", "sudo", "rsync", "sha256sum", "md5sum", "apt-get", "systemctl", "gsed", "ip"])
def test_tools_that_freebsd_lacks_do_not_exist(builder: Builder, tool: str) -> None:
    assert builder.run(["which", tool], check=False).returncode == 1


@pytest.mark.parametrize(
    "command",
    [
        "cp --reflink=auto /etc/hosts /tmp/x",
        "stat -c %a /etc/hosts",
        "sed -i s/a/b/ /tmp/nosuch",
        "readlink -m /etc",
        "du -b /etc",
        "date -d now",
        "mktemp --suffix=x",
        "mkdir --parents /tmp/y",
        "find / -maxdepth 0 -printf x",
        "rm --force /tmp/x",
    ],
)
def test_gnu_only_options_fail(builder: Builder, command: str) -> None:
    assert builder.run(["/bin/sh", "-c", command], check=False).returncode != 0


def test_python_says_freebsd(builder: Builder) -> None:
    code = "import os, platform; print(platform.system(), platform.release(), os.uname().machine)"
    assert builder.run(["/usr/local/bin/python3", "-c", code]).stdout == "FreeBSD 13.2-RELEASE amd64\n"


def test_nothing_of_the_host_can_be_written(builder: Builder) -> None:
    done = builder.run(["touch", f"/.host{ROOT}/README.lab"], check=False)
    assert done.returncode != 0
    assert "Read-only file system" in done.stderr


def test_mirror_has_a_true_manifest_and_ranges(builder: Builder) -> None:
    import hashlib

    mirror = json.loads(lab("status", "--json", "--name", str(builder.lab)).stdout)["mirror"]
    base = f"{mirror}/pub/FreeBSD/releases/amd64/amd64/13.2-RELEASE"
    for line in urllib.request.urlopen(f"{base}/MANIFEST").read().decode().splitlines():
        file, digest, count, _distname, description, default = line.split("\t")
        body = urllib.request.urlopen(f"{base}/{file}").read()
        assert hashlib.sha256(body).hexdigest() == digest
        assert int(count) > 0
        assert description[0] == description[-1] == '"'
        assert default in ("on", "off")
    part = urllib.request.Request(f"{base}/base.txz", headers={"Range": "bytes=2-5"})
    whole = urllib.request.urlopen(f"{base}/base.txz").read()
    with urllib.request.urlopen(part) as answer:
        assert (answer.status, answer.read()) == (206, whole[2:6])


def test_base_set_has_owners_links_and_set_uid(builder: Builder) -> None:
    listing = builder.run(["tar", "-tvf", "/tmp/dists/base.txz"]).stdout
    assert "-r-sr-xr-x" in listing
    assert " link to " in listing
    assert "-> usr/src/sys" in listing
    script = "mkdir -p /tmp/b && tar -xpf /tmp/dists/base.txz -C /tmp/b && stat -f '%Lp %Su' /tmp/b/etc/master.passwd; \
head -1 /tmp/b/etc/master.passwd; rm -rf /tmp/b"
    assert builder.run(["/bin/sh", "-c", script]).stdout.splitlines() == [
        "600 root",
        "root::0:0::0:0:Charlie &:/root:/bin/csh",
    ]


def test_ansible_connects_through_csh(builder: Builder, tmp_path: Path) -> None:
    play = tmp_path / "play.yml"
    play.write_text(
        "- hosts: builder\n  gather_facts: true\n  tasks:\n"
        "    - ansible.builtin.command: uname -K\n      register: out\n      changed_when: false\n"
        "    - ansible.builtin.assert:\n        that:\n          - out.stdout == '1302001'\n"
        "          - ansible_facts.system == 'FreeBSD'\n"
        "    - ansible.builtin.copy:\n        content: hello\n        dest: /root/from-ansible\n        mode: '0600'\n"
    )
    assert "failed=0" in builder.ansible(play).stdout


def test_inventory_without_a_lab_names_the_next_step() -> None:
    script = ROOT / "inventory" / "lab" / "hosts.py"
    environment = {**os.environ, "FREEHYVE_LAB": "no-such-lab"}
    done = subprocess.run([script, "--list"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "lab 'no-such-lab': is not running; start it with: tests/lab/lab start --name no-such-lab"
    ]


def test_missing_packages_are_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "tool", lambda name: None if name in ("sshd", "bsdtar") else f"/usr/bin/{name}")
    with pytest.raises(LabError) as error:
        host.check_host()
    assert str(error.value) == (
        "lab: missing bsdtar, sshd; install with: apt-get install libarchive-tools openssh-server"
    )


def _ordinary_user() -> str | None:
    """A user with subordinate ids that root may become for a test."""
    if os.getuid() != 0:
        return None
    for line in Path("/etc/subuid").read_text().splitlines():
        user = line.partition(":")[0]
        try:
            pwd.getpwnam(user)
        except KeyError:
            continue
        if (
            user != "root"
            and subprocess.run(["su", user, "-s", "/bin/sh", "-c", f"test -r {LAB}"], check=False).returncode == 0
        ):
            return user
    return None


def test_an_ordinary_user_needs_no_root(name: str, tmp_path: Path) -> None:
    user = _ordinary_user()
    if user is None:
        # Run by an ordinary user, every other test of this file shows the same.
        return
    script = f"""
    FREEHYVE_LAB_DIR=/var/tmp/freehyve-{name}; export FREEHYVE_LAB_DIR
    {LAB} start --name {name} &&
    {LAB} exec --name {name} -- /bin/sh -c 'touch /root/x; chown 80:80 /root/x; stat -f "%u %g" /root/x; id -u' &&
    {LAB} stop --name {name} && {LAB} start --name {name} && {LAB} destroy --name {name} &&
    ls $FREEHYVE_LAB_DIR && rm -rf $FREEHYVE_LAB_DIR
    """
    done = subprocess.run(
        ["su", user, "-s", "/bin/sh", "-c", script], capture_output=True, text=True, check=False, cwd="/"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "80 80\n0\n" in done.stdout
