#!/usr/bin/python
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Documentation of the action plugin of the same name, which does its work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sums_file
short_description: Keep one file of digests for the results of several images
version_added: 0.1.0
description:
  - Puts the digests of fetched files into a C(SHA256SUMS) on the controller that has those of other images too, sorted
    by name, as C(sha256sum -c) reads it. Lines of files that are gone go as well.
  - Several tasks may work on one file at the same time.
options:
  path:
    description: The file of digests. Its directory must be there.
    type: path
    required: true
  files:
    description:
      - What M(freehyve.builder.fetch_artifact) returned as C(files); of each the C(dest) and the C(sha256) are taken.
      - Files without a digest have not been fetched and are passed over.
    type: list
    elements: dict
    required: true
attributes:
  check_mode:
    support: full
    description: Compares and writes nothing.
  diff_mode:
    support: none
    description: Digests say nothing to a reader.
  idempotent:
    support: full
    description: A file that has these digests already is not written.
author:
  - The freehyve.builder authors (@freehyve)
"""

EXAMPLES = r"""
- name: Fetch the image
  freehyve.builder.fetch_artifact:
    src: /zroot/freehyve/images/edge-1.0.0-amd64/edge-1.0.0-amd64.raw.zst
    dest: artifacts/1.0.0/
  register: fetched

- name: Its digest goes to those of the other images
  freehyve.builder.sums_file:
    path: artifacts/1.0.0/SHA256SUMS
    files: "{{ fetched.files }}"
"""

RETURN = r"""
actions:
  description: What was or would be done, and why.
  type: list
  elements: dict
  returned: success
  sample: [{action: write SHA256SUMS, reason: digests changed}]
path:
  description: The file.
  type: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "files": {"type": "list", "elements": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    module.fail_json(msg="sums_file: runs on the controller only; its action plugin was not found")


if __name__ == "__main__":
    main()
