# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""One builder with an agent on it."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from tests.builders import Builder

from .shipping import parcel

PLACE = "/var/tmp/fhfault"


class AgentError(Exception):
    """The agent could not do what it was asked; the suite itself is at fault, or a case left what it cannot undo."""


class Lane:
    """Talks to the agent: a request, an answer."""

    def __init__(self, builder: Builder, spec: dict[str, Any]) -> None:
        self.builder = builder
        packed = parcel(PLACE, spec)
        self._ssh(f"/bin/sh -c 'rm -rf {PLACE}; mkdir -p {PLACE} && tar -xf - -C {PLACE}'", packed)
        argv = [*builder.ssh_argv(), f"/usr/local/bin/python3 {PLACE}/far/agent.py"]
        self._agent = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def _ssh(self, command: str, data: bytes) -> None:
        subprocess.run([*self.builder.ssh_argv(), command], input=data, check=True, capture_output=True)

    def ask(self, do: str, **more: Any) -> Any:
        """:raises AgentError: with what it said."""
        assert self._agent.stdin and self._agent.stdout
        self._agent.stdin.write(json.dumps({"do": do, **more}) + "\n")
        self._agent.stdin.flush()
        line = self._agent.stdout.readline()
        if not line:
            raise AgentError(f"{do}: the agent is gone, exit status {self._agent.wait()}")
        answer = json.loads(line)
        if isinstance(answer, dict) and "error" in answer:
            raise AgentError(f"{do} {more}: {answer['error']}\n{answer['traceback']}")
        return answer

    def close(self) -> None:
        if self._agent.stdin:
            self._agent.stdin.close()
        self._agent.wait(timeout=60)
