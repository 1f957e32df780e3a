# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _md
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from tests.unit.fake_runner import FakeRunner
from tests.unit.transcripts import RELEASES, rows

CONFXML = """<mesh><class id="1"><name>MD</name><geom id="2"><name>md0</name><provider id="3"><name>md0</name>
<mediasize>268435456</mediasize><sectorsize>4096</sectorsize><config><unit>0</unit><access>read-only</access>
<type>vnode</type></config></provider></geom></class></mesh>"""


@pytest.mark.parametrize("release", RELEASES)
def test_rows_of_a_listing(release: str) -> None:
    (listing,) = [row for row in rows(release, "mdconfig") if row.cmd == "mdconfig -l -v" and "swap" in row.stdout]
    assert _md.parse_list(listing.stdout) == [
        _md.MdUnit("md0", "vnode", "256M", "/tank/lab/a.img"),
        _md.MdUnit("md1", "vnode", "256M", "/tank/lab/a.img"),
        _md.MdUnit("md2", "swap", "32M", None),
    ]


@pytest.mark.parametrize("release", RELEASES)
def test_a_file_attached_twice_shows_both_units(release: str) -> None:
    (listing,) = [row for row in rows(release, "mdconfig") if row.cmd == "mdconfig -l -v" and "swap" in row.stdout]
    found = _md.parse_list(listing.stdout)
    assert [unit.name for unit in _md.of_file(found, "/tank/lab/../lab/a.img")] == ["md0", "md1"]
    assert _md.of_file(found, "/tank/lab/b.img") == []


def test_no_unit_is_an_empty_listing() -> None:
    assert _md.parse_list("") == []


def test_paths_are_compared_resolved(tmp_path: Path) -> None:
    (tmp_path / "a.img").touch()
    (tmp_path / "link.img").symlink_to("a.img")
    unit = _md.MdUnit("md3", "vnode", "1M", str(tmp_path / "a.img"))
    assert _md.of_file([unit], str(tmp_path / "link.img")) == [unit]


@pytest.mark.parametrize("release", RELEASES)
def test_attach_reads_the_unit_that_mdconfig_chose(release: str) -> None:
    runner = FakeRunner().recorded(release, "mdconfig", "mdconfig -a -t vnode -f /tank/lab/a.img")
    assert _md.attach(runner, "/tank/lab/a.img") == "md0"


@pytest.mark.parametrize("unit", ["5", "md5", "/dev/md5"])
def test_attach_to_a_unit_prints_nothing(unit: str) -> None:
    runner = FakeRunner().on("mdconfig -a -t vnode -f /a -S 4096 -o readonly -u 5")
    assert _md.attach(runner, "/a", unit, 4096, readonly=True) == "md5"


@pytest.mark.parametrize("release", RELEASES)
def test_attaching_a_directory_fails_with_the_cause(release: str) -> None:
    runner = FakeRunner().recorded(release, "mdconfig", "mdconfig -a -t vnode -f /tank")
    with pytest.raises(ToolError, match="file '/tank': attaching failed: mdconfig: /tank is not a regular file"):
        _md.attach(runner, "/tank")


@pytest.mark.parametrize("unit", ["da0", "", "md", "5p1", "-1"])
def test_other_names_are_no_units(unit: str) -> None:
    with pytest.raises(ToolError, match="not a memory disk"):
        _md.unit_name(unit)


def test_detach_refuses_another_file() -> None:
    runner = FakeRunner().on("mdconfig -l -v", "md0\tvnode\t  256M\t/tank/other.img\t\n")
    with pytest.raises(ToolError, match=r"unit 'md0': refusing to detach, it is not backed by '/tank/a.img'"):
        _md.detach(runner, "md0", "/tank/a.img")


def test_detach_of_our_file() -> None:
    runner = FakeRunner().on("mdconfig -l -v", "md0\tvnode\t  256M\t/tank/a.img\t-\n").on("mdconfig -d -u md0")
    _md.detach(runner, "0", "/tank/a.img")
    assert runner.ran()[-1] == "mdconfig -d -u md0"


def test_a_unit_that_geom_still_looks_at_is_waited_for() -> None:
    busy = (1, "", "mdconfig: ioctl(/dev/mdctl): Device busy\n")
    runner = FakeRunner().on("mdconfig -d -u md0", busy, busy, "")
    _md.detach(runner, "md0")
    assert len(runner.calls) == 3
    runner = FakeRunner().on("mdconfig -d -u md0", busy)
    with pytest.raises(ToolError, match=r"unit 'md0': detaching failed: mdconfig: .* Device busy"):
        _md.detach(runner, "md0", patience=0.0)
    assert len(runner.calls) == 1


def test_geometry_of_confxml() -> None:
    assert _md.parse_geometry(CONFXML) == {"md0": _md.Geometry(4096, True)}


@pytest.mark.parametrize("text", ["", "sysctl: unknown oid", "<mesh></mesh>"])
def test_geometry_without_confxml_is_unknown(text: str) -> None:
    assert _md.parse_geometry(text) == {}
