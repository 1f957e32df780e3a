# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Plans: pure data between looking and doing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Sequence

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError, of_system


@dataclass(frozen=True)
class Step:
    """One thing to do, and why.

    ``argv`` is the command that does it, empty when no single command does.
    """

    action: str
    reason: str
    argv: Sequence[str] = ()

    def as_dict(self) -> Dict[str, Any]:
        return {"action": self.action, "reason": self.reason}


def diff_of(before: Any, after: Any) -> Dict[str, str]:
    """Observed against planned, for ``--diff``; both are data that YAML can show."""
    return {"before": _lines(before), "after": _lines(after)}


def _lines(value: Any, indent: int = 0) -> str:
    pad = " " * indent
    if isinstance(value, Mapping):
        out: List[str] = []
        for name in sorted(value):
            item = value[name]
            if isinstance(item, (Mapping, list)) and item:
                out.append(f"{pad}{name}:\n{_lines(item, indent + 2)}")
            else:
                out.append(f"{pad}{name}: {_scalar(item)}\n")
        return "".join(out)
    if isinstance(value, list):
        return "".join(f"{pad}- {_scalar(item)}\n" for item in value)
    return "" if value is None else f"{pad}{_scalar(value)}\n"


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def run_module(module: Any, body: Callable[[], Dict[str, Any]]) -> None:
    """Call ``body`` and exit: with its result, or with the one line of a ToolError or of a full disk."""
    try:
        result = body()
    except ToolError as exc:
        module.fail_json(**exc.as_result())
    except OSError as exc:
        module.fail_json(**of_system(exc).as_result())
    else:
        module.exit_json(**result)


__all__ = ["Step", "diff_of", "run_module"]
