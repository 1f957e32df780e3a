# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The module calls of a real build by ansible-playbook, as data that the builder can repeat without Ansible."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
LEAST = 16  # characters of a value that is one of an earlier answer's and not there by chance
REAPERS = ("workspace", "zfs_tree")


@dataclass(frozen=True)
class Call:
    """``params`` hold ``{"$from": [call, path]}`` where the build passed on what an earlier call had answered."""

    module: str
    task: str
    params: dict[str, Any]
    answer: dict[str, Any]

    def as_data(self) -> dict[str, Any]:
        return {"module": self.module, "task": self.task, "params": self.params}


def environment(record: Path) -> dict[str, str]:
    """What makes ansible-playbook write down its module calls."""
    return {
        "FREEHYVE_FAULT_RECORD": str(record),
        "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "plugins"),
        "ANSIBLE_CALLBACKS_ENABLED": "fault_recorder",
    }


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Strings of a value that are long enough to tell where they come from."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, (*path, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from leaves(item, (*path, number))
    elif isinstance(value, str) and len(value) >= LEAST:
        yield path, value


def linked(value: Any, origins: dict[str, tuple[int, tuple[Any, ...]]]) -> Any:
    """Parameters with what earlier calls answered replaced by where it comes from."""
    if isinstance(value, dict):
        return {name: linked(item, origins) for name, item in value.items()}
    if isinstance(value, list):
        return [linked(item, origins) for item in value]
    if isinstance(value, str) and value in origins:
        index, path = origins[value]
        return {"$from": [index, list(path)]}
    return value


def calls(rows: list[dict[str, Any]]) -> list[Call]:
    """The calls that begin something, in order; those that only look at a running job belong to the one before."""
    found: list[Call] = []
    origins: dict[str, tuple[int, tuple[Any, ...]]] = {}
    for row in rows:
        args, answer = dict(row["args"]), dict(row["answer"])
        if row["module"] == "freehyve.builder.job":
            name, params, look = args["name"], dict(args["params"]), args.get("key")
        else:
            name, look = row["module"].rpartition(".")[2], None
            params = {key: value for key, value in args.items() if not key.startswith("_ansible")}
        answer.pop("invocation", None)
        if look or params.get("phase") == "poll":
            answer = {**found[-1].answer, **answer}
            found[-1] = Call(found[-1].module, found[-1].task, found[-1].params, answer)
            continue
        # The answer of the call before is whole only now: later looks at its job have changed it.
        before = found[-1].answer if found else {}
        for path, value in leaves({key: item for key, item in before.items() if key not in ("job", "diff")}):
            origins.setdefault(value, (len(found) - 1, path))
        found.append(Call(name, row["task"], linked(params, origins), answer))
    return found


def read(record: Path) -> list[Call]:
    return calls([json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()])


def reaper(found: list[Call]) -> int | None:
    """Number of the call that makes the workspace and reaps what dead owners left."""
    return next((number for number, call in enumerate(found) if call.module in REAPERS), None)
