# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Detached jobs: long work that outlives the connection and the controller.

A job lives in ``<jobs>/<key>/``; its key is the digest of its inputs, so whoever wants the same work finds it:

``run``          the wrapper that daemon(8) starts
``job.json``     argument list and time of the start
``process``      pid and start time, by the wrapper itself
``log``          output of the command
``rc``           exit status, written whole or not at all
``cancelled``    somebody asked it to stop
``result.json``  what its owner made of the end; a job without it has not been looked at yet

daemon(8) records no exit status and removes its pid file at the end, hence the wrapper.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import re
import shlex
import signal
import time
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._files import read_json, write_file, write_json
from ansible_collections.freehyve.builder.plugins.module_utils._runner import SEARCH_PATH, Runner

START_SECONDS = 10.0
TAIL_BYTES = 64 << 10

# The states of a job.
ABSENT, RUNNING, DONE, DIED = "absent", "running", "done", "died"

# lstart is 24 columns wide in the C locale: `Sun Nov 22 21:15:21 2026` (ps(1)).
_PS_ROW = re.compile(r"^\s*(\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4})\s*(.*)$")
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC: window titles
    r"|\x1b[PX^_][^\x1b]*\x1b\\"  # DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-~]"  # two-character sequences
    r"|[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]"
)


@dataclass(frozen=True)
class Process:
    """A process that is told apart from later ones with the same pid."""

    pid: int
    started: str


@dataclass(frozen=True)
class JobState:
    """``rc`` is set when done; ``since`` is the epoch of the start, None when absent."""

    state: str
    rc: Optional[int] = None
    process: Optional[Process] = None
    since: Optional[int] = None
    cancelled: bool = False
    note: Optional[Dict[str, Any]] = None
    result: Optional[Dict[str, Any]] = None


@dataclass(frozen=True)
class Job:
    """Where a job keeps its files."""

    jobs_dir: str
    key: str

    @property
    def directory(self) -> str:
        return os.path.join(self.jobs_dir, self.key)

    def path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    @property
    def log(self) -> str:
        return self.path("log")


def strip_escapes(text: str) -> str:
    """Text without terminal escapes and control characters; tabs and newlines stay, ``\\r\\n`` becomes ``\\n``."""
    return _ESCAPES.sub("", text.replace("\r\n", "\n"))


def wrapper(job: Job, argv: Sequence[str], environ: Optional[Mapping[str, str]] = None) -> str:
    """The shell script that runs ``argv`` and records who runs it and how it ended."""
    directory = shlex.quote(job.directory)
    exports = dict(environ or {}, PATH=SEARCH_PATH, LC_ALL="C", HOME="/root")
    lines = [
        "#!/bin/sh",
        "# Made by freehyve.builder, started by daemon(8), which changes neither directory nor environment.",
        *(f"export {name}={shlex.quote(exports[name])}" for name in sorted(exports)),
        "umask 022",
        f"jobdir={directory}",
        # A signal to the group reaches the command itself; the wrapper stays to write down how that ended.
        "trap : HUP INT TERM",
        'printf "%s %s\\n" "$$" "$(ps -o lstart= -p $$)" > "$jobdir/process.tmp" || exit 70',
        'mv -f "$jobdir/process.tmp" "$jobdir/process" || exit 70',
        "cd / || exit 70",
        " ".join(shlex.quote(word) for word in argv),
        "rc=$?",
        'printf "%s\\n" "$rc" > "$jobdir/rc.tmp" && mv -f "$jobdir/rc.tmp" "$jobdir/rc"',
        "",
    ]
    return "\n".join(lines)


def parse_ps(text: str) -> Optional[Tuple[str, str]]:
    """Start time and command of the one process that ``ps -o lstart= -o command=`` printed."""
    for line in text.splitlines():
        match = _PS_ROW.match(line)
        if match:
            return " ".join(match.group(1).split()), match.group(2).strip()
    return None


def _read_text(path: str) -> Optional[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def _process(job: Job) -> Optional[Process]:
    # Without a start time when ps(1) failed in the wrapper; the command line still tells the process.
    words = (_read_text(job.path("process")) or "").split()
    return Process(int(words[0]), " ".join(words[1:])) if words and words[0].isdigit() else None


def is_alive(runner: Runner, job: Job, process: Process) -> bool:
    """Whether that very process runs.

    Its command line names the wrapper of this job, which no other process does. The start time alone would not do:
    FreeBSD adds the boot time to it, so it moves when the clock is set (sys/kern/kern_proc.c, fill_kinfo_proc).
    Where the command cannot be seen the start time decides.
    """
    done = runner.run(["ps", "-ww", "-o", "lstart=", "-o", "command=", "-p", str(process.pid)], ok=(0, 1))
    row = parse_ps(done.stdout)
    if row is None:
        return False
    started, command = row
    if command.startswith("/") or " " in command:
        return job.path("run") in command
    return started == process.started and command not in ("<defunct>", "")


def observe(runner: Runner, job: Job) -> JobState:
    """Look at a job without touching it."""
    state = _seen(runner, job)
    if state.state == DIED and state.process is None:
        # Somebody may be starting it at this moment; behind their lock it is known.
        with _starting(job):
            return _seen(runner, job)
    return state


def _seen(runner: Runner, job: Job) -> JobState:
    begun = read_json(job.path("job.json"))
    if begun is None:
        return JobState(ABSENT)
    process = _process(job)
    state, rc = DIED, None
    text = _read_text(job.path("rc"))
    if text is None and process is not None and is_alive(runner, job, process):
        state = RUNNING
    else:
        # It may have ended between the two looks.
        text = text if text is not None else _read_text(job.path("rc"))
        if text is not None and re.match(r"^\d+\n$", text):
            state, rc = DONE, int(text)
    return JobState(
        state,
        rc,
        process,
        since=begun.get("since"),
        cancelled=os.path.exists(job.path("cancelled")),
        note=begun.get("note"),
        result=None if state == RUNNING else read_json(job.path("result.json")),
    )


@contextlib.contextmanager
def _starting(job: Job) -> Iterator[None]:
    """Only one starts a job; the kernel gives the lock back when its holder dies."""
    os.makedirs(job.jobs_dir, mode=0o755, exist_ok=True)
    with open(os.path.join(job.jobs_dir, ".lock"), "w", encoding="ascii") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _undo_start(job: Job) -> None:
    """Kill what daemon(8) started and what never said so: it must not begin to work when another was started since.

    daemon(8) leads a session of its own, and its child is in its group.
    """
    found = re.match(r"^\s*(\d+)\s*$", _read_text(job.path("pid")) or "")
    if found is None:
        return
    with contextlib.suppress(OSError):
        group = os.getpgid(int(found.group(1)))
        if group != os.getpgrp():
            os.killpg(group, signal.SIGKILL)


def start(
    runner: Runner,
    job: Job,
    argv: Sequence[str],
    environ: Optional[Mapping[str, str]] = None,
    note: Optional[Mapping[str, Any]] = None,
    prepare: Optional[Callable[[], None]] = None,
) -> Tuple[JobState, bool]:
    """Start a job, or attach to it when it runs already.

    What an earlier try of the same key left is removed first.

    :param note: what its owner must know at the end, kept with the job: who looks then may be another process.
    :param prepare: puts into the job's directory what the command needs; not called when the job runs already.
    :returns: its state, and whether it was started here.
    :raises ToolError: it could not be started.
    """
    with _starting(job):
        state = _seen(runner, job)
        if state.state == RUNNING:
            return state, False
        os.makedirs(job.directory, mode=0o700, exist_ok=True)
        if prepare is not None:
            prepare()
        for name in ("rc", "rc.tmp", "process", "process.tmp", "pid", "log", "cancelled", "result.json", "job.json"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(job.path(name))
        write_file(job.path("run"), wrapper(job, argv, environ).encode("utf-8"), mode=0o700)
        write_json(job.path("job.json"), {"argv": list(argv), "since": int(time.time()), "note": dict(note or {})})
        runner.run(
            ["daemon", "-f", "-p", job.path("pid"), "-o", job.log, "sh", job.path("run")],
            failed=f"job {job.key[:12]}: cannot be started",
        )
        deadline = time.monotonic() + START_SECONDS
        while True:
            # daemon(8) makes its pid file before it returns, and removes it when the wrapper has ended.
            ended = not os.path.exists(job.path("pid"))
            if _process(job) is not None or _read_text(job.path("rc")) is not None:
                return _seen(runner, job), True
            if ended or time.monotonic() > deadline:
                cause = (tail_lines(job.log, 1) or ["the wrapper did not answer"])[0]
                _undo_start(job)
                when = "" if ended else f" within {START_SECONDS:g} s"
                raise ToolError(f"job {job.key[:12]}: did not start{when}: {cause}; see {job.log}")
            time.sleep(0.02)


def scraps(runner: Runner, jobs_dir: str) -> List[str]:
    """Half-written files of wrappers that were killed in the act; a wrapper that lives still renames its own."""
    names = [path for name in ("rc", "process") for path in glob.glob(f"{glob.escape(jobs_dir)}/*/{name}.tmp")]
    keys = {path: os.path.basename(os.path.dirname(path)) for path in sorted(names)}
    return [path for path, key in keys.items() if observe(runner, Job(jobs_dir, key)).state != RUNNING]


def finish(job: Job, result: Dict[str, Any]) -> None:
    """Write down what the end of the job was taken for, so that the next run does not take it for news."""
    write_json(job.path("result.json"), result)


def read_log(path: str, offset: int, limit: int = TAIL_BYTES) -> Tuple[str, int]:
    """New whole lines of a log since ``offset`` (bytes).

    :returns: text without escapes, and the offset for the next call. Of more than ``limit`` bytes the older part is
        left out.
    """
    try:
        with open(path, "rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            if offset > size:  # another try began the file anew
                offset = 0
            stream.seek(max(offset, size - limit))
            data = stream.read(limit)
            end = stream.tell()
    except FileNotFoundError:
        return "", 0
    cut = data.rfind(b"\n") + 1
    return strip_escapes(data[:cut].decode("utf-8", "replace")), end - (len(data) - cut)


def head(path: str, limit: int = TAIL_BYTES) -> str:
    """The first whole lines of a log, without escapes: what a command says once, at its begin."""
    try:
        with open(path, "rb") as stream:
            data = stream.read(limit)
    except FileNotFoundError:
        return ""
    return strip_escapes(data[: data.rfind(b"\n") + 1].decode("utf-8", "replace"))


def tail_lines(path: str, count: int, width: int = 400) -> List[str]:
    """The last lines of a log, without escapes, each at most ``width`` characters."""
    try:
        with open(path, "rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - TAIL_BYTES))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return []
    lines = [line.rstrip() for line in strip_escapes(text).splitlines()]
    return [line[:width] for line in lines if line][-count:]


def _group(runner: Runner, process: Process) -> Optional[int]:
    text = runner.run(["ps", "-o", "pgid=", "-p", str(process.pid)], ok=(0, 1)).stdout.strip()
    group = int(text) if text.isdigit() else 0
    return group if group > 1 and group != os.getpgrp() else None


def cancel(runner: Runner, job: Job, grace: float = 60.0, last_resort: Optional[Callable[[], None]] = None) -> JobState:
    """Ask a job to stop, and make it stop after ``grace`` seconds.

    The whole process group gets TERM, so that poudriere unmounts and stops its jails itself; KILL comes only when
    it does not, after ``last_resort``. A job that does not run is left as it is.
    """
    state = observe(runner, job)
    if state.state != RUNNING or state.process is None:
        return state
    group = _group(runner, state.process)
    if group is None:
        return observe(runner, job)
    write_file(job.path("cancelled"), f"{int(time.time())}\n".encode("ascii"))
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
        if number == signal.SIGKILL and last_resort is not None:
            last_resort()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            state = observe(runner, job)
            if state.state != RUNNING:
                return state
            time.sleep(0.1)
    return observe(runner, job)


__all__ = [
    "ABSENT",
    "DIED",
    "DONE",
    "RUNNING",
    "Job",
    "JobState",
    "Process",
    "cancel",
    "finish",
    "head",
    "is_alive",
    "observe",
    "parse_ps",
    "read_log",
    "scraps",
    "start",
    "strip_escapes",
    "tail_lines",
    "wrapper",
]
