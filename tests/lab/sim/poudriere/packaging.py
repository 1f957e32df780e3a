# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""From a made-up port to the files and the manifest of its package."""

from __future__ import annotations

import os
import re
import shlex

from ..pkg.archive import Entry, Manifest
from .portstree import PREFIX, Port

PLIST_LINE = re.compile(r"^(?:@(?P<keyword>[a-z-]*)(?:\((?P<attributes>[^)]*)\))?\s+)?(?P<path>\S.*)$")
PROGRAM_DIRECTORIES = ("bin", "sbin", "libexec", "etc/rc.d")
#: pkg itself is big, so that its extraction shows a full row of dots, as on a real host.
PKG_FILES = 12


def entries(port: Port) -> list[Entry]:
    """Return the files of the package."""
    found = [_entry(port, word, "", "") for word in shlex.split(port.get("PLIST_FILES"))]
    try:
        with open(os.path.join(port.directory, "pkg-plist"), encoding="utf-8") as stream:
            lines = [line.strip() for line in stream if line.strip()]
    except OSError:
        lines = []
    for line in lines:
        match = PLIST_LINE.match(line)
        if match and match["keyword"] not in ("comment", "dir", "exec", "unexec"):
            found.append(_entry(port, match["path"], match["attributes"] or "", match["keyword"] or ""))
    if port.origin == "ports-mgmt/pkg" and not found:
        found = [Entry(f"{PREFIX}/sbin/{name}", _script(port), 0o555) for name in ("pkg", "pkg-static")]
        found += [Entry(f"{PREFIX}/share/pkg/part-{part:02d}", bytes([part]) * 2048) for part in range(PKG_FILES)]
    return found or [Entry(f"{PREFIX}/bin/{port.get('PORTNAME')}", _script(port), 0o755)]


def _script(port: Port) -> bytes:
    return f"#!/bin/sh\necho {port.get('PORTNAME')}\n".encode()


def _entry(port: Port, name: str, attributes: str, keyword: str) -> Entry:
    path = name if name.startswith("/") else f"{PREFIX}/{name}"
    owner, group, mode, *_rest = [*attributes.split(","), "", "", ""]
    source = os.path.join(port.directory, "files", name)
    if os.path.islink(source):
        return Entry(path, target=os.readlink(source))
    program = os.path.dirname(path).startswith(tuple(f"{PREFIX}/{inner}" for inner in PROGRAM_DIRECTORIES))
    if os.path.isfile(source):
        with open(source, "rb") as stream:
            content = stream.read()
    else:
        content = _script(port) if program else f"# {os.path.basename(path)} of {port.pkgname}\n".encode()
    if keyword == "sample" and not path.endswith(".sample"):
        path += ".sample"
    usual = 0o755 if program else 0o644
    return Entry(path, content, int(mode, 8) if mode else usual, owner or "root", group or "wheel")


def manifest(port: Port, ports: dict[str, Port], abi: str, osversion: int) -> Manifest:
    """Return the manifest, without what the files themselves say.

    :param ports: every port of the build by spec.
    """
    deps = {}
    for _key, spec in port.run_depends:
        other = ports[spec]
        deps[other.name] = {"origin": other.origin, "version": other.version}
    wanted = abi.rpartition(":")[0] + ":*" if port.no_arch else abi
    comment = port.get("COMMENT", f"The {port.get('PORTNAME')} port")
    found: Manifest = {
        "name": port.name, "origin": port.origin, "version": port.version, "comment": comment,
        "maintainer": port.get("MAINTAINER", "root@localhost"), "www": port.get("WWW", "UNKNOWN"),
        "abi": wanted, "arch": wanted.lower(), "prefix": PREFIX, "licenselogic": "single",
        "licenses": port.get("LICENSE").split(), "desc": _description(port, comment), "deps": deps,
        "categories": port.get("CATEGORIES", port.origin.partition("/")[0]).split(),
        "users": port.get("USERS").split(), "groups": port.get("GROUPS").split(),
        "options": {name: "on" if chosen else "off" for name, chosen in port.options.items()},
        "annotations": {"FreeBSD_version": str(osversion)}}
    if port.flavor:
        found["annotations"]["flavor"] = port.flavor
    return {key: value for key, value in found.items() if value not in ([], {}, "")}


def _description(port: Port, comment: str) -> str:
    try:
        with open(os.path.join(port.directory, "pkg-descr"), encoding="utf-8") as stream:
            return stream.read()
    except OSError:
        return comment
