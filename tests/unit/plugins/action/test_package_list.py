# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Package lists on the controller."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.freehyve.builder.plugins.action.package_list import read_lists
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError

ROOT = Path(__file__).resolve().parents[4]


def test_the_list_that_is_shipped_is_well_formed() -> None:
    origins = read_lists([str(ROOT / "poudriere" / "host_packages.txt")])
    assert "sysutils/vm-bhyve" in origins
    assert len(origins) == len(set(origins))


def test_several_lists_in_order(tmp_path: Path) -> None:
    for name, text in (("one", "a/b\n"), ("two", "c/d # x\na/b\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_lists([str(tmp_path / "two"), str(tmp_path / "one")]) == ["c/d", "a/b"]


def test_what_is_wrong_names_the_file(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.txt")
    with pytest.raises(ToolError, match=r"package list .*none.txt: no such file on the controller$"):
        read_lists([missing])
    with pytest.raises(ToolError, match="no such file on the controller"):
        read_lists([str(tmp_path)])
    (tmp_path / "bad").write_bytes(b"\xfe")
    with pytest.raises(ToolError, match="not a text file"):
        read_lists([str(tmp_path / "bad")])
    with pytest.raises(ToolError, match="none given"):
        read_lists([])
