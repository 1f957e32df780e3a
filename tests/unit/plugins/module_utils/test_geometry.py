# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._geometry import (
    MIB,
    Partition,
    check_capacity,
    first_usable,
    gpt_table_sizes,
    place,
    pool_partition_size,
    raw_sizes,
    round_up,
)
from tests.unit.transcripts import RELEASES, find, rows


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [(0, 512, 0), (1, 512, 512), (512, 512, 512), (513, 512, 1024), (7, 1, 7), (7, 0, 7), (MIB + 1, MIB, 2 * MIB)],
)
def test_round_up_gives_the_next_multiple(value: int, unit: int, expected: int) -> None:
    assert round_up(value, unit) == expected


def test_gpt_table_is_short_on_13_2_and_full_later() -> None:
    assert gpt_table_sizes(4, 512) == (512, 16384)
    assert gpt_table_sizes(1, 4096) == (4096, 16384)
    assert gpt_table_sizes(200, 512) == (25600, 25600)


@pytest.mark.parametrize("release", RELEASES)
def test_raw_size_is_what_mkimg_made(release: str) -> None:
    """600 KiB without an explicit place: mkimg's own start is sector 3 or 34, so compare what lies around it."""
    for wanted, sector in (("out.gpt.img", 512), ("s4k.img", 4096)):
        row = next(r for r in rows(release, "mkimg") if f"-o {wanted};" in r.cmd)
        made = int(row.stdout.split(" root")[1].split()[1])
        short, full = gpt_table_sizes(1, sector)
        table = short if release == "13.2" else full
        assert made == 614400 + 3 * sector + 2 * table


@pytest.mark.parametrize("release", RELEASES)
def test_offsets_give_the_size_that_mkimg_made(release: str) -> None:
    row = next(r for r in rows(release, "mkimg") if ":+1m -o off.img" in r.cmd)
    made = int(row.stdout.split(" root")[1].split()[1])
    placed = place(
        "gpt",
        [
            Partition("freebsd-ufs", 614400, offset=MIB),
            Partition("freebsd-swap", MIB, offset=MIB, relative=True),
        ],
    )
    assert [p.start for p in placed] == [MIB, 2 * MIB + 614400]
    assert made == raw_sizes("gpt", placed)[RELEASES.index(release)]


@pytest.mark.parametrize("release", RELEASES)
def test_capacity_decides_the_size(release: str) -> None:
    row = next(r for r in rows(release, "mkimg") if "-c 64m" in r.cmd)
    assert int(row.stdout.split(" root")[1].split()[1]) == 64 * MIB
    placed = place("gpt", [Partition("freebsd-ufs", 614400)])
    assert raw_sizes("gpt", placed, capacity=64 * MIB) == (64 * MIB, 64 * MIB)


def test_first_usable_leaves_room_for_the_full_table() -> None:
    assert first_usable("gpt", 4, 512, 512) == 34 * 512
    assert first_usable("gpt", 4, 512, 4096) == 5 * 4096
    assert first_usable("mbr", 1, 512, 512) == 512


def test_aligned_partitions_start_at_multiples() -> None:
    sizes = [118354, 33292 << 10, 1 << 30, 8 << 30]
    placed = place("gpt", [Partition("freebsd-zfs", size, align=MIB) for size in sizes])
    assert [p.start for p in placed] == [MIB, 2 * MIB, 35 * MIB, 35 * MIB + (1 << 30)]
    assert placed[0].size == 118784


def test_gpt_partitions_without_align_are_placed_too() -> None:
    placed = place("gpt", [Partition("freebsd-boot", 1000), Partition("freebsd-zfs", 2048)])
    assert [p.start for p in placed] == [34 * 512, 36 * 512]


def test_other_schemes_are_left_to_mkimg() -> None:
    assert [p.start for p in place("mbr", [Partition("freebsd", 2048)])] == [None]


@pytest.mark.parametrize(
    ("partitions", "text"),
    [
        ([Partition("efi", 0)], "size 0"),
        ([Partition("efi", 512, align=100)], "align 100"),
        ([Partition("efi", 512, offset=1000)], "offset 1000"),
        ([Partition("efi", 512, offset=512)], "overlaps"),
        ([Partition("efi", MIB, offset=MIB), Partition("efi", 512, offset=MIB)], "overlaps"),
        ([Partition("efi", 512, offset=MIB + 512, align=MIB)], "not a multiple of align"),
    ],
)
def test_impossible_places_are_refused(partitions: list[Partition], text: str) -> None:
    with pytest.raises(ToolError, match=text):
        place("gpt", partitions)


def test_capacity_below_content_is_refused_and_says_how_much() -> None:
    placed = place("gpt", [Partition("freebsd-zfs", 10 * MIB, align=MIB)])
    with pytest.raises(ToolError, match=f"need {11 * MIB + 33 * 512}"):
        check_capacity("gpt", placed, 512, 512, 10 * MIB)
    check_capacity("gpt", placed, 512, 512, 12 * MIB)


@given(
    st.lists(st.tuples(st.integers(1, 1 << 32), st.sampled_from([0, 512, 4096, MIB])), min_size=1, max_size=12),
    st.sampled_from([(512, 512), (512, 4096), (4096, 4096)]),
)
def test_partitions_never_overlap_and_are_aligned(data: list[tuple[int, int]], sectors: tuple[int, int]) -> None:
    sector, physical = sectors
    parts = [Partition("freebsd-zfs", size, align=align if align % sector == 0 else 0) for size, align in data]
    placed = place("gpt", parts, sector, physical)
    end = 0
    for item in placed:
        assert item.start is not None and item.end is not None
        assert item.start >= end and item.start % sector == 0
        assert not item.partition.align or item.start % item.partition.align == 0
        assert item.size >= item.partition.size
        end = item.end
    least, most = raw_sizes("gpt", placed, sector, physical)
    assert end < least <= most


@given(st.integers(64, 1 << 20).map(lambda mib: mib * MIB), st.lists(st.integers(1, 1 << 30), max_size=4))
def test_pool_partition_always_fits(disk: int, before: list[int]) -> None:
    size = pool_partition_size(disk, before)
    if size <= 0:
        return
    parts = [Partition("efi", s, align=MIB) for s in before] + [Partition("freebsd-zfs", size, align=MIB)]
    placed = place("gpt", parts)
    check_capacity("gpt", placed, 512, 512, disk)
    assert raw_sizes("gpt", placed, capacity=disk) == (disk, disk)


def test_places_of_13_2_without_offsets_are_not_relied_on() -> None:
    """The recorded layout starts at sector 3 there and at 34 on 15.1: the reason for absolute offsets."""
    first = {r: find(r, "mkimg", rows(r, "mkimg")[7].cmd).stderr for r in RELEASES}
    assert "starting block 3 " in first["13.2"]
    assert "starting block 34 " in first["15.1"]
