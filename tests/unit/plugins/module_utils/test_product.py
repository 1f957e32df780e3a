# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

from pathlib import Path

from ansible_collections.freehyve.builder.plugins.module_utils._files import read_json
from ansible_collections.freehyve.builder.plugins.module_utils._product import (
    because,
    receipt_of,
    stale,
    write_receipt,
)


def test_a_product_is_stale_when_inputs_or_files_changed(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text("12345")
    receipt = receipt_of("image", "i", {"a": 1}, {"files": {str(file): {"size": 5}}})
    assert stale(None, {"a": 1}) == ["not made yet"]
    assert stale(receipt, {"a": 1}) == []
    assert stale(receipt, {"a": 2}) == ["a: 1 -> 2"]
    file.write_text("123")
    assert stale(receipt, {"a": 1}) == [f"{file}: size changed"]
    file.unlink()
    assert stale(receipt, {"a": 1}) == [f"{file}: gone"]
    assert because(["a", "b"]) == "a; b"


def test_a_receipt_brings_its_directory_along(tmp_path: Path) -> None:
    path = tmp_path / "stages/image-i.json"
    write_receipt(str(path), receipt_of("image", "i", {"a": 1}, {}))
    found = read_json(str(path))
    assert found is not None
    assert (found["stage"], found["id"], found["inputs"], len(found["key"])) == ("image", "i", {"a": 1}, 64)
