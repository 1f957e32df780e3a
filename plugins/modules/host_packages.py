#!/usr/bin/python
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

DOCUMENTATION = r"""
module: host_packages
short_description: Install packages on a FreeBSD build host
version_added: 0.1.0
description:
  - Installs those of the named packages that are missing, with one V(pkg install).
  - Never upgrades or removes a package.
author:
  - The freehyve.builder authors (@freehyve)
attributes:
  check_mode:
    description: Says what would be installed and changes nothing.
    support: full
  diff_mode:
    description: Shows the named packages, observed against planned.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
options:
  names:
    description: Names of the packages, without version.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: What a build host needs
  freehyve.builder.host_packages:
    names: [poudriere, git]
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode.
  returned: always
  type: list
  elements: dict
  sample: [{action: pkg install git, reason: not installed}]
versions:
  description: Version of each named package that is installed.
  returned: always
  type: dict
  sample: {git: 2.51.0}
"""

import re
from typing import Any, Dict, List, Mapping, Sequence

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._plan import Step, diff_of, run_module
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner


def parse_query(text: str) -> Dict[str, str]:
    """Versions by package name, from ``pkg query '%n %v'`` (pkg-query(8)): one package a line, one space."""
    versions = {}
    for line in text.splitlines():
        name, _space, version = line.partition(" ")
        if version:
            versions[name] = version
    return versions


def observe(runner: Runner) -> Dict[str, str]:
    # pkg -N: is there a package database, and pkg itself? Never let /usr/sbin/pkg bootstrap while we only look.
    if runner.run(["pkg", "-N"], ok=(0, 1)).rc != 0:
        return {}
    return parse_query(runner.run(["pkg", "query", "%n %v"], ok=(0, 69, 70)).stdout)


def plan(names: Sequence[str], installed: Mapping[str, str]) -> List[Step]:
    missing = [name for name in names if name not in installed]
    if not missing:
        return []
    return [Step("pkg install " + " ".join(missing), "not installed", ("pkg", "install", "-y", *missing))]


def main() -> None:
    module = AnsibleModule(
        argument_spec={"names": {"type": "list", "elements": "str", "required": True}}, supports_check_mode=True
    )

    def body() -> Dict[str, Any]:
        names: List[str] = list(dict.fromkeys(module.params["names"]))
        for name in names:
            if not re.match(r"^[A-Za-z0-9_][A-Za-z0-9_.+@~-]*$", name):
                raise ToolError(f"package '{name}': not a package's name; give it without category and version")
        runner = Runner({"ASSUME_ALWAYS_YES": "yes"})
        installed = observe(runner)
        steps = plan(names, installed)
        after = {name: installed.get(name, "newest") for name in names}
        if steps and not module.check_mode:
            runner.run(steps[0].argv, failed="packages: cannot be installed")
            after = {name: version for name, version in observe(runner).items() if name in names}
            missing = [name for name in names if name not in after]
            if missing:
                raise ToolError(f"package '{missing[0]}': pkg install succeeded, but pkg query does not know it")
        before = {name: installed[name] for name in names if name in installed}
        return {
            "changed": bool(steps),
            "actions": [step.as_dict() for step in steps],
            "versions": before if module.check_mode else after,
            "diff": diff_of(before, after),
        }

    run_module(module, body)


if __name__ == "__main__":
    main()
