# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._md import Geometry, MdUnit
from ansible_collections.freehyve.builder.plugins.modules import md_device
from ansible_collections.freehyve.builder.plugins.modules.md_device import Observed, Wanted, plan
from tests.unit.fake_runner import FakeRunner

ZERO = MdUnit("md0", "vnode", "256M", "/a.img")
ONE = MdUnit("md1", "vnode", "256M", "/a.img")
OTHER = MdUnit("md5", "vnode", "1G", "/b.img")
SWAP = MdUnit("md5", "swap", "1G", None)


@pytest.mark.parametrize(
    ("wanted", "observed", "expected"),
    [
        (Wanted("/a.img", True), Observed(True, ()), ["mdconfig -a -t vnode -f /a.img"]),
        (Wanted("/a.img", True, "md5"), Observed(True, ()), ["mdconfig -a -t vnode -f /a.img -u 5"]),
        (
            Wanted("/a.img", True, None, 4096, True),
            Observed(True, ()),
            ["mdconfig -a -t vnode -f /a.img -S 4096 -o readonly"],
        ),
        (Wanted("/a.img", True), Observed(True, (ZERO,)), []),
        (Wanted("/a.img", True, "md0"), Observed(True, (ZERO,), ZERO), []),
        (Wanted("/a.img", True, None, 4096), Observed(True, (ZERO,), None, Geometry(4096, False)), []),
        (Wanted("/a.img", True, None, 4096), Observed(True, (ZERO,), None, None), []),
        (Wanted("/a.img", False), Observed(True, ()), []),
        (Wanted("/a.img", False), Observed(False, ()), []),
        (Wanted("/a.img", False), Observed(True, (ZERO,)), ["mdconfig -d -u md0"]),
        (Wanted("/a.img", False), Observed(True, (ZERO, ONE)), ["mdconfig -d -u md0", "mdconfig -d -u md1"]),
        (Wanted("/a.img", False, "md1"), Observed(True, (ZERO, ONE)), ["mdconfig -d -u md1"]),
        (Wanted("/a.img", False, "md5"), Observed(True, (), OTHER), []),
    ],
)
def test_plan(wanted: Wanted, observed: Observed, expected: list[str]) -> None:
    assert [" ".join(step.argv) for step in plan(wanted, observed)] == expected


@pytest.mark.parametrize(
    ("wanted", "observed", "message"),
    [
        (Wanted("/a.img", True), Observed(True, (ZERO, ONE)), "attached more than once, as md0, md1"),
        (Wanted("/a.img", True, "md5"), Observed(True, (ZERO,)), "attached as md0, not as md5"),
        (Wanted("/a.img", True), Observed(False, ()), "cannot attach, it is not a regular file"),
        (Wanted("/a.img", True, "md5"), Observed(True, (), OTHER), "it is in use by /b.img"),
        (Wanted("/a.img", True, "md5"), Observed(True, (), SWAP), "it is in use by swap memory"),
        (
            Wanted("/a.img", True, None, None, True),
            Observed(True, (ZERO,), None, Geometry(512, False)),
            "attached as md0, writable",
        ),
        (
            Wanted("/a.img", True, None, 4096),
            Observed(True, (ZERO,), None, Geometry(512, False)),
            "attached as md0, with sectors of 512 bytes",
        ),
    ],
)
def test_refusals_name_object_and_cause(wanted: Wanted, observed: Observed, message: str) -> None:
    with pytest.raises(ToolError) as caught:
        plan(wanted, observed)
    assert message in caught.value.message


def params(**given: Any) -> dict[str, Any]:
    return {"file": "/a.img", "state": "present", "unit": None, "sector_size": None, "readonly": None, **given}


@pytest.mark.parametrize("size", [0, 500, 513, 131072])
def test_a_sector_is_a_power_of_two(size: int) -> None:
    with pytest.raises(ToolError, match="no power of two"):
        md_device.wanted_of(params(sector_size=size))


def test_one_listing_is_enough_to_find_an_attached_file(tmp_path: Path) -> None:
    image = tmp_path / "a.img"
    image.touch()
    runner = FakeRunner().on("mdconfig -l -v", f"md3\tvnode\t  256M\t{image}\t-\n")
    wanted = md_device.wanted_of(params(file=str(image)))
    observed = md_device.observe(runner, wanted)
    result = md_device.result(wanted, observed, plan(wanted, observed), None)
    assert (result["changed"], result["unit"], result["device"]) == (False, "md3", "/dev/md3")
    assert runner.ran() == ["mdconfig -l -v"]


def test_attaching_returns_the_chosen_unit(tmp_path: Path) -> None:
    image = tmp_path / "a.img"
    image.touch()
    runner = FakeRunner().on("mdconfig -l -v", "").on(["mdconfig", "-a", "-t", "vnode", "-f", str(image)], "md0\n")
    wanted = md_device.wanted_of(params(file=str(image)))
    observed = md_device.observe(runner, wanted)
    steps = plan(wanted, observed)
    result = md_device.result(wanted, observed, steps, md_device.apply(runner, wanted, steps))
    assert (result["changed"], result["unit"]) == (True, "md0")
    assert result["diff"] == {"before": "units: []\n", "after": "units:\n  - md0\n"}


def test_in_check_mode_the_unit_is_not_known_yet() -> None:
    wanted = Wanted("/a.img", True)
    observed = Observed(True, ())
    result = md_device.result(wanted, observed, plan(wanted, observed), None)
    assert (result["changed"], result["unit"], result["device"]) == (True, None, None)


def test_what_is_left_after_one_of_two_is_detached() -> None:
    wanted, observed = Wanted("/a.img", False, "md1"), Observed(True, (ZERO, ONE))
    assert md_device.result(wanted, observed, plan(wanted, observed), None)["unit"] == "md0"
