# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import hashlib
import lzma
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils._download import Client
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._vm_host import controller
from ansible_collections.freehyve.builder.plugins.modules import vm_image
from tests.unit.builder import module

NAME = "FreeBSD-15.1-RELEASE-amd64-BASIC-CLOUDINIT-zfs.qcow2"
CONTENT = b"QFI\xfb" + bytes(1 << 20)


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """A mirror with the image; returns the directory of it."""
    place = tmp_path / "mirror/releases/VM-IMAGES/15.1-RELEASE/amd64/Latest"
    place.mkdir(parents=True)
    (place / f"{NAME}.xz").write_bytes(lzma.compress(CONTENT, preset=0))
    digest = hashlib.sha256((place / f"{NAME}.xz").read_bytes()).hexdigest()
    (place / "CHECKSUM.SHA256").write_text(f"SHA256 ({NAME}.xz) = {digest}\n")
    return place


def run(tmp_path: Path, check_mode: bool = False, **params: Any) -> dict[str, Any]:
    given = {
        "release": "15.1-RELEASE",
        "cache": str(tmp_path / "cache"),
        "mirror": f"file://{tmp_path}/mirror",
        **params,
    }
    return vm_image.body(module(vm_image.ARGUMENTS, check_mode, **given), controller(), Client(sleep=lambda _s: None))


def cached(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache").glob("[!.]*"))


def test_check_real_again_and_again_in_check(tmp_path: Path, mirror: Path) -> None:
    planned = run(tmp_path, check_mode=True)
    assert planned["changed"] and not (tmp_path / "cache").exists()
    assert planned["actions"] == [{"action": f"fetch {NAME}.xz", "reason": "not in the cache"}]
    made = run(tmp_path)
    assert made["changed"] and made["path"] == planned["path"]
    assert made["source"] == f"file://{mirror}/{NAME}.xz"
    assert Path(made["path"]).read_bytes() == CONTENT
    assert Path(made["path"]).stat().st_mode & 0o777 == 0o444
    assert cached(tmp_path) == [NAME, f"{NAME}.json"]
    shutil.rmtree(mirror)  # what is in the cache needs no network
    for check_mode in (False, True):
        assert not run(tmp_path, check_mode)["changed"]


def test_a_cached_image_that_was_cut_short_is_fetched_again(tmp_path: Path, mirror: Path) -> None:
    path = Path(run(tmp_path)["path"])
    path.chmod(0o644)
    path.write_bytes(CONTENT[:100])
    assert run(tmp_path)["changed"]
    assert path.read_bytes() == CONTENT


def test_a_digest_that_is_wrong_leaves_nothing(tmp_path: Path, mirror: Path) -> None:
    (mirror / "CHECKSUM.SHA256").write_text(f"SHA256 ({NAME}.xz) = {'0' * 64}\n")
    with pytest.raises(ToolError, match="SHA-256 is"):
        run(tmp_path)
    assert cached(tmp_path) == []


def test_a_pinned_digest_wins_over_the_mirrors(tmp_path: Path, mirror: Path) -> None:
    with pytest.raises(ToolError, match=f"expected {'1' * 64}"):
        run(tmp_path, checksum="1" * 64)
    good = hashlib.sha256((mirror / f"{NAME}.xz").read_bytes()).hexdigest()
    (mirror / "CHECKSUM.SHA256").write_text("")
    assert run(tmp_path, checksum=good)["sha256"] == good
    assert "the one in the cache has SHA-256" in run(tmp_path, True, checksum="1" * 64)["actions"][0]["reason"]


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"mirror": "http://127.0.0.1:9"}, "connection refused.*or set builder_vm_image to an image that you have"),
        ({"release": "14.5-RELEASE"}, "has no FreeBSD-14.5-.*freehyve_mirror, or set builder_vm_image"),
        ({"release": "13.5-RELEASE"}, "cannot be seeded"),
        ({"arch": "i386"}, "no virtual machine for it"),
        ({"checksum": "0" * 128}, "a download is verified by SHA-256"),
        ({"image": "/nosuch/image"}, "No such file or directory; check builder_vm_image"),
    ],
)
def test_bad_input(tmp_path: Path, mirror: Path, params: dict[str, Any], says: str) -> None:
    with pytest.raises(ToolError, match=says) as raised:
        run(tmp_path, **params)
    assert "\n" not in raised.value.message
    assert cached(tmp_path) == []


def test_too_little_disk_is_said_before_the_download(
    tmp_path: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vm_image, "free_space", lambda _path: 10)
    with pytest.raises(ToolError, match=r"too little disk: the image needs about .*10 are free"):
        run(tmp_path)
    assert cached(tmp_path) == []


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
def test_an_image_that_is_not_compressed_stays_where_it_is(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "own.img"
    path.write_bytes(CONTENT if kind == "qcow2" else bytes(512))
    found = run(tmp_path, image=str(path))
    assert found["path"] == str(path) and not found["changed"]
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("length", [64, 128])
def test_an_image_is_verified_once(tmp_path: Path, length: int) -> None:
    path = tmp_path / "own.img"
    path.write_bytes(CONTENT)
    digest = (hashlib.sha256 if length == 64 else hashlib.sha512)(CONTENT).hexdigest()
    with pytest.raises(ToolError, match=f"own.img': its checksum is {digest}, not {'0' * length}; get it again"):
        run(tmp_path, image=str(path), checksum="0" * length)
    assert run(tmp_path, image=str(path), checksum=digest)["changed"]
    assert not run(tmp_path, image=str(path), checksum=digest)["changed"]
    path.write_bytes(CONTENT + b"x")
    with pytest.raises(ToolError, match="its checksum is"):
        run(tmp_path, image=str(path), checksum=digest)


@pytest.mark.parametrize("packer", ["xz", "zstd"])
def test_a_compressed_image_is_unpacked_into_the_cache(tmp_path: Path, packer: str) -> None:
    (tmp_path / "own.img").write_bytes(CONTENT)
    subprocess.run([packer, "-q", str(tmp_path / "own.img")], check=True)
    (tmp_path / "own.img").unlink(missing_ok=True)
    source = next(tmp_path.glob("own.img.*"))
    found = run(tmp_path, image=str(source))
    assert found["changed"] and Path(found["path"]).parent == tmp_path / "cache"
    assert Path(found["path"]).read_bytes() == CONTENT
    assert not run(tmp_path, image=str(source))["changed"]
    assert source.exists()


def test_twice_compressed_is_told(tmp_path: Path) -> None:
    (tmp_path / "own.img.xz").write_bytes(lzma.compress(lzma.compress(CONTENT)))
    with pytest.raises(ToolError, match="compressed twice"):
        run(tmp_path, image=str(tmp_path / "own.img.xz"))
    assert cached(tmp_path) == []
