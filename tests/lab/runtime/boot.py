# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Birth of a lab: namespaces, mounts, private root, then init. Runs in a forked child of ``lab start``."""

from __future__ import annotations

import os
import subprocess
import traceback
from collections.abc import Callable
from pathlib import Path

from . import host, kernel
from .paths import TESTS_LAB, LabPaths
from .root import make_skeleton, refresh_shims

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")


def spawn(paths: LabPaths, report: int) -> int:
    """Fork the lab's init and return its pid on this host; it writes to ``report`` when ready or failed.

    Three processes: the one in between enters the namespaces, since a pid namespace holds only its children.
    """
    maps = host.id_maps()
    pid_read, pid_write = os.pipe()
    mapped_read, mapped_write = os.pipe()
    entered_read, entered_write = os.pipe()
    middle = os.fork()
    if middle == 0:
        _guard(report, lambda: _enter(paths, maps is not None, report, pid_write, mapped_read, entered_write))
        os._exit(0)
    for end in (pid_write, mapped_read, entered_write):
        os.close(end)
    if os.read(entered_read, 1) and maps is not None:
        for program, arguments in zip(("newuidmap", "newgidmap"), maps, strict=True):
            subprocess.run([host.tool(program) or program, str(middle), *arguments], check=True)
    os.write(mapped_write, b"x")
    text = os.read(pid_read, 32)
    os.waitpid(middle, 0)
    for end in (pid_read, mapped_write, entered_read):
        os.close(end)
    return int(text or b"0")


def _enter(paths: LabPaths, rootless: bool, report: int, pid_write: int, mapped_read: int, entered_write: int) -> None:
    os.setsid()
    if rootless:
        kernel.unshare(kernel.CLONE_NEWUSER)
    os.write(entered_write, b"x")
    os.read(mapped_read, 1)
    if rootless:
        os.setgroups([0])
        os.setgid(0)
        os.setuid(0)
    kernel.unshare(kernel.CLONE_NEWNS | kernel.CLONE_NEWPID | kernel.CLONE_NEWUTS | kernel.CLONE_NEWIPC)
    init = os.fork()
    if init == 0:
        _guard(report, lambda: _become_init(paths, report))
        os._exit(1)
    os.write(pid_write, str(init).encode())


def _guard(report: int, work: Callable[[], None]) -> None:
    """Run ``work``; whatever goes wrong becomes the line that ``lab start`` prints."""
    try:
        work()
    except BaseException as error:
        traceback.print_exc()
        os.write(report, f"error {error}\n".encode())
        os._exit(1)


def _become_init(paths: LabPaths, report: int) -> None:
    null = os.open("/dev/null", os.O_RDONLY)
    log = os.open(paths.log / "init.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for number, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(number, target)
    os.umask(0o022)
    make_skeleton(paths.root)
    refresh_shims(paths.root)
    _mount_all(paths)
    kernel.pivot_into(str(paths.root))
    kernel.set_hostname("builder")
    os.set_inheritable(report, True)
    environment = {
        "PATH": "/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin",
        "HOME": "/root",
        "LC_ALL": "C.UTF-8",
    }
    argv = ["/lab/python", "-SEsXpycache_prefix=/lab/pycache", "/lab/runtime/init.py", str(report)]
    os.execve("/lab/python", argv, environment)


def _bind(source: Path | str, target: Path, read_only: bool = False) -> None:
    kernel.mount(str(source), str(target), "", kernel.MS_BIND | kernel.MS_REC)
    if read_only:
        kernel.mount("none", str(target), "", kernel.read_only_flags(str(target)))


def _mount_all(paths: LabPaths) -> None:
    root = paths.root
    kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    _bind(root, root)
    _mount_devices(root / "dev")
    try:
        kernel.mount("proc", str(root / "lab/proc"), "proc", 0)
    except OSError:
        # A container that masks parts of /proc forbids a fresh one: ps then sees the host's numbers.
        _bind("/proc", root / "lab/proc")
    _bind(TESTS_LAB / "sim", root / "lab/sim", read_only=True)
    _bind(TESTS_LAB / "runtime", root / "lab/runtime", read_only=True)
    _bind(paths.state, root / "lab/state")
    _bind(paths.mirror, root / "lab/mirror")
    _bind(paths.ssh, root / "lab/ssh")
    _bind(paths.cache, root / "lab/cache")
    _bind("/", root / ".host", read_only=True)


def _mount_devices(dev: Path) -> None:
    kernel.mount("devfs", str(dev), "tmpfs", 2, "mode=755,size=64m")
    for name in DEVICES:
        (dev / name).touch()
        # FreeBSD's random never blocks and is what Linux calls urandom.
        _bind(f"/dev/{'urandom' if name == 'random' else name}", dev / name)
    (dev / "pts").mkdir()
    kernel.mount("devpts", str(dev / "pts"), "devpts", 2, "newinstance,ptmxmode=0666,mode=620")
    (dev / "ptmx").symlink_to("pts/ptmx")
    (dev / "fd").symlink_to("/lab/proc/self/fd")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        (dev / name).symlink_to(f"/lab/proc/self/fd/{number}")
    (dev / "shm").mkdir(mode=0o1777)


__all__ = ["spawn"]
