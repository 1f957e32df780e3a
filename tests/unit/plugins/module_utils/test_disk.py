# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils._disk import (
    MIB,
    clear_ends,
    contents,
    parse_mesh,
    read_ends,
)
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError

XML = """<mesh><class id="0x1"><name>DISK</name>
<geom id="0x2"><name>vtbd0</name><provider id="0x3"><mode>r1w1e2</mode><name>vtbd0</name>
<mediasize>12884901888</mediasize></provider></geom>
<geom id="0x4"><name>vtbd1</name><provider id="0x5"><mode>r0w0e0</mode><name>vtbd1</name>
<mediasize>25769803776</mediasize></provider></geom></class>
<class id="0x6"><name>PART</name><geom id="0x7"><name>vtbd1</name>
<provider id="0x8"><mode>r1w1e1</mode><name>vtbd1p1</name><mediasize>4096</mediasize></provider></geom></class>
</mesh>"""


def test_mesh_of_confxml() -> None:
    mesh = parse_mesh(XML)
    assert mesh.sizes == {"vtbd0": 12884901888, "vtbd1": 25769803776, "vtbd1p1": 4096}
    assert mesh.tables == {"vtbd1": ("vtbd1p1",)}


@pytest.mark.parametrize(("name", "expected"), [("vtbd0", True), ("vtbd1", True), ("vtbd1p1", True), ("da0", False)])
def test_a_disk_is_open_when_a_partition_of_it_is(name: str, expected: bool) -> None:
    assert parse_mesh(XML).is_open(name) is expected


def test_what_is_not_xml_is_an_error() -> None:
    with pytest.raises(ToolError, match="confxml cannot be read"):
        parse_mesh("sysctl: unknown oid")


def placed(size: int, *pieces: tuple[int, bytes]) -> bytes:
    data = bytearray(size)
    for offset, piece in pieces:
        data[offset : offset + len(piece)] = piece
    return bytes(data)


BLANK = bytes(MIB)


@pytest.mark.parametrize(
    ("head", "tail", "expected"),
    [
        (BLANK, BLANK, []),
        (placed(MIB, (510, b"\x55\xaa"), (512, b"EFI PART")), BLANK, ["a GPT"]),
        (placed(MIB, (4096, b"EFI PART")), BLANK, ["a GPT"]),
        (BLANK, placed(MIB, (MIB - 512, b"EFI PART")), ["a GPT"]),
        (BLANK, placed(MIB, (MIB - 4096, b"EFI PART")), ["a GPT"]),
        (placed(MIB, (510, b"\x55\xaa")), BLANK, ["an MBR or a boot sector"]),
        (placed(MIB, (82, b"FAT32   "), (510, b"\x55\xaa")), BLANK, ["a FAT file system"]),
        (placed(MIB, (65536 + 1372, b"\x19\x01\x54\x19")), BLANK, ["a UFS file system"]),
        (placed(MIB, (1080, b"\x53\xef")), BLANK, ["an ext file system"]),
        (placed(MIB, (131072 + 4096, bytes.fromhex("0cb1ba0000000000"))), BLANK, ["a ZFS pool"]),
        (BLANK, placed(MIB, (MIB - 131072 + 1024, bytes.fromhex("0cb1ba0000000000"))), ["a ZFS pool"]),
        (BLANK, placed(MIB, (MIB - 512, b"GEOM::ELI\0")), ["metadata of GEOM (ELI)"]),
        (placed(MIB, (700000, b"x")), BLANK, ["data of an unknown kind"]),
        (BLANK, placed(MIB, (5, b"x")), ["data of an unknown kind"]),
    ],
)
def test_contents(head: bytes, tail: bytes, expected: list[str]) -> None:
    assert contents(head, tail) == expected


@pytest.mark.parametrize("size", [0, 512, 300000, MIB, 3 * MIB + 512, 5 * MIB])
def test_ends_are_read_and_cleared(tmp_path: Path, size: int) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(b"x" * size)
    head, tail = read_ends(str(disk), size)
    assert len(head) == min(size, MIB)
    assert tail == b"x" * len(tail)
    clear_ends(str(disk), size)
    head, tail = read_ends(str(disk), size)
    assert contents(head, tail) == []
    assert disk.stat().st_size == size


def test_the_last_two_labels_of_a_pool_are_within_the_tail(tmp_path: Path) -> None:
    size = 7 * MIB + 100 * 512
    disk = tmp_path / "disk"
    label = size // (256 << 10) * (256 << 10) - (512 << 10)
    with disk.open("wb") as file:
        file.truncate(size)
        file.seek(label + (128 << 10))
        file.write(bytes.fromhex("0cb1ba0000000000"))
    assert contents(*read_ends(str(disk), size)) == ["a ZFS pool"]
