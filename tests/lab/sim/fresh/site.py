# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""A site's own package repository on the lab's mirror: packages that put the lab's commands into /usr/local.

``packages/`` is unsigned; ``packages-signed/`` holds the same, signed by a key made here whose public half lies beside
it in ``packages-signed.pub``.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from runtime.root import SHIM

from ..pkg import archive, catalogue
from ..pkg.archive import Entry, Manifest
from ..poudriere import recorded

MIRROR = Path("/lab/mirror")
ABI = "FreeBSD:13:amd64"
LOCAL = "/usr/local"


def setup() -> None:
    """Make both repositories."""
    recorded.git()
    plain = MIRROR / "packages"
    (plain / "All").mkdir(parents=True)
    (plain / "Latest").mkdir()
    for manifest, entries in packages():
        archive.write(str(plain / f"All/{manifest['name']}-{manifest['version']}.pkg"), manifest, entries)
    boot = next((plain / "All").glob("pkg-[0-9]*.pkg"))
    os.link(boot, plain / "Latest/pkg.pkg")
    catalogue.build(str(plain), str(plain))
    _signed(plain, MIRROR / "packages-signed")


def _signed(plain: Path, signed: Path) -> None:
    signed.mkdir()
    for name in ("All", "Latest"):
        (signed / name).mkdir()
        for path in (plain / name).iterdir():
            os.link(path, signed / name / path.name)
    key = "/lab/state/site.key"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    public = subprocess.run(["openssl", "rsa", "-in", key, "-pubout"], check=True, capture_output=True).stdout
    (MIRROR / "packages-signed.pub").write_bytes(public)
    catalogue.build(str(signed), str(signed), key)
    # What pkg(7) checks: a signature of the digest's digits.
    digest = archive.sha256_of(str(signed / "Latest/pkg.pkg"))
    (signed / "Latest/pkg.pkg.pubkeysig").write_bytes(catalogue.sign(digest.encode(), key))


def packages() -> list[tuple[Manifest, list[Entry]]]:
    """Manifest and files of each package."""
    python = os.readlink("/lab/python")
    version = os.path.basename(python)
    number = version.removeprefix("python")
    private = f"{LOCAL}/lib/{version}/site-packages"
    found = [
        _package(
            "pkg", "ports-mgmt/pkg", "2.8.99.1", [_shim("sbin/pkg", "pkg"), _shim("sbin/pkg-static", "pkg_static")]
        ),
        _package(
            f"python{number.replace('.', '')}",
            f"lang/python{number.replace('.', '')}",
            f"{number}.2",
            [
                Entry(f"{LOCAL}/bin/{version}", target=python),
                Entry(f"{LOCAL}/pyvenv.cfg", _venv(python)),
                Entry(f"{private}/sitecustomize.py", Path("/lab/runtime/freebsd_python.py").read_bytes()),
            ],
        ),
        _package(
            "python3",
            "lang/python3",
            f"3_{number.rpartition('.')[2]}",
            [Entry(f"{LOCAL}/bin/python3", target=version)],
            {f"python{number.replace('.', '')}": f"{number}.2"},
        ),
        _package("poudriere", "ports-mgmt/poudriere", "3.4.8", [_shim("bin/poudriere", "poudriere")]),
        _package("poudriere-devel", "ports-mgmt/poudriere-devel", "3.4.99", [_shim("bin/poudriere", "poudriere")]),
        _package("ccache", "devel/ccache", "3.7.12_6", [_text("bin/ccache", "#!/bin/sh\nexit 0\n")]),
        _package("doas", "security/doas", "6.3p12", [_shim("bin/doas", "doas")]),
        _package("sudo", "security/sudo", "1.9.17p2", [_shim("bin/sudo", "sudo"), _shim("sbin/visudo", "visudo")]),
    ]
    if os.path.exists(recorded.GIT):
        found.append(_package("git", "devel/git", "2.51.0", [_text("bin/git", Path(recorded.GIT).read_text())]))
    return found


def _package(
    name: str, origin: str, version: str, entries: list[Entry], deps: dict[str, str] | None = None
) -> tuple[Manifest, list[Entry]]:
    manifest: Manifest = {
        "name": name,
        "origin": origin,
        "version": version,
        "comment": f"The lab's {name}",
        "maintainer": "root@localhost",
        "www": "UNKNOWN",
        "abi": ABI,
        "arch": ABI.lower(),
        "prefix": LOCAL,
        "desc": f"Puts the lab's {name} into {LOCAL}.",
        "deps": {dep: {"origin": f"lang/{dep}", "version": number} for dep, number in (deps or {}).items()},
    }
    return manifest, entries


def _shim(path: str, command: str) -> Entry:
    return _text(path, SHIM.format(name=command))


def _text(path: str, content: str) -> Entry:
    return Entry(f"{LOCAL}/{path}", content.encode(), 0o755)


def _venv(python: str) -> bytes:
    return f"home = {os.path.dirname(python)}\ninclude-system-site-packages = false\n".encode()
