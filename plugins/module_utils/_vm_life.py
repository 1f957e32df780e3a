# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What is done to a machine: make its disks, start it, come in, shut it down, go back to a snapshot."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import time
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Sequence

from ansible_collections.freehyve.builder.plugins.module_utils import _vm_seed
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._files import write_file
from ansible_collections.freehyve.builder.plugins.module_utils._qmp import tell
from ansible_collections.freehyve.builder.plugins.module_utils._runner import first_line
from ansible_collections.freehyve.builder.plugins.module_utils._sizes import human_size
from ansible_collections.freehyve.builder.plugins.module_utils._vm_firmware import Firmware
from ansible_collections.freehyve.builder.plugins.module_utils._vm_host import LOOPBACK, Controller
from ansible_collections.freehyve.builder.plugins.module_utils._vm_machine import (
    Hardware,
    Home,
    argv,
    inspect,
    running_pid,
)

PRESS_AGAIN = 15.0  # seconds; a guest that still boots does not hear the power button
QUIT = 10.0  # seconds for QEMU to end by itself
LAST_BREATH = 3.0  # seconds between the end of its pid file and of the process; who is not waited for stays a zombie


@dataclass(frozen=True)
class Clock:
    """Time, so that tests need not wait."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


CLOCK = Clock()


@dataclass(frozen=True)
class Disks:
    """What a machine's disks are made of; sizes in bytes, 0 for no second disk."""

    base: str
    base_format: str
    size: int
    work: int


def make_disks(runner: Controller, qemu_img: str, home: Home, disks: Disks, firmware: Optional[Firmware]) -> None:
    """An overlay on the base, which stays as it is; the workspace's disk; the firmware's variables."""
    base = inspect(runner, qemu_img, disks.base)
    if disks.size < base.size:
        raise ToolError(
            f"image '{disks.base}': has {human_size(base.size)}, builder_vm_disk_size is {human_size(disks.size)}; "
            "set it larger"
        )
    overlay = [qemu_img, "create", "-q", "-f", "qcow2", "-F", disks.base_format, "-b", os.path.realpath(disks.base)]
    runner.run([*overlay, home.at("root.qcow2"), str(disks.size)], failed="root disk: cannot be made")
    if disks.work:
        plain = [qemu_img, "create", "-q", "-f", "qcow2", home.at("work.qcow2"), str(disks.work)]
        runner.run(plain, failed="workspace disk: cannot be made")
    if firmware is not None:
        convert = [qemu_img, "convert", "-f", firmware.variables_format, "-O", "qcow2", firmware.variables]
        runner.run([*convert, home.at("firmware.qcow2")], failed="firmware variables: cannot be copied")


def make_key(runner: Controller, path: str, comment: str) -> str:
    """A key pair without a passphrase; returns the public half."""
    keygen = runner.need("ssh-keygen", "machine's keys")
    for leftover in (path, f"{path}.pub"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(leftover)
    runner.run([keygen, "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path], failed="machine's key")
    return read_text(f"{path}.pub")


def read_text(path: str) -> str:
    with open(path, encoding="utf-8") as stream:
        return stream.read().strip()


def make_seed(runner: Controller, home: Home, name: str, release: str, authorized: str, instance: str) -> str:
    """The seed with a host key of its own; returns the key's public half. The private one is in the seed only."""
    path = home.at("hostkey")
    public = make_key(runner, path, name)
    seed = _vm_seed.Seed(name, instance, authorized, read_text(path), public)
    write_file(home.at("seed.iso"), _vm_seed.seed_image(seed, release), mode=0o600)
    os.unlink(path)
    os.unlink(f"{path}.pub")
    return public


def write_known_hosts(home: Home, port: int, keys: Sequence[str]) -> None:
    """The only host keys that count for this machine."""
    lines = [f"[{LOOPBACK}]:{port} {' '.join(key.split()[:2])}\n" for key in keys]
    write_file(home.known_hosts, "".join(lines).encode("utf-8"), mode=0o600)


def ssh_options(known_hosts: str) -> List[str]:
    """Strict, and with nothing of the user's own configuration."""
    quoted = f'"{known_hosts}"' if " " in known_hosts else known_hosts
    return [
        "-o",
        f"UserKnownHostsFile={quoted}",
        "-o",
        "GlobalKnownHostsFile=/dev/null",
        "-o",
        "StrictHostKeyChecking=yes",
        "-o",
        "IdentitiesOnly=yes",
    ]


def ssh_argv(home: Home, record: Dict[str, Any]) -> List[str]:
    login = ["-i", record["key"], "-p", str(record["port"]), f"{record['user']}@{LOOPBACK}"]
    return ["ssh", "-F", "/dev/null", *ssh_options(home.known_hosts), *login]


def ssh_command(home: Home, record: Dict[str, Any]) -> str:
    """What a user types."""
    return " ".join(shlex.quote(word) for word in ssh_argv(home, record))


def launch(runner: Controller, qemu: str, home: Home, hardware: Hardware) -> None:
    """Start QEMU in the background; it is up when this returns.

    :raises ToolError: why not.
    """
    for stale in (home.pidfile, home.socket):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(stale)
    with contextlib.suppress(FileNotFoundError):
        os.replace(home.serial, f"{home.serial}.1")
    write_file(home.serial, b"", mode=0o600)
    try:
        runner.run(argv(qemu, home, hardware), cwd=home.path, timeout=60)
    except ToolError as exc:
        raise _explained(hardware, exc) from exc


def _explained(hardware: Hardware, exc: ToolError) -> ToolError:
    said = exc.stderr
    if "forwarding rule" in said:
        cause = f"port {hardware.port} on {LOOPBACK} is in use; set builder_vm_port to another, or to 0 for any"
    elif "lock" in said:
        cause = "a disk is in use by another machine; stop that one"
    elif "allocate memory" in said or "cannot set up guest memory" in said:
        cause = "the host has not that much memory; set builder_vm_memory to less"
    else:
        cause = first_line(said) or exc.message
    return ToolError(f"machine '{hardware.name}': cannot start, {cause}", exc.cmd, exc.rc, exc.stdout, said)


def last_lines(path: str, count: int = 3) -> str:
    """The end of the serial log, as one line."""
    with contextlib.suppress(OSError), open(path, "rb") as stream:
        stream.seek(max(0, os.fstat(stream.fileno()).st_size - 4096))
        text = "".join(c if c.isprintable() else "\n" for c in stream.read().decode("utf-8", "replace"))
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return " | ".join(lines[-count:])
    return ""


def learn_host_keys(runner: Controller, port: int) -> List[str]:
    """Host keys that a guest shows; empty when it shows none yet.

    The connection never leaves this machine: the port belongs to the QEMU process that we started.
    """
    scan = runner.need("ssh-keyscan", "machine's host key")
    done = runner.run([scan, "-T", "5", "-p", str(port), LOOPBACK], ok=range(256), timeout=30)
    found = [line.split(None, 1)[1] for line in done.stdout.splitlines() if line and not line.startswith("#")]
    return sorted(found)


def await_login(
    runner: Controller, home: Home, record: Dict[str, Any], seconds: float, clock: Clock = CLOCK
) -> Dict[str, Any]:
    """Wait until a login with the key works and the host key is the known one.

    :returns: the record, with host keys that were learned.
    :raises ToolError: it does not within ``seconds``, the guest shows another host key, or QEMU ended.
    """
    name, deadline, last = record["name"], clock.now() + seconds, "no answer"
    ssh = runner.need("ssh", f"machine '{name}'")
    while True:
        if running_pid(home) is None:
            tail = last_lines(home.serial)
            raise ToolError(f"machine '{name}': ended before one could log in; {home.serial} ends: {tail or 'empty'}")
        if not record["host_keys"]:
            record = dict(record, host_keys=learn_host_keys(runner, record["port"]))
            write_known_hosts(home, record["port"], record["host_keys"])
        if record["host_keys"]:
            words = [ssh, *ssh_argv(home, record)[1:]]
            login = [*words[:-1], "-n", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", words[-1], "true"]
            try:
                done = runner.run(login, ok=range(256), timeout=30)
                if done.rc == 0:
                    return record
                last = (done.stderr.strip().splitlines() or [f"exit status {done.rc}"])[-1].strip()
            except ToolError as exc:
                last = exc.message
            if "Host key verification failed" in last or "HOST IDENTIFICATION HAS CHANGED" in last:
                raise ToolError(
                    f"machine '{name}': shows another host key than the one in {home.known_hosts}; "
                    "its image took no seed (builder_vm_seed: false for such), or is not the one that we made"
                )
        if clock.now() >= deadline:
            raise ToolError(
                f"machine '{name}': runs, but no login as {record['user']} within {seconds:g} s ({last}); "
                f"{home.serial} ends: {last_lines(home.serial) or 'empty'}"
            )
        clock.sleep(1.0)


def _gone(home: Home, seconds: float, clock: Clock) -> bool:
    """Wait for QEMU's end; also for what it still does without its pid file, when it may still hold its disks."""
    deadline, pid = clock.now() + seconds, running_pid(home)
    while running_pid(home) is not None:
        if clock.now() >= deadline:
            return False
        clock.sleep(0.2)
    last = clock.now() + LAST_BREATH
    while pid is not None and clock.now() < last:
        try:
            os.kill(pid, 0)
        except OSError:
            break
        clock.sleep(0.1)
    return True


def shut_down(home: Home, name: str, seconds: float, force: bool, clock: Clock = CLOCK) -> None:
    """Press the power button and wait for the guest to turn itself off.

    :param force: pull the plug when it does not.
    """
    deadline = clock.now() + seconds
    while clock.now() < deadline and running_pid(home) is not None:
        with contextlib.suppress(ToolError):
            tell(home.socket, "system_powerdown", patience=2.0)
        if _gone(home, min(PRESS_AGAIN, max(0.0, deadline - clock.now())), clock):
            break
    if running_pid(home) is None:
        return
    if not force:
        raise ToolError(
            f"machine '{name}': did not shut down within {seconds:g} s; "
            f"look into {home.serial}, or set builder_vm_force_stop: true to pull the plug"
        )
    pull_plug(home, clock)


def pull_plug(home: Home, clock: Clock = CLOCK) -> None:
    """End QEMU at once, whatever the guest does."""
    pid = running_pid(home)
    if pid is None:
        return
    with contextlib.suppress(ToolError):
        tell(home.socket, "quit", patience=2.0)
    if not _gone(home, QUIT, clock):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        if not _gone(home, QUIT, clock):
            raise ToolError(f"process {pid}: does not end; end it by hand")


def snapshot(runner: Controller, qemu_img: str, home: Home, name: str) -> None:
    """Keep the state of all disks; a snapshot of that name that an interrupted run left on some is made anew."""
    for disk in home.disks:
        if name in inspect(runner, qemu_img, disk).snapshots:
            runner.run([qemu_img, "snapshot", "-q", "-d", name, disk], failed=f"snapshot '{name}' of '{disk}'")
        runner.run([qemu_img, "snapshot", "-q", "-c", name, disk], failed=f"snapshot '{name}' of '{disk}'")


def revert(runner: Controller, qemu_img: str, home: Home, name: str) -> None:
    """Take all disks back; what was written since is gone."""
    for disk in home.disks:
        if name not in inspect(runner, qemu_img, disk).snapshots:
            raise ToolError(f"disk '{disk}': has no snapshot '{name}'; destroy the machine and make it anew")
    for disk in home.disks:
        runner.run([qemu_img, "snapshot", "-q", "-a", name, disk], failed=f"disk '{disk}': cannot go back")


def remove(home: Home) -> None:
    """The machine's directory and everything in it."""
    shutil.rmtree(home.path)


__all__ = [
    "CLOCK",
    "Clock",
    "Disks",
    "await_login",
    "last_lines",
    "launch",
    "learn_host_keys",
    "make_disks",
    "make_key",
    "make_seed",
    "pull_plug",
    "remove",
    "revert",
    "shut_down",
    "snapshot",
    "ssh_argv",
    "ssh_command",
    "ssh_options",
    "write_known_hosts",
]
