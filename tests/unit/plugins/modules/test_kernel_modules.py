# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import pytest

from ansible_collections.freehyve.builder.plugins.modules.kernel_modules import Observed, observe, plan
from tests.unit.fake_runner import FakeRunner


@pytest.mark.parametrize(
    ("observed", "boot", "expected"),
    [
        (Observed(frozenset(), ()), True, ["kldload zfs", "add zfs to kld_list"]),
        (Observed(frozenset({"zfs"}), ()), True, ["add zfs to kld_list"]),
        (Observed(frozenset(), ("zfs",)), True, ["kldload zfs"]),
        (Observed(frozenset({"zfs"}), ("zfs", "nullfs")), True, []),
        (Observed(frozenset({"zfs"}), (), frozenset({"zfs"})), True, []),
        (Observed(frozenset({"zfs"}), ()), False, []),
    ],
)
def test_plan(observed: Observed, boot: bool, expected: list[str]) -> None:
    assert [step.action for step in plan(["zfs"], boot, observed)] == expected


def test_loading_never_fails_on_a_loaded_module() -> None:
    (step,) = plan(["zfs"], False, Observed(frozenset(), ()))
    assert list(step.argv) == ["kldload", "-n", "zfs"]


def runner(kld_list: str = "") -> FakeRunner:
    fake = FakeRunner().on("sysrc -n kld_list", f"{kld_list}\n")
    for name, file, module in (("zfs", 0, 0), ("nullfs", 0, 0), ("tmpfs", 1, 0), ("nosuch", 1, 1)):
        fake.on(f"kldstat -q -n {name}", (file, "", "")).on(f"kldstat -q -m {name}", (module, "", ""))
        fake.on(f"sysrc -f /boot/loader.conf -n {name}_load", (1, "", f"sysrc: unknown variable '{name}_load'\n"))
    return fake


def test_what_is_part_of_the_kernel_needs_no_entry() -> None:
    observed = observe(runner(), ["tmpfs"])
    assert observed == Observed(frozenset({"tmpfs"}), (), frozenset({"tmpfs"}))


def test_what_the_loader_loads_needs_no_entry() -> None:
    fake = runner().on("sysrc -f /boot/loader.conf -n zfs_load", "YES\n")
    assert plan(["zfs"], True, observe(fake, ["zfs"])) == []


def test_a_file_that_is_neither_listed_nor_loaded_by_the_loader_needs_one() -> None:
    observed = observe(runner("zfs"), ["zfs", "nullfs", "nosuch"])
    assert observed.loaded == {"zfs", "nullfs"}
    assert [step.action for step in plan(["zfs", "nullfs", "nosuch"], True, observed)] == [
        "kldload nosuch",
        "add nullfs to kld_list",
        "add nosuch to kld_list",
    ]


def test_rc_conf_is_not_read_when_boot_does_not_matter() -> None:
    fake = runner()
    observe(fake, ["zfs"], boot=False)
    assert fake.ran() == ["kldstat -q -n zfs"]
