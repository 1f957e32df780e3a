# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils._archive import (
    check_level,
    compress_argv,
    merge_sums,
    parse_sums,
    render_sums,
)
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError

A, B = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    ("method", "level", "good"),
    [("zstd", 1, True), ("zstd", 22, True), ("zstd", 0, False), ("xz", 0, True), ("xz", 10, False), ("none", 0, True)],
)
def test_levels_are_those_of_the_method(method: str, level: int, good: bool) -> None:
    if good:
        check_level(method, level)
    else:
        with pytest.raises(ToolError, match=f"compression {method}: has levels"):
            check_level(method, level)


def test_argv_uses_only_flags_of_the_old_zstd() -> None:
    assert compress_argv("zstd", 3, 0) == ["zstd", "-q", "-c", "-f", "-T0", "-3"]
    assert "--ultra" in compress_argv("zstd", 20, 2)
    assert compress_argv("xz", 6, 2) == ["xz", "-q", "-c", "-T2", "-6"]
    assert compress_argv("none", 0, 0) == ["cat"]


def test_sums_survive_a_round_trip_and_are_sorted() -> None:
    text = render_sums({"z.raw.zst": A, "a b.qcow2": B})
    assert text == f"{B}  a b.qcow2\n{A}  z.raw.zst\n"
    assert parse_sums(text) == {"z.raw.zst": A, "a b.qcow2": B}


@pytest.mark.parametrize("line", ["SHA256 (x) = " + A, A[:-1] + "  x", A + "  ", "x"])
def test_foreign_lines_are_told(line: str) -> None:
    with pytest.raises(ToolError, match="line 1 is not"):
        parse_sums(line)


def test_merging_forgets_files_that_are_gone(tmp_path: Path) -> None:
    (tmp_path / "stream").touch()
    assert merge_sums(str(tmp_path), {"stream": A, "gone": A, "new": A}, {"new": B}) == {"stream": A, "new": B}
