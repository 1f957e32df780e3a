# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The guest's disk, a mirror that has it, and a place for machines that leaves none behind."""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.vm import guest
from tests.vm.site import Site

OFFICIAL = "FreeBSD-15.1-RELEASE-amd64-BASIC-CLOUDINIT-zfs.qcow2.xz"


@dataclass(frozen=True)
class Own:
    """An image that reads no seed: it accepts a key, and has a host key, of its own."""

    image: Path
    key: Path


@pytest.fixture(scope="session", autouse=True)
def tools() -> None:
    """``make machines`` installs them."""
    missing = guest.missing_packages()
    assert not missing, f"make machines, or apt-get install {' '.join(missing)}"


def keypair(path: Path) -> Path:
    guest.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", path)
    return path


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A mirror over HTTP with the guest under the official image's name, and its CHECKSUM."""
    root = tmp_path_factory.mktemp("mirror")
    place = root / "releases/VM-IMAGES/15.1-RELEASE/amd64/Latest"
    place.mkdir(parents=True)
    raw = guest.make_image(root / "guest.img")
    packed = place / OFFICIAL.removesuffix(".xz")
    guest.run("qemu-img", "convert", "-O", "qcow2", raw, packed)
    guest.run("xz", "-0", packed)
    raw.unlink()
    digest = hashlib.sha256((place / OFFICIAL).read_bytes()).hexdigest()
    (place / "CHECKSUM.SHA256").write_text(f"SHA256 ({OFFICIAL}) = {digest}\n")
    with serving(root) as url:
        yield url


class serving:
    """A directory over HTTP on a free port of the loopback interface."""

    def __init__(self, root: Path) -> None:
        class Quiet(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_args: object) -> None:
                return

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(root)))

    def __enter__(self) -> str:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def __exit__(self, *_exc: object) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Own:
    root = tmp_path_factory.mktemp("own")
    key, hostkey = keypair(root / "login"), keypair(root / "host")
    raw = guest.make_image(root / "own.img", (root / "login.pub").read_text(), hostkey.read_text())
    guest.run("zstd", "-q", "-1", "--rm", raw)
    return Own(root / "own.img.zst", key)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    found = Site(tmp_path_factory.mktemp("site"))
    yield found
    for path in found.machines.glob("*/pid"):
        pid = found.pid(path.parent.name)
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
