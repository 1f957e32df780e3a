# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Pool labels: what a pool leaves on its device so that it can be found, imported or refused again.

Layout of a device: 8 KiB of zeros, at 16 KiB ``MAGIC``, eight bytes of length, the JSON; from ``content`` on the
archive of everything in the pool. JSON: {state: active|exported|destroyed, guid, name, path, kind, pool, content}.
"""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .window import Window

MAGIC = b"FREEHYVE-LAB-ZPOOL-LABEL 1\n".ljust(32, b"\0")
_AT = 16 << 10
CONTENT = 4 << 20


def read(dev: Window) -> dict[str, Any] | None:
    """The label on *dev*, None if there is none."""
    if dev.size < CONTENT:
        return None
    head = dev.read(_AT, 40)
    if head[:32] != MAGIC:
        return None
    body = dev.read(_AT + 40, int.from_bytes(head[32:], "big"))
    label: dict[str, Any] = json.loads(body)
    return label


def write(dev: Window, label: dict[str, Any]) -> None:
    """Put *label* on *dev*. The first 8 KiB are cleared, as ZFS does: a partition table does not survive it."""
    body = json.dumps(label, separators=(",", ":")).encode("utf-8", "surrogateescape")
    dev.write(0, bytes(8192))
    dev.write(_AT, MAGIC + len(body).to_bytes(8, "big") + body)


def content_offset(label: dict[str, Any]) -> int:
    """Where the archive may begin behind this label."""
    room = len(json.dumps(label, separators=(",", ":"))) + _AT + 4096
    return max(CONTENT, -(-room // 4096) * 4096)


def clear(dev: Window) -> None:
    """Forget that a pool was here."""
    dev.write(_AT, bytes(40))


__all__ = ["CONTENT", "clear", "content_offset", "read", "write"]
