# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""daemon(8): detach, supervise, keep a locked pid file."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import sys
import time

from ..base.options import Usage, complain, getopt

PATHS = ("/usr/sbin/daemon",)
USAGE = """usage: daemon [-cfrS] [-p child_pidfile] [-P supervisor_pidfile]
              [-u user] [-o output_file] [-t title]
              [-l syslog_facility] [-s syslog_priority]
              [-T syslog_tag] [-m output_mask] [-R restart_delay_secs]
command arguments ...
"""


class Busy(Exception):
    """The pid file belongs to a process that runs."""


class PidFile:
    """pidfile(3): held locked for as long as its process lives."""

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SystemExit(f"daemon: {path}: {os.strerror(error.errno or 0)}") from None
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(os.read(self.descriptor, 32).decode() or "0") from None
        os.ftruncate(self.descriptor, 0)

    def write(self, pid: int) -> None:
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, str(pid).encode(), 0)

    def remove(self) -> None:
        try:
            os.unlink(self.path)
        except FileNotFoundError:
            return


def main(argv: list[str]) -> int:
    try:
        options, command = getopt(argv, "cfHSp:P:ru:o:s:l:t:l:m:R:T:")
        if not command:
            raise Usage
    except Usage as error:
        return complain(error, USAGE, 1)
    letters = dict(options)
    try:
        child_file = PidFile(letters["p"]) if "p" in letters else None
        own_file = PidFile(letters["P"]) if "P" in letters else None
    except Busy as error:
        sys.stderr.write(f"daemon: process already running, pid: {error}\n")
        return 3
    started_read, started_write = os.pipe()
    sys.stdout.flush()
    if os.fork():
        # The caller goes on once the pid file is written, as on a machine with an idle CPU.
        os.close(started_write)
        os.read(started_read, 1)
        return 0
    os.close(started_read)
    os.setsid()
    Supervisor(command, letters, child_file, own_file, started_write).run()
    return 0


class Supervisor:
    def __init__(
        self,
        command: list[str],
        letters: dict[str, str],
        child_file: PidFile | None,
        own_file: PidFile | None,
        started: int,
    ) -> None:
        self.command, self.letters = command, letters
        self.child_file, self.own_file, self.started = child_file, own_file, started
        self.child = 0
        self.stopping = False

    def run(self) -> None:
        if "c" in self.letters:
            os.chdir("/")
        output = self._redirect()
        supervised = bool(self.letters.keys() & {"p", "P", "r", "R", "o", "S", "l", "s", "T"})
        if not supervised:
            os.set_inheritable(self.started, False)
            self._exec(output)
        signal.signal(signal.SIGTERM, self._on_term)
        while True:
            self.child = os.fork()
            if self.child == 0:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                self._exec(output)
            if self.child_file:
                self.child_file.write(self.child)
            if self.own_file:
                self.own_file.write(os.getpid())
            self._say_started()
            self._wait()
            if self.stopping or not self.letters.keys() & {"r", "R"}:
                break
            time.sleep(float(self.letters.get("R", "1")))
        for file in (self.child_file, self.own_file):
            if file:
                file.remove()
        os._exit(0)

    def _say_started(self) -> None:
        if self.started >= 0:
            os.close(self.started)
            self.started = -1

    def _wait(self) -> None:
        while True:
            try:
                os.waitpid(self.child, 0)
                return
            except OSError as error:
                if error.errno != errno.EINTR:
                    return

    def _on_term(self, _number: int, _frame: object) -> None:
        self.stopping = True
        if self.child:
            os.kill(self.child, signal.SIGTERM)

    def _redirect(self) -> int | None:
        null = os.open("/dev/null", os.O_RDWR)
        if "f" in self.letters:
            for number in (0, 1, 2):
                os.dup2(null, number)
        if "o" not in self.letters:
            return None
        return os.open(self.letters["o"], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def _exec(self, output: int | None) -> None:
        if output is not None:
            mask = int(self.letters.get("m", "3"))
            if mask & 1:
                os.dup2(output, 1)
            if mask & 2:
                os.dup2(output, 2)
        if "u" in self.letters:
            import pwd

            user = pwd.getpwnam(self.letters["u"])
            os.initgroups(user.pw_name, user.pw_gid)
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
        try:
            os.execvp(self.command[0], self.command)
        except OSError as error:
            sys.stderr.write(f"daemon: {self.command[0]}: {os.strerror(error.errno or 0)}\n")
            sys.stderr.flush()
            os._exit(1)
