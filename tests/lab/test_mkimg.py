# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The simulated mkimg against the real one's images and recordings, and against QEMU's readers."""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest

from tests.lab.sim.mkimg import numbers, partitions
from tests.unit.transcripts import Row, rows

HERE = Path(__file__).parent
FIXTURES = HERE.parent / "fixtures" / "mkimg"
MKIMG_ROWS = [row for row in rows("13.2", "mkimg") if re.search(r"^(cd \S+; )?mkimg", row.cmd)]
# What follows mkimg in a row shows its work on FreeBSD; the test looks by itself.
SHOW = re.compile(r"; (ls -l|sha256) .*$", re.S)
PIPES = {"qcow": "qcow", "qcow2": "qcow2", "vhd": "vpc", "vhdf": "vpc", "vhdx": "vhdx", "vmdk": "vmdk"}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with the recording's files and ``mkimg`` on a path of its own."""
    shutil.copyfile(FIXTURES / "part.bin", tmp_path / "part.bin")
    mbr = (FIXTURES / "act.img").read_bytes()[:512]
    (tmp_path / "pmbr").write_bytes(mbr)
    (tmp_path / "gptzfsboot").write_bytes(b"\x90" * 118354)
    for name, size in (("sparse.bin", 4 << 20), ("esp.bin", 33 << 20)):
        with (tmp_path / name).open("wb") as stream:
            stream.truncate(size)
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "mkimg").write_text(f'#!/bin/sh\nexec {sys.executable} -S -E -s {HERE}/sim/run.py mkimg "$@"\n')
    (tools / "mkimg").chmod(0o755)
    return tmp_path


def sh(place: Path, command: str, **extra: str) -> subprocess.CompletedProcess[str]:
    command = command.replace("/tank/lab/mk", str(place)).replace("/boot/mbr", "pmbr")
    environ = {**os.environ, "PATH": f"{place}/bin:{os.environ['PATH']}", "LC_ALL": "C", **extra}
    return subprocess.run(
        ["/bin/sh", "-c", command], cwd=place, env=environ, capture_output=True, text=True, check=False, timeout=60
    )


def qemu_img(*words: object) -> subprocess.CompletedProcess[str]:
    tool = shutil.which("qemu-img")
    assert tool, "qemu-img is missing and the lab's tests need it: install qemu-utils"
    return subprocess.run([tool, *map(str, words)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("row", MKIMG_ROWS, ids=lambda row: row.cmd[-60:])
def test_a_recorded_row_is_repeated(place: Path, row: Row) -> None:
    shown = SHOW.search(row.cmd)
    result = sh(place, SHOW.sub("", row.cmd))
    told = "".join(line for line in row.stderr.splitlines(True) if not line.startswith("ls: "))
    assert result.stderr == told
    if shown is None:
        assert (result.returncode, result.stdout) == (row.rc, row.stdout)
    for size, name in re.findall(r"wheel +(\d+) .* (\S+)\n", row.stdout):
        assert (place / name).stat().st_size == int(size)
    for name, digest in re.findall(r"SHA256 \((\S+)\) = (\w+)", row.stdout):
        if "-b " not in row.cmd:  # the boot code of the recorded host is not here
            assert hashlib.sha256((place / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("out.gpt.img", "-s gpt -p freebsd-ufs:=part.bin"),
        ("out.apm.img", "-s apm -p freebsd-ufs:=part.bin"),
        ("out.bsd.img", "-s bsd -p freebsd-ufs:=part.bin"),
        ("act.img", "-s mbr -a 1 -b pmbr -p freebsd:=part.bin"),
        ("s4k.img", "-s gpt -P 4096 -S 4096 -p freebsd-ufs:=part.bin"),
    ],
)
def test_an_image_is_the_real_one_byte_for_byte(place: Path, name: str, command: str) -> None:
    assert sh(place, f"mkimg -y {command} -o {name}").returncode == 0
    assert (place / name).read_bytes() == (FIXTURES / name).read_bytes()


@pytest.mark.parametrize("form", sorted(PIPES))
def test_qemu_reads_every_format_back(place: Path, form: str) -> None:
    body = "-y -s gpt -p efi/e:=esp.bin -p freebsd-swap::3m -p freebsd-zfs/z:=part.bin"
    assert sh(place, f"mkimg {body} -f {form} -o image").returncode == 0
    read = qemu_img("convert", "-f", PIPES[form], "-O", "raw", place / "image", place / "back")
    assert read.returncode == 0, read.stderr
    if form in ("qcow2", "vmdk", "vhdx"):
        checked = qemu_img("check", "-f", PIPES[form], place / "image")
        assert checked.returncode == 0, checked.stdout + checked.stderr
    back = (place / "back").read_bytes()
    # QEMU takes a foreign VHD's size from its geometry, so the backup table may lie beyond what it shows.
    start = 3 * 512 + (33 << 20) + (3 << 20)
    assert back[start : start + 614400] == (place / "part.bin").read_bytes()
    assert back[512:520] == b"EFI PART"
    assert back[3 * 512 : start].count(0) == start - 3 * 512
    if PIPES[form] != "vpc":
        assert back[-512:-504] == b"EFI PART"


def test_both_headers_of_gpt_carry_right_checksums(place: Path) -> None:
    assert sh(place, "mkimg -s gpt -p efi/boot:=part.bin -p freebsd-swap/s::1m -o out -P 4096").returncode == 0
    image = (place / "out").read_bytes()
    for at in (512, len(image) - 512):
        header = image[at : at + 92]
        assert zlib.crc32(header[:16] + bytes(4) + header[20:]) == struct.unpack_from("<I", header, 16)[0]
        table, entries, size, crc = struct.unpack_from("<QIII", header, 72)
        assert zlib.crc32(image[table * 512 : table * 512 + entries * size]) == crc
    first = struct.unpack_from("<QQ", image, 1024 + 32)
    assert first == (8, 8 + 1200 - 1)  # on the first 4 KiB boundary after the table


def test_guids_are_random_without_y(place: Path) -> None:
    for name in ("one", "two"):
        sh(place, f"mkimg -s gpt -p freebsd-ufs:=part.bin -o {name}")
    one, two = ((place / name).read_bytes()[568:584] for name in ("one", "two"))
    assert one != two
    assert one[7] >> 4 == 1  # a time-based GUID


@pytest.mark.parametrize("form", ["raw", *sorted(PIPES)])
def test_a_large_sparse_image_takes_a_moment_and_stays_sparse(place: Path, form: str) -> None:
    source = place / "big.bin"
    noise = random.Random(1).randbytes(65536)
    with source.open("wb") as stream:
        for index in range(20):
            stream.seek(index * 400_000_000)
            stream.write(noise)
        stream.truncate(8 << 30)
    begun = time.monotonic()
    assert sh(place, f"mkimg -s gpt -f {form} -p freebsd-zfs:=big.bin -o out").returncode == 0
    assert time.monotonic() - begun < 5  # walking the zeros would take minutes
    assert (place / "out").stat().st_blocks * 512 < 64 << 20


def test_a_pipe_ends_on_standard_output_and_zeros_are_written(place: Path) -> None:
    sh(place, "mkimg -y -s gpt -p freebsd-swap::1m -p freebsd-ufs:=part.bin -o plain")
    result = sh(place, "mkimg -y -s gpt -p freebsd-swap::1m -p freebsd-ufs:-'cat part.bin' | cat > piped")
    assert result.returncode == 0
    assert (place / "piped").read_bytes() == (place / "plain").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        ("-s gpt -s mbr -p -", 64, "mkimg: error: multiple schemes given\n"),
        ("-p efi::1m", 64, "mkimg: error: no scheme\n"),
        ("-s gpt -p efi::1m extra", 64, "mkimg: error: trailing arguments\n"),
        ("-s gpt -c 2m -C 1m -p efi::1k", 64, "mkimg: error: minimum capacity cannot be larger than the"),
        ("-z", 64, "mkimg: invalid option -- z\nmkimg: error: unknown option\n"),
        ("-s", 64, "mkimg: option requires an argument -- s\n"),
        ("-s gpt -a 0 -p efi::1k", 65, "mkimg: Partition ordinal: Invalid argument\n"),
        ("-s gpt -S 1000 -p efi::1k", 65, "mkimg: logical sector size: Invalid argument\n"),
        ("-s gpt -S 4096 -P 512 -p efi::1k", 65, "mkimg: the physical block size cannot be smaller than the"),
        ("-s bsd -S 4096 -p freebsd-ufs::1k", 65, "mkimg: maximum sector size supported is 512; size specified"),
        ("-s mbr -p - -p - -p - -p - -p -", 65, "mkimg: 4 partitions supported; 5 given\n"),
        ("-s apm -b pmbr -p freebsd::1k", 65, "mkimg: boot code: Device not configured\n"),
        ("-s gpt -p efi::1m:1m -p efi::1m:1m", 1, "mkimg: partition 0 overlaps partition 1\n"),
        ("-s gpt -p efi::1m:x", 74, "mkimg: partition 1: Invalid argument\n"),
        ("-s gpt -p efi/:=part.bin", 65, "mkimg: partition: Invalid argument\n"),
        ("-s gpt -p fat32:=part.bin", 65, "mkimg: partition 1: Invalid argument\n"),
        ("-s gpt -p efi:=.", 74, "mkimg: partition 1: Is a directory\n"),
        ("-s gpt -C 1m -p freebsd-ufs::2m", 74, "mkimg: image sizing: No space left on device\n"),
    ],
)
def test_a_mistake_is_told_in_the_words_of_mkimg(place: Path, arguments: str, status: int, text: str) -> None:
    result = sh(place, f"mkimg {arguments} >/dev/null")
    assert result.stderr.startswith(text)
    assert result.returncode == status


def test_a_bad_offset_of_a_file_is_forgotten(place: Path) -> None:
    assert sh(place, "mkimg -y -s gpt -p efi:=part.bin:+nonsense -o out").returncode == 0
    assert (place / "out").stat().st_size == 616960


def test_the_output_is_emptied_before_a_later_option_is_refused(place: Path) -> None:
    (place / "out").write_text("old")
    assert sh(place, "mkimg -o out -s nosuch").returncode == 65
    assert (place / "out").read_bytes() == b""


def test_extended_boot_records_form_a_chain(place: Path) -> None:
    assert sh(place, "mkimg -s ebr -p freebsd:=part.bin -p fat32::1m -o out").returncode == 0
    image = (place / "out").read_bytes()
    kind, start, size = image[446 + 4], *struct.unpack_from("<II", image, 446 + 8)
    assert (kind, start, size) == (0xA5, 1, 1200)
    link, following = image[462 + 4], struct.unpack_from("<I", image, 462 + 8)[0]
    assert link == 5
    assert image[following * 512 + 446 + 4] == 0x0B
    assert image[following * 512 + 510 :][:2] == b"\x55\xaa"


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("1k", 1024), ("2M", 2 << 20), ("0x10", 16), ("010", 8), ("1b", 1), ("-1", (1 << 64) - 1)],
)
def test_numbers_expand_as_expand_number_does(text: str, value: int) -> None:
    assert numbers.expand_number(text) == value


@pytest.mark.parametrize("text", ["", "x", "12q", "99999999999999999999", "16e", "1 k"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(numbers.NumberError):
        numbers.expand_number(text)


@pytest.mark.parametrize("spec", ["efi", ":=x", "efi:", "efi:x", "/l:=x", "efi/:=x"])
def test_a_bad_specification_is_refused(spec: str) -> None:
    with pytest.raises(partitions.SpecError):
        partitions.parse(spec, 0)
