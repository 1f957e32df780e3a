# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._iso9660 import SECTOR, Entry, image

FILES = [Entry("meta-data", b"instance-id: x\n"), Entry("user-data", b"#!/bin/sh\n" + b"x" * 5000, 0o700)]


def test_the_volume_is_named_as_written() -> None:
    made = image("cidata", FILES)
    primary = made[16 * SECTOR : 17 * SECTOR]
    assert primary[:6] == b"\x01CD001"
    assert primary[40:72] == b"cidata".ljust(32)
    assert struct.unpack("<I", primary[80:84])[0] * SECTOR == len(made)
    assert struct.unpack(">I", primary[84:88])[0] * SECTOR == len(made)


def test_equal_content_gives_equal_images() -> None:
    assert image("cidata", FILES) == image("cidata", FILES)


def test_libarchive_reads_names_modes_and_content(tmp_path: Path) -> None:
    """An independent reader, which is FreeBSD's tar too; the lab needs it anyway."""
    reader = shutil.which("bsdtar")
    assert reader is not None
    (tmp_path / "seed.iso").write_bytes(image("cidata", FILES))
    subprocess.run([reader, "-xpf", "seed.iso"], cwd=tmp_path, check=True)
    for entry in FILES:
        assert (tmp_path / entry.name).read_bytes() == entry.data
        assert (tmp_path / entry.name).stat().st_mode & 0o777 == entry.mode


def test_an_empty_file_stays_empty(tmp_path: Path) -> None:
    (tmp_path / "seed.iso").write_bytes(image("cidata", [Entry("vendor-data", b"")]))
    subprocess.run(["bsdtar", "-xf", "seed.iso"], cwd=tmp_path, check=True)
    assert (tmp_path / "vendor-data").read_bytes() == b""


def test_more_files_than_fit_are_refused() -> None:
    with pytest.raises(ToolError, match="too many files"):
        image("cidata", [Entry(f"file-{number:03}", b"x") for number in range(40)])
