# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The distribution sets: base, kernel, lib32, src … as lists of entries, and what the lab's own root takes of them."""

from __future__ import annotations

from . import etc
from .entries import OSRELDATE, RELEASE, Entry, directory, filler, hard_link, link, program, text

_BIN = [
    "cat",
    "chflags",
    "chio",
    "chmod",
    "cp",
    "csh",
    "date",
    "dd",
    "df",
    "domainname",
    "echo",
    "ed",
    "expr",
    "getfacl",
    "hostname",
    "kenv",
    "kill",
    "ln",
    "ls",
    "mkdir",
    "mv",
    "ps",
    "pwait",
    "pwd",
    "rm",
    "rmdir",
    "setfacl",
    "sh",
    "sleep",
    "stty",
    "sync",
    "test",
    "uuidgen",
]
_SBIN = [
    "bectl",
    "camcontrol",
    "devfs",
    "dhclient",
    "dmesg",
    "fsck",
    "geom",
    "gpart",
    "growfs",
    "halt",
    "ifconfig",
    "init",
    "kldload",
    "kldstat",
    "kldunload",
    "ldconfig",
    "mdconfig",
    "md5",
    "mount",
    "mount_nullfs",
    "mount_msdosfs",
    "newfs",
    "newfs_msdos",
    "pfctl",
    "ping",
    "reboot",
    "route",
    "shutdown",
    "swapon",
    "sysctl",
    "umount",
    "zfs",
    "zpool",
]
_USR_BIN = [
    "awk",
    "basename",
    "bsdtar",
    "bzip2",
    "cap_mkdb",
    "cmp",
    "cut",
    "diff",
    "du",
    "env",
    "fetch",
    "find",
    "getconf",
    "grep",
    "gunzip",
    "gzip",
    "head",
    "id",
    "install",
    "join",
    "less",
    "limits",
    "lockf",
    "login",
    "logger",
    "make",
    "mkimg",
    "mktemp",
    "passwd",
    "patch",
    "printf",
    "protect",
    "script",
    "sed",
    "sort",
    "split",
    "ssh",
    "ssh-keygen",
    "stat",
    "su",
    "tail",
    "tar",
    "tee",
    "touch",
    "tr",
    "truncate",
    "uname",
    "uniq",
    "vi",
    "wc",
    "which",
    "xargs",
    "xz",
    "zstd",
]
_USR_SBIN = [
    "bhyve",
    "bhyvectl",
    "boot0cfg",
    "bsdinstall",
    "chown",
    "chroot",
    "cron",
    "daemon",
    "freebsd-update",
    "gstat",
    "iostat",
    "jail",
    "jexec",
    "jls",
    "makefs",
    "mtree",
    "newsyslog",
    "nologin",
    "pkg",
    "pw",
    "pwd_mkdb",
    "rmt",
    "service",
    "services_mkdb",
    "sshd",
    "sysrc",
    "tzsetup",
    "vidcontrol",
    "zdb",
    "zstream",
]
_ZONES = [
    "UTC",
    "GMT",
    "Etc/UTC",
    "Europe/Berlin",
    "Europe/London",
    "Europe/Paris",
    "America/New_York",
    "America/Los_Angeles",
    "Asia/Tokyo",
    "Australia/Sydney",
]
_COMPATIBILITY = [
    "2018",
    "2019",
    "2020",
    "2021",
    "compat-2018",
    "compat-2019",
    "compat-2020",
    "compat-2021",
    "freebsd-11.0",
    "freebsd-11.1",
    "freebsd-11.2",
    "freebsd-11.3",
    "freebsd-11.4",
    "freebsd-12.0",
    "freebsd-12.1",
    "freebsd-12.2",
    "freenas-11.0",
    "freenas-11.1",
    "freenas-11.2",
    "freenas-11.3",
    "freenas-9.10.2",
    "grub2",
    "openzfs-2.0-freebsd",
    "openzfs-2.0-linux",
    "openzfs-2.1-freebsd",
    "openzfs-2.1-linux",
    "openzfsonosx-1.7.0",
    "openzfsonosx-1.8.1",
    "openzfsonosx-1.9.3",
    "openzfsonosx-1.9.4",
    "truenas-12.0",
    "ubuntu-18.04",
    "ubuntu-20.04",
    "zol-0.6.1",
    "zol-0.6.4",
    "zol-0.6.5",
    "zol-0.7",
    "zol-0.8",
]
_VERSION_SCRIPT = f"""#!/bin/sh
# Says which FreeBSD this userland is; stands in for FreeBSD's own script.
USERLAND_VERSION="{RELEASE}"
echo "$USERLAND_VERSION"
"""
_CSHRC = """alias h history 25
set path = (/sbin /bin /usr/sbin /usr/bin /usr/local/sbin /usr/local/bin $HOME/bin)
umask 22
"""
_PROFILE = "PATH=/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin:~/bin; export PATH\n"
_DIRECTORIES = [
    "bin",
    "boot",
    "boot/defaults",
    "boot/dtb",
    "boot/efi",
    "boot/firmware",
    "boot/fonts",
    "boot/images",
    "boot/loader.conf.d",
    "boot/lua",
    "boot/modules",
    "boot/uboot",
    "boot/zfs",
    "dev",
    "lib",
    "lib/casper",
    "lib/geom",
    "libexec",
    "libexec/resolvconf",
    "media",
    "mnt",
    "net",
    "proc",
    "rescue",
    "sbin",
    "usr",
    "usr/bin",
    "usr/games",
    "usr/include",
    "usr/include/sys",
    "usr/lib",
    "usr/lib32",
    "usr/libdata",
    "usr/libdata/pkgconfig",
    "usr/libexec",
    "usr/local",
    "usr/obj",
    "usr/sbin",
    "usr/share",
    "usr/share/keys",
    "usr/share/keys/pkg",
    "usr/share/keys/pkg/trusted",
    "usr/share/man",
    "usr/share/misc",
    "usr/share/skel",
    "usr/share/zfs",
    "usr/share/zfs/compatibility.d",
    "usr/share/zoneinfo",
    "usr/share/zoneinfo/America",
    "usr/share/zoneinfo/Asia",
    "usr/share/zoneinfo/Australia",
    "usr/share/zoneinfo/Etc",
    "usr/share/zoneinfo/Europe",
    "usr/src",
    "usr/tests",
    "var",
    "var/cache",
    "var/crash",
    "var/cron",
    "var/db",
    "var/db/freebsd-update",
    "var/db/ntp",
    "var/db/pkg",
    "var/heimdal",
    "var/log",
    "var/preserve",
    "var/run",
    "var/rwho",
    "var/spool",
    "var/unbound",
    "var/yp",
]


def boot_files() -> list[Entry]:
    """Loaders and boot blocks with the sizes that 13.2 has, boot sectors with their signature."""
    mark = b"\x55\xaa"
    return [
        filler("boot/pmbr", 512, tail=mark),
        filler("boot/mbr", 512, tail=mark),
        filler("boot/boot0", 512, tail=mark),
        filler("boot/boot", 8192, packed=True),
        filler("boot/boot1", 512, tail=mark),
        filler("boot/boot2", 7680, packed=True),
        filler("boot/gptboot", 22763, packed=True),
        filler("boot/gptzfsboot", 118354, packed=True),
        filler("boot/loader", 417792, 0o555),
        filler("boot/loader_lua", 417792, 0o555),
        filler("boot/loader_lua.efi", 868352, 0o555),
        filler("boot/loader.efi", 868352, 0o555, packed=True),
        filler("boot/loader_simp.efi", 421888, 0o555),
        filler("boot/zfsloader", 417792, 0o555),
        text("boot/defaults/loader.conf", 'kernel="kernel"\nmodule_path="/boot/modules"\nautoboot_delay="10"\n', 0o444),
        text("boot/lua/loader.lua", "-- Placeholder.\n", 0o444),
        text("boot/device.hints", 'hint.uart.0.at="isa"\n'),
    ]


def base() -> list[Entry]:
    found = [directory(".")]
    found += [directory(path) for path in _DIRECTORIES]
    found += [
        directory("root", 0o750),
        directory("tmp", 0o1777),
        directory("var/tmp", 0o1777),
        directory("var/empty", 0o555),
        directory("var/audit", 0o750, 0, 77),
        directory("var/mail", 0o775, 0, 6),
        directory("var/at", 0o755),
        directory("var/games", 0o775, 0, 13),
        text("COPYRIGHT", "This tree is made up by tests/lab of freehyve.builder; it contains no FreeBSD.\n", 0o444),
        link("sys", "usr/src/sys"),
        link("usr/share/man/en.UTF-8", "."),
        text("root/.cshrc", _CSHRC),
        hard_link(".cshrc", "root/.cshrc"),
        text("root/.profile", _PROFILE),
        hard_link(".profile", "root/.profile"),
        text("root/.login", "# .login of csh(1)\n"),
        text("root/.k5login", "# none\n"),
        text("usr/include/sys/param.h", f"#define __FreeBSD_version {OSRELDATE}\n", 0o444),
        text("bin/freebsd-version", _VERSION_SCRIPT, 0o555),
        text("usr/share/misc/termcap", "dumb|80-column dumb tty:\\\n\t:am:co#80:\n", 0o444),
        text("usr/share/zoneinfo/zone1970.tab", "DE\t+5230+01322\tEurope/Berlin\n", 0o444),
        text("usr/share/keys/pkg/trusted/pkg.freebsd.org.placeholder", "function: sha256\n"),
        text("usr/share/skel/dot.profile", _PROFILE),
        program("usr/bin/ex"),
        filler("var/log/messages", 0, 0o644),
        filler("var/log/utx.lastlogin", 0, 0o644),
    ]
    found += [_zone(zone) for zone in _ZONES]
    found += [
        text(f"usr/share/zfs/compatibility.d/{name}", f"# Features of {name}.\nlz4_compress\n", 0o444)
        for name in _COMPATIBILITY
    ]
    found += boot_files() + etc.entries()
    found += _programs()
    found += [
        filler("lib/libc.so.7", 1 << 20, 0o444, packed=True),
        filler("libexec/ld-elf.so.1", 131072, 0o555, packed=True),
        filler("usr/lib/libprivatezstd.so.5", 262144, 0o444),
        filler("usr/libexec/sftp-server", 65536, 0o555),
    ]
    return found


def _zone(zone: str) -> Entry:
    """A minimal version-1 TZif file without transitions: UTC under every name."""
    data = b"TZif" + bytes(16) + b"".join(n.to_bytes(4, "big") for n in (0, 0, 0, 0, 1, 4)) + bytes(6) + b"UTC\0"
    return Entry(f"usr/share/zoneinfo/{zone}", "f", 0o444, data)


def _programs() -> list[Entry]:
    found = [
        program(f"{place}/{name}")
        for place, names in (("bin", _BIN), ("sbin", _SBIN), ("usr/bin", _USR_BIN), ("usr/sbin", _USR_SBIN))
        for name in names
        if f"{place}/{name}" not in _SET_UID and name not in _LINKED
    ]
    found += [program(path, 0o4555) for path in _SET_UID]
    found += [hard_link("usr/bin/vi", "usr/bin/ex"), hard_link("bin/tcsh", "bin/csh"), link("usr/bin/tar", "bsdtar")]
    found.append(filler("rescue/rescue", 524288, 0o555))
    found += [hard_link(f"rescue/{name}", "rescue/rescue") for name in ("sh", "ls", "zfs", "zpool", "mount", "vi")]
    return found


_SET_UID = ("usr/bin/su", "usr/bin/passwd", "usr/bin/login")
_LINKED = ("vi", "tar")


def kernel() -> list[Entry]:
    modules = [
        "zfs.ko",
        "opensolaris.ko",
        "nullfs.ko",
        "vmm.ko",
        "nmdm.ko",
        "if_bridge.ko",
        "if_tap.ko",
        "virtio.ko",
        "tmpfs.ko",
        "linux64.ko",
    ]
    return [
        directory("."),
        directory("boot"),
        directory("boot/kernel"),
        filler("boot/kernel/kernel", 3 << 20, 0o555, packed=False),
        filler("boot/kernel/linker.hints", 4096, 0o644, packed=True),
        *(filler(f"boot/kernel/{name}", 98304, 0o555, packed=True) for name in modules),
    ]


def lib32() -> list[Entry]:
    return [
        directory("."),
        directory("usr"),
        directory("usr/lib32"),
        filler("usr/lib32/libc.so.7", 262144, packed=True),
        filler("libexec/ld-elf32.so.1", 65536, 0o555),
    ]


def src() -> list[Entry]:
    return [
        directory("."),
        directory("usr"),
        directory("usr/src"),
        directory("usr/src/sys"),
        directory("usr/src/sys/conf"),
        text("usr/src/sys/conf/newvers.sh", 'TYPE="FreeBSD"\nREVISION="13.2"\nBRANCH="RELEASE"\n'),
        text("usr/src/UPDATING", "Placeholder.\n"),
    ]


def ports() -> list[Entry]:
    return [directory("."), directory("usr"), directory("usr/ports"), text("usr/ports/UPDATING", "Placeholder.\n")]


def debug(of: str) -> list[Entry]:
    return [
        directory("."),
        directory("usr"),
        directory("usr/lib"),
        directory("usr/lib/debug"),
        filler(f"usr/lib/debug/{of}.debug", 65536),
    ]


# file, description, on by default: the last two columns of MANIFEST.
SETS = (
    ("base.txz", "Base system (MANDATORY)", True),
    ("base-dbg.txz", "Base system (Debugging)", False),
    ("kernel.txz", "Kernel (MANDATORY)", True),
    ("kernel-dbg.txz", "Kernel (Debugging)", True),
    ("lib32.txz", "32-bit compatibility libraries", True),
    ("lib32-dbg.txz", "32-bit compatibility libraries (Debugging)", False),
    ("ports.txz", "Ports tree", False),
    ("src.txz", "System source tree", False),
    ("tests.txz", "Test suite", False),
)


def entries_of(file: str) -> list[Entry]:
    """Entries of one set by its file name."""
    name = file.removesuffix(".txz")
    if name.endswith("-dbg"):
        return debug(name.removesuffix("-dbg"))
    if name == "tests":
        return [directory("."), directory("usr"), directory("usr/tests"), text("usr/tests/Kyuafile", "syntax(2)\n")]
    return {"base": base, "kernel": kernel, "lib32": lib32, "src": src, "ports": ports}[name]()


__all__ = ["SETS", "base", "entries_of", "kernel"]
