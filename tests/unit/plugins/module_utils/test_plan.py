# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import errno
import os

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._plan import diff_of, run_module


class Exit(Exception):
    pass


class FakeModule:
    def exit_json(self, **result):
        raise Exit("exit", result)

    def fail_json(self, **result):
        raise Exit("fail", result)


def test_a_result_exits():
    with pytest.raises(Exit) as caught:
        run_module(FakeModule(), lambda: {"changed": True})
    assert caught.value.args == ("exit", {"changed": True})


def test_a_tool_error_fails_with_its_line_and_command():
    def body():
        raise ToolError("object: verb: cause", ["zpool", "list"], 1, "", "cause")

    with pytest.raises(Exit) as caught:
        run_module(FakeModule(), body)
    kind, result = caught.value.args
    assert kind == "fail"
    assert (result["msg"], result["cmd"], result["rc"]) == ("object: verb: cause", ["zpool", "list"], 1)


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "'/z/jobs/a': No space left on device; free some space there and run again"),
        (errno.EACCES, "'/z/jobs/a': Permission denied; see to it and run again"),
    ],
)
def test_what_the_system_refuses_is_one_line(number, message):
    def body():
        raise OSError(number, os.strerror(number), "/z/jobs/a")

    with pytest.raises(Exit) as caught:
        run_module(FakeModule(), body)
    assert caught.value.args == ("fail", {"msg": message})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": True, "a": {"x": 1}}, "a:\n  x: 1\nb: true\n"),
        ({"l": ["p", "q"]}, "l:\n  - p\n  - q\n"),
        (None, ""),
        ({}, ""),
    ],
)
def test_diff_is_readable(value, text):
    assert diff_of(value, value) == {"before": text, "after": text}
