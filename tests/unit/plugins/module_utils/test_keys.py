# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils._keys import key_of, reasons


def test_the_order_of_inputs_does_not_matter():
    assert key_of({"a": 1, "b": [1, 2]}) == key_of({"b": [1, 2], "a": 1})


def test_every_value_matters():
    assert key_of({"a": 1}) != key_of({"a": "1"})


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (None, {"a": 1}, ["not made yet"]),
        ({"a": 1}, {"a": 1}, []),
        ({"release": "15.0"}, {"release": "15.1"}, ["release: 15.0 -> 15.1"]),
        ({}, {"timezone": "UTC"}, ["timezone: UTC"]),
        ({"patch": "x"}, {}, ["patch: no longer x"]),
        ({"overlay": {"etc/rc.conf": "1"}}, {"overlay": {"etc/rc.conf": "2"}}, ["overlay: etc/rc.conf changed"]),
        ({"overlay": {"a": "1"}}, {"overlay": {"b": "1"}}, ["overlay: a removed", "overlay: b added"]),
        ({"packages": ["x"]}, {"packages": ["x", "y"]}, ["packages: y added"]),
        ({"packages": ["x", "y"]}, {"packages": ["y", "x"]}, ["packages: order changed"]),
        ({"key": "a" * 64}, {"key": "b" * 64}, ["key: " + "a" * 12 + " -> " + "b" * 12]),
    ],
)
def test_reasons_in_words(before, after, words):
    assert reasons(before, after) == words


def test_many_changes_are_counted():
    words = reasons({"overlay": {}}, {"overlay": {str(n): "x" for n in range(9)}})
    assert len(words) == 4
    assert words[-1] == "overlay: 6 more"
