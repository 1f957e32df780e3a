# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _properties, _zfs, _zpool
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from tests.unit.transcripts import RELEASES, find, rows


@pytest.mark.parametrize(
    ("name", "wanted", "observed", "altroot", "equal"),
    [
        ("quota", "1g", "1073741824", None, True),
        ("quota", "none", "0", None, True),
        ("quota", "0", "0", None, True),
        ("quota", "1g", "0", None, False),
        ("recordsize", "128K", "131072", None, True),
        ("recordsize", "1m", "131072", None, False),
        ("atime", "off", "off", None, True),
        ("atime", "no", "off", None, True),
        ("atime", "on", "off", None, False),
        ("compression", "lz4", "lz4", None, True),
        ("compression", "gzip-6", "gzip", None, True),
        ("compression", "on", "lz4", None, False),
        ("xattr", "on", "sa", None, True),
        ("xattr", "on", "off", None, False),
        ("snapshot_limit", "none", _properties.UNLIMITED, None, True),
        ("snapshot_limit", "none", "none", None, True),
        ("snapshot_limit", "5", "none", None, False),
        ("mountpoint", "/persist", "/tank/alt/persist", "/tank/alt", True),
        ("mountpoint", "/", "/tank/alt", "/tank/alt", True),
        ("mountpoint", "/", "/", "-", True),
        ("mountpoint", "/persist/", "/persist", None, True),
        ("mountpoint", "/persist", "/tank/alt/persist", None, False),
        ("mountpoint", "/persist", "/tank/alternative/persist", "/tank/alt", False),
        ("mountpoint", "none", "none", "/tank/alt", True),
        ("mountpoint", "/none", "none", None, False),
        ("refreservation", "auto", "70000000", None, True),
        ("refreservation", "auto", "0", None, False),
        ("user:prop", "hello", "hello", None, True),
        ("user:prop", "hello", "Hello", None, False),
        ("user:prop", "x", "-", None, False),
    ],
)
def test_dataset_properties_compare_by_value(
    name: str, wanted: str, observed: str, altroot: str | None, equal: bool
) -> None:
    assert _properties.same(name, wanted, observed, _properties.dataset_rule(name), altroot) is equal


@pytest.mark.parametrize(
    ("name", "wanted", "observed", "equal"),
    [
        ("compatibility", "openzfs-2.0-freebsd", "openzfs-2.0-freebsd", True),
        ("compatibility", "b,a", "a,b", True),
        ("compatibility", "off", "-", True),
        ("compatibility", "legacy", "off", False),
        ("bootfs", "none", "-", True),
        ("bootfs", "lab/ROOT/a", "lab/ROOT/b", False),
        ("ashift", "12", "12", True),
        ("ashift", "12", "0", False),
        ("cachefile", "none", "none", True),
        ("feature@draid", "enabled", "active", True),
        ("feature@draid", "disabled", "active", False),
        ("comment", "-", "-", True),
    ],
)
def test_pool_properties_compare_by_value(name: str, wanted: str, observed: str, equal: bool) -> None:
    assert _properties.same(name, wanted, observed, _properties.pool_rule(name)) is equal


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("atime", False, "off"),
        ("atime", "no", "off"),
        ("compression", True, "on"),
        ("compression", "zstd-19", "zstd-19"),
        ("compression", "zstd-fast-500", "zstd-fast-500"),
        ("quota", 1073741824, "1073741824"),
        ("quota", "1.5g", "1610612736"),
        ("quota", "none", "none"),
        ("canmount", "noauto", "noauto"),
        ("mountpoint", "/", "/"),
        ("mountpoint", "legacy", "legacy"),
        ("copies", 2, "2"),
        ("org.freebsd:swap", True, "on"),
        ("snapshot_limit", "none", "none"),
        ("userquota@joe", "1g", "1073741824"),
    ],
)
def test_values_are_given_as_zfs_takes_them(name: str, value: Any, text: str) -> None:
    assert _properties.check("dataset 'a'", name, value, _properties.dataset_rule(name)) == text


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("bogus", "1", "no such property 'bogus'"),
        ("Bogus:x", "1", "no such property"),
        ("used", "1", "'used' can only be read"),
        ("compression", "nosuch", "'compression' does not take 'nosuch'"),
        ("compression", "zstd-20", "does not take 'zstd-20'"),
        ("compression", "gzip-0", "does not take"),
        ("mountpoint", "rel", "does not take 'rel'; it takes an absolute path, none or legacy"),
        ("mountpoint", "/a//b", "does not take"),
        ("atime", "maybe", "does not take 'maybe'; it takes on, off"),
        ("canmount", "maybe", "it takes on, off, noauto"),
        ("quota", "lots", "it takes a size such as 8g"),
        ("recordsize", "none", "does not take"),
        ("copies", "4", "does not take '4'"),
        ("quota", None, "has no value"),
        ("quota", [1], "has no value"),
    ],
)
def test_bad_properties_are_refused(name: str, value: Any, message: str) -> None:
    with pytest.raises(ToolError) as caught:
        _properties.check("dataset 'a'", name, value, _properties.dataset_rule(name))
    assert caught.value.message.startswith("dataset 'a': ")
    assert message in caught.value.message


@pytest.mark.parametrize("release", RELEASES)
def test_every_recorded_dataset_property_is_known(release: str) -> None:
    dataset = _zfs.parse_get(find(release, "zfs", "zfs get -Hp all lab/a").stdout)["lab/a"]
    assert [name for name in dataset.properties if _properties.dataset_rule(name) is None] == []


@pytest.mark.parametrize("release", RELEASES)
def test_every_recorded_value_is_one_that_its_property_takes(release: str) -> None:
    dataset = _zfs.parse_get(find(release, "zfs", "zfs get -Hp all lab/a").stdout)["lab/a"]
    for name, found in dataset.properties.items():
        rule = _properties.dataset_rule(name)
        assert _properties.same(name, found.value, found.value, rule)
        if rule is not None and rule.edit != "never" and rule.kind != "number":
            _properties.check("dataset 'lab/a'", name, found.value, rule)


@pytest.mark.parametrize("release", RELEASES)
def test_every_recorded_pool_property_is_known(release: str) -> None:
    found = _zpool.parse_get(find(release, "zpool", "zpool get -Hp all lab").stdout)
    assert [name for name in found if _properties.pool_rule(name) is None] == []


@pytest.mark.parametrize("release", RELEASES)
def test_usage_and_tables_name_the_same_settable_properties(release: str) -> None:
    (usage,) = [row.stderr for row in rows(release, "zfs") if row.cmd == "zfs get -H nosuch lab/a"]
    table = [line.split() for line in usage.splitlines() if line.startswith("\t") and "..." not in line]
    for words in (words for words in table if len(words) > 3 and {words[1], words[2]} <= {"YES", "NO"}):
        rule = _properties.dataset_rule(words[0])
        if "@" in words[0] or "#" in words[0]:
            continue
        assert rule is not None, words[0]
        assert (words[1] == "YES") is (rule.edit == "any") or words[2] == "NO", words[0]


def test_mount_points_lose_the_alternate_root() -> None:
    assert _properties.without_altroot("/tank/alt/persist", "/tank/alt") == "/persist"
    assert _properties.without_altroot("/tank/alt", "/tank/alt/") == "/"
    assert _properties.without_altroot("/tank/alter", "/tank/alt") == "/tank/alter"
    assert _properties.without_altroot("none", "/tank/alt") == "none"
    assert _properties.without_altroot("/a", None) == "/a"
