# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import pytest

from ansible_collections.freehyve.builder.plugins.modules.kernel_modules import Observed, plan


@pytest.mark.parametrize(
    ("loaded", "kld_list", "boot", "expected"),
    [
        ((), (), True, ["kldload zfs", "add zfs to kld_list"]),
        (("zfs",), (), True, ["add zfs to kld_list"]),
        ((), ("zfs",), True, ["kldload zfs"]),
        (("zfs",), ("zfs", "nullfs"), True, []),
        (("zfs",), (), False, []),
    ],
)
def test_plan(loaded, kld_list, boot, expected):
    steps = plan(["zfs"], boot, Observed(frozenset(loaded), tuple(kld_list)))
    assert [step.action for step in steps] == expected


def test_loading_never_fails_on_a_loaded_module():
    (step,) = plan(["zfs"], False, Observed(frozenset(), ()))
    assert list(step.argv) == ["kldload", "-n", "zfs"]
