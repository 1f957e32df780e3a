# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""sysctl(8): the values that tools ask a builder for, as recorded; the disks' geometry comes from the storage part."""

from __future__ import annotations

import json
import os
import struct
import sys
from collections.abc import Callable

from ..base import host
from ..base.options import Usage, complain, getopt

PATHS = ("/sbin/sysctl",)
USAGE = """usage: sysctl [-bdehiNnoqTtWx] [ -B <bufsize> ] [-f filename] name[=value] ...
       sysctl [-bdehNnoqTtWx] [ -B <bufsize> ] -a
"""
SETTINGS = "/lab/run/sysctl.json"
FIXED: dict[str, str] = {
    "kern.ostype": "FreeBSD",
    "kern.osrelease": host.RELEASE,
    "kern.osrevision": "199506",
    "kern.osreldate": str(host.OSRELDATE),
    "kern.version": host.VERSION,
    "kern.ident": host.IDENT,
    "kern.maxfiles": "98304",
    "kern.maxproc": "6596",
    "kern.bootfile": "/boot/kernel/kernel",
    "kern.hostuuid": "6d7c2f30-0000-4000-8000-52540012ab34",
    "kern.disks": "vtbd1 vtbd0",
    "kern.vm_guest": "generic",
    "kern.smp.cpus": "2",
    "kern.elf64.aslr.enable": "1",
    "kern.clockrate": "{ hz = 100, tick = 10000, profhz = 8128, stathz = 127 }",
    "hw.machine": host.MACHINE,
    "hw.machine_arch": host.MACHINE,
    "hw.model": "QEMU Virtual CPU version 2.5+",
    "hw.ncpu": "2",
    "hw.physmem": "3196551168",
    "hw.realmem": "3221225472",
    "hw.usermem": "2650800128",
    "hw.pagesize": "4096",
    "hw.byteorder": "1234",
    "security.jail.jailed": "0",
    "security.jail.vnet": "0",
    "vfs.zfs.version.module": "2.1.9-FreeBSD_g92e0d9d18",
    "vfs.zfs.version.spa": "5000",
    "vfs.zfs.version.zpl": "5",
    "vm.swap_total": "0",
    "vm.stats.vm.v_page_size": "4096",
    "vm.stats.vm.v_free_count": "520000",
    "vm.stats.vm.v_inactive_count": "40000",
    "vm.loadavg": "{ 0.20 0.18 0.15 }",
    "kern.cp_time": "1000 0 800 20 90000",
    "p1003_1b.pagesize": "4096",
    "user.localbase": "/usr/local",
}
WRITABLE: dict[str, str] = {
    "kern.geom.debugflags": "0",
    "kern.securelevel": "-1",
    "kern.maxvnodes": "77616",
    "kern.ipc.somaxconn": "128",
    "vfs.zfs.min_auto_ashift": "9",
    "vfs.zfs.vdev.min_auto_ashift": "9",
    "vfs.zfs.arc_max": "0",
    "vfs.usermount": "0",
    "net.link.tap.up_on_open": "0",
    "net.inet.ip.forwarding": "0",
    "vm.overcommit": "0",
    "kern.coredump": "1",
    "security.bsd.see_other_uids": "1",
}
EARLY = {"kern.geom.label.gptid.enable": "1", "kern.geom.label.disk_ident.enable": "1"}


def _boottime() -> str:
    import time

    seconds = host.boot_time()
    return f"{{ sec = {seconds}, usec = 0 }} {time.ctime(seconds)}"


def _confxml() -> str:
    # Only this one needs the storage part, whose import would cost every other call.
    from ..base import confxml

    return confxml.render()


COMPUTED: dict[str, Callable[[], str]] = {
    "kern.hostname": lambda: os.uname().nodename,
    "kern.boottime": _boottime,
    "kern.geom.confxml": _confxml,
}


def settings() -> dict[str, str]:
    try:
        with open(SETTINGS, encoding="utf-8") as file:
            known: dict[str, str] = json.load(file)
    except (OSError, ValueError):
        return {}
    return known


def value_of(name: str) -> str | None:
    if name in COMPUTED:
        return COMPUTED[name]()
    fixed = FIXED | EARLY
    return fixed.get(name) or settings().get(name, WRITABLE.get(name))


def main(argv: list[str]) -> int:
    try:
        options, words = getopt(argv, "AabB:def:hiNnoqTtwWxX")
    except Usage as error:
        return complain(error, USAGE, 1)
    letters = {letter for letter, _ in options}
    if letters & {"a", "A", "X"}:
        for name in sorted((FIXED | EARLY | WRITABLE | COMPUTED).keys() - {"kern.geom.confxml"}):
            _show(name, value_of(name) or "", letters)
        return 0
    if not words:
        return complain(Usage(), USAGE, 1)
    return max([_one(word, letters) for word in words])


def _one(word: str, letters: set[str]) -> int:
    name, assigned, new = word.partition("=")
    value = value_of(name)
    if value is None:
        below = sorted(
            known for known in FIXED | EARLY | WRITABLE | COMPUTED if known.startswith(name.rstrip(".") + ".")
        )
        if not below or assigned:
            if "i" not in letters:
                if "q" not in letters:
                    sys.stderr.write(f"sysctl: unknown oid '{name}'\n")
                return 1
            return 0
        for known in below:
            _show(known, value_of(known) or "", letters)
        return 0
    if not assigned:
        _show(name, value, letters)
        return 0
    return _set(name, value, new, letters)


def _set(name: str, old: str, new: str, letters: set[str]) -> int:
    if name in EARLY:
        sys.stderr.write(
            f"sysctl: oid '{name}' is a read only tunable\nsysctl: Tunable values are set in /boot/loader.conf\n"
        )
        return 1
    if name not in WRITABLE:
        sys.stderr.write(f"sysctl: oid '{name}' is read only\n")
        return 1
    if not new.lstrip("-").isdigit() and not new.startswith("0x"):
        sys.stderr.write(f"sysctl: invalid integer '{new}'\n")
        return 1
    number = str(int(new, 0))
    changed = settings() | {name: number}
    with open(SETTINGS, "w", encoding="utf-8") as file:
        json.dump(changed, file)
    if "q" not in letters:
        _show(name, f"{old} -> {number}", letters)
    return 0


def _show(name: str, value: str, letters: set[str]) -> None:
    if "b" in letters:
        sys.stdout.flush()
        sys.stdout.buffer.write(_binary(name, value))
    elif "N" in letters:
        print(name)
    elif "n" in letters:
        print(value)
    else:
        print(f"{name}{'=' if 'e' in letters else ': '}{value}")


def _binary(name: str, value: str) -> bytes:
    if name == "kern.boottime":
        return struct.pack("@qq", host.boot_time(), 0)
    return (
        struct.pack("@i", int(value))
        if value.lstrip("-").isdigit() and int(value) < 1 << 31
        else value.encode() + b"\0"
    )
