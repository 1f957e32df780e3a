# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The hosts of a build: one for each image, or the builders themselves."""

from __future__ import annotations

DOCUMENTATION = r"""
name: build_hosts
author: The freehyve.builder authors (@freehyve)
version_added: 0.1.0
short_description: The group of hosts that a build runs on
description:
  - Gives the name of the group of hosts that stand for images when M(freehyve.builder.image_hosts) has made some in
    this run, else V(builder).
  - Is for the C(hosts) of a play. A C(--limit) that names builders has been applied to the builders before, so it is
    lifted from the hosts of their images, which are called otherwise.
options:
  _terms:
    description: None.
"""

EXAMPLES = r"""
- name: Build
  hosts: "{{ lookup('freehyve.builder.build_hosts') }}"
  gather_facts: false
  tasks: []
"""

RETURN = r"""
_raw:
  description: Name of the group.
  type: list
  elements: str
"""

from typing import Any

from ansible.plugins.lookup import LookupBase

GROUP = "freehyve_image_hosts"
BUILDERS = "builder"


class LookupModule(LookupBase):
    """Runs in Ansible's main process when it stands in the hosts of a play."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        known = variables or {}
        if GROUP not in (known.get("groups") or {}):
            return [BUILDERS]
        # The inventory that --limit was given to: there is no other way to it.
        known["hostvars"]._inventory.subset(GROUP)
        return [GROUP]
