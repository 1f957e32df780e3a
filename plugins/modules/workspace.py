#!/usr/bin/python
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

DOCUMENTATION = r"""
module: workspace
short_description: Make the workspace of a build, and remove what dead builds left
version_added: 0.1.0
author: The freehyve.builder authors (@freehyve)
description:
  - Makes the datasets in which everything lies that a build makes.
  - Removes what builds left that died, by the leases that they wrote before they took anything, newest first. Pools are
    exported, mounts undone, memory disks detached, temporary files and half-made layers removed, package builds
    stopped.
  - Nothing is touched that is not, or no longer, what a lease says. A pool must have the GUID, a memory disk the
    backing file, a mount the file system, a dataset the key that was written down. Pools are never destroyed.
  - What cannot be removed keeps its lease, is told in a warning, and does not fail the module.
options:
  name:
    description: Dataset of the workspace.
    type: str
    required: true
  path:
    description: Absolute path at which it is mounted.
    type: path
    required: true
  state:
    description: V(present) makes the datasets and reaps, V(reaped) only reaps.
    type: str
    choices: [present, reaped]
    default: present
  children:
    description:
      - Datasets directly below it. They are mounted with C(setuid=off), so that the set-uid programs of an image give
        nobody anything on the builder. The property stays there; images and streams have the files with their modes.
    type: list
    elements: str
    default: [dists, layers, images, release]
  properties:
    description: Properties of the workspace, inherited by what is below.
    type: dict
    default: {compression: lz4, atime: "off"}
  patience:
    description: Seconds to wait for what is busy. A tool of a killed build may still come to its end.
    type: int
    default: 30
attributes:
  check_mode:
    description: Says what would be made and removed.
    support: full
  diff_mode:
    description: Shows the properties of the datasets, observed against planned.
    support: full
  idempotent:
    description: A second run finds everything made and nothing to remove.
    support: full
"""

EXAMPLES = r"""
- name: Workspace
  freehyve.builder.workspace:
    name: zroot/freehyve
    path: /zroot/freehyve

- name: Only remove what dead builds left
  freehyve.builder.workspace:
    name: zroot/freehyve
    path: /zroot/freehyve
    state: reaped
"""

RETURN = r"""
actions:
  description: What was made or removed, or would be, and why.
  returned: always
  type: list
  elements: dict
  sample: [{action: detach md0, reason: "left by process 4711, since 2026-11-22 21:30:00, which is dead"}]
kept:
  description: What dead builds left and could not be removed, and why.
  returned: always
  type: list
  elements: dict
  sample: [{lease: md '/freehyve/images/freehyve-0.1.0-amd64/pool.raw.part', reason: Device busy}]
lines:
  description: Both for people.
  returned: always
  type: list
  elements: str
  sample: ["detach md0: left by process 4711, since 2026-11-22 21:30:00, which is dead"]
"""

import os
from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.freehyve.builder.plugins.module_utils import _reap, _zfs, _zfs_tree
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._plan import run_module
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner

ARGUMENTS: Dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "path": {"type": "path", "required": True},
    "state": {"type": "str", "choices": ["present", "reaped"], "default": "present"},
    "children": {"type": "list", "elements": "str", "default": ["dists", "layers", "images", "release"]},
    "properties": {"type": "dict", "default": {"compression": "lz4", "atime": "off"}},
    "patience": {"type": "int", "default": 30},
}


def tree_of(params: Dict[str, Any]) -> Dict[str, Any]:
    """The datasets as module zfs_tree would be given them."""
    name, properties = params["name"], {**params["properties"], "mountpoint": params["path"]}
    datasets = [{"name": name, "type": "filesystem", "properties": properties}]
    # Layers hold the set-uid programs of a system that may be older than the builder's, and less well kept.
    inert = {"setuid": "off"}
    datasets += [{"name": f"{name}/{child}", "type": "filesystem", "properties": inert} for child in params["children"]]
    return {"datasets": datasets, "state": "present", "root": None, "allow_destroy": False}


def reap(module: Any, runner: Runner) -> _reap.Reaped:
    """Remove what dead builds left, or say what would be removed."""
    path = module.params["path"]
    leases = os.path.join(path, "leases")
    if module.check_mode:
        return _reap.look(runner, leases, path)
    return _reap.reap(runner, leases, path, float(module.params["patience"]))


def body(module: Any, runner: Runner) -> Dict[str, Any]:
    params = module.params
    _zfs.check_name(params["name"])
    if not os.path.isabs(params["path"]) or not params["path"].strip("/."):
        raise ToolError(f"workspace '{params['path']}': not a place for one; write an absolute path such as /freehyve")
    made: Dict[str, Any] = {"actions": []}
    if params["state"] == "present":
        made = _zfs_tree.execute(runner, tree_of(params), module.check_mode)
    done = reap(module, runner)
    for text in done.warnings:
        module.warn(text)
    actions = made["actions"] + [step.as_dict() for step in done.steps]
    result = {
        "changed": bool(actions),
        "actions": actions,
        "kept": [{"lease": item.lease, "reason": item.reason} for item in done.kept],
        "lines": [f"{item['action']}: {item['reason']}" for item in actions] + done.warnings,
    }
    return {**result, "diff": made["diff"]} if "diff" in made else result


def entry(module: Any) -> Dict[str, Any]:
    """The module's work, for AnsibleModule and for a job's Context."""
    return body(module, Runner())


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_module(module, lambda: entry(module))


if __name__ == "__main__":
    main()
