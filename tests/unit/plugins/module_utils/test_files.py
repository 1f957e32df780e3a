# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import hashlib
import os

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._files import (
    read_json,
    remove,
    remove_empty,
    sha256_file,
    write_file,
    write_json,
)


def test_digest_of_a_file(tmp_path):
    (tmp_path / "f").write_bytes(b"x" * 3_000_000)
    assert sha256_file(str(tmp_path / "f")) == hashlib.sha256(b"x" * 3_000_000).hexdigest()


def test_a_written_file_has_its_mode_and_leaves_no_temporary(tmp_path):
    write_file(str(tmp_path / "f"), b"data", 0o600)
    assert os.listdir(tmp_path) == ["f"]
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o600


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    target = tmp_path / "f"
    target.write_bytes(b"old")

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_file(str(target), b"new")
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["f"]


def test_what_need_not_be_durable_waits_for_no_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda *_args: pytest.fail("waits for the disk"))
    write_file(str(tmp_path / "f"), b"new", 0o600, durable=False)
    assert (tmp_path / "f").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["f"]


def test_receipts_come_back(tmp_path):
    write_json(str(tmp_path / "r.json"), {"b": 1, "a": [2]})
    assert read_json(str(tmp_path / "r.json")) == {"a": [2], "b": 1}


def test_no_receipt_is_none(tmp_path):
    assert read_json(str(tmp_path / "none")) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_a_broken_receipt_is_named(tmp_path, content):
    (tmp_path / "r.json").write_bytes(content)
    with pytest.raises(ToolError, match=r"receipt '.*r\.json'"):
        read_json(str(tmp_path / "r.json"))


def test_only_empty_directories_are_removed(tmp_path):
    (tmp_path / "alt/a/b").mkdir(parents=True)
    (tmp_path / "alt/c").mkdir()
    (tmp_path / "alt/c/file").touch()
    remove_empty(str(tmp_path / "alt"))
    assert sorted(p.name for p in (tmp_path / "alt").rglob("*")) == ["c", "file"]
    (tmp_path / "alt/c/file").unlink()
    remove_empty(str(tmp_path / "alt"))
    assert not (tmp_path / "alt").exists()
    remove_empty(str(tmp_path / "never"))


def test_a_file_a_link_and_a_directory_go_and_what_is_not_there_is_gone(tmp_path):
    (tmp_path / "keep").mkdir()
    (tmp_path / "keep/file").touch()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("keep")
    (tmp_path / "full/a").mkdir(parents=True)
    for name in ("file", "link", "full", "none"):
        remove(str(tmp_path / name))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "keep"]
