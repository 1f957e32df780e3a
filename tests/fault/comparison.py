# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Two builds of the same, compared by what they left below the workspace."""

from __future__ import annotations

from typing import Any

Table = dict[str, list[Any]]  # name: kind, mode, owner, group, digest or target


def unequal(built: Table, repeated: list[Table]) -> list[str]:
    """What one build has otherwise than those that are to be like it.

    Where these differ among themselves in content, content says nothing. One alone says nothing of contents that hold
    a time or a random number, so then names, kinds and modes are compared. A job's directory is the history of tries.
    """
    first, second = repeated[0], repeated[-1]
    wrong = [f"{name}: only one has it" for name in sorted(set(built) ^ set(first)) if not name.startswith("jobs/")]
    for name in sorted(set(built) & set(first)):
        if name.startswith("jobs/"):
            continue
        alike = len(repeated) > 1 and first[name] == second.get(name)
        if built[name][:4] != first[name][:4] or (alike and built[name] != first[name]):
            wrong.append(f"{name}: {built[name]} and {first[name]}")
    return wrong


def steady(tables: list[Table]) -> Table:
    """The part that is the same in all builds of the same."""
    return {name: row for name, row in tables[0].items() if all(table.get(name) == row for table in tables[1:])}
