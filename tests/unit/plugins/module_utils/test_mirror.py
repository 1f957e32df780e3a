# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._mirror import (
    candidates,
    check_release,
    check_set,
    is_snapshot,
    split_arch,
)


@pytest.mark.parametrize(
    ("mirror", "release", "arch", "first"),
    [
        (
            "https://download.freebsd.org",
            "15.1-RELEASE",
            "amd64",
            "https://download.freebsd.org/releases/amd64/amd64/15.1-RELEASE",
        ),
        (
            "https://download.FreeBSD.org/",
            "14.5-RELEASE",
            "arm64/aarch64",
            "https://download.FreeBSD.org/releases/arm64/aarch64/14.5-RELEASE",
        ),
        (
            "https://download.freebsd.org",
            "14.4-STABLE",
            "amd64",
            "https://download.freebsd.org/snapshots/amd64/amd64/14.4-STABLE",
        ),
        (
            "http://mirror.example.org",
            "15.1-RC2",
            "amd64",
            "http://mirror.example.org/pub/FreeBSD/releases/amd64/amd64/15.1-RC2",
        ),
        (
            "http://mirror.example.org/pub/FreeBSD/",
            "15.1-RELEASE",
            "i386",
            "http://mirror.example.org/pub/FreeBSD/releases/i386/i386/15.1-RELEASE",
        ),
        (
            "file:///srv/mirror",
            "16.0-CURRENT",
            "riscv/riscv64",
            "file:///srv/mirror/pub/FreeBSD/snapshots/riscv/riscv64/16.0-CURRENT",
        ),
        (
            "http://127.0.0.1:8080/my/15.1-RELEASE",
            "15.1-RELEASE",
            "amd64",
            "http://127.0.0.1:8080/my/15.1-RELEASE",
        ),
        (
            "http://ftp-archive.freebsd.org/pub/FreeBSD-Archive/old-releases",
            "11.4-RELEASE",
            "amd64",
            "http://ftp-archive.freebsd.org/pub/FreeBSD-Archive/old-releases/amd64/amd64/11.4-RELEASE",
        ),
    ],
)
def test_the_first_candidate_follows_the_layout_of_the_mirror(mirror: str, release: str, arch: str, first: str) -> None:
    assert candidates(mirror, release, arch)[0] == first


def test_a_private_mirror_may_leave_pub_out_or_be_the_directory_itself() -> None:
    assert candidates("http://m.example", "15.1-RELEASE", "amd64") == [
        "http://m.example/pub/FreeBSD/releases/amd64/amd64/15.1-RELEASE",
        "http://m.example/releases/amd64/amd64/15.1-RELEASE",
        "http://m.example",
    ]


def test_the_official_host_has_one_place_only() -> None:
    assert len(candidates("https://download.freebsd.org", "15.1-RELEASE", "amd64")) == 1


@pytest.mark.parametrize(
    ("release", "snapshot"),
    [
        ("15.1-RELEASE", False),
        ("15.1-BETA1", False),
        ("15.1-RC3", False),
        ("15.1-STABLE", True),
        ("15.0-PRERELEASE", True),
        ("15.0-ALPHA4", True),
        ("16.0-CURRENT", True),
    ],
)
def test_snapshots_are_told_by_the_branch(release: str, snapshot: bool) -> None:
    check_release(release)
    assert is_snapshot(release) is snapshot


@pytest.mark.parametrize("release", ["15.1", "15-RELEASE", "15.1-release", "15.1-RELEASE-p1", "15.1-BETA", "../x", ""])
def test_a_malformed_release_is_refused(release: str) -> None:
    with pytest.raises(ToolError, match=r"^release '.*': unknown form; "):
        check_release(release)


@pytest.mark.parametrize("arch", ["", "x86_64", "amd64/i386", "arm64", "aarch64", "amd64/amd64/x"])
def test_an_unknown_arch_is_refused(arch: str) -> None:
    with pytest.raises(ToolError, match=r"^arch '.*': unknown; one of amd64/amd64, "):
        split_arch(arch)


@pytest.mark.parametrize(
    ("mirror", "cause"),
    [
        ("download.freebsd.org", "unknown scheme"),
        ("ftp://ftp.freebsd.org", "unknown scheme"),
        ("file://host/dir", "malformed file URL"),
        ("http://", "no host name"),
        ("http://m.example/?x=1", "no '[?]'"),
    ],
)
def test_a_malformed_mirror_is_refused(mirror: str, cause: str) -> None:
    with pytest.raises(ToolError, match=cause):
        candidates(mirror, "15.1-RELEASE", "amd64")


@pytest.mark.parametrize("name", ["", "base.txz", "../base", "a/b", ".x"])
def test_a_malformed_set_is_refused(name: str) -> None:
    with pytest.raises(ToolError, match="malformed name"):
        check_set(name)


def test_names_of_real_sets_are_taken() -> None:
    for name in ("base", "kernel", "lib32-dbg", "kernel.GENERIC-MMCCAM"):
        check_set(name)
