#!/usr/bin/python
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

DOCUMENTATION = r"""
module: zfs_tree
short_description: Create, adjust or destroy a tree of ZFS datasets in one call
version_added: 0.1.0
description:
  - Brings a list of file systems and volumes into being, parents first, with their properties, in one call.
  - Properties are compared by value, so V(1g) equals V(1073741824) and a mount point below an alternate root equals the
    one that was set. Only properties that are asked for are looked at or changed.
  - Names and values are checked before anything is changed. A volume is grown, never shrunk.
author:
  - The freehyve.builder authors (@freehyve)
attributes:
  check_mode:
    description: Says what would be created, set or destroyed and changes nothing.
    support: full
  diff_mode:
    description: Shows the properties that were asked for, observed against planned.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
options:
  datasets:
    description: The datasets, in any order.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Full name, pool included.
        type: str
        required: true
      type:
        description: What it is.
        type: str
        choices: [filesystem, volume]
        default: filesystem
      properties:
        description:
          - Native properties, or your own with a colon in their names.
          - The value V(inherit) removes a local setting.
        type: dict
        default: {}
      size:
        description: Size of a volume, such as V(1g); rounded up to its block size.
        type: str
      sparse:
        description: Create the volume without a reservation.
        type: bool
        default: false
  state:
    description:
      - Whether they are to exist.
      - V(absent) destroys each with everything below it, snapshots too, and needs O(allow_destroy).
    type: str
    choices: [present, absent]
    default: present
  root:
    description: Refuse every dataset that is not this one or below it.
    type: str
  allow_destroy:
    description: Consent to O(state=absent).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: The workspace
  freehyve.builder.zfs_tree:
    root: zroot/freehyve
    datasets:
      - name: zroot/freehyve
        properties:
          mountpoint: /zroot/freehyve
          compression: lz4
          atime: "off"
      - name: zroot/freehyve/dists
      - name: zroot/freehyve/images
        properties:
          recordsize: 1m
      - name: zroot/freehyve/scratch
        type: volume
        size: 8g

- name: Away with a layer
  freehyve.builder.zfs_tree:
    root: zroot/freehyve
    datasets:
      - name: zroot/freehyve/layers/old
    state: absent
    allow_destroy: true
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode.
  returned: always
  type: list
  elements: dict
  sample: [{action: set compression=lz4 of zroot/freehyve, reason: compression is off}]
datasets:
  description: The properties that were asked for, as they are after the run (as planned, in check mode), by dataset.
  returned: always
  type: dict
  sample: {zroot/freehyve: {compression: lz4, type: filesystem}}
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.freehyve.builder.plugins.module_utils._plan import run_module
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner
from ansible_collections.freehyve.builder.plugins.module_utils._zfs_tree import execute

ARGUMENTS: Dict[str, Any] = {
    "datasets": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "type": {"type": "str", "choices": ["filesystem", "volume"], "default": "filesystem"},
            "properties": {"type": "dict", "default": {}},
            "size": {"type": "str"},
            "sparse": {"type": "bool", "default": False},
        },
    },
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "root": {"type": "str"},
    "allow_destroy": {"type": "bool", "default": False},
}


def entry(module: Any) -> Dict[str, Any]:
    """The module's work, for AnsibleModule and for a job's Context."""
    return execute(Runner(), module.params, module.check_mode)


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_module(module, lambda: entry(module))


if __name__ == "__main__":
    main()
