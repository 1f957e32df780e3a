# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The lab's own root: /etc, /boot, /usr/share … of the made-up base tree, configured as the recorded host."""

from __future__ import annotations

import os
from pathlib import Path

from ..freebsd import tree
from ..freebsd.archive import unpack

# Programs are links and shims of the runtime, not placeholders.
_NOT_OURS = (
    "bin",
    "sbin",
    "usr/bin",
    "usr/sbin",
    "lib",
    "libexec",
    "usr/lib",
    "usr/libexec",
    "rescue",
    "sys",
    "dev",
    "proc",
    "etc/nsswitch.conf",
)
_RC_CONF = """hostname="builder"
ifconfig_DEFAULT="DHCP"
sshd_enable="YES"
zfs_enable="YES"
kld_list="zfs nullfs"
sendmail_enable="NONE"
cron_enable="NO"
syslogd_flags="-ss"
"""
_RESOLV_CONF = "# The lab resolves nothing.\n"


def setup() -> None:
    root = Path("/")
    unpack(tree.base() + tree.kernel(), root, _NOT_OURS)
    for path, content in (
        ("etc/rc.conf", _RC_CONF),
        ("etc/resolv.conf", _RESOLV_CONF),
        ("etc/fstab", "# Device\tMountpoint\tFStype\tOptions\tDump\tPass#\n"),
        (
            "etc/nsswitch.conf",
            "group: files\nhosts: files dns\nnetworks: files\npasswd: files\nshells: files\nservices: files\n",
        ),
        ("boot/loader.conf", 'zfs_load="YES"\n'),
        ("var/run/dmesg.boot", "FreeBSD 13.2-RELEASE BUILDER amd64 (simulated)\n"),
    ):
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
    os.makedirs("/usr/home", exist_ok=True)
    if not os.path.lexists("/home"):
        os.symlink("usr/home", "/home")
