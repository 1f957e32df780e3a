# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The life of two machines, in order: each test goes on where the one before it stopped. A start costs seconds."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import socket
import time
from pathlib import Path

from tests.vm.conftest import OFFICIAL, Own
from tests.vm.site import TOOLS, Site, changed

READ = "dd if=/dev/vdb bs=16 count=1 2>/dev/null"
DIGESTS: dict[Path, str] = {}


def write(site: Site, name: str, text: str) -> None:
    # fsync reaches the disk, which sync(1) does not do for a disk without file system.
    site.guest(name, f"printf %-16s {text} | dd of=/dev/vdb bs=16 conv=notrunc,fsync 2>/dev/null")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def base_of(site: Site) -> Path:
    return site.path / "cache" / OFFICIAL.removesuffix(".xz")


def test_there_is_none_and_the_inventory_says_so(site: Site) -> None:
    done = site.ansible("builder", "true")
    assert done.returncode != 0
    assert "there is no virtual machine yet; run ansible-playbook vm.yml first" in done.stdout + done.stderr


def test_a_check_run_makes_nothing(site: Site, mirror: str) -> None:
    done = site.playbook("vm.yml", "--check", builder_vm_mirror=mirror)
    assert done.returncode == 0, done.stdout + done.stderr
    assert changed(done.stdout) == 2
    assert list(site.path.iterdir()) == []


def test_create_from_the_official_image(site: Site, mirror: str) -> None:
    printed = site.vm(builder_vm_mirror=mirror)
    assert changed(printed) == 2  # image, machine
    assert "machine    vm, running" in printed
    assert re.search(r"note       software emulation", printed)
    assert "freehyve-guest: seed on /dev/vdc" in site.serial("vm")
    assert sorted(path.name for path in (site.path / "cache").glob("F*")) == [
        base_of(site).name,
        base_of(site).name + ".json",
    ]
    DIGESTS[base_of(site)] = digest(base_of(site))


def test_log_in_by_the_inventory_with_strict_checking(site: Site) -> None:
    done = site.ansible("builder", "hostname; whoami; ls -d /dev/vda /dev/vdb")
    assert done.returncode == 0
    assert done.stdout.split(">>")[1].split()[:4] == ["vm", "root", "/dev/vda", "/dev/vdb"]
    shown = site.run("inventory/vm/hosts.py")
    host = json.loads(shown.stdout)["_meta"]["hostvars"]["vm"]
    assert "StrictHostKeyChecking=yes" in host["ansible_ssh_common_args"]
    known = (site.machines / "vm" / "known_hosts").read_text()
    assert known.startswith(f"[127.0.0.1]:{host['ansible_port']} ssh-ed25519 ")


def test_it_is_reached_on_the_loopback_interface_only(site: Site) -> None:
    port = site.record("vm")["port"]
    inodes = {os.readlink(path) for path in Path(f"/proc/{site.pid('vm')}/fd").iterdir() if path.exists()}
    listening = [
        line.split()[1]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and f"socket:[{line.split()[9]}]" in inodes
    ]
    assert listening == [f"0100007F:{port:04X}"]


def test_secrets_are_the_owners_only(site: Site) -> None:
    machine = site.machines / "vm"
    assert machine.stat().st_mode & 0o777 == 0o700
    assert not (machine / "hostkey").exists()


def test_once_more_changes_nothing(site: Site, mirror: str) -> None:
    assert changed(site.vm(builder_vm_mirror=mirror)) == 0


def test_stop_is_a_clean_shutdown(site: Site) -> None:
    write(site, "vm", "first")
    pid = site.pid("vm")
    printed = site.vm(builder_vm_state="stopped")
    assert changed(printed) == 1
    assert site.serial("vm").count("freehyve-guest: off") == 1
    assert site.pid("vm") is None
    assert pid is not None
    # A zombie that nobody waits for has neither memory nor files.
    assert not list(Path(f"/proc/{pid}").glob("fd/*"))
    done = site.ansible("vm", "true")
    assert "machine 'vm' does not run; start it" in done.stdout + done.stderr


def test_snapshot_of_a_stopped_machine_leaves_it_stopped(site: Site) -> None:
    assert changed(site.vm(builder_vm_state="snapshot")) == 1
    assert "machine    vm, stopped" in site.vm(builder_vm_state="snapshot")


def test_start_finds_what_was_written(site: Site) -> None:
    printed = site.vm()
    assert changed(printed) == 1
    assert site.guest("vm", READ) == "first"


def test_a_killed_process_is_noticed_and_started_again(site: Site) -> None:
    write(site, "vm", "second")
    pid = site.pid("vm")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while Path(f"/proc/{pid}").exists():
        time.sleep(0.1)
    assert "machine    vm, died" in site.vm(builder_vm_state="status")
    assert changed(site.vm()) == 1
    assert site.guest("vm", READ) == "second"


def test_a_second_machine_beside_it_under_uefi_without_seed(site: Site, own: Own) -> None:
    printed = site.vm(
        builder_vm_name="second",
        builder_vm_image=str(own.image),
        builder_vm_seed=False,
        builder_vm_private_key=str(own.key),
        builder_vm_firmware="uefi",
        builder_vm_work_size="0",
    )
    assert changed(printed) == 2
    assert "BdsDxe" in site.serial("second")
    assert site.record("second")["port"] != site.record("vm")["port"]
    assert len(site.record("second")["host_keys"]) == 1, "learned, and kept"
    assert site.guest("second", "cat /own/authorized_keys") == own.key.with_suffix(".pub").read_text().strip()
    assert site.guest("vm", "hostname") == "vm"


def test_a_guest_with_another_host_key_is_refused(site: Site, own: Own) -> None:
    machine = site.machines / "second"
    known, record = (machine / "known_hosts").read_text(), site.record("second")
    other = site.record("vm")["host_keys"][0]
    (machine / "known_hosts").write_text(f"[127.0.0.1]:{record['port']} {' '.join(other.split()[:2])}\n")
    (machine / "vm.json").write_text(json.dumps(record | {"ready": False}))
    settings = {
        "builder_vm_name": "second",
        "builder_vm_seed": False,
        "builder_vm_private_key": str(own.key),
        "builder_vm_work_size": "0",
    }
    assert "shows another host key than the one in" in site.refused(**settings)
    done = site.ansible("second", "true")
    assert "Host key verification failed" in done.stdout + done.stderr
    (machine / "known_hosts").write_text(known)
    assert changed(site.vm(**settings)) == 1, "waits for the login that nobody had yet"


def test_a_guest_that_does_not_hear_the_button(site: Site) -> None:
    site.guest("second", "killall -STOP dd")
    settings = {"builder_vm_name": "second", "builder_vm_state": "stopped", "builder_vm_stop_timeout": 3}
    refused = site.refused(**settings)
    assert "did not shut down within 3 s" in refused
    assert "builder_vm_force_stop: true" in refused
    assert site.pid("second") is not None
    assert "machine    second, stopped" in site.vm(**settings, builder_vm_force_stop=True)


def test_bad_input_is_one_clear_line(site: Site, mirror: str, tmp_path: Path) -> None:
    """All in one run of Ansible, beside the machine that runs."""
    (tmp_path / "damaged.img.xz").write_bytes(b"\xfd7zXZ\x00damaged")
    raw = tmp_path / "raw"
    raw.write_bytes(bytes(1 << 20))
    new = {"builder_vm_name": "third"}
    listener = socket.create_server(("127.0.0.1", 0))
    mine = listener.getsockname()[1]
    used = site.record("vm")["port"]
    here = site.machines / "vm"
    # The rest of what is refused needs no machine, and is tried in the unit tests.
    elsewhere = {**new, "builder_vm_cache": str(tmp_path / "cache")}
    cases: list[tuple[str, dict[str, object]]] = [
        (f"port {mine} on 127.0.0.1: in use by another program; set builder_vm_port", {**new, "builder_vm_port": mine}),
        (f"port {used} on 127.0.0.1: in use by machine 'vm'; set builder_vm_port", {**new, "builder_vm_port": used}),
        ("root.qcow2': in use by another machine", {**new, "builder_vm_image": str(here / "root.qcow2")}),
        ("too little memory: the machine is to have 900g", {**new, "builder_vm_memory": "900g"}),
        ("too little disk: the machine's disks may grow to", {**new, "builder_vm_work_size": "900t"}),
        ("disk_size is 64k; set it larger", {**new, "builder_vm_image": str(raw), "builder_vm_disk_size": "64k"}),
        ("No such file or directory; check builder_vm_image", {**new, "builder_vm_image": "/nonexistent"}),
        ("damaged, xz says", {**new, "builder_vm_image": str(tmp_path / "damaged.img.xz")}),
        ("connection refused.* set builder_vm_image", {**elsewhere, "builder_vm_mirror": "http://127.0.0.1:9"}),
        ("has no .*14.5.* set builder_vm_image", {**elsewhere, "builder_vm_release": "14.5-RELEASE"}),
        ("acceleration hvf: cannot be used", {**new, "builder_vm_image": str(raw), "builder_vm_accel": "hvf"}),
        ("there is none; start it first", {**new, "builder_vm_state": "snapshot"}),
        ("refusing to destroy it and its disks; set builder_vm_allow_destroy", {"builder_vm_state": "absent"}),
        ("was made otherwise, its root disk has 128m", {"builder_vm_disk_size": "1g"}),
    ]
    before = site.record("vm")
    role = {"name": "freehyve.builder.builder_vm"}
    keep = "{{ said + [ansible_failed_result.msg] }}"
    tasks = [
        {
            "name": expected,
            "vars": settings,
            "block": [
                {"name": "Try", "ansible.builtin.include_role": role},
                {"name": "Accepted", "ansible.builtin.fail": {"msg": "accepted"}},
            ],
            "rescue": [{"name": "Keep", "ansible.builtin.set_fact": {"said": keep}}],
        }
        for expected, settings in cases
    ]
    report = {"content": "{{ said | to_json }}", "dest": str(tmp_path / "said.json"), "mode": "0600"}
    tasks.append({"name": "Report", "ansible.builtin.copy": report})
    quick = {
        "builder_vm_dir": str(site.machines),
        "builder_vm_cache": str(site.path / "cache"),
        "builder_vm_memory": "256m",
        "builder_vm_cpus": 1,
        "builder_vm_disk_size": "128m",
        "builder_vm_work_size": "64m",
        "builder_vm_accel": "tcg",
        "builder_vm_wait": 1,
        "builder_vm_mirror": mirror,
        "said": [],
    }
    play = {"name": "Bad input", "hosts": "localhost", "gather_facts": False, "vars": quick, "tasks": tasks}
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    done = site.run(str(TOOLS / "ansible-playbook"), str(tmp_path / "play.yml"), timeout=600)
    listener.close()
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    said = json.loads((tmp_path / "said.json").read_text())
    for (expected, settings), line in zip(cases, said, strict=True):
        assert re.search(expected, line), f"{settings}: {line}"
        assert "\n" not in line
    assert not (site.machines / "third").exists()
    assert site.record("vm") == before
    assert site.pid("vm") is not None


def test_revert_of_a_running_machine_starts_it_again_as_it_was(site: Site) -> None:
    assert site.guest("vm", READ) == "second"
    printed = site.vm(builder_vm_state="reverted")
    assert changed(printed) == 1
    assert "machine    vm, running" in printed
    assert site.guest("vm", READ) == "first"


def test_destroy_leaves_nothing_and_the_base_as_it_was(site: Site) -> None:
    for name in ("vm", "second"):
        printed = site.vm(builder_vm_name=name, builder_vm_state="absent", builder_vm_allow_destroy=True)
        assert f"machine    {name}, absent" in printed
    assert [path.name for path in site.machines.iterdir() if not path.name.endswith(".lock")] == []
    assert {path: digest(path) for path in DIGESTS} == DIGESTS
    assert changed(site.vm(builder_vm_state="absent")) == 0
