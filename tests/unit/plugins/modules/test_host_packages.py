# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import pytest

from ansible_collections.freehyve.builder.plugins.modules.host_packages import parse_query, plan


def test_versions_of_installed_packages():
    assert parse_query("git 2.51.0\nvm-bhyve 1.7.5_1\n") == {"git": "2.51.0", "vm-bhyve": "1.7.5_1"}


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        ({}, [("pkg", "install", "-y", "git", "poudriere")]),
        ({"git": "1"}, [("pkg", "install", "-y", "poudriere")]),
        ({"git": "1", "poudriere": "3.4.8"}, []),
    ],
)
def test_only_missing_packages_are_installed(installed, expected):
    assert [step.argv for step in plan(["git", "poudriere"], installed)] == expected
