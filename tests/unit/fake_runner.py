# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""A Runner that replays: expected argument lists give recorded answers, anything else fails the test.

Check mode runs with the same replies less the mutating ones, so that a module that changes something is caught.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import IO, Dict, List, Optional, Sequence, Tuple, Union

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Completed, Runner, first_line
from tests.unit.transcripts import Row, find

Argv = Tuple[str, ...]
Reply = Union[str, Row, Tuple[int, str, str]]


@dataclass(frozen=True)
class FakeRunner(Runner):
    """``replies`` by argument list; a list of replies is used up in order, its last one again and again."""

    replies: Dict[Argv, List[Reply]] = field(default_factory=dict)
    calls: List[Argv] = field(default_factory=list)
    pipes: List[Tuple[Argv, ...]] = field(default_factory=list)
    tools: Dict[str, str] = field(default_factory=dict)
    piped: bytes = b""

    def on(self, argv: Union[str, Sequence[str]], *replies: Reply) -> "FakeRunner":
        """Expect a command (a string is split at blanks); without a reply it succeeds silently."""
        words = tuple(argv.split()) if isinstance(argv, str) else tuple(argv)
        self.replies[words] = list(replies) or [""]
        return self

    def recorded(self, release: str, tool: str, *commands: str) -> "FakeRunner":
        """Expect recorded commands and answer as the real host did."""
        for command in commands:
            self.on(command, find(release, tool, command))
        return self

    def which(self, name: str) -> Optional[str]:
        return self.tools.get(name)

    def run(
        self,
        argv: Sequence[str],
        ok: Sequence[int] = (0,),
        stdin: Optional[bytes] = None,
        cwd: Optional[str] = None,
        timeout: Optional[float] = None,
        failed: Optional[str] = None,
    ) -> Completed:
        words = tuple(argv)
        self.calls.append(words)
        if words not in self.replies:
            raise AssertionError(f"unexpected command: {' '.join(words)}")
        queue = self.replies[words]
        reply = queue.pop(0) if len(queue) > 1 else queue[0]
        if isinstance(reply, Row):
            reply = (reply.rc, reply.stdout, reply.stderr)
        elif isinstance(reply, str):
            reply = (0, reply, "")
        done = Completed(words, *reply)
        if done.rc not in ok:
            cause = first_line(done.stderr) or first_line(done.stdout) or f"exit status {done.rc}"
            raise ToolError(f"{failed or words[0]}: {cause}", list(words), done.rc, done.stdout, done.stderr)
        return done

    def pipe(
        self,
        *commands: Sequence[str],
        output: Optional[str] = None,
        failed: Optional[str] = None,
        stdin: Optional[IO[bytes]] = None,
    ) -> None:
        words = tuple(tuple(command) for command in commands)
        self.pipes.append(words)
        for command in words:
            if command not in self.replies:
                raise AssertionError(f"unexpected command in a pipeline: {' '.join(command)}")
        if output is not None:
            with open(output, "wb") as sink:
                sink.write(self.piped)
        for command in words:
            reply = self.replies[command][0]
            if isinstance(reply, tuple) and reply[0]:
                raise ToolError(
                    f"{failed or command[0]}: {first_line(reply[2])}", list(command), reply[0], "", reply[2]
                )

    def ran(self) -> List[str]:
        """All commands so far, as one reads them."""
        return [" ".join(words) for words in self.calls]
