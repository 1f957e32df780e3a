# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._geometry import Partition, place, raw_sizes
from ansible_collections.freehyve.builder.plugins.module_utils._mkimg import (
    FORMATS,
    SCHEMES,
    TYPES,
    GptEntry,
    Request,
    check_bootcode,
    check_labels,
    check_output,
    check_partition_words,
    check_request,
    image_argv,
    partition_spec,
    read_gpt,
    virtual_size,
    words,
)
from tests.unit.transcripts import RELEASES, find

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures" / "mkimg"


@pytest.mark.parametrize("release", RELEASES)
def test_formats_and_schemes_are_those_of_the_release(release: str) -> None:
    assert tuple(words(find(release, "mkimg", "mkimg --formats").stdout)) == FORMATS
    schemes = words(find(release, "mkimg", "mkimg --schemes").stdout)
    assert schemes == [s for s in SCHEMES if s != "vtoc8" or release == "13.2"]
    assert set(schemes) <= set(TYPES)


def request(*parts: Partition, **more: Any) -> Request:
    scheme = more.pop("scheme", "gpt")
    return Request(scheme, tuple(place(scheme, parts)), **more)


def test_partition_spec_places_content_and_empty_space() -> None:
    made = request(
        Partition("efi", 1024, "efiboot0", "/w/esp.img", align=1 << 20), Partition("freebsd-swap", 8 << 20, "swap0")
    )
    assert [partition_spec(i) for i in made.placed] == [
        "efi/efiboot0:=/w/esp.img:1048576",
        "freebsd-swap/swap0::8388608:1049600",
    ]
    assert partition_spec(request(Partition("freebsd", 1024), scheme="mbr").placed[0]) == "freebsd::1024"


def test_argv_names_only_what_was_asked_for() -> None:
    part = Partition("freebsd-ufs", 1024, file="/w/ufs")
    assert image_argv(request(part), "raw", "/w/x.part") == [
        *["mkimg", "-s", "gpt", "-f", "raw"],
        *["-p", "freebsd-ufs:=/w/ufs:17408", "-o", "/w/x.part"],
    ]
    full = request(part, bootcode="/boot/pmbr", capacity=4096, physical=4096, heads=16, tracks=63)
    argv = image_argv(full, "qcow2", "/w/x")
    for pair in (["-b", "/boot/pmbr"], ["-c", "4096"], ["-P", "4096"], ["-S", "512"], ["-H", "16"], ["-T", "63"]):
        assert pair[1] == argv[argv.index(pair[0]) + 1]


@pytest.mark.parametrize(
    ("scheme", "data", "text"),
    [
        ("gpt", {"type": "efi", "command": "cat x"}, "refusing a command"),
        ("gpt", {"type": "nosuchtype", "size": "1m"}, "no such type"),
        ("gpt", {"type": "fat32", "size": "1m"}, "no such type"),
        ("mbr", {"type": "freebsd-ufs", "size": "1m"}, "no such type"),
        ("gpt", {"type": "efi"}, "either file or size"),
        ("gpt", {"type": "efi", "file": "/x", "size": "1m"}, "either file or size"),
        ("gpt", {"type": "efi", "file": "/a:b"}, "':'"),
        ("gpt", {"type": "efi", "file": "a"}, "absolute"),
        ("gpt", {"type": "efi", "size": "1m", "label": "x" * 37}, "longer than 36"),
        ("gpt", {"type": "efi", "size": "1m", "label": "a:b"}, "':'"),
        ("gpt", {"type": "efi", "size": "1m", "label": "a/b"}, "'/'"),
    ],
)
def test_words_that_mkimg_gets_wrong_are_refused(scheme: str, data: dict[str, Any], text: str) -> None:
    with pytest.raises(ToolError, match=text):
        check_partition_words(scheme, 1, data)


def test_label_of_36_characters_is_taken() -> None:
    check_partition_words("gpt", 1, {"type": "efi", "size": "1m", "label": "x" * 36})


def test_a_label_given_twice_is_refused() -> None:
    check_labels(["", "", "a"])
    with pytest.raises(ToolError, match="given twice"):
        check_labels(["a", "b", "a"])


@pytest.mark.parametrize(
    ("scheme", "size", "good"),
    [
        ("gpt", 512, True),
        ("gpt", 513, False),
        ("mbr", 512, True),
        ("bsd", 8192, True),
        ("apm", 1, False),
        ("gpt", 0, 0),
    ],
)
def test_boot_code_fits_or_is_refused(scheme: str, size: int, good: bool) -> None:
    if good:
        check_bootcode(scheme, "/boot/x", size)
    else:
        with pytest.raises(ToolError, match="boot code '/boot/x'"):
            check_bootcode(scheme, "/boot/x", size)


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"sector": 256}, "sector_size 256"),
        ({"sector": 1000}, "power of two"),
        ({"sector": 4096, "physical": 512}, "less than sector_size"),
        ({"sector": 8192, "physical": 8192}, "4096 at most"),
        ({"active": 1}, "only scheme mbr"),
        ({"scheme": "mbr", "active": 0}, "partitions 1 to 1"),
        ({"scheme": "mbr", "active": 2}, "partitions 1 to 1"),
        ({"heads": 256}, "heads 256"),
        ({"tracks": 0}, "tracks 0"),
    ],
)
def test_numbers_out_of_range_are_refused(more: dict[str, Any], text: str) -> None:
    scheme = more.pop("scheme", "gpt")
    made = Request(scheme, tuple(place(scheme, [Partition("freebsd", 512)])), **more)
    with pytest.raises(ToolError, match=text):
        check_request(made)


def test_real_gpt_is_read() -> None:
    assert read_gpt(str(FIXTURES / "out.gpt.img")) == [GptEntry(3 * 512, 614400, "")]
    assert read_gpt(str(FIXTURES / "s4k.img"), 4096) == [GptEntry(3 * 4096, 614400, "")]


def test_image_without_gpt_is_told() -> None:
    with pytest.raises(ToolError, match="has no GPT"):
        read_gpt(str(FIXTURES / "act.img"))


def gpt_image(path: Path, entries: list[GptEntry], size: int) -> None:
    """A primary GPT as mkimg writes it, enough for reading."""
    table = b"".join(
        struct.pack(
            "<16s16sQQQ72s", b"\1" * 16, b"\2" * 16, e.start // 512, (e.start + e.size) // 512 - 1, 0,
            e.label.encode("utf-16-le"),
        )
        for e in entries
    )  # fmt: skip
    header = struct.pack("<8s4sII4xQQQQ16sQII", b"EFI PART", b"\0\0\1\0", 92, 0, 1, 2, 34, 99, b"\3" * 16, 2, 128, 128)
    with path.open("wb") as stream:
        stream.seek(512)
        stream.write(header.ljust(512, b"\0") + table)
        stream.truncate(size)


def test_raw_image_is_proved_by_size_and_table(tmp_path: Path) -> None:
    made = request(Partition("efi", 4096, "e0", align=1 << 20))
    sizes = raw_sizes("gpt", made.placed)
    image = tmp_path / "x.raw"
    for size in sizes:
        gpt_image(image, [GptEntry(1 << 20, 4096, "e0")], size)
        assert check_output(made, "raw", str(image), sizes) == size
    gpt_image(image, [GptEntry(1 << 20, 4096, "e0")], sizes[0] + 512)
    with pytest.raises(ToolError, match="expected"):
        check_output(made, "raw", str(image), sizes)
    gpt_image(image, [GptEntry(17408, 4096, "e0")], sizes[0])
    with pytest.raises(ToolError, match="partition 1 is 4096 bytes at 17408"):
        check_output(made, "raw", str(image), sizes)
    gpt_image(image, [], sizes[0])
    with pytest.raises(ToolError, match="has 0 partitions, expected 1"):
        check_output(made, "raw", str(image), sizes)


@pytest.mark.parametrize(
    ("kind", "head", "tail", "expected"),
    [
        ("qcow2", struct.pack(">4sIQIIQ", b"QFI\xfb", 2, 0, 0, 16, 4096), b"", 4096),
        ("qcow", struct.pack(">4sIQIIQ", b"QFI\xfb", 1, 0, 0, 0, 8192), b"", 8192),
        ("vmdk", struct.pack("<4sIIQ", b"KDMV", 1, 3, 10), b"", 5120),
        ("vhdx", b"vhdxfile", b"", None),
        ("vhd", b"", b"conectix" + b"\0" * 40 + struct.pack(">Q", 777), 777),
        ("vhdf", b"", b"conectix" + b"\0" * 40 + struct.pack(">Q", 778), 778),
    ],
)
def test_virtual_size_of_every_format(
    tmp_path: Path, kind: str, head: bytes, tail: bytes, expected: int | None
) -> None:
    image = tmp_path / "x"
    image.write_bytes(head.ljust(1024, b"\0") + tail.ljust(512, b"\0"))
    assert virtual_size(str(image), kind) == expected
    image.write_bytes(b"\0" * 2048)
    with pytest.raises(ToolError, match=f"not {kind}"):
        virtual_size(str(image), kind)


def test_a_disk_smaller_than_asked_for_is_told(tmp_path: Path) -> None:
    image = tmp_path / "x"
    image.write_bytes(struct.pack(">4sIQIIQ", b"QFI\xfb", 2, 0, 0, 16, 4096).ljust(100, b"\0"))
    made = request(Partition("efi", 4096))
    with pytest.raises(ToolError, match="describes a disk of 4096 bytes"):
        check_output(made, "qcow2", str(image), (8192, 8192))
