# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Runs the lab's commands, and the jobs of modules, without starting an interpreter for each: most of a case's cost.

A wrapper asks for it with a line ``PID ANSWER NAME`` in a FIFO. A fork of the agent, in which everything is imported,
takes over what that process was given (arguments, environment, directory, open files, limits) and does its work. Its
exit status goes into the FIFO ``answers/ANSWER``, with which the wrapper ends. When the wrapper is killed, it is too.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import os
import resource
import select
import sys
import traceback
from typing import Dict, List, Tuple

PROC, SIMULATION = "/lab/proc", "/lab/sim"
PIDFD_GETFD = 438  # pidfd_getfd(2), Linux 5.6
ANSWERS = 64  # commands that may run at the same time
JOB = "job"
_PLUGINS = "ansible_collections.freehyve.builder.plugins.module_utils"
# Starts processes of its own and looks for them by their command lines.
SLOW = {"poudriere"}
# The shell's own input and output are FIFOs while it asks; 8 and 7 are what they were before.
ASK = """\
exec 8<&0 7>&1 9<> {here}/answers/{answer}
echo "$$ {answer} {name}" >| {here}/requests
read -r rc <&9
exit "$rc"
"""
GIVEN = (8, 7, 2)


def usable() -> bool:
    """Whether this is a lab, on a kernel that lets one process have another's open files."""
    return os.path.isdir(SIMULATION) and _opened(os.getppid(), 0) >= 0


def ask(here: str, answer: str, name: str) -> str:
    """What a shell script does that wants its work done here."""
    return ASK.format(here=here, answer=answer, name=name)


def preload() -> None:
    """Import the simulation, with the bytecode that the lab keeps of it."""
    sys.path.append(os.path.dirname(SIMULATION))
    kept, sys.pycache_prefix = sys.pycache_prefix, "/lab/pycache"
    for directory, _names, files in os.walk(SIMULATION):
        package = "sim" + directory[len(SIMULATION) :].replace("/", ".")
        if package.split(".")[1:2] in ([], ["setup"], ["fresh"], ["__pycache__"]):
            continue
        for file in sorted(files):
            if file.endswith(".py"):
                importlib.import_module(f"{package}.{file[:-3]}".replace(".__init__", ""))
    importlib.import_module("sim.run")
    sys.pycache_prefix = kept


def start(here: str) -> int:
    """Begin to serve; the process id of who does, which ends with the agent."""
    os.mkdir(os.path.join(here, "answers"))
    os.mkfifo(os.path.join(here, "requests"))
    for name in [*map(str, range(ANSWERS)), JOB]:
        os.mkfifo(os.path.join(here, "answers", name))
    gc.freeze()
    agent = os.pidfd_open(os.getpid())
    server = os.fork()
    if server == 0:
        try:
            Server(here, agent).serve()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(agent)
    return server


def _opened(pid: int, number: int) -> int:
    """An open file of another process as one of ours; negative when it cannot be had."""
    client = os.pidfd_open(pid)
    try:
        return int(ctypes.CDLL(None).syscall(PIDFD_GETFD, client, number, 0))
    finally:
        os.close(client)


class Server:
    """Waits for requests, and for the ends of wrappers and of those that work for them."""

    def __init__(self, here: str, agent: int) -> None:
        self._here = here
        self._agent = agent
        self._requests = os.open(os.path.join(here, "requests"), os.O_RDWR)
        self._poll = select.poll()
        self._workers: Dict[int, Tuple[int, int, str]] = {}
        self._clients: Dict[int, int] = {}

    def serve(self) -> None:
        for fd in (self._agent, self._requests):
            self._poll.register(fd, select.POLLIN)
        while True:
            for fd, _event in self._poll.poll()[:1]:  # one by one, for what one does may close the next
                if fd == self._agent:
                    return
                if fd == self._requests:
                    for line in os.read(fd, 4096).decode().splitlines():
                        pid, answer, name = line.split()
                        self._begin(int(pid), answer, name)
                elif fd in self._workers:
                    self._end(fd)
                elif fd in self._clients:
                    self._poll.unregister(fd)
                    os.kill(self._clients[fd], 9)

    def _begin(self, pid: int, answer: str, name: str) -> None:
        try:
            client = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        worker = os.fork()
        if worker == 0:
            become(pid, name)
        watched = os.pidfd_open(worker)
        self._workers[watched], self._clients[client] = (worker, client, answer), worker
        self._poll.register(watched, select.POLLIN)
        self._poll.register(client, select.POLLIN)

    def _end(self, watched: int) -> None:
        worker, client, answer = self._workers.pop(watched)
        code = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
        del self._clients[client]
        for fd in (watched, client):
            with contextlib.suppress(KeyError):
                self._poll.unregister(fd)
            os.close(fd)
        with contextlib.suppress(OSError):  # nobody waits for it any more
            fd = os.open(os.path.join(self._here, "answers", answer), os.O_WRONLY | os.O_NONBLOCK)
            os.write(fd, b"%d\n" % (code if code >= 0 else 128 - code))
            os.close(fd)


def become(pid: int, name: str) -> None:
    """Be what process ``pid`` wanted to become; does not return."""
    code = 1
    try:
        given = [_opened(pid, number) for number in GIVEN]
        for number, fd in enumerate(given):
            os.dup2(fd, number)
        os.closerange(3, 256)
        sys.stdin, sys.stdout, sys.stderr = (
            os.fdopen(number, mode, encoding="utf-8", errors="surrogateescape", closefd=False, buffering=size)
            for number, mode, size in ((0, "r", -1), (1, "w", -1), (2, "w", 1))
        )
        argv = _words(pid, "cmdline")[1:]  # less the shell
        os.environ.clear()
        for word in _words(pid, "environ"):
            name_of, _equals, value = word.partition("=")
            os.environ[name_of] = value
        os.chdir(f"{PROC}/{pid}/cwd")
        resource.setrlimit(resource.RLIMIT_FSIZE, resource.prlimit(pid, resource.RLIMIT_FSIZE))
        code = _work(name, argv)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(code)


def _work(name: str, argv: List[str]) -> int:
    if name == JOB:
        code: int = importlib.import_module(f"{_PLUGINS}._detached").main(argv[2])
        return code
    # What a command writes is none of Python's own changes.
    importlib.import_module(f"{_PLUGINS}._runner").fault_busy.append(1)
    os.environ["PATH"] = os.environ["PATH"].partition("/bin:")[2] or os.environ["PATH"]
    sys.argv = [os.path.basename(argv[0]), *argv[1:]]
    importlib.import_module("sim.run").dispatch(name, sys.argv)
    return 1


def _words(pid: int, file: str) -> List[str]:
    with open(f"{PROC}/{pid}/{file}", encoding="utf-8", errors="surrogateescape") as stream:
        return stream.read().split("\0")[:-1]
