# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The only place that executes a command on the builder."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from typing import IO, Callable, Dict, List, Optional, Sequence, Tuple

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError

# Base system and packages, as root's login would have it. Never the caller's: sshd starts modules with less.
SEARCH_PATH = "/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
# Seconds that a command may take. A tool that looks or changes one thing answers at once, on a busy disk in minutes;
# one that works through data takes as long as a job may. Nothing waits for ever: a pool without its device is silent.
SHORT_SECONDS = 600.0
LONG_SECONDS = 86400.0
LONG_TOOLS = frozenset(
    {"cat", "cpio", "fetch", "git", "mkimg", "pkg", "pkg-static", "poudriere", "tar", "xz", "zstd", "sh"}
)
LONG_VERBS = frozenset({("zfs", "send"), ("zfs", "receive"), ("zfs", "destroy"), ("zfs", "diff"), ("zpool", "scrub")})
# A process that the kernel does not let go cannot be killed: after this the caller is told anyway.
KILL_SECONDS = 10.0
_BUSY = ("busy", "Resource temporarily unavailable")  # EBUSY, EAGAIN


@dataclass(frozen=True)
class Completed:
    """What a command did: argument list, exit status, decoded output."""

    argv: Tuple[str, ...]
    rc: int
    stdout: str
    stderr: str


def _text(data: Optional[bytes]) -> str:
    return (data or b"").decode("utf-8", "surrogateescape")


def limit_of(argv: Sequence[str]) -> float:
    """Seconds after which a command is taken for hung."""
    tool = os.path.basename(argv[0])
    long = tool in LONG_TOOLS or (tool, *argv[1:2]) in LONG_VERBS
    return LONG_SECONDS if long else SHORT_SECONDS


def _end(proc: subprocess.Popen[bytes]) -> None:
    """Kill a process and wait for its end, but not for ever."""
    proc.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        proc.wait(KILL_SECONDS)


def _codes(
    commands: Sequence[Sequence[str]], procs: Sequence[subprocess.Popen[bytes]], failed: Optional[str]
) -> List[int]:
    """Exit statuses of a pipeline, which may take as long as its slowest kind of command.

    :raises ToolError: it takes longer.
    """
    limit = max(limit_of(argv) for argv in commands)
    deadline = time.monotonic() + limit
    codes = []
    for argv, proc in zip(commands, procs):
        try:
            codes.append(proc.wait(max(0.0, deadline - time.monotonic())))
        except subprocess.TimeoutExpired as exc:
            raise ToolError(f"{failed or argv[0]}: no end after {limit:g} s", list(argv), 124) from exc
    return codes


def first_line(text: str) -> str:
    """The first line that says something, for a one-line message."""
    for line in text.splitlines():
        if line.strip():
            return line.strip()
    return ""


def patiently(do: Callable[[], None], patience: float) -> None:
    """Do something that takes back, again while the thing is busy: who looks at it, such as periodic(8), soon ends.

    :param patience: seconds.
    """
    deadline, pause = time.monotonic() + patience, 0.1
    while True:
        try:
            return do()
        except ToolError as exc:
            if not any(word in f"{exc.message}\n{exc.stderr}" for word in _BUSY) or time.monotonic() >= deadline:
                raise
        time.sleep(pause)
        pause = min(1.0, pause * 2)


@dataclass(frozen=True)
class Runner:
    """Runs argument lists, never a shell, with a C locale and a fixed search path."""

    environ: Dict[str, str] = field(default_factory=dict)

    def which(self, name: str) -> Optional[str]:
        """Absolute path of a command of the builder, or None."""
        return shutil.which(name, path=SEARCH_PATH)

    def _env(self) -> Dict[str, str]:
        env = dict(os.environ, PATH=SEARCH_PATH, LC_ALL="C")
        env.update(self.environ)
        return env

    def run(
        self,
        argv: Sequence[str],
        ok: Sequence[int] = (0,),
        stdin: Optional[bytes] = None,
        cwd: Optional[str] = None,
        timeout: Optional[float] = None,
        failed: Optional[str] = None,
    ) -> Completed:
        """Run a command to its end.

        :param ok: exit statuses that are an answer, not a failure.
        :param timeout: seconds after which the command is killed; by default what its kind may take.
        :param failed: start of the message when it fails (object and verb); the tool's first line is the cause.
        :raises ToolError: not found, timed out, or an exit status outside ``ok``.
        """
        args = list(argv)
        limit = limit_of(args) if timeout is None else timeout
        try:
            proc = subprocess.Popen(
                args,
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=cwd,
                env=self._env(),
            )
        except FileNotFoundError as exc:
            raise ToolError(f"{failed or args[0]}: command not found: {args[0]}", args, 127) from exc
        try:
            stdout, stderr = proc.communicate(stdin, limit)
        except subprocess.TimeoutExpired as exc:
            _end(proc)
            raise ToolError(
                f"{failed or args[0]}: no answer after {limit:g} s", args, 124, _text(exc.stdout), _text(exc.stderr)
            ) from exc
        except BaseException:
            _end(proc)
            raise
        result = Completed(tuple(args), proc.returncode, _text(stdout), _text(stderr))
        if result.rc not in ok:
            cause = first_line(result.stderr) or first_line(result.stdout) or f"exit status {result.rc}"
            raise ToolError(f"{failed or args[0]}: {cause}", args, result.rc, result.stdout, result.stderr)
        return result

    def pipe(
        self,
        *commands: Sequence[str],
        output: Optional[str] = None,
        failed: Optional[str] = None,
        stdin: Optional[IO[bytes]] = None,
    ) -> None:
        """Run commands as a pipeline, each exit status checked (a shell would hide all but the last).

        :param output: file that receives the last command's output; created or truncated.
        :param stdin: open file that the first command reads; the caller closes it.
        :raises ToolError: the first command of the pipeline that failed on its own account; one that hangs.
        """
        procs: List[subprocess.Popen[bytes]] = []
        with contextlib.ExitStack() as stack:
            sink = stack.enter_context(open(output, "wb")) if output else subprocess.DEVNULL
            # Files, not pipes: a tool that complains at length must not block while we wait for its neighbour.
            complaints = [stack.enter_context(tempfile.TemporaryFile()) for _command in commands]
            try:
                source: Optional[IO[bytes]] = None
                for index, (argv, complaint) in enumerate(zip(commands, complaints)):
                    last = index == len(commands) - 1
                    try:
                        proc = subprocess.Popen(
                            list(argv),
                            stdin=source or (subprocess.DEVNULL if stdin is None else stdin),
                            stdout=sink if last else subprocess.PIPE,
                            stderr=complaint,
                            env=self._env(),
                        )
                    except FileNotFoundError as exc:
                        raise ToolError(f"{failed or argv[0]}: command not found: {argv[0]}", list(argv), 127) from exc
                    finally:
                        if source is not None:
                            source.close()
                    source = proc.stdout
                    procs.append(proc)
                codes = _codes(commands, procs, failed)
            except BaseException:
                for proc in procs:
                    _end(proc)
                raise
            errors = []
            for complaint in complaints:
                complaint.seek(0)
                errors.append(_text(complaint.read()))
        # A consumer that dies makes its producers die of SIGPIPE: blame the last that failed by itself. But where no
        # consumer failed, one has taken a part for the whole.
        bad = [row for row in zip(commands, codes, errors) if row[1] != 0]
        for argv, code, stderr in ([row for row in bad if row[1] not in (-13, 141)] or bad)[-1:]:
            cause = first_line(stderr) or f"exit status {code}"
            raise ToolError(f"{failed or argv[0]}: {cause}", list(argv), code, "", stderr)


__all__ = ["SEARCH_PATH", "Completed", "Runner", "first_line", "limit_of", "patiently"]
