# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
# --- appended by tests/fault to the copy of _runner.py that it ships; production code has no part in this -------------


import errno
import os
import re
import resource
import signal
import subprocess
import sys


def _fault_hook() -> None:
    """Put the wrappers in front of the commands, shorten the wait for a hang, and count what Python writes itself."""
    here = "@HERE@"
    run = here + "/run"
    workspace = "@WORKSPACE@/"
    scope = globals()
    original = scope["limit_of"]
    scope["SEARCH_PATH"] = here + "/bin:" + scope["SEARCH_PATH"]
    scope["fault_busy"] = busy = []
    python = sys.executable
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    changing = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.link", "os.truncate")

    def fault() -> list[str]:
        try:
            with open(run + "/fault.txt") as stream:
                words = stream.read().split()
        except FileNotFoundError:
            words = []
        return words if len(words) == 3 else ["none", "0", "0"]

    def limit_of(argv):
        busy.append(1)
        try:
            kind, at, seconds = fault()
        finally:
            busy.pop()
        turn = os.path.basename(argv[0]) + "." + re.split("[/ ]", [*argv, ""][1])[0]
        return float(seconds) if kind == "hang" and at.rpartition(".")[0] == turn else min(original(argv), 60.0)

    scope["limit_of"] = limit_of
    runner = scope["Runner"]
    run_plainly = runner.run

    def run_shorter(self, argv, *args, **more):
        if limit_of(argv) < 60.0:
            more["timeout"] = limit_of(argv)
        return run_plainly(self, argv, *args, **more)

    # A limit that a module gives is a limit too.
    runner.run = run_shorter
    pipe_plainly = runner.pipe

    def pipe_shorter(self, *commands, **more):
        # Its limit is that of its slowest command, and one of them hangs.
        least = min(limit_of(argv) for argv in commands)
        scope["limit_of"] = (lambda _argv: least) if least < 60.0 else limit_of
        try:
            return pipe_plainly(self, *commands, **more)
        finally:
            scope["limit_of"] = limit_of

    runner.pipe = pipe_shorter

    def count(what):
        number = 0
        while True:
            number += 1
            try:
                fd = os.open("%s/p.%d" % (run, number), os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            except FileExistsError:
                continue
            except FileNotFoundError:
                return 0
            os.write(fd, what.encode("utf-8", "replace"))
            os.close(fd)
            return number

    def on_event(event, args):
        if busy:
            return
        if event == "open":
            path, _mode, flags = args
            if not isinstance(flags, int) or not flags & (os.O_WRONLY | os.O_RDWR):
                return
        elif event in changing:
            path = args[0]
        else:
            return
        if not isinstance(path, (str, bytes)):
            return
        path = os.fsdecode(path)
        if not path.startswith(workspace) or "/jobs/.lock" in path:
            return
        busy.append(1)
        try:
            if resource.getrlimit(resource.RLIMIT_FSIZE) != limits:
                resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            number = count(event + " " + path)
            kind, at, _seconds = fault()
            if not number or at != "p%d" % number:
                return
            with open(run + "/hit", "w"):
                pass
            if kind == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            elif kind == "fail":
                raise OSError(errno.EIO, os.strerror(errno.EIO), path)
            elif kind == "full":
                subprocess.run([python, here + "/far/full.py", run], check=False, env={"PATH": "@PATH@"})
            elif kind == "short" and event == "open":
                resource.setrlimit(resource.RLIMIT_FSIZE, (16, limits[1]))
        finally:
            busy.pop()

    sys.addaudithook(on_event)


_fault_hook()
