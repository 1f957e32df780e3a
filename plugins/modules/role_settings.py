#!/usr/bin/python
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

DOCUMENTATION = r"""
module: role_settings
short_description: Check and work out the options of roles of this collection, once for a play
version_added: 0.1.0
description:
  - Validates the options of several roles against their argument specifications, all before the first role works.
  - Writes their values, without templates, to a temporary file of the run, for M(ansible.builtin.include_vars). A
    template that stands in a default is else worked out again in every task that mentions it.
  - Works on the controller only.
author: The freehyve.builder authors (@freehyve)
options:
  roles:
    description: Names of the roles, without the collection.
    type: list
    elements: str
    required: true
  dynamic:
    description: Options whose values change during the play, such as what earlier roles have found; only checked.
    type: list
    elements: str
    default: []
  tags:
    description: Tags that the play knows. A run that asks for others only, and so would do nothing, gets a warning.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Changes nothing in any mode.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
"""

EXAMPLES = r"""
- name: Work out the settings
  freehyve.builder.role_settings:
    roles: [dist_sets, package_jail]
  register: settings

- name: Settings
  ansible.builtin.include_vars:
    file: "{{ settings.path }}"
"""

RETURN = r"""
path:
  description: JSON file with the values, below the controller's temporary directory of this run.
  returned: success
  type: str
  sample: /root/.ansible/tmp/ansible-local-4711abcdefgh/freehyve-settings-1234abcd.json
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    """The action plugin does the work; without it there is nothing that could."""
    module = AnsibleModule(
        argument_spec={
            "roles": {"type": "list", "elements": "str", "required": True},
            "dynamic": {"type": "list", "elements": "str", "default": []},
            "tags": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    module.fail_json(msg="role_settings: runs on the controller only; its action plugin was not found")


if __name__ == "__main__":
    main()
