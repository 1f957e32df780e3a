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
  - A module that is compiled into the kernel is loaded, now and at boot, and one that loader.conf loads at boot needs
    no entry in C(kld_list).
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
    """Of the asked-for modules those loaded and those that boot brings anyway; kld_list of rc.conf in order."""

    loaded: FrozenSet[str]
    kld_list: Tuple[str, ...]
    at_boot: FrozenSet[str] = frozenset()


def observe(runner: Runner, names: Sequence[str], boot: bool = True) -> Observed:
    # -n knows files, which kldload loads; -m knows modules in them, and those that are part of the kernel.
    files = frozenset(name for name in names if runner.run(["kldstat", "-q", "-n", name], ok=(0, 1)).rc == 0)
    others = [name for name in names if name not in files]
    inside = frozenset(name for name in others if runner.run(["kldstat", "-q", "-m", name], ok=(0, 1)).rc == 0)
    if not boot:
        return Observed(files | inside, ())
    listed = runner.run(["sysrc", "-n", "kld_list"], ok=(0, 1))
    kld_list = tuple(listed.stdout.split()) if listed.rc == 0 else ()
    asked = [name for name in names if name not in kld_list and name not in inside]
    loader = frozenset(name for name in asked if _loader_loads(runner, name))
    return Observed(files | inside, kld_list, inside | loader)


def _loader_loads(runner: Runner, name: str) -> bool:
    """Whether loader.conf(5) says ``NAME_load="YES"``."""
    variable = f"{name}_load"
    if not re.match(r"^[A-Za-z0-9_]+$", variable):
        return False
    done = runner.run(["sysrc", "-f", "/boot/loader.conf", "-n", variable], ok=(0, 1))
    return done.rc == 0 and done.stdout.strip().upper() == "YES"


def plan(names: Sequence[str], boot: bool, observed: Observed) -> List[Step]:
    steps = [
        Step(f"kldload {name}", "not loaded", ("kldload", "-n", name)) for name in names if name not in observed.loaded
    ]
    if boot:
        steps += [
            Step(f"add {name} to kld_list", "not loaded at boot", ("sysrc", f"kld_list+={name}"))
            for name in names
            if name not in observed.kld_list and name not in observed.at_boot
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
        observed = observe(runner, names, module.params["boot"])
        steps = plan(names, module.params["boot"], observed)
        if not module.check_mode:
            for step in steps:
                runner.run(step.argv, failed=step.action)
        loaded = observed.loaded if module.check_mode else frozenset(names)
        added = {name for name in names if name not in observed.at_boot} if module.params["boot"] else set()
        after = {"loaded": sorted(names), "kld_list": sorted(set(observed.kld_list) | added)}
        return {
            "changed": bool(steps),
            "actions": [step.as_dict() for step in steps],
            "loaded": sorted(loaded),
            "diff": diff_of({"loaded": sorted(observed.loaded), "kld_list": sorted(observed.kld_list)}, after),
        }

    run_module(module, body)


if __name__ == "__main__":
    main()
