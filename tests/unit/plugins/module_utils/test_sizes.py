# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._sizes import human_size, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("8g", 8 << 30),
        ("8G", 8 << 30),
        ("8GiB", 8 << 30),
        ("8gb", 8 << 30),
        ("512m", 512 << 20),
        ("1.5t", 3 << 39),
        ("33292k", 33292 << 10),
        ("100b", 100),
        ("4096", 4096),
        (" 1k ", 1024),
        (0, 0),
        (4096, 4096),
    ],
)
def test_sizes_are_powers_of_two(text: int | str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "g", "-1", "1 g", "8gg", "0x10", "1e3", "1.3", "eight", True, "8 GB free"])
def test_anything_else_is_refused(text: int | str) -> None:
    with pytest.raises(ToolError, match=r"^swap: '.*' is not a "):
        parse_size(text, "swap")


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0"), (512, "512"), (1 << 30, "1g"), (1536 << 20, "1.50g"), (33292 << 10, "32.51m"), (2 << 40, "2t")],
)
def test_sizes_for_people(size: int, text: str) -> None:
    assert human_size(size) == text
