# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""One lab as the controller sees it: start, stop, enter, destroy."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from . import access, boot, host
from .errors import LabError
from .paths import LabPaths
from .root import refresh_shims

START_TIMEOUT = 120.0
STOP_TIMEOUT = 20.0


class Lab:
    """Handle on a lab by name; it may or may not exist or run."""

    def __init__(self, name: str = "default") -> None:
        self.name = name
        self.paths = LabPaths.of(name)

    # -- looking ---------------------------------------------------------------------------------------------------

    def pid(self) -> int | None:
        """Init's pid on this host, or None; a number that another process got since does not count."""
        try:
            known = json.loads(self.paths.init_file.read_text())
        except (OSError, ValueError):
            return None
        pid = int(known["pid"])
        return pid if _start_time(pid) == known["started"] else None

    def exists(self) -> bool:
        return self.paths.root.is_dir()

    # -- doing -----------------------------------------------------------------------------------------------------

    def start(self, fresh: bool = False) -> bool:
        """Start it; False when it ran already.

        :param fresh: a new lab is a host with nothing but sshd; one that is there must have been made so.
        """
        host.check_host()
        with self._locked():
            if fresh and self.exists() and not self.paths.fresh_mark.exists():
                raise LabError(f"lab '{self.name}': is there and was not made with --fresh; destroy it first")
            if self.pid() is not None:
                refresh_shims(self.paths.root)
                return False
            paths = self.paths
            for directory in (paths.root, paths.state, paths.mirror, paths.log, paths.ssh, paths.cache):
                directory.mkdir(parents=True, exist_ok=True)
            if fresh:
                paths.fresh_mark.parent.mkdir(exist_ok=True)
                paths.fresh_mark.touch()
            ports = access.prepare(paths)
            self._launch()
            access.write_connection(paths, ports)
            return True

    def _launch(self) -> None:
        report_read, report_write = os.pipe()
        pid = boot.spawn(self.paths, report_write)
        os.close(report_write)
        if pid:
            self.paths.init_file.write_text(json.dumps({"pid": pid, "started": _start_time(pid)}))
        answer = _read_line(report_read, START_TIMEOUT)
        os.close(report_read)
        if answer == "ready":
            return
        if pid:
            _kill(pid, signal.SIGKILL)
        why = answer.removeprefix("error ") or f"no answer within {START_TIMEOUT:.0f} s"
        raise LabError(f"lab '{self.name}': cannot start: {why}; see {self.paths.log / 'init.log'}")

    def stop(self) -> bool:
        """Stop it cleanly, keeping its state; False when it did not run."""
        with self._locked():
            return self._end(signal.SIGTERM)

    def crash(self) -> bool:
        """Power loss: every process dies at once, nothing is exported or written."""
        with self._locked():
            return self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> bool:
        pid = self.pid()
        if pid is None:
            return False
        _kill(pid, how)
        if not _gone(pid, STOP_TIMEOUT):
            _kill(pid, signal.SIGKILL)
            _gone(pid, STOP_TIMEOUT)
        self.paths.init_file.unlink(missing_ok=True)
        self.paths.connection_file.unlink(missing_ok=True)
        return True

    def destroy(self) -> bool:
        """Stop it and remove its state; False when there was none."""
        with self._locked():
            self._end(signal.SIGKILL)
            if not self.paths.dir.exists():
                return False
            self._remove_state()
        self.paths.lock_file.unlink(missing_ok=True)
        return True

    def _remove_state(self) -> None:
        """Files of other users inside a user namespace are theirs outside too: only a namespace may remove them."""
        maps = host.id_maps()
        if (
            maps is not None
            and subprocess.run(
                [
                    host.tool("unshare") or "unshare",
                    "--user",
                    "--map-root-user",
                    "--map-auto",
                    "rm",
                    "-rf",
                    str(self.paths.dir),
                ],
                check=False,
            ).returncode
            == 0
        ):
            return
        shutil.rmtree(self.paths.dir)

    def enter_argv(self, argv: Sequence[str]) -> list[str]:
        """The command line that runs ``argv`` inside as root."""
        pid = self.pid()
        if pid is None:
            raise LabError(f"lab '{self.name}': is not running; start it with: tests/lab/lab start --name {self.name}")
        refresh_shims(self.paths.root)
        spaces = ["-m", "-p", "-u", "-i"]
        if os.getuid() != 0:
            spaces += ["-U", "--preserve-credentials"]
        inside = ["/lab/python", "-SEsXpycache_prefix=/lab/pycache", "/lab/runtime/enter.py"]
        return [host.tool("nsenter") or "nsenter", "-t", str(pid), *spaces, "--", *inside, *argv]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One starter or stopper at a time."""
        self.paths.base.mkdir(parents=True, exist_ok=True)
        with open(self.paths.lock_file, "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _start_time(pid: int) -> str | None:
    """Start time in clock ticks: with the pid it names a process for good."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def _kill(pid: int, how: signal.Signals) -> None:
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        return


def _gone(pid: int, timeout: float) -> bool:
    end = time.monotonic() + timeout
    while _start_time(pid) is not None:
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def _read_line(descriptor: int, timeout: float) -> str:
    end = time.monotonic() + timeout
    data = b""
    while b"\n" not in data:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, end - time.monotonic()))
        chunk = os.read(descriptor, 4096) if ready else b""
        if not chunk:
            break
        data += chunk
    return data.decode(errors="replace").partition("\n")[0]


__all__ = ["Lab"]
