# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The addresses of builders."""

from __future__ import annotations

import pytest

from tests.builders import Address, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("root@builder:2222", Address("root", "builder", 2222)),
        ("builder", Address("root", "builder", 22)),
        ("me@192.0.2.1", Address("me", "192.0.2.1", 22)),
        ("root@[2001:db8::1]:22", Address("root", "2001:db8::1", 22)),
        ("[fe80::1%em0]", Address("root", "fe80::1%em0", 22)),
    ],
)
def test_parse_address_reads_what_ssh_users_write(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text", ["", "root@", "root@host:", "root@host:0", "root@host:99999", "root@2001:db8::1", "a@b@c"]
)
def test_parse_address_refuses_the_rest(text: str) -> None:
    with pytest.raises(ValueError, match="not user@host:port"):
        parse_address(text)
