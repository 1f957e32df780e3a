# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _vm_image
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError


@pytest.mark.parametrize(
    ("release", "arch", "filesystem", "name"),
    [
        ("15.1-RELEASE", "amd64", "zfs", "FreeBSD-15.1-RELEASE-amd64-BASIC-CLOUDINIT-zfs.qcow2.xz"),
        ("14.5-RELEASE", "aarch64", "ufs", "FreeBSD-14.5-RELEASE-arm64-aarch64-BASIC-CLOUDINIT-ufs.qcow2.xz"),
    ],
)
def test_names_of_official_images(release: str, arch: str, filesystem: str, name: str) -> None:
    assert _vm_image.official_name(release, arch, filesystem) == name


LEAF = "releases/VM-IMAGES/15.1-RELEASE/aarch64/Latest"


@pytest.mark.parametrize(
    ("mirror", "first", "count"),
    [
        ("https://download.freebsd.org", f"https://download.freebsd.org/{LEAF}", 1),
        ("https://download.freebsd.org/", f"https://download.freebsd.org/{LEAF}", 1),
        ("http://ftp.example.org", f"http://ftp.example.org/pub/FreeBSD/{LEAF}", 3),
        ("file:///mirror", f"file:///mirror/pub/FreeBSD/{LEAF}", 3),
    ],
)
def test_places_on_a_mirror(mirror: str, first: str, count: int) -> None:
    found = _vm_image.directories(mirror, "15.1-RELEASE", "aarch64")
    assert found[0] == first
    assert len(found) == count
    assert count == 1 or found[-1] == mirror.rstrip("/")


@pytest.mark.parametrize(
    ("mirror", "release", "says"),
    [
        ("ftp://old.example.org", "15.1-RELEASE", "unknown scheme"),
        ("https://download.freebsd.org", "16.0-CURRENT", "names of a snapshot's images change; set builder_vm_image"),
    ],
)
def test_places_that_there_are_not(mirror: str, release: str, says: str) -> None:
    with pytest.raises(ToolError, match=says):
        _vm_image.directories(mirror, release, "amd64")


def test_checksum_files_have_the_form_of_bsd() -> None:
    text = f"SHA256 (a.qcow2.xz) = {'0' * 64}\nSHA512 (a.qcow2.xz) = {'1' * 128}\nnonsense\nSHA256 (b) = {'f' * 64}\n"
    assert _vm_image.checksums(text) == {"a.qcow2.xz": "0" * 64, "b": "f" * 64}


@pytest.mark.parametrize(
    ("start", "kind"),
    [(b"\xfd7zXZ\x00\x00", "xz"), (b"\x28\xb5\x2f\xfd\x00", "zst"), (b"QFI\xfb\x00\x00", "qcow2"), (b"\xeb", "raw")],
)
def test_kinds_are_told_by_content(tmp_path: Path, start: bytes, kind: str) -> None:
    path = tmp_path / "whatever.qcow2"
    path.write_bytes(start)
    assert _vm_image.kind_of(str(path)) == kind


def test_holes_stay_holes(tmp_path: Path) -> None:
    content = b"head" + bytes(3 << 20) + b"tail" + bytes(1 << 20)
    (tmp_path / "a.xz").write_bytes(lzma.compress(content, preset=0))
    _vm_image.unpack_xz(str(tmp_path / "a.xz"), str(tmp_path / "a"))
    assert (tmp_path / "a").read_bytes() == content
    assert (tmp_path / "a").stat().st_blocks * 512 < 1 << 20


@pytest.mark.parametrize("keep", [100, 40])
def test_a_damaged_archive_is_one_line(tmp_path: Path, keep: int) -> None:
    whole = lzma.compress(bytes(range(256)) * 64, preset=0)
    (tmp_path / "a.xz").write_bytes(whole[:keep])
    with pytest.raises(ToolError, match=r"a\.xz': damaged, xz says.*get it again"):
        _vm_image.unpack_xz(str(tmp_path / "a.xz"), str(tmp_path / "a"))


@pytest.mark.parametrize(("text", "found"), [(None, None), ("", None), ("A" * 64, "a" * 64), ("b" * 128, "b" * 128)])
def test_digests(text: str | None, found: str | None) -> None:
    assert _vm_image.checked_digest(text) == found


def test_digests_of_both_lengths(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    assert _vm_image.digest_of(str(tmp_path / "f"), 64).startswith("e3b0c442")
    assert _vm_image.digest_of(str(tmp_path / "f"), 128).startswith("cf83e135")
