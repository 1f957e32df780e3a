# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Leases as dead builds leave them: written, and locked by nobody."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.freehyve.builder.plugins.module_utils import _lease


def dead_lease(
    directory: str | Path, kind: str, identity: str | Path, order: int = 1, details: Mapping[str, str] | None = None
) -> Path:
    """The lease of an owner that is dead."""
    os.makedirs(directory, exist_ok=True)
    path = Path(_lease.lease_path(str(directory), kind, str(identity)))
    owner = {"pid": 77, "start": "Sun Nov 22 21:00:00 2026", "boot": ""}
    value = {"kind": kind, "identity": str(identity), "owner": owner, "job": None, "made": 1, "order": order}
    path.write_text(json.dumps({**value, "details": dict(details or {})}), encoding="utf-8")
    return path


__all__ = ["dead_lease"]
