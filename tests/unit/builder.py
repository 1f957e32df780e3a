# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""A Runner that plays a small builder for modules that run many commands with effects on files."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Completed, Runner

Reply = str | tuple[int, str, str]
Answer = Reply | Callable[[tuple[str, ...]], Reply]


class Played(Runner):
    """A host some of whose commands are played."""

    def play(self, words: list[str]) -> Reply | None:
        """What a command says, or exit status, output and complaint; None leaves it to the real tool."""
        raise NotImplementedError

    def run(
        self,
        argv: Sequence[str],
        ok: Sequence[int] = (0,),
        stdin: bytes | None = None,
        cwd: str | None = None,
        timeout: float | None = None,
        failed: str | None = None,
    ) -> Completed:
        reply = self.play(list(argv))
        if reply is None:
            return super().run(argv, ok, stdin, cwd, timeout, failed)
        rc, out, err = (0, reply, "") if isinstance(reply, str) else reply
        if rc not in ok:
            raise ToolError(f"{failed or argv[0]}: {err or rc}", list(argv), rc, out, err)
        return Completed(tuple(argv), rc, out, err)


@dataclass(frozen=True)
class DaemonHost(Played):
    """A host whose daemon(8) starts its command in a session of its own; all else is the real tool's."""

    started: list[subprocess.Popen[bytes]] = field(default_factory=list)
    calls: list[list[str]] = field(default_factory=list)

    def play(self, words: list[str]) -> Reply | None:
        self.calls.append(words)
        if words[0] != "daemon":
            self.reap()
            return None
        assert words[1:3] == ["-f", "-p"]
        with open(words[5], "ab") as log:
            proc = subprocess.Popen(words[6:], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        Path(words[3]).write_text(str(proc.pid), encoding="ascii")
        self.started.append(proc)
        return ""

    def reap(self) -> None:
        """Who ended is no zombie: on a builder it is a child of init(8)."""
        for proc in self.started:
            proc.poll()

    def stop(self) -> None:
        """Kill whatever still runs."""
        for proc in self.started:
            if proc.poll() is None:
                os.killpg(proc.pid, signal.SIGKILL)
            proc.wait()


@dataclass(frozen=True)
class PlayedRunner(Played):
    """Answers by the longest matching beginning of the command; anything else fails the test."""

    answers: dict[str, Answer] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def play(self, words: list[str]) -> Reply:
        line = " ".join(words)
        self.calls.append(line)
        matching = [start for start in self.answers if line.startswith(start)]
        assert matching, f"unexpected command: {line}"
        answer = self.answers[max(matching, key=len)]
        return answer(tuple(words)) if callable(answer) else answer

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
