# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What differs between two versions."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.freehyve.builder.plugins.plugin_utils._report_changes import (
    change_counts,
    input_changes,
    package_changes,
    package_key,
    version_key,
)
from tests.unit.build_records import earlier, example


@pytest.mark.parametrize(
    "versions",
    [
        ["0.1.0", "0.2.0", "0.10.0", "1.0"],
        ["1.0-alpha", "1.0-beta", "1.0-rc1", "1.0-rc2", "1.0", "1.0-p1", "1.0.1"],
        ["0.1.0", "0.1.0-5-gdeadbee", "0.1.0-12-g0123abc", "0.1.1"],
        ["2026.11.22", "2026.11.23", "2026.12.1"],
    ],
)
def test_versions_in_their_order(versions: list[str]) -> None:
    keys = [version_key(version) for version in versions]
    assert all(left < right for left, right in itertools.pairwise(keys)), keys


def test_an_epoch_outweighs_the_rest() -> None:
    assert package_key("1.0,1") > package_key("9.9")
    assert package_key("1.0_2") > package_key("1.0_1") > package_key("1.0")
    assert package_key("1.0,x")[0] == package_key("1.0," + "9" * 5000)[0] == 0


def test_packages_that_changed() -> None:
    changes = package_changes(example(), earlier())
    assert [(change.kind, change.name, change.before, change.after) for change in changes] == [
        ("added", "jq", "", "1.7.1"),
        ("added", "tmux", "", "3.5a"),
        ("removed", "screen", "4.9", ""),
        ("upgraded", "bash", "5.2.32_1", "5.2.37"),
        ("upgraded", "curl", "8.9.1", "8.13.0"),
        ("downgraded", "nano", "8.5", "8.4"),
    ]
    assert change_counts(example(), earlier()) == {"added": 2, "removed": 1, "upgraded": 2, "downgraded": 1}


def test_inputs_that_changed_are_named() -> None:
    changes = {change.what: (change.before, change.after) for change in input_changes(example(), earlier())}
    assert changes == {
        "FreeBSD release": ("15.0-RELEASE", "15.1-RELEASE"),
        "ports commit": ("8d1c22f0a9b4", "3f0e9d2ab771"),
        "overlay: etc/rc.conf": ("111111111111", "41fab2741ec0"),
        "setting timezone": ("Europe/Berlin", "UTC"),
    }


def test_the_same_record_has_no_changes() -> None:
    assert package_changes(example(), example()) == []
    assert input_changes(example(), example()) == []
