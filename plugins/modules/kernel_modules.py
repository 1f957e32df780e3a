#!/usr/bin/python
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

DOCUMENTATION = r"""
module: kernel_modules
short_description: Load FreeBSD kernel modules, now and at every boot
version_added: 0.1.0
description:
  - Loads modules with V(kldload -n) and adds them to C(kld_list) of rc.conf with sysrc.
  - A module that is compiled into the kernel counts as loaded.
author:
  - The freehyve.builder authors (@freehyve)
attributes:
  check_mode:
    description: Says what would be loaded or added and changes nothing.
    support: full
  diff_mode:
    description: Shows the loaded modules and C(kld_list), observed against planned.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
options:
  names:
    description: Names of the modules, as kldload(8) takes them.
    type: list
    elements: str
    required: true
  boot:
    description: Also load them at every boot.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: File systems that poudriere mounts
  freehyve.builder.kernel_modules:
    names: [nullfs, tmpfs]
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode.
  returned: always
  type: list
  elements: dict
  sample: [{action: kldload nullfs, reason: not loaded}]
loaded:
  description: Those of the names that are loaded now.
  returned: always
  type: list
  elements: str
  sample: [nullfs, tmpfs]
"""

import re
from dataclasses import dataclass
from typing import Any, Dict, FrozenSet, List, Sequence, Tuple

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._plan import Step, diff_of, run_module
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner


@dataclass(frozen=True)
class Observed:
    """Which of the asked-for modules are loaded, and kld_list of rc.conf in order."""

    loaded: FrozenSet[str]
    kld_list: Tuple[str, ...]


def observe(runner: Runner, names: Sequence[str]) -> Observed:
    loaded = frozenset(
        name
        for name in names
        if any(runner.run(["kldstat", "-q", option, name], ok=(0, 1)).rc == 0 for option in ("-m", "-n"))
    )
    listed = runner.run(["sysrc", "-n", "kld_list"], ok=(0, 1))
    return Observed(loaded, tuple(listed.stdout.split()) if listed.rc == 0 else ())


def plan(names: Sequence[str], boot: bool, observed: Observed) -> List[Step]:
    steps = [
        Step(f"kldload {name}", "not loaded", ("kldload", "-n", name)) for name in names if name not in observed.loaded
    ]
    if boot:
        steps += [
            Step(f"add {name} to kld_list", "not loaded at boot", ("sysrc", f"kld_list+={name}"))
            for name in names
            if name not in observed.kld_list
        ]
    return steps


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "boot": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )

    def body() -> Dict[str, Any]:
        names: List[str] = list(dict.fromkeys(module.params["names"]))
        for name in names:
            if not re.match(r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", name):
                raise ToolError(f"kernel module '{name}': not a module's name; give it as kldload(8) takes it")
        runner = Runner()
        observed = observe(runner, names)
        steps = plan(names, module.params["boot"], observed)
        if not module.check_mode:
            for step in steps:
                runner.run(step.argv, failed=step.action)
        loaded = observed.loaded if module.check_mode else frozenset(names)
        after = {"loaded": sorted(names), "kld_list": sorted(set(observed.kld_list) | set(names))}
        if not module.params["boot"]:
            after["kld_list"] = sorted(observed.kld_list)
        return {
            "changed": bool(steps),
            "actions": [step.as_dict() for step in steps],
            "loaded": sorted(loaded),
            "diff": diff_of({"loaded": sorted(observed.loaded), "kld_list": sorted(observed.kld_list)}, after),
        }

    run_module(module, body)


if __name__ == "__main__":
    main()
