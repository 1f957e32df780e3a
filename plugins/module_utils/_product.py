# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Receipts: what was made, from which inputs, and whether it is still there."""

from __future__ import annotations

import os
import time
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ansible_collections.freehyve.builder.plugins.module_utils._files import write_json
from ansible_collections.freehyve.builder.plugins.module_utils._keys import key_of, reasons


def stale(receipt: Optional[Mapping[str, Any]], inputs: Mapping[str, Any]) -> List[str]:
    """Why the products named in a receipt do not serve for ``inputs``, in words; empty when they do.

    A product counts as there when its size is the recorded one: to hash gigabytes on every run would cost more than
    it tells, and fetching verifies the digest anyway.
    """
    words = reasons(None if receipt is None else receipt.get("inputs") or {}, inputs)
    if receipt is None or words:
        return words
    files = (receipt.get("results") or {}).get("files") or {}
    for path, facts in sorted(files.items()):
        if not os.path.isfile(path):
            words.append(f"{path}: gone")
        elif os.path.getsize(path) != facts.get("size"):
            words.append(f"{path}: size changed")
    return words


def receipt_of(stage: str, name: str, inputs: Mapping[str, Any], results: Mapping[str, Any]) -> Dict[str, Any]:
    """A receipt in the shape that every stage uses."""
    return {
        "stage": stage,
        "id": name,
        "key": key_of(inputs),
        "inputs": dict(inputs),
        "results": dict(results),
        "made": int(time.time()),
    }


def stamp(path: str) -> List[int]:
    """What tells a file from a later one of its name.

    :raises OSError: it is not there.
    """
    info = os.lstat(path)
    return [info.st_ino, info.st_mtime_ns, info.st_size]


def write_receipt(path: str, receipt: Mapping[str, Any]) -> None:
    """Write a receipt as the last act of a stage, its directory included."""
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    write_json(path, dict(receipt))


def because(words: Sequence[str]) -> str:
    """Reasons in one line."""
    return "; ".join(words)


__all__ = ["because", "receipt_of", "stale", "stamp", "write_receipt"]
