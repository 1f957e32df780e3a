# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _mounts
from tests.unit.transcripts import RELEASES, find


@pytest.mark.parametrize("release", RELEASES)
def test_the_builders_own_pool(release: str) -> None:
    found = _mounts.parse_mounts(find(release, "host", "mount -p").stdout)
    assert _mounts.root_dataset(found) == "zroot/ROOT/default"
    assert _mounts.root_pool(found) == "zroot"


@pytest.mark.parametrize("release", RELEASES)
def test_rows_have_source_path_type_options(release: str) -> None:
    found = _mounts.parse_mounts(find(release, "host", "mount -p").stdout)
    assert _mounts.Mount("devfs", "/dev", "devfs", ("rw",)) in found
    assert _mounts.Mount("tank", "/tank", "zfs", ("rw", "noatime", "nfsv4acls")) in found


@pytest.mark.parametrize("release", RELEASES)
def test_mounts_below_come_innermost_first(release: str) -> None:
    found = _mounts.parse_mounts(find(release, "zpool", "mount -p").stdout)
    assert [mount.path for mount in _mounts.below(found, "/tank/alt")] == ["/tank/alt/persist", "/tank/alt"]
    assert _mounts.below(found, "/tank/al") == []


def test_the_last_mount_hides_those_before() -> None:
    found = _mounts.parse_mounts("zroot/a\t/mnt\tzfs\trw 0 0\nzroot/b\t/mnt\tzfs\trw 0 0\n")
    mount = _mounts.at(found, "/mnt")
    assert mount is not None and mount.source == "zroot/b"
    assert _mounts.at(found, "/") is None


def test_spaces_are_escaped() -> None:
    (mount,) = _mounts.parse_mounts("tank/a\\040b /mnt/a\\040b zfs rw 0 0\n")
    assert (mount.source, mount.path) == ("tank/a b", "/mnt/a b")


def test_a_root_that_is_not_zfs_has_no_pool() -> None:
    assert _mounts.root_pool(_mounts.parse_mounts("/dev/ada0p2 / ufs rw 1 1\n")) is None
