#!/usr/bin/python
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

DOCUMENTATION = r"""
module: retention
short_description: Drop old images, releases, layers and jobs of a workspace
version_added: 0.1.0
author: The freehyve.builder authors (@freehyve)
description:
  - Drops what is old by count and by age, and says what that frees. Images go with their releases and receipts.
  - Whatever one of the two rules keeps is kept. With only one of them given the other keeps nothing.
  - Never dropped are the newest of a kind, what another dataset was cloned from, what a lease names, what a running
    job works on, and jobs that run or whose end nobody has looked at. Datasets without this collection's marks are
    left alone.
options:
  workspace:
    description: Dataset that holds everything a build makes.
    type: str
    required: true
  path:
    description: Absolute path at which it is mounted.
    type: path
    required: true
  keep:
    description: How many of the newest images (by name and architecture) and layers (by kind) stay.
    type: int
  age:
    description: What is younger stays. Seconds, or a number with C(m), C(h), C(d) or C(w), such as V(30d).
    type: str
  keep_jobs:
    description: How many of the newest jobs stay. A build has some ten of them. The default is twenty times O(keep).
    type: int
attributes:
  check_mode:
    description: Says what would go and what that would free.
    support: full
  diff_mode:
    description: There is nothing to show but the actions.
    support: none
  idempotent:
    description: A second run finds nothing that is old enough.
    support: full
"""

EXAMPLES = r"""
- name: Two images of each kind, and whatever is of this month
  freehyve.builder.retention:
    workspace: zroot/freehyve
    path: /zroot/freehyve
    keep: 2
    age: 30d
"""

RETURN = r"""
actions:
  description: What was or would be dropped, and why.
  returned: always
  type: list
  elements: dict
  sample: [{action: drop image freehyve-0.1.0-amd64, reason: "2 newer ones, 41 days old; frees 3.1g"}]
freed:
  description: Bytes that this frees. Blocks that layers share are freed with the last of them and not counted before.
  returned: always
  type: int
  sample: 3328599654
kept:
  description: What is old enough to go and stays because something needs it.
  returned: always
  type: list
  elements: dict
  sample: [{name: image freehyve-0.1.0-amd64, reason: "'zroot/test' is a clone of it"}]
lines:
  description: All of it for people.
  returned: always
  type: list
  elements: str
  sample: ["drop image freehyve-0.1.0-amd64: newer ones are kept, 41 days old; frees 3.1g", freed 3.1g]
"""

import contextlib
import glob
import json
import os
import re
import time
from dataclasses import dataclass, field, replace
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.freehyve.builder.plugins.module_utils import _job, _jobs, _lease, _retention, _zfs
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._files import read_json, remove
from ansible_collections.freehyve.builder.plugins.module_utils._layers import IMAGE_PROPERTY, KEY_PROPERTY
from ansible_collections.freehyve.builder.plugins.module_utils._plan import Step, run_module
from ansible_collections.freehyve.builder.plugins.module_utils._retention import Item, Rules
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner
from ansible_collections.freehyve.builder.plugins.module_utils._sizes import human_size

JOBS_FOR_EACH = 20  # jobs that are kept for every image
DAY = 86400
_PROPERTIES = ("origin", "used", "creation", KEY_PROPERTY, IMAGE_PROPERTY)
_VERSION = re.compile(r"-\d[^-]*(?=-)")

ARGUMENTS: Dict[str, Any] = {
    "workspace": {"type": "str", "required": True},
    "path": {"type": "path", "required": True},
    "keep": {"type": "int"},
    "age": {"type": "str"},
    "keep_jobs": {"type": "int"},
}
RULES: Dict[str, Any] = {"required_one_of": [("keep", "age")]}


@dataclass(frozen=True)
class Workspace:
    """The dataset and the place of a workspace."""

    dataset: str
    path: str

    def below(self, *names: str) -> str:
        return os.path.join(self.path, *names)

    def release(self, image: str) -> str:
        return f"{self.dataset}/release/{image}"

    def receipts(self, image: str) -> List[str]:
        """Receipts of an image; ``a-1`` is not ``b-a-1``, so stages are told by their names."""
        stages = ("layer-base", "layer-packages", "layer-system", "layer-release", "image", "stream")
        return [path for path in (self.below("stages", f"{stage}-{image}.json") for stage in stages) if exists(path)]

    def files(self, image: str) -> List[str]:
        directory = self.below("images", image)
        return ([directory] if exists(directory) else []) + self.receipts(image)


@dataclass(frozen=True)
class Seen:
    """Everything that may go, what is a clone of what, and what somebody uses: words by what they speak of."""

    images: Sequence[Item]
    layers: Sequence[Item]
    jobs: Sequence[Item]
    origins: Mapping[str, str]
    busy: Mapping[str, str] = field(default_factory=dict)


def exists(path: str) -> bool:
    return os.path.lexists(path)


def family_of(image: str) -> str:
    """An image's name without its version: freehyve-1.2-amd64 and freehyve-1.3-amd64 are of one family."""
    return _VERSION.sub("", image, count=1)


def users(runner: Runner, workspace: Workspace) -> Dict[str, str]:
    """What leases and running jobs speak of: a text, and who says so."""
    found: Dict[str, str] = {}
    for lease in _lease.leases(workspace.below("leases")):
        found[lease.identity] = f"a lease of {lease.holder}"
    for item in _jobs.known(runner, workspace.below("jobs")):
        if item.running:
            found[json.dumps(item.state.note or {})] = item.title
    return found


def used_by(busy: Mapping[str, str], *names: str) -> Optional[str]:
    """Who uses one of the names: as a whole word of what leases and jobs say."""
    for text, who in busy.items():
        for name in names:
            if re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", text):
                return f"{who} needs it"
    return None


def _made(path: str) -> float:
    try:
        value = (read_json(path) or {}).get("made")
    except ToolError:
        return 0.0
    return float(value) if isinstance(value, (int, float)) else 0.0


def images_of(workspace: Workspace, found: Mapping[str, _zfs.Dataset], busy: Mapping[str, str]) -> List[Item]:
    """Images by their releases and by their directories; either may be missing."""
    names = set()
    with contextlib.suppress(FileNotFoundError):
        names = {name for name in os.listdir(workspace.below("images")) if not name.startswith(".")}
    names = {name for name in names if workspace.receipts(name)}
    prefix = workspace.release("")
    for name, dataset in found.items():
        if name.startswith(prefix) and "/" not in name[len(prefix) :] and dataset.value(KEY_PROPERTY) != "-":
            names.add(name[len(prefix) :])
    items = []
    for name in sorted(names):
        release = found.get(workspace.release(name))
        creation = release.value("creation") if release else "-"
        made = max([float(creation) if creation.isdigit() else 0.0, *map(_made, workspace.receipts(name))])
        used = release.value("used") if release else "-"
        size = (int(used) if used.isdigit() else 0) + sum(map(_retention.bytes_below, workspace.files(name)))
        needed = used_by(busy, name, workspace.release(name))
        if release and release.value(KEY_PROPERTY) == "-":
            needed = needed or f"dataset '{release.name}' was not made by this collection"
        items.append(Item("image", name, f"image {family_of(name)}", made, size, needed))
    return items


def layers_of(workspace: Workspace, found: Mapping[str, _zfs.Dataset], busy: Mapping[str, str]) -> List[Item]:
    """Layers, counted by their kind: base, packages, system."""
    prefix, items = f"{workspace.dataset}/layers/", []
    for name, dataset in sorted(found.items()):
        last = name[len(prefix) :]
        if not name.startswith(prefix) or "/" in last or dataset.value(KEY_PROPERTY) == "-":
            continue
        creation, used = dataset.value("creation"), dataset.value("used")
        made = float(creation) if creation.isdigit() else 0.0
        size = int(used) if used.isdigit() else 0
        items.append(Item("layer", name, f"layer {last.rpartition('-')[0]}", made, size, used_by(busy, name)))
    return items


def jobs_of(runner: Runner, workspace: Workspace) -> List[Item]:
    """Jobs that ended. One whose end nobody has looked at may hold the result of hours."""
    items = []
    for item in _jobs.known(runner, workspace.below("jobs")):
        needed = "it runs" if item.running else None
        if item.state.state == _job.DONE and item.state.result is None:
            needed = "nobody has looked at its end yet"
        size = _retention.bytes_below(item.job.directory)
        items.append(Item("job", item.job.key, "job", float(item.state.since or 0), size, needed))
    return items


def observe(runner: Runner, workspace: Workspace) -> Seen:
    """Look at the workspace, and at the whole pool for clones of what is in it."""
    found = _zfs.datasets(runner, _zfs.pool_of(workspace.dataset), _PROPERTIES)
    if workspace.dataset not in found:
        raise ToolError(f"workspace '{workspace.dataset}': does not exist; nothing was ever built here")
    busy = users(runner, workspace)
    origins = {name: dataset.value("origin") for name, dataset in found.items()}
    return Seen(
        images_of(workspace, found, busy),
        layers_of(workspace, found, busy),
        jobs_of(runner, workspace),
        origins,
        busy,
    )


def _cloned(item: Item, dataset: str, clones: Mapping[str, Any]) -> Item:
    names = sorted(clones.get(dataset, ()))
    return replace(item, needed=item.needed or f"'{names[0]}' is a clone of it") if names else item


def plan(workspace: Workspace, seen: Seen, rules: Rules, job_rules: Rules) -> Dict[str, List[Item]]:
    """``gone`` in the order in which they can go, and ``needed``."""
    clones = _retention.dependents(seen.origins)
    images = [_cloned(item, workspace.release(item.name), clones) for item in seen.images]
    gone, needed = _retention.choose(images, rules)
    releases = [workspace.release(item.name) for item in gone]
    old, needed_layers = _retention.choose(seen.layers, rules)
    # A layer with clones is not old: it is what newer things stand on, and nobody need hear of it.
    layers = _retention.without_dependents(old, seen.origins, releases)
    jobs, needed_jobs = _retention.choose(seen.jobs, job_rules)
    return {"gone": gone + layers + jobs, "needed": needed + needed_layers + needed_jobs}


def _steps(workspace: Workspace, chosen: Sequence[Item], rules: Rules) -> List[Step]:
    steps = []
    for item in chosen:
        days = int((rules.now - item.made) // DAY)
        age = f"{days} day{'' if days == 1 else 's'} old" if item.made else "of unknown age"
        steps.append(Step(f"drop {item.title}", f"newer ones are kept, {age}; frees {human_size(item.size)}"))
    return steps


def drop(runner: Runner, workspace: Workspace, item: Item) -> None:
    """Make one thing go. Receipts first: what they speak of is not there any more, whatever happens next.

    :raises ToolError: it cannot go.
    """
    try:
        if item.kind == "job":
            remove(workspace.below("jobs", item.name))
            return
        if item.kind == "layer":
            _zfs.destroy(runner, item.name, recursive=True)
            return
        for path in reversed(workspace.files(item.name)):
            remove(path)
        if _zfs.exists(runner, workspace.release(item.name)):
            _zfs.destroy(runner, workspace.release(item.name), recursive=True)
        for path in glob.glob(os.path.join(glob.escape(workspace.path), "release", glob.escape(item.name))):
            # zfs leaves the mount point where it was made by hand.
            with contextlib.suppress(OSError):
                os.rmdir(path)
    except OSError as exc:
        raise ToolError(f"{item.title}: cannot be dropped: {exc.strerror or exc}") from exc


def body(module: Any, runner: Runner) -> Dict[str, Any]:
    params = module.params
    if params["keep"] is not None and params["keep"] < 1:
        raise ToolError(f"keep '{params['keep']}': must be 1 or more; the newest image always stays")
    workspace = Workspace(_zfs.check_name(params["workspace"]), params["path"].rstrip("/"))
    now = time.time()
    age = None if params["age"] is None else _retention.seconds_of(params["age"])
    rules = Rules(params["keep"], age, now)
    count = params["keep_jobs"] if params["keep_jobs"] is not None else JOBS_FOR_EACH * (params["keep"] or 1)
    planned = plan(workspace, observe(runner, workspace), rules, replace(rules, keep=count))
    kept = [{"name": item.title, "reason": item.needed} for item in planned["needed"]]
    gone = planned["gone"]
    if gone and not module.check_mode:
        gone = []
        with _lease.alone(workspace.below("leases")):
            # Once more: a build may have taken one of these meanwhile.
            planned = plan(workspace, observe(runner, workspace), rules, replace(rules, keep=count))
            for item in planned["gone"]:
                try:
                    drop(runner, workspace, item)
                except ToolError as exc:
                    kept.append({"name": item.title, "reason": exc.message})
                else:
                    gone.append(item)
    steps, freed = _steps(workspace, gone, rules), sum(item.size for item in gone)
    lines = [f"{step.action}: {step.reason}" for step in steps]
    lines += [f"{item['name']} stays: {item['reason']}" for item in kept]
    if lines:
        lines.append(f"{'would free' if module.check_mode else 'freed'} {human_size(freed)}")
    return {
        "changed": bool(gone),
        "actions": [step.as_dict() for step in steps],
        "freed": freed,
        "kept": kept,
        "lines": lines,
    }


def entry(module: Any) -> Dict[str, Any]:
    """The module's work, for AnsibleModule and for a job's Context."""
    return body(module, Runner())


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True, **RULES)
    run_module(module, lambda: entry(module))


if __name__ == "__main__":
    main()
