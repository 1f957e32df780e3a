# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

from typing import Any

import pytest
from ansible.plugins.loader import shell_loader

from ansible_collections.freehyve.builder.plugins.become.doas import BecomeModule


def plugin(**options: Any) -> Any:
    """The plugin with its documented defaults, as the loader would give it."""
    become = BecomeModule()
    become._options = {
        "become_user": "root",
        "become_exe": "doas",
        "become_flags": "",
        "become_pass": None,
        **options,
    }
    return become


def command(become: Any, cmd: str = "id -u") -> str:
    text = become.build_become_command(cmd, shell_loader.get("sh"))
    return str(text).replace(become.success, "SUCCESS")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "doas -n -u root /bin/sh -c 'echo SUCCESS ; id -u'"),
        ({"become_user": "build"}, "doas -n -u build /bin/sh -c 'echo SUCCESS ; id -u'"),
        (
            {"become_exe": "/opt/doas", "become_flags": "-L"},
            "/opt/doas -n -L -u root /bin/sh -c 'echo SUCCESS ; id -u'",
        ),
        ({"become_pass": "secret"}, "doas -u root /bin/sh -c 'echo SUCCESS ; id -u'"),
    ],
)
def test_command(options: dict[str, Any], expected: str) -> None:
    assert command(plugin(**options)) == expected


def test_nothing_stays_nothing() -> None:
    assert plugin().build_become_command("", shell_loader.get("sh")) == ""


@pytest.mark.parametrize(("password", "pipelining"), [(None, True), ("secret", False)])
def test_a_password_needs_a_terminal(password: str | None, pipelining: bool) -> None:
    become = plugin(become_pass=password)
    command(become)
    assert become.pipelining is pipelining
    assert become.expect_prompt() is not pipelining


@pytest.mark.parametrize(
    ("output", "prompt"),
    [(b"doas (build@builder) password: ", "doas (build@builder) password:"), (b"hello\n", None)],
)
def test_the_prompt_is_known_and_stripped(output: bytes, prompt: str | None) -> None:
    become = plugin(become_pass="secret")
    command(become)
    assert become.check_password_prompt(output) is (prompt is not None)
    if prompt:
        assert become.prompt == prompt
        assert become.strip_become_prompt(output + b"rest") == b"rest"


def test_a_refusal_is_told_apart() -> None:
    become = plugin()
    assert become.check_incorrect_password(b"doas: Authentication failed\n")
    assert not become.check_incorrect_password(b"doas: Operation not permitted\n")
    assert become.check_missing_password(b"doas: Authorization required\n")
