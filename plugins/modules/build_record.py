#!/usr/bin/python
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Documentation of the action plugin of the same name, which does its work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: build_record
short_description: Write down what a build was given, did and made
version_added: 0.1.0
description:
  - Writes the record of a run as JSON, as C(docs/build.schema.json) describes it, and the software bill of materials
    of the image (CycloneDX 1.6), both on the controller beside the results.
  - What it tells comes from the results of the stages' tasks and from the receipts that
    M(freehyve.builder.builder_facts) read. When a stage has done something, it asks the builder once for its receipts
    as they are now.
  - A run that failed leaves a record too, when this task stands in the C(always) part of a block.
  - Passwords in URLs, control characters and paths of the controller stay out of both files.
  - Shows a summary of a few lines.
options:
  dest:
    description: Directory on the controller that the results are in.
    type: path
    required: true
  file:
    description: Name of the record in it.
    type: str
    default: build.json
  image:
    description: What was built.
    type: dict
    required: true
    suboptions:
      name:
        description: Name of the image.
        type: str
        required: true
      version:
        description: Its version.
        type: str
        required: true
      release:
        description: The FreeBSD release that it is built from.
        type: str
        required: true
      arch:
        description: Its architecture, such as V(amd64) or V(arm64/aarch64).
        type: str
        required: true
  mastername:
    description: What poudriere calls the combination of jail, ports tree and set.
    type: str
    required: true
  results:
    description:
      - Registered results of the tasks of each stage, by the stage's name - C(dists), C(jail), C(ports), C(packages),
        C(image), C(update) and C(fetch). Each is a list; a task that did not run may be an empty dictionary in it.
      - A stage without any result, although the tags of the run ask for it, was not reached. Leave out what the play
        does not have.
    type: dict
    required: true
  ports:
    description: The ports tree that was asked for.
    type: dict
    default: {}
    suboptions:
      method:
        description: How the tree is made, V(git) or V(null).
        type: str
      source:
        description: Where it comes from.
        type: str
      version:
        description: Its branch or commit.
        type: str
  listed:
    description: Origins of the package lists.
    type: list
    elements: str
    default: []
  allow_failures:
    description: Origins that may fail.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    description: Writes nothing. Shows what the stages would do, why, and how long that took the last time.
  diff_mode:
    support: none
    description: The record is new with every run.
  idempotent:
    support: partial
    description: >-
      Writes the record of every run, which is a log and never counts as a change. The same inputs give the same record
      but for times, digests of what was made and what the run itself did.
author:
  - The freehyve.builder authors (@freehyve)
"""

EXAMPLES = r"""
- name: Build, and leave a record in any case
  block:
    - name: Fetch the release
      freehyve.builder.dist_set:
        release: 15.1-RELEASE
        arch: amd64
        mirror: https://download.freebsd.org
        dest: /zroot/freehyve/dists/15.1-RELEASE-amd64
        receipt: /zroot/freehyve/stages/dists-15.1-RELEASE-amd64.json
      register: dist_sets_result
  always:
    - name: Record
      freehyve.builder.build_record:
        dest: artifacts/0.1.0
        image: {name: freehyve, version: 0.1.0, release: 15.1-RELEASE, arch: amd64}
        mastername: fh151RELEASEamd64-freehyve
        results:
          dists: ["{{ dist_sets_result | default({}) }}"]
"""

RETURN = r"""
actions:
  description: Always empty.
  type: list
  elements: dict
  returned: success
path:
  description: The record.
  type: str
  returned: success, not in check mode
  sample: /home/me/freehyve/artifacts/0.1.0/build.json
state:
  description: V(done), V(partial) or V(failed).
  type: str
  returned: success, not in check mode
  sample: done
sbom:
  description: Name, format, number of components and SHA-256 of the bill of materials; null when it cannot be made yet.
  type: dict
  returned: success, not in check mode
  sample: {file: freehyve-0.1.0-amd64.cdx.json, format: CycloneDX 1.6, components: 52, sha256: 2c26b46b68ff}
msg:
  description: The summary, line by line.
  type: list
  elements: str
  returned: success
  sample: ["freehyve-0.1.0-amd64: done on builder in 35 min 06 s"]
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "dest": {"type": "path", "required": True},
            "file": {"type": "str", "default": "build.json"},
            "image": {
                "type": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "version": {"type": "str", "required": True},
                    "release": {"type": "str", "required": True},
                    "arch": {"type": "str", "required": True},
                },
            },
            "mastername": {"type": "str", "required": True},
            "results": {"type": "dict", "required": True},
            "ports": {
                "type": "dict",
                "default": {},
                "options": {"method": {"type": "str"}, "source": {"type": "str"}, "version": {"type": "str"}},
            },
            "listed": {"type": "list", "elements": "str", "default": []},
            "allow_failures": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    module.fail_json(msg="build_record: runs on the controller only; its action plugin was not found")


if __name__ == "__main__":
    main()
