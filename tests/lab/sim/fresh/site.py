# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""A site's own package repository on the lab's mirror: packages that put the lab's commands into /usr/local.

``packages/`` is unsigned; ``packages-signed/`` and ``packages-fingerprint/`` hold the same, signed by a key made here
whose public half lies beside them in ``packages-signed.pub``, its fingerprint in ``packages-signed.fingerprint``.
"""

from __future__ import annotations

import hashlib
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
    """Make the repositories."""
    recorded.git()
    plain = MIRROR / "packages"
    (plain / "All").mkdir(parents=True)
    (plain / "Latest").mkdir()
    for manifest, entries in packages():
        archive.write(str(plain / f"All/{manifest['name']}-{manifest['version']}.pkg"), manifest, entries)
    boot = next((plain / "All").glob("pkg-[0-9]*.pkg"))
    os.link(boot, plain / "Latest/pkg.pkg")
    catalogue.build(str(plain), str(plain))
    _signed(plain)


def _signed(plain: Path) -> None:
    """The same packages twice more: signed for clients that have the public key, and for those with its fingerprint."""
    key = "/lab/state/site.key"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    public = subprocess.run(["openssl", "rsa", "-in", key, "-pubout"], check=True, capture_output=True).stdout
    (MIRROR / "packages-signed.pub").write_bytes(public)
    print_of = hashlib.sha256(public).hexdigest()
    (MIRROR / "packages-signed.fingerprint").write_text(f'function: "sha256"\nfingerprint: "{print_of}"\n')
    # What pkg(7) checks: a signature of the digest's digits.
    seal = catalogue.sign(archive.sha256_of(str(plain / "Latest/pkg.pkg")).encode(), key)
    for name, suffix, content, certificate in (
        ("packages-signed", "pubkeysig", seal, b""),
        ("packages-fingerprint", "sig", b"SIGNATURE\n" + seal + b"\nCERT\n" + public + b"END\n", public),
    ):
        _copy(plain, MIRROR / name)
        catalogue.build(str(MIRROR / name), str(MIRROR / name), key, certificate)
        (MIRROR / name / f"Latest/pkg.pkg.{suffix}").write_bytes(content)


def _copy(plain: Path, to: Path) -> None:
    for name in ("All", "Latest"):
        (to / name).mkdir(parents=True)
        for path in (plain / name).iterdir():
            os.link(path, to / name / path.name)


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
