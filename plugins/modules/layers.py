#!/usr/bin/python
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

DOCUMENTATION = r"""
module: layers
short_description: Make the layers of an image, each a clone of the one before
version_added: 0.1.0
author: The freehyve.builder authors (@freehyve)
description:
  - Does what a row of tasks with M(freehyve.builder.layer) does, in one call and as one job.
  - A layer that changes makes those after it change too; those before it are used again.
options:
  layers:
    description:
      - Options of M(freehyve.builder.layer), for each layer, in order.
      - Its C(parent) is the snapshot of the layer before, unless it is given.
    type: list
    elements: dict
    required: true
  dataset:
    description: Dataset below which the layers lie, where a layer does not name its own.
    type: str
    required: true
  image:
    description: Image that the layers are made for.
    type: str
    required: true
  leases:
    description: Absolute path of the directory of leases.
    type: path
    required: true
extends_documentation_fragment: freehyve.builder.job
attributes:
  check_mode:
    description: Says what would be made and why, for every layer.
    support: full
  diff_mode:
    description: Shows the inputs of the layers that change.
    support: full
  idempotent:
    description: Layers made from the same inputs are used again.
    support: full
"""

EXAMPLES = r"""
- name: Two layers
  freehyve.builder.layers:
    dataset: zroot/freehyve/layers
    image: freehyve-0.1.0-amd64
    leases: /freehyve/leases
    layers:
      - name: base
        archives: [{path: /freehyve/dists/15.1-RELEASE-amd64/base.txz, sha256: "{{ base_digest }}"}]
        receipt: /freehyve/stages/layer-base-freehyve-0.1.0-amd64.json
      - name: system
        files: [{path: etc/motd.template, content: freehyve}]
        receipt: /freehyve/stages/layer-system-freehyve-0.1.0-amd64.json
"""

RETURN = r"""
actions:
  description: What was or would be done, and why, for all layers.
  returned: always
  type: list
  elements: dict
  sample: [{action: make zroot/freehyve/layers/system-1f2e3d4c5b6a, reason: "files: etc/motd.template changed"}]
layers:
  description: What M(freehyve.builder.layer) returns, for each layer.
  returned: always
  type: list
  elements: dict
dataset:
  description: Dataset of the last layer.
  returned: always
  type: str
  sample: zroot/freehyve/layers/system-1f2e3d4c5b6a
snapshot:
  description: Its snapshot.
  returned: always
  type: str
  sample: zroot/freehyve/layers/system-1f2e3d4c5b6a@ready
key:
  description: Digest of its inputs, which those of the layers before are part of.
  returned: always
  type: str
  sample: 4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
mountpoint:
  description: Where it is mounted.
  returned: when it is there
  type: str
  sample: /freehyve/layers/system-1f2e3d4c5b6a
packages:
  description: Packages that the layers hold.
  returned: when they are there
  type: list
  elements: dict
  sample: [{name: vm-bhyve, version: 1.5.0, origin: sysutils/vm-bhyve}]
"""

from typing import Any, Dict, List, Mapping

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.freehyve.builder.plugins.module_utils._context import JOB_ARGUMENTS, Context
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._plan import run_module
from ansible_collections.freehyve.builder.plugins.module_utils._remote import load, validated
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner

ARGUMENTS: Dict[str, Any] = {
    "layers": {"type": "list", "elements": "dict", "required": True},
    "dataset": {"type": "str", "required": True},
    "image": {"type": "str", "required": True},
    "leases": {"type": "path", "required": True},
    **JOB_ARGUMENTS,
}
LAST = ("dataset", "snapshot", "key", "mountpoint")


def request(
    layer: Any, spec: Mapping[str, Any], common: Mapping[str, Any], done: List[Dict[str, Any]]
) -> Dict[str, Any]:
    """The parameters of one layer.

    :raises ToolError: what is wrong with them, naming the layer.
    """
    parent = {"parent": done[-1]["snapshot"]} if done else {}
    try:
        return validated(layer, {**common, **parent, **spec})
    except ToolError as exc:
        raise ToolError(f"layer '{spec.get('name', len(done) + 1)}': {exc.message}") from exc


def body(module: Any, runner: Runner) -> Dict[str, Any]:
    layer = load("layer")
    common = {name: module.params[name] for name in ("dataset", "image", "leases")}
    progress_path = getattr(module, "progress_path", None)
    done: List[Dict[str, Any]] = []
    for spec in module.params["layers"]:
        params = request(layer, spec, common, done)
        done.append(layer.guarded(Context(params, module.check_mode, progress_path=progress_path), runner))
    if not done:
        raise ToolError("layers: there is none; name at least one")
    result: Dict[str, Any] = {name: done[-1][name] for name in LAST if name in done[-1]}
    result["changed"] = any(item["changed"] for item in done)
    result["actions"] = [action for item in done for action in item["actions"]]
    result["diff"] = [item.pop("diff") for item in done if "diff" in item]
    for item in done:
        if "packages" in item:
            result["packages"] = item["packages"]
    return {**result, "layers": done}


def entry(module: Any) -> Dict[str, Any]:
    """The module's work, for AnsibleModule and for a job's Context."""
    return body(module, Runner())


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_module(module, lambda: entry(module))


if __name__ == "__main__":
    main()
