# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The private root: links to host tools that behave alike, shims to the simulation, and nothing else."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

from . import host
from .paths import TESTS_LAB

# Base tools that are the host's own. What is not here and not simulated does not exist inside.
LINKS = {
    "bin": "[ echo expr kill pwd sleep stty sync test",
    "sbin": "",
    "usr/bin": "awk bc bunzip2 bzcat bzip2 cmp column diff egrep expand false fgrep file fold getconf getopt grep "
    "gunzip gzip hexdump join less logname mkfifo more nc nice nohup nproc od openssl patch printenv printf scp seq "
    "sftp sort split ssh ssh-keygen time timeout true tsort tty unexpand whoami yes zcat",
    "usr/sbin": "chroot",
}
RENAMED = {
    "bin/sh": "dash",
    "bin/csh": "tcsh",
    "bin/tcsh": "tcsh",
    "usr/bin/cpio": "bsdcpio",
}
DIRECTORIES = [
    "bin",
    "sbin",
    "boot",
    "dev",
    "etc",
    "lib",
    "libexec",
    "media",
    "mnt",
    "net",
    "proc",
    "root",
    "run/sshd",
    "tmp",
    "usr/bin",
    "usr/sbin",
    "usr/lib",
    "usr/libexec",
    "usr/share",
    "usr/local/bin",
    "usr/local/sbin",
    "usr/local/etc",
    "usr/local/lib",
    "usr/local/share",
    "usr/local/libexec",
    "var/db",
    "var/log",
    "var/run",
    "var/tmp",
    "var/empty",
    "lab/sim",
    "lab/runtime",
    "lab/state",
    "lab/proc",
    "lab/pycache",
    "lab/run",
    "lab/mirror",
    "lab/ssh",
    "lab/cache",
    ".host",
]
SHIM = """#!/lab/python -SEsXpycache_prefix=/lab/pycache
import sys
sys.path[0] = "/lab"
from sim import run
run.shim({name!r})
"""
_PATHS = re.compile(r"^PATHS(?:\s*:[^=\n]+)?\s*=\s*(\(.*?\)|\[.*?\])[ \t]*(?:#.*)?$", re.MULTILINE | re.DOTALL)


def make_skeleton(root: Path) -> None:
    """Directories and links of a new root; safe to repeat."""
    for directory in DIRECTORIES:
        (root / directory).mkdir(parents=True, exist_ok=True)
    for directory in ("tmp", "var/tmp"):
        (root / directory).chmod(0o1777)
    (root / "root").chmod(0o750)
    (root / "var/empty").chmod(0o555)
    _link_host_libraries(root)
    for directory, names in LINKS.items():
        for name in names.split():
            _link_tool(root / directory / name, name)
    for target, name in RENAMED.items():
        _link_tool(root / target, name)
    _link_tool(root / "lab/sshd", "sshd")
    _link_python(root)
    if not _is_fresh(root):
        _link_local_python(root)


def _is_fresh(root: Path) -> bool:
    """In a fresh lab /usr/local belongs to packages, as on a fresh host."""
    return (root / "lab/fresh").exists()


def _link(path: Path, target: str) -> None:
    if path.is_symlink() and os.readlink(path) == target:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def _link_tool(path: Path, name: str) -> None:
    found = host.tool(name)
    if found is not None:
        _link(path, "/.host" + os.path.realpath(found))


def _link_host_libraries(root: Path) -> None:
    """The loader and the libraries where host programs look for them."""
    for directory in ("/lib64", "/lib/ld-linux-aarch64.so.1"):
        if os.path.exists(directory):
            _link(root / directory[1:], "/.host" + os.path.realpath(directory))
    for place in ("/lib", "/usr/lib"):
        for entry in Path(place).glob("*-linux-gnu*"):
            if entry.is_dir():
                _link(root / place[1:] / entry.name, f"/.host{entry.resolve()}")
    for private in ("/usr/lib/openssh", "/usr/lib/ssh", "/usr/libexec/openssh"):
        if os.path.isdir(private):
            _link(root / private[1:], f"/.host{os.path.realpath(private)}")


def _link_python(root: Path) -> None:
    """What runs the simulation."""
    real = Path(host.python())
    _link(root / "lab/python", f"/.host{real}")
    shared = real.parent.parent / "lib"
    for library in shared.glob("libpython3*.so*"):
        if str(shared) not in ("/usr/lib", "/lib"):
            _link(root / "lib" / library.name, f"/.host{library.resolve()}")


def _link_local_python(root: Path) -> None:
    """/usr/local as a virtual environment of the host's Python: its own prefix, its own site-packages."""
    real = Path(host.python())
    for name in ("python3.11", "python3"):
        _link(root / "usr/local/bin" / name, f"/.host{real}")
    (root / "usr/local/pyvenv.cfg").write_text(
        f"home = /.host{real.parent}\ninclude-system-site-packages = false\n", encoding="utf-8"
    )
    site = root / "usr/local/lib" / real.name / "site-packages"
    site.mkdir(parents=True, exist_ok=True)
    (site / "sitecustomize.py").write_text((TESTS_LAB / "runtime/freebsd_python.py").read_text(), encoding="utf-8")


def refresh_shims(root: Path) -> None:
    """One executable per path of every simulated command, so that a command added later is found at once."""
    for file in sorted((TESTS_LAB / "sim/commands").glob("*.py")):
        found = _PATHS.search(file.read_text(encoding="utf-8"))
        if not found:
            continue
        for path in ast.literal_eval(found[1]):
            if not (path.startswith("/usr/local/") and _is_fresh(root)):
                _write_shim(root / path.lstrip("/"), file.stem)


def _write_shim(path: Path, name: str) -> None:
    text = SHIM.format(name=name)
    if not path.is_symlink() and path.exists() and path.read_text(errors="replace") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o555)


__all__ = ["make_skeleton", "refresh_shims"]
