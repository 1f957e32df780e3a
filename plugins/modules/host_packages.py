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
  - A package whose command is there already counts as installed, whoever put it there.
  - Refuses when pkg would remove a package to make room for another.
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
  commands:
    description:
      - By package, the command that it is wanted for, by name or absolute path. When the builder has the command,
        the package is not missing, even if it came from elsewhere or in another flavor.
    type: dict
    default: {}
  repository:
    description: Name of the only repository to take packages from; all that are set up when not given.
    type: str
"""

EXAMPLES = r"""
- name: What a build host needs
  freehyve.builder.host_packages:
    names: [poudriere, git]

- name: From the site's own repository, unless the commands are there
  freehyve.builder.host_packages:
    names: [poudriere-devel, git]
    commands: {poudriere-devel: poudriere, git: git}
    repository: freehyve
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
from typing import AbstractSet, Any, Dict, FrozenSet, List, Mapping, Optional, Sequence

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
    if runner.which("pkg") is None or runner.run(["pkg", "-N"], ok=(0, 1)).rc != 0:
        return {}
    return parse_query(runner.run(["pkg", "query", "%n %v"], ok=(0, 69, 70)).stdout)


def present(runner: Runner, commands: Mapping[str, str]) -> FrozenSet[str]:
    """Packages whose command the builder has."""
    return frozenset(name for name, command in commands.items() if runner.which(command) is not None)


def install_argv(names: Sequence[str], repository: Optional[str] = None, dry: bool = False) -> List[str]:
    options = ["-n"] if dry else []
    options += ["-r", repository] if repository else []
    return ["pkg", "install", "-y", *options, *names]


def plan(
    names: Sequence[str],
    installed: Mapping[str, str],
    there: AbstractSet[str] = frozenset(),
    repository: Optional[str] = None,
) -> List[Step]:
    missing = [name for name in names if name not in installed and name not in there]
    if not missing:
        return []
    return [Step("pkg install " + " ".join(missing), "not installed", install_argv(missing, repository))]


def removals(stdout: str) -> List[str]:
    """What a dry run of ``pkg install`` would remove: a heading, then a line ``TAB name: version`` each."""
    found: List[str] = []
    listing = False
    for line in stdout.splitlines():
        if line.endswith("to be REMOVED:"):
            listing = True
        elif listing and line.startswith("\t"):
            found.append(line.strip().partition(":")[0])
        else:
            listing = False
    return found


def refuse_removals(runner: Runner, step: Step, repository: Optional[str]) -> None:
    """Raise when installing would remove something: it is the user's, and may be what the host lives on."""
    names = step.action.split()[2:]
    # A dry run exits with 1 when there is something to do.
    done = runner.run(install_argv(names, repository, dry=True), ok=(0, 1))
    gone = removals(done.stdout)
    if gone:
        raise ToolError(
            f"packages {' '.join(names)}: refusing to install, pkg would remove {' '.join(gone)}; "
            "remove it yourself, or ask for other packages"
        )


def apply(runner: Runner, step: Step, repository: Optional[str]) -> None:
    refuse_removals(runner, step, repository)
    runner.run(step.argv, failed="packages: cannot be installed")
    versions = observe(runner)
    missing = [name for name in step.action.split()[2:] if name not in versions]
    if missing:
        raise ToolError(f"package '{missing[0]}': pkg install succeeded, but pkg query does not know it")


def execute(runner: Runner, params: Mapping[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Look, plan, and do unless in check mode."""
    names: List[str] = list(dict.fromkeys(params["names"]))
    for name in names:
        if not re.match(r"^[A-Za-z0-9_][A-Za-z0-9_.+@~-]*$", name):
            raise ToolError(f"package '{name}': not a package's name; give it without category and version")
    installed = observe(runner)
    there = present(runner, params["commands"])
    steps = plan(names, installed, there, params["repository"])
    before = {name: installed[name] for name in names if name in installed}
    after = {name: installed.get(name, "newest") for name in names if name in installed or name not in there}
    if steps and not check_mode:
        apply(runner, steps[0], params["repository"])
        versions = observe(runner)
        after = {name: versions[name] for name in names if name in versions}
    return {
        "changed": bool(steps),
        "actions": [step.as_dict() for step in steps],
        "versions": before if check_mode else after,
        "diff": diff_of(before, after),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "commands": {"type": "dict", "default": {}},
            "repository": {"type": "str"},
        },
        supports_check_mode=True,
    )
    runner = Runner({"ASSUME_ALWAYS_YES": "yes"})
    run_module(module, lambda: execute(runner, module.params, module.check_mode))


if __name__ == "__main__":
    main()
