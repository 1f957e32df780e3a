# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What the templates of a role's defaults and vars say, without a host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

_ROLES = Path(__file__).resolve().parents[2] / "roles"


def value_of(role: str, name: str, variables: dict[str, Any]) -> Any:
    """The variable ``name`` of a role where ``variables`` are known beside its defaults and vars."""
    loader = DataLoader()
    known: dict[str, Any] = {}
    for path in ("defaults/main.yml", "vars/main.yml"):
        known |= loader.load_from_file(str(_ROLES / role / path), trusted_as_template=True)
    return Templar(loader=loader, variables=known | variables).template(known[name])


__all__ = ["value_of"]
