#!/usr/bin/python
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Documentation of the action plugin of the same name, which does its work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_hosts
short_description: Give each of several images to a builder
version_added: 0.1.0
description:
  - Reads the variable C(freehyve_images) of the hosts of the play, a list of images as data, and decides which of them
    builds which image. It needs the facts of M(freehyve.builder.builder_facts) of every host.
  - A builder can build an image when it has the same architecture (or is an amd64 host and the image i386), runs a
    release that is not older than the image's, because a jail must not be newer than the kernel it runs on, and has the
    pool of the workspace.
  - An image stays where it was built. Else it goes where its packages are, else to the builder that has the fewest
    images for its number of processors. The same hosts and images give the same answer.
  - Refuses a list with mistakes in it, images that cannot be told apart, and an image that no builder can build. When
    some builders did not answer, or C(--limit) left them out, such images are left out and named.
  - Runs once for all hosts, on the controller, and makes nothing.
options:
  variables:
    description:
      - Whether to return RV(hosts), for M(ansible.builtin.add_host), instead of what was decided.
      - They have all variables of the builders, secrets among them, so this result is kept out of every log; the task
        with C(add_host) needs C(no_log).
    type: bool
    default: false
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
- name: Give each image to a builder
  freehyve.builder.image_hosts:

- name: Work out the variables of their hosts
  freehyve.builder.image_hosts:
    variables: true
  register: images

- name: Make the hosts
  ansible.builtin.add_host: "{{ item }}"
  loop: "{{ images.hosts }}"
  no_log: true
"""

RETURN = r"""
hosts:
  description:
    - For each image the arguments of M(ansible.builtin.add_host). The host is called after image and builder, is in all
      groups of its builder and in C(freehyve_image_hosts), and has its variables, with the image's settings above them.
    - Images with other package lists or another ports tree than usual get names of their own for poudriere's set and
      tree, unless the inventory names them.
  type: list
  elements: dict
  returned: when O(variables=true)
apart:
  description: Names of the hosts whose workspace is another than the one that is known of their builder.
  type: list
  elements: str
  returned: when not O(variables)
images:
  description: Image, builder and what spoke for it, by the name of the host.
  type: dict
  returned: when not O(variables)
  sample: {edge-1.0.0-amd64@factory1: {builder: factory1, image: edge-1.0.0-amd64, why: it was built there}}
left_out:
  description: A line for each image that none of the builders at hand can build.
  type: list
  elements: str
  returned: when not O(variables)
actions:
  description: Always empty.
  type: list
  elements: dict
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule(argument_spec={"variables": {"type": "bool", "default": False}}, supports_check_mode=True)
    module.fail_json(msg="image_hosts: runs on the controller only; its action plugin was not found")


if __name__ == "__main__":
    main()
