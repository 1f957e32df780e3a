# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Keys: a stage's result is named by the SHA-256 of its inputs, and a rebuild is explained by what differs."""

from __future__ import annotations

import hashlib
import json
from typing import Any, List, Mapping, Optional


def key_of(inputs: Mapping[str, Any]) -> str:
    """SHA-256 (64 hexadecimal digits) of inputs in canonical JSON."""
    text = json.dumps(inputs, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _brief(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    if len(text) == 64 and all(c in "0123456789abcdef" for c in text):
        return text[:12]
    return text if len(text) <= 40 else text[:37] + "..."


def _mapping_reasons(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> List[str]:
    changed = sorted(k for k in set(before) | set(after) if before.get(k) != after.get(k))
    words = []
    for item in changed[:3]:
        verb = "added" if item not in before else "removed" if item not in after else "changed"
        words.append(f"{name}: {item} {verb}")
    if len(changed) > 3:
        words.append(f"{name}: {len(changed) - 3} more")
    return words


def _list_reasons(name: str, before: List[Any], after: List[Any]) -> List[str]:
    added = [_brief(x) for x in after if x not in before]
    removed = [_brief(x) for x in before if x not in after]
    words = [f"{name}: {x} added" for x in added[:3]] + [f"{name}: {x} removed" for x in removed[:3]]
    more = max(0, len(added) - 3) + max(0, len(removed) - 3)
    if more:
        words.append(f"{name}: {more} more")
    return words or [f"{name}: order changed"]


def reasons(before: Optional[Mapping[str, Any]], after: Mapping[str, Any]) -> List[str]:
    """Why a result made from ``before`` does not serve for ``after``, in words; empty when it does.

    ``None`` for ``before`` means that there is no earlier result.
    """
    if before is None:
        return ["not made yet"]
    words: List[str] = []
    for name in sorted(set(before) | set(after)):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            words += _mapping_reasons(name, old, new)
        elif isinstance(old, list) and isinstance(new, list):
            words += _list_reasons(name, old, new)
        elif old is None:
            words.append(f"{name}: {_brief(new)}")
        elif new is None:
            words.append(f"{name}: no longer {_brief(old)}")
        else:
            words.append(f"{name}: {_brief(old)} -> {_brief(new)}")
    return words


__all__ = ["key_of", "reasons"]
