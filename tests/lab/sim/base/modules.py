# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Kernel modules: which are loaded, kept until the next start of the lab."""

from __future__ import annotations

import json
import os

_FILE = "/lab/run/kld.json"
# Loaded at boot by loader.conf and kld_list.
_BOOT = ("zfs", "nullfs")
_BUILT_IN = ("ufs", "geom_part", "g_md", "md", "tmpfs", "virtio", "pty", "procfs", "devfs", "geom_label", "msdosfs")
_SIZES = {"kernel": "1f3e2d8", "zfs": "5c9d40", "nullfs": "5850"}


def loaded() -> list[str]:
    try:
        with open(_FILE, encoding="utf-8") as file:
            return list(json.load(file))
    except (OSError, ValueError):
        return list(_BOOT)


def save(names: list[str]) -> None:
    with open(_FILE, "w", encoding="utf-8") as file:
        json.dump(names, file)


def plain(name: str) -> str:
    """Module name of a file name or path."""
    return os.path.basename(name).removesuffix(".ko")


def present(name: str) -> bool:
    return name in _BUILT_IN or name in ("kernel", "zfsctrl", "opensolaris") or name in loaded()


def exists(name: str) -> bool:
    return any(os.path.exists(f"{place}/{name}.ko") for place in ("/boot/kernel", "/boot/modules")) or name in _BOOT


def size(name: str) -> str:
    return _SIZES.get(name, "8000")


__all__ = ["exists", "loaded", "plain", "present", "save", "size"]
