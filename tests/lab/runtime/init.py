# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""PID 1 of a lab: sets the simulation up, starts sshd and the mirror, says "ready", then reaps orphans for ever."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import FrameType

SETUP_DONE = Path("/lab/state/setup.json")


def log(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stderr.flush()


def parts() -> list[str]:
    """Module names of the simulation's parts, in order."""
    return [f"sim.setup.{file.stem}" for file in sorted(Path("/lab/sim/setup").glob("[0-9][0-9]_*.py"))]


def run_apart(work: Callable[[], None]) -> None:
    """In a child: what a part does to signals, directories or memory must not stay with PID 1."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            work()
        except BaseException as error:
            traceback.print_exc()
            os.write(write, f"{type(error).__name__}: {error}".encode()[:4000])
            os._exit(1)
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as answer:
        text = answer.read().decode(errors="replace")
    if os.waitpid(child, 0)[1] != 0:
        raise RuntimeError(text or "a part of the set-up died")


def set_up() -> None:
    """First start: ``setup()`` of each part, once. Every start: its ``boot()``, where it has one."""
    done: list[str] = json.loads(SETUP_DONE.read_text()) if SETUP_DONE.exists() else []
    for name in parts():
        began = time.monotonic()
        module = import_module(name)
        if name not in done:
            module.setup()
            done.append(name)
            SETUP_DONE.write_text(json.dumps(done))
        if hasattr(module, "boot"):
            module.boot()
        log(f"{name}: {time.monotonic() - began:.2f} s")


def shut_down() -> None:
    for name in reversed(parts()):
        module = import_module(name)
        if hasattr(module, "shutdown"):
            module.shutdown()


def stop() -> None:
    """Clean stop, as ``shutdown -p now``: the parts first, then every process with this one."""
    try:
        run_apart(shut_down)
        os.sync()
        Path("/lab/state/clean").write_text("")
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def main() -> None:
    report = int(sys.argv[1])
    sys.path[0] = "/lab"

    def on_term(_number: int, _frame: FrameType | None) -> None:
        stop()

    signal.signal(signal.SIGTERM, on_term)
    boot = {"time": int(time.time()), "clean": Path("/lab/state/clean").exists()}
    Path("/lab/state/clean").unlink(missing_ok=True)
    Path("/lab/run/boot.json").write_text(json.dumps(boot))
    for kernel_state in ("kld.json", "sysctl.json"):
        Path("/lab/run", kernel_state).unlink(missing_ok=True)
    try:
        run_apart(set_up)
        import_module("runtime.services").start()
    except BaseException as error:
        traceback.print_exc()
        os.write(report, f"error {' '.join(str(error).split())}\n".encode())
        os._exit(1)
    os.write(report, b"ready\n")
    os.close(report)
    while True:
        try:
            os.wait()
        except ChildProcessError:
            signal.pause()


if __name__ == "__main__":
    main()
