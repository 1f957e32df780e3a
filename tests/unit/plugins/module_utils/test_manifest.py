# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._manifest import parse_manifest, render

SHA = "ab" * 32
GOOD = (
    f'base.txz\t{SHA}\t27567\tbase\t"Base system (MANDATORY)"\ton\n'
    f'base-dbg.txz\t{SHA}\t10\tbase_dbg\t"Base system (Debugging)"\toff\n'
)


def test_a_release_manifest_is_read_by_set() -> None:
    entries = parse_manifest(GOOD.encode(), "x")
    assert sorted(entries) == ["base", "base-dbg"]
    assert (entries["base"].sha256, entries["base"].files, entries["base"].default) == (SHA, 27567, True)
    assert entries["base-dbg"].distname == "base_dbg"


def test_rendering_gives_back_what_was_read() -> None:
    entries = parse_manifest(GOOD.encode(), "x")
    assert sorted(render(entries.values(), {}).decode().splitlines()) == sorted(GOOD.splitlines())


def test_rendering_names_the_trusted_digests() -> None:
    other = "cd" * 32
    text = render(parse_manifest(GOOD.encode(), "x").values(), {"base": other, "my.set": other})
    entries = parse_manifest(text, "x")
    assert entries["base"].sha256 == other
    assert (entries["my.set"].sha256, entries["my.set"].distname) == (other, "my_set")


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html>\n<html>", "an HTML page"),
        (b"  <html>", "an HTML page"),
        (b"\xff\xfe\x00", "not text"),
        (b"404 not found\n", "1 columns, not 6"),
        (GOOD.replace("\t", " ").encode(), "1 columns, not 6"),
        (f'base.tgz\t{SHA}\t1\tbase\t"x"\ton\n'.encode(), "not the name of a set"),
        (f'../base.txz\t{SHA}\t1\tbase\t"x"\ton\n'.encode(), "not the name of a set"),
        (f'base.txz\t{SHA[:-1]}\t1\tbase\t"x"\ton\n'.encode(), "malformed SHA-256"),
        (f'base.txz\t{SHA.upper()}\t1\tbase\t"x"\ton\n'.encode(), "malformed SHA-256"),
        (f'base.txz\t{SHA}\tmany\tbase\t"x"\ton\n'.encode(), "malformed number of files"),
        (f"base.txz\t{SHA}\t1\tbase\tx\ton\n".encode(), "double quotes"),
        (f'base.txz\t{SHA}\t1\tbase\t"x"\tyes\n'.encode(), "neither on nor off"),
        ((GOOD + GOOD).encode(), "line 3: base.txz: listed twice"),
        ((GOOD + "\n").encode(), "line 3: 1 columns"),
    ],
)
def test_anything_else_is_refused_in_one_line(data: bytes, cause: str) -> None:
    with pytest.raises(ToolError) as error:
        parse_manifest(data, "http://m/MANIFEST")
    assert cause in error.value.message
    assert error.value.message.startswith("MANIFEST 'http://m/MANIFEST': ")
    assert "\n" not in error.value.message
