# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Where a release's distribution sets lie on a mirror (src release/Makefile.mirrors; poudriere's jail.sh)."""

from __future__ import annotations

import re
from typing import List, Tuple
from urllib.parse import urlsplit

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError

# TARGET/TARGET_ARCH that releases exist or existed for.
ARCHES = (
    "amd64/amd64",
    "arm/armv6",
    "arm/armv7",
    "arm64/aarch64",
    "i386/i386",
    "powerpc/powerpc",
    "powerpc/powerpc64",
    "powerpc/powerpc64le",
    "powerpc/powerpcspe",
    "riscv/riscv64",
)
_RELEASE = re.compile(r"^[0-9]+\.[0-9]+-(?:RELEASE|STABLE|CURRENT|PRERELEASE|ALPHA[0-9]+|BETA[0-9]+|RC[0-9]+)$")
_SNAPSHOT = re.compile(r"-(?:CURRENT|STABLE|PRERELEASE|ALPHA[0-9]*)$")
_SET = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*$")


def check_release(release: str) -> None:
    """:raises ToolError: not the name of a release or snapshot."""
    if not _RELEASE.match(release):
        raise ToolError(
            f"release '{release}': unknown form; write version and branch as in 15.1-RELEASE, 14.4-STABLE, 16.0-CURRENT"
        )


def check_set(name: str) -> None:
    """:raises ToolError: not the name of a set."""
    if not _SET.match(name) or name.endswith(".txz"):
        raise ToolError(f"dist set '{name}': malformed name; write base, kernel, lib32, src … without .txz")


def split_arch(arch: str) -> Tuple[str, str]:
    """``amd64`` → (``amd64``, ``amd64``), ``arm64/aarch64`` → (``arm64``, ``aarch64``).

    :raises ToolError: no release was ever made for it.
    """
    full = arch if "/" in arch else f"{arch}/{arch}"
    if full not in ARCHES:
        raise ToolError(f"arch '{arch}': unknown; one of {', '.join(ARCHES)}")
    target, target_arch = full.split("/")
    return target, target_arch


def is_snapshot(release: str) -> bool:
    """True when sets of that name are made anew from time to time; BETA and RC are not (jail.sh, install_from_ftp)."""
    return bool(_SNAPSHOT.search(release))


def _check_mirror(mirror: str) -> None:
    parts = urlsplit(mirror)
    if parts.scheme not in ("http", "https", "file"):
        raise ToolError(f"mirror '{mirror}': unknown scheme; give an http://, https:// or file:// URL")
    if parts.scheme == "file" and (parts.netloc not in ("", "localhost") or not parts.path.startswith("/")):
        raise ToolError(f"mirror '{mirror}': malformed file URL; write file:///directory/on/the/builder")
    if parts.scheme != "file" and not parts.hostname:
        raise ToolError(f"mirror '{mirror}': has no host name")
    if parts.query or parts.fragment:
        raise ToolError(f"mirror '{mirror}': a mirror's URL has no '?' and no '#'")


def candidates(mirror: str, release: str, arch: str) -> List[str]:
    """URLs of the directory that may hold MANIFEST and the sets, most likely first, without a slash at the end.

    - the official host has the short path, any other has ``/pub/FreeBSD`` before it, given or not;
    - a URL that ends in ``releases``, ``snapshots`` or ``old-releases`` is the root of that branch;
    - the URL itself may be the directory that holds MANIFEST.

    :raises ToolError: malformed mirror, release or arch.
    """
    check_release(release)
    target, target_arch = split_arch(arch)
    _check_mirror(mirror)
    root = mirror.rstrip("/")
    if root == "file:":
        root = "file://"
    parts = urlsplit(root)
    branch = "snapshots" if is_snapshot(release) else "releases"
    leaf = f"{target}/{target_arch}/{release}"
    path = parts.path.lower()
    last = path.rsplit("/", 1)[-1]
    if last == release.lower():
        return [root]
    if last in ("releases", "snapshots", "old-releases"):
        return [f"{root}/{leaf}", root]
    short = f"{root}/{branch}/{leaf}"
    if (parts.hostname or "").lower().endswith("download.freebsd.org"):
        return [short] if not path else [short, root]
    if path.endswith("/pub/freebsd"):
        return [short, root]
    return [f"{root}/pub/FreeBSD/{branch}/{leaf}", short, root]


__all__ = ["ARCHES", "candidates", "check_release", "check_set", "is_snapshot", "split_arch"]
