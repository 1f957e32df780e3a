# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The stages of a run: which of them worked, why, and for how long. Results of tasks in, rows of the record out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.freehyve.builder.plugins.plugin_utils._record_clean import line_of

NEW = "not made yet"
# Reasons that say only that a part is behind what makes the whole new.
_PART = re.compile(rf"(/\S+: )?{NEW}|made from other inputs|(parent|pool content): \S+ -> \S+|\S+ no longer uses it")
STAGES = ("dists", "jail", "ports", "packages", "image", "update", "fetch")
Result = Mapping[str, Any]


@dataclass(frozen=True)
class Stage:
    """What this run knows of one stage; ``seconds`` is None when it took no part, or nobody measured."""

    name: str
    state: str
    actions: tuple[tuple[str, str], ...] = ()
    seconds: float | None = None
    message: str | None = None

    @property
    def ran(self) -> bool:
        return self.state == "ran"

    @property
    def usable(self) -> bool:
        """Whether what the builder has of this stage is what the run wanted, or would have wanted."""
        return self.state in ("ran", "current", "skipped")

    @property
    def reasons(self) -> list[str]:
        return list(dict.fromkeys(reason for _action, reason in self.actions if reason))


def telling(reasons: Iterable[str]) -> list[str]:
    """Each reason once, and none that says only that a part is behind unless there is no other."""
    found = list(dict.fromkeys(part for reason in reasons for part in reason.split("; ") if part))
    return [part for part in found if not _PART.fullmatch(part)] or ([NEW] if NEW in found else found)


def selected(name: str, run_tags: Sequence[str], skip_tags: Sequence[str]) -> bool:
    """Whether the tags of the run ask for a stage (playbook guide, "Tags")."""
    wanted = not run_tags or bool({"all", "tagged", name} & set(run_tags))
    return wanted and not {"all", "tagged", name} & set(skip_tags)


def _present(results: Sequence[Any]) -> list[Result]:
    """Results of tasks that took part: one that never ran is undefined or empty, one under ``when`` says skipped."""
    return [one for one in results if isinstance(one, Mapping) and one and not one.get("skipped")]


def _seconds(results: Sequence[Result]) -> float | None:
    known = [float(one["seconds"]) for one in results if isinstance(one.get("seconds"), (int, float))]
    return round(sum(known), 3) if known else None


def _actions(results: Sequence[Result]) -> tuple[tuple[str, str], ...]:
    rows = [row for one in results for row in one.get("actions") or [] if isinstance(row, Mapping)]
    return tuple((line_of(row.get("action", "")), line_of(row.get("reason", ""))) for row in rows)


def stage_of(name: str, results: Sequence[Any], asked: bool) -> Stage:
    """One stage from the results of its tasks."""
    present = _present(results)
    if not present:
        return Stage(name, "pending" if asked else "skipped")
    failed = next((one for one in present if one.get("failed") or one.get("unreachable")), None)
    actions, seconds = _actions(present), _seconds(present)
    if failed is not None:
        return Stage(name, "failed", actions, seconds, line_of(failed.get("msg") or "failed"))
    worked = bool(actions) or any(one.get("changed") for one in present)
    return Stage(name, "ran" if worked else "current", actions, seconds)


def stages_of(
    results: Mapping[str, Sequence[Any]], run_tags: Sequence[str] = (), skip_tags: Sequence[str] = ()
) -> list[Stage]:
    """All stages in their order. One that the play does not have at all was not asked for either."""
    asked = {name: name in results and selected(name, run_tags, skip_tags) for name in STAGES}
    return [stage_of(name, results.get(name) or (), asked[name]) for name in STAGES]


def failure_of(stages: Sequence[Stage]) -> dict[str, str | None] | None:
    """The stage that failed. One that was asked for and has no result was never reached: something before it failed."""
    for stage in stages:
        if stage.state == "failed":
            return {"stage": stage.name, "message": stage.message or "failed"}
    for stage in stages:
        if stage.state == "pending":
            return {"stage": stage.name, "message": "stopped before its work was done; the output of the run says why"}
    return None


__all__ = ["STAGES", "Stage", "failure_of", "selected", "stage_of", "stages_of", "telling"]
