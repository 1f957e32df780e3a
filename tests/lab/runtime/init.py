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
from importlib import import_module
from pathlib import Path
from types import FrameType, ModuleType

SETUP_DONE = Path("/lab/state/setup.json")


def log(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stderr.flush()


def setup_modules() -> list[ModuleType]:
    names = sorted(file.stem for file in Path("/lab/sim/setup").glob("[0-9][0-9]_*.py"))
    return [import_module(f"sim.setup.{name}") for name in names]


def set_up(modules: list[ModuleType]) -> None:
    """First start: ``setup()`` of each part, once. Every start: its ``boot()``, where it has one."""
    done: list[str] = json.loads(SETUP_DONE.read_text()) if SETUP_DONE.exists() else []
    for module in modules:
        began = time.monotonic()
        if module.__name__ not in done:
            module.setup()
            done.append(module.__name__)
            SETUP_DONE.write_text(json.dumps(done))
        if hasattr(module, "boot"):
            module.boot()
        log(f"{module.__name__}: {time.monotonic() - began:.2f} s")


def shut_down(modules: list[ModuleType]) -> None:
    for module in reversed(modules):
        if hasattr(module, "shutdown"):
            module.shutdown()


def stop(modules: list[ModuleType]) -> None:
    """Clean stop, as ``shutdown -p now``: the parts first, then every process with this one."""
    try:
        shut_down(modules)
        os.sync()
        Path("/lab/state/clean").write_text("")
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def main() -> None:
    report = int(sys.argv[1])
    sys.path[0] = "/lab"
    sys.dont_write_bytecode = False
    modules: list[ModuleType] = []

    def on_term(_number: int, _frame: FrameType | None) -> None:
        stop(modules)

    signal.signal(signal.SIGTERM, on_term)
    boot = {"time": int(time.time()), "clean": Path("/lab/state/clean").exists()}
    Path("/lab/state/clean").unlink(missing_ok=True)
    Path("/lab/run/boot.json").write_text(json.dumps(boot))
    for kernel_state in ("kld.json", "sysctl.json"):
        Path("/lab/run", kernel_state).unlink(missing_ok=True)
    try:
        modules += setup_modules()
        set_up(modules)
        from runtime import services

        services.start()
    except BaseException as error:
        traceback.print_exc()
        os.write(report, f"error {type(error).__name__}: {error}\n".encode())
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
