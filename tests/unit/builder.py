# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""A Runner that plays a small builder for modules that run many commands with effects on files."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import IO, Any

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Completed, Runner

Answer = str | tuple[int, str, str] | Callable[[tuple[str, ...]], str | tuple[int, str, str]]


@dataclass(frozen=True)
class PlayedRunner(Runner):
    """Answers by the longest matching beginning of the command; anything else fails the test."""

    answers: dict[str, Answer] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def run(
        self,
        argv: Sequence[str],
        ok: Sequence[int] = (0,),
        stdin: bytes | None = None,
        cwd: str | None = None,
        timeout: float | None = None,
        failed: str | None = None,
    ) -> Completed:
        line = " ".join(argv)
        self.calls.append(line)
        matching = [start for start in self.answers if line.startswith(start)]
        assert matching, f"unexpected command: {line}"
        answer = self.answers[max(matching, key=len)]
        reply = answer(tuple(argv)) if callable(answer) else answer
        rc, out, err = (0, reply, "") if isinstance(reply, str) else reply
        if rc not in ok:
            raise ToolError(f"{failed or argv[0]}: {err or rc}", list(argv), rc, out, err)
        return Completed(tuple(argv), rc, out, err)

    def pipe(
        self,
        *commands: Sequence[str],
        output: str | None = None,
        failed: str | None = None,
        stdin: IO[bytes] | None = None,
    ) -> None:
        """A file that the first command reads is played as a shell would have it."""
        first, *rest = commands
        commands = ([*first, "<", stdin.name] if stdin else first, *rest)
        text = "".join(self.run(command, failed=failed).stdout for command in commands)
        if output is not None:
            with open(output, "w", encoding="utf-8") as stream:
                stream.write(text)

    def did(self, start: str) -> list[str]:
        """The commands with that beginning."""
        return [line for line in self.calls if line.startswith(start)]


def module(spec: dict[str, Any], check_mode: bool = False, **params: Any) -> Any:
    """An AnsibleModule as ``body`` sees it: parameters with defaults, suboptions too."""
    return SimpleNamespace(params=_defaults(spec, params), check_mode=check_mode)


def _defaults(spec: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    unknown = set(params) - set(spec)
    assert not unknown, f"no such parameter: {unknown}"
    found = {}
    for name, option in spec.items():
        value = params.get(name, option.get("default"))
        assert value is not None or not option.get("required"), f"parameter is missing: {name}"
        if "options" in option and value is not None:
            inner = option["options"]
            value = [_defaults(inner, v) for v in value] if option["type"] == "list" else _defaults(inner, value)
        found[name] = value
    return found


def sparse(path: str | os.PathLike[str], size: int) -> None:
    """A file of holes."""
    with open(path, "wb") as stream:
        stream.truncate(size)
