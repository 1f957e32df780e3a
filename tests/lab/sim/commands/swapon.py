# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""swapon(8), swapoff(8), swapctl(8), swapinfo(8): which devices are in use as swap, nothing more."""

from __future__ import annotations

import os

from .. import state
from ..storage import geom
from ..storage.errors import Fail, guarded
from ..storage.window import Window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PATHS = ("/sbin/swapon", "/sbin/swapoff", "/sbin/swapctl", "/usr/sbin/swapinfo")


def _size(s: dict[str, Any], path: str) -> int:
    provider = geom.lookup(s, path)
    if provider is not None:
        window: Window = provider.window
        return window.size
    return os.stat(path).st_size if os.path.exists(path) else 0


def _info(s: dict[str, Any]) -> int:
    print(f"{'Device':<15} {'512-blocks':>10} {'Used':>10} {'Avail':>10} Capacity")
    for entry in s.get("swap", []):
        blocks = _size(s, entry["provider"]) // 512
        print(f"{entry['provider']:<15} {blocks:>10} {0:>10} {blocks:>10} {0:>6}%")
    return 0


def body(argv: list[str]) -> int:
    name = argv[0].rpartition("/")[2]
    paths = [word for word in argv[1:] if not word.startswith("-")]
    with state.edit() as s:
        used: list[dict[str, str]] = s.setdefault("swap", [])
        if name == "swapinfo" or (name == "swapctl" and "-l" in argv):
            return _info(s)
        if not paths:
            if "-a" in argv:
                return 0
            raise Fail(f"usage: {name} [-F fstab] -aLq | file ...")
        for path in paths:
            mine = next((entry for entry in used if entry["provider"] == path), None)
            if name == "swapoff" or "-d" in argv:
                if mine is None:
                    raise Fail(f"{name}: {path}: Invalid argument")
                used.remove(mine)
                continue
            if not _size(s, path):
                raise Fail(f"{name}: {path}: No such file or directory")
            if mine is not None:
                raise Fail(f"{name}: {path}: Device already in use")
            used.append({"provider": path})
            geom.retaste_user(s, path)
    return 0


def main(argv: list[str]) -> int:
    return guarded(body, argv)
