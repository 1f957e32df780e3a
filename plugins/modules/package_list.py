#!/usr/bin/python
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Documentation of the action plugin of the same name, which does its work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: package_list
short_description: Read package lists on the controller
version_added: 0.1.0
description:
  - Reads one or more package lists and gives the origins they name, in order and each once.
  - A missing or empty list and a malformed origin are errors that name file and line.
  - Runs on the controller and does not touch the builder.
options:
  files:
    description: Paths of package lists on the controller.
    type: list
    elements: path
    required: true
attributes:
  check_mode:
    support: full
    description: Reads only.
  diff_mode:
    support: none
    description: Changes nothing.
  idempotent:
    support: full
    description: Changes nothing.
author:
  - The freehyve.builder authors (@freehyve)
"""

EXAMPLES = r"""
- name: Read the package list of the image
  freehyve.builder.package_list:
    files:
      - poudriere/host_packages.txt
  register: listed
"""

RETURN = r"""
origins:
  description: The origins, in order, each once.
  type: list
  elements: str
  returned: success
  sample: ["sysutils/vm-bhyve", "sysutils/edk2@bhyve"]
actions:
  description: Always empty.
  type: list
  elements: dict
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule(
        argument_spec={"files": {"type": "list", "elements": "path", "required": True}},
        supports_check_mode=True,
    )
    module.fail_json(msg="package_list: runs on the controller only; its action plugin was not found")


if __name__ == "__main__":
    main()
