# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What the lab needs from the machine it runs on."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import sys
from pathlib import Path

from .errors import LabError

# Tool -> Debian/Ubuntu package. Looked up with the sbin directories, which an ordinary user's PATH lacks.
TOOLS = {
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "bsdtar": "libarchive-tools",
    "tcsh": "tcsh",
    "zstd": "zstd",
    "xz": "xz-utils",
    "nsenter": "util-linux",
    "mcopy": "mtools",
    "mkfs.fat": "dosfstools",
}
ROOTLESS_TOOLS = {"newuidmap": "uidmap", "newgidmap": "uidmap"}
SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SUBIDS_NEEDED = 65535


def tool(name: str) -> str | None:
    """Absolute path of a host tool, or None."""
    return shutil.which(name, path=f"{SEARCH}:{os.environ.get('PATH', '')}")


def missing_tools() -> dict[str, str]:
    """{tool: package} of what is not there."""
    wanted = dict(TOOLS)
    if os.getuid() != 0:
        wanted |= ROOTLESS_TOOLS
    return {name: package for name, package in wanted.items() if tool(name) is None}


def check_host() -> None:
    """Raise one line that names everything that is missing."""
    if not sys.platform.startswith("linux"):
        raise LabError(f"lab: needs Linux namespaces, this is {sys.platform}; use a real builder instead")
    missing = missing_tools()
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        raise LabError(f"lab: missing {', '.join(sorted(missing))}; install with: apt-get install {packages}")
    if os.getuid() != 0:
        _check_rootless()


def _check_rootless() -> None:
    user = pwd.getpwuid(os.getuid()).pw_name
    for file in ("/etc/subuid", "/etc/subgid"):
        if _subids(file, user) is None:
            raise LabError(
                f"lab: {file} gives user '{user}' no range of {SUBIDS_NEEDED} ids, and sshd needs them in a user "
                f"namespace; as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}"
            )
    for knob, bad, fix in (
        ("/proc/sys/kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
        (
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ("/proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces=10000"),
    ):
        path = Path(knob)
        if path.exists() and path.read_text().strip() == bad:
            raise LabError(f"lab: this kernel keeps user namespaces from ordinary users; as root: sysctl -w {fix}")


def _subids(file: str, user: str) -> tuple[int, int] | None:
    """(first, count) of the first large enough range that ``file`` gives ``user``."""
    try:
        lines = Path(file).read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        owner, _, numbers = line.partition(":")
        first, _, count = numbers.partition(":")
        if owner in (user, str(os.getuid())) and first.isdigit() and count.isdigit() and int(count) >= SUBIDS_NEEDED:
            return int(first), min(int(count), 65536)
    return None


def id_maps() -> tuple[list[str], list[str]] | None:
    """Arguments of newuidmap and newgidmap after the pid, or None for root, who needs no user namespace."""
    if os.getuid() == 0:
        return None
    user = pwd.getpwuid(os.getuid()).pw_name
    maps = []
    for file, own in (("/etc/subuid", os.getuid()), ("/etc/subgid", os.getgid())):
        ids = _subids(file, user)
        if ids is None:
            raise LabError(f"lab: {file} gives user '{user}' no range of {SUBIDS_NEEDED} ids")
        maps.append(["0", str(own), "1", "1", str(ids[0]), str(ids[1])])
    return maps[0], maps[1]


def python() -> str:
    """The interpreter that plays /usr/local/bin/python3 inside: one that every user may read, with a whole stdlib."""
    candidates = [Path("/usr/bin/python3"), Path(getattr(sys, "_base_executable", sys.executable))]
    for candidate in candidates:
        real = candidate.resolve()
        minor = re.match(r"python3\.(\d+)$", real.name)
        if minor and int(minor[1]) >= 9 and (real.parent.parent / "lib" / real.name / "asyncio").is_dir():
            return str(real)
    raise LabError("lab: no complete Python 3.9 or newer found; install with: apt-get install python3")


__all__ = ["check_host", "id_maps", "missing_tools", "python", "tool"]
