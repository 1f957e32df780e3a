#!/usr/bin/python
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Documentation of the action plugin of the same name, which does its work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: build_report
short_description: Write the report of a build, a page for the browser
version_added: 0.1.0
description:
  - Writes one HTML page that tells of a build what its record knows, V(build.json) in the artifacts. How it went, where
    the time went, packages and what changed since the previous version, the image drawn to scale, ports that failed
    with the end of their logs, digests to copy, and all inputs.
  - The page needs no network and no other file. It follows the reader's choice of light or dark, fits a phone and
    prints well.
  - Nothing of a record is trusted. Values are escaped, control characters are made visible, and the page's own policy
    lets only its own style and script run.
  - Runs on the controller and does not touch the builder. The page is written under a temporary name and renamed.
options:
  record:
    description: Path of the build record on the controller.
    type: path
    required: true
  dest:
    description: Path of the page. When it is not given, V(report.html) beside V(build.json), V(report-x.html) beside
      V(build-x.json).
    type: path
  previous:
    description:
      - Path of the record to compare with.
      - When it is not given, the record of the same image in its latest earlier version below O(artifacts) is taken,
        if there is one.
    type: path
  artifacts:
    description: Directory that holds one for each version. The parent of that of O(record) when it is not given.
    type: path
attributes:
  check_mode:
    support: full
    description: Makes the page and compares it, but writes nothing.
  diff_mode:
    support: none
    description: A page for people is not what anybody compares by lines; RV(changes) says what is new.
  idempotent:
    support: full
    description: The same records give the same bytes.
author:
  - The freehyve.builder authors (@freehyve)
"""

EXAMPLES = r"""
- name: The report
  freehyve.builder.build_report:
    record: artifacts/0.2.0/build.json

- name: What changed since the version that customers have
  freehyve.builder.build_report:
    record: artifacts/0.2.0/build.json
    previous: released/0.1.3/build.json
    dest: artifacts/0.2.0/since-0.1.3.html
"""

RETURN = r"""
actions:
  description: What was or would be done, and why.
  type: list
  elements: dict
  returned: success
  sample: [{action: write report.html, reason: the record changed}]
path:
  description: The page.
  type: str
  returned: success
  sample: /home/me/freehyve/artifacts/0.2.0/report.html
size:
  description: Its size in bytes.
  type: int
  returned: when there is a record
  sample: 61397
sha256:
  description: Its SHA-256.
  type: str
  returned: when there is a record
  sample: 9b1c2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266
previous:
  description: The version that it was compared with; null when there was none.
  type: str
  returned: when there is a record
  sample: 0.1.0
changes:
  description: How many packages were added, removed, upgraded and downgraded since; null without a previous version.
  type: dict
  returned: when there is a record
  sample: {added: 2, removed: 1, upgraded: 14, downgraded: 0}
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "record": {"type": "path", "required": True},
            "dest": {"type": "path"},
            "previous": {"type": "path"},
            "artifacts": {"type": "path"},
        },
        supports_check_mode=True,
    )
    module.fail_json(msg="build_report: runs on the controller only; its action plugin was not found")


if __name__ == "__main__":
    main()
