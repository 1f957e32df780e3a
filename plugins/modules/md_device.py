#!/usr/bin/python
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

DOCUMENTATION = r"""
module: md_device
short_description: Attach a file as a memory disk, or detach it
version_added: 0.1.0
description:
  - Attaches a file with mdconfig(8) unless a unit is backed by it already, or detaches the units that it backs.
  - Units are told apart by their backing file, never by their number; both paths are resolved before they are compared.
author:
  - The freehyve.builder authors (@freehyve)
attributes:
  check_mode:
    description: Says what would be attached or detached and changes nothing; mdconfig's choice of unit is not known.
    support: full
  diff_mode:
    description: Shows the units of the file, observed against planned.
    support: full
  idempotent:
    description: A second run changes nothing. A file that is attached twice is refused.
    support: full
options:
  file:
    description: Path of the file, a regular file for O(state=present).
    type: path
    required: true
  state:
    description: Whether a unit is to be backed by the file.
    type: str
    choices: [present, absent]
    default: present
  unit:
    description:
      - The unit to use, as V(5) or V(md5); the next free one when not given.
      - With O(state=absent), detach no other unit than this.
    type: str
  sector_size:
    description: Size of a sector in bytes, 512 when not given.
    type: int
  readonly:
    description: Attach for reading only; writable when not given.
    type: bool
"""

EXAMPLES = r"""
- name: Attach the pool's image
  freehyve.builder.md_device:
    file: /zroot/freehyve/images/pool.raw
  register: md

- name: Detach it, whatever its number
  freehyve.builder.md_device:
    file: /zroot/freehyve/images/pool.raw
    state: absent
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode.
  returned: always
  type: list
  elements: dict
  sample: [{action: attach /zroot/freehyve/images/pool.raw, reason: not attached}]
unit:
  description: The unit that the file backs; null when there is none, or in check mode when it is not known yet.
  returned: always
  type: str
  sample: md0
device:
  description: Its device node.
  returned: always
  type: str
  sample: /dev/md0
file:
  description: The file, with links resolved.
  returned: always
  type: str
  sample: /zroot/freehyve/images/pool.raw
"""

import os
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.freehyve.builder.plugins.module_utils import _md
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._plan import Step, diff_of, run_module
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner


@dataclass(frozen=True)
class Wanted:
    """The module's parameters; ``unit`` as ``md5``, ``file`` resolved."""

    file: str
    present: bool
    unit: Optional[str] = None
    sector_size: Optional[int] = None
    readonly: Optional[bool] = None


@dataclass(frozen=True)
class Observed:
    """Is the file there, which units does it back, who has the wanted unit, and what GEOM says of ours."""

    is_file: bool
    ours: Tuple[_md.MdUnit, ...]
    occupant: Optional[_md.MdUnit] = None
    geometry: Optional[_md.Geometry] = None


def observe(runner: Runner, wanted: Wanted) -> Observed:
    found = _md.units(runner)
    ours = tuple(_md.of_file(found, wanted.file))
    geometry = None
    if wanted.present and ours and (wanted.sector_size is not None or wanted.readonly is not None):
        geometry = _md.geometry(runner).get(ours[0].name)
    occupant = next((unit for unit in found if unit.name == wanted.unit), None)
    return Observed(os.path.isfile(wanted.file), ours, occupant, geometry)


def _differs(wanted: Wanted, geometry: Optional[_md.Geometry]) -> Optional[str]:
    """How an attached unit differs from the wanted one, in words; what GEOM does not tell is not compared."""
    if geometry is None:
        return None
    if wanted.readonly is not None and geometry.readonly not in (None, wanted.readonly):
        return "read-only" if geometry.readonly else "writable"
    if wanted.sector_size is not None and geometry.sector_size not in (None, wanted.sector_size):
        return f"with sectors of {geometry.sector_size} bytes"
    return None


def plan(wanted: Wanted, observed: Observed) -> List[Step]:
    ours = [unit.name for unit in observed.ours]
    if not wanted.present:
        return [
            Step(f"detach {name}", f"backed by {wanted.file}", _md.detach_argv(name))
            for name in ours
            if wanted.unit in (None, name)
        ]
    if len(ours) > 1:
        raise ToolError(
            f"file '{wanted.file}': attached more than once, as {', '.join(ours)}; detach all but one of them"
        )
    if ours:
        if wanted.unit not in (None, ours[0]):
            raise ToolError(f"file '{wanted.file}': attached as {ours[0]}, not as {wanted.unit}; detach it first")
        difference = _differs(wanted, observed.geometry)
        if difference:
            raise ToolError(f"file '{wanted.file}': attached as {ours[0]}, {difference}; detach it first")
        return []
    if not observed.is_file:
        raise ToolError(f"file '{wanted.file}': cannot attach, it is not a regular file; create it first")
    if observed.occupant is not None:
        holder = observed.occupant.file or f"{observed.occupant.type} memory"
        raise ToolError(
            f"unit '{wanted.unit}': cannot attach '{wanted.file}', it is in use by {holder}; choose another"
        )
    argv = _md.attach_argv(wanted.file, wanted.unit, wanted.sector_size, bool(wanted.readonly))
    return [Step(f"attach {wanted.file}", "not attached", argv)]


def apply(runner: Runner, wanted: Wanted, steps: List[Step]) -> Optional[str]:
    """Do it; the name of a unit that was attached."""
    unit = None
    for step in steps:
        if wanted.present:
            unit = _md.attach(runner, wanted.file, wanted.unit, wanted.sector_size, bool(wanted.readonly))
        else:
            runner.run(step.argv, failed=f"file '{wanted.file}': {step.action} failed")
    return unit


def result(wanted: Wanted, observed: Observed, steps: List[Step], unit: Optional[str]) -> Dict[str, Any]:
    before = [found.name for found in observed.ours]
    if wanted.present:
        unit = before[0] if before else unit or wanted.unit
        after = [unit or "the next free unit"]
    else:
        gone = {step.action.split()[-1] for step in steps}
        after = [name for name in before if name not in gone]
        unit = after[0] if after else None
    return {
        "changed": bool(steps),
        "actions": [step.as_dict() for step in steps],
        "unit": unit,
        "device": f"/dev/{unit}" if unit else None,
        "file": wanted.file,
        "diff": diff_of({"units": before}, {"units": after}),
    }


def wanted_of(params: Dict[str, Any]) -> Wanted:
    """Parameters, checked."""
    sector = params["sector_size"]
    if sector is not None and (sector < 512 or sector > 65536 or sector & (sector - 1)):
        raise ToolError(f"file '{params['file']}': sector_size {sector} is no power of two from 512 to 65536")
    unit = _md.unit_name(params["unit"]) if params["unit"] is not None else None
    file = os.path.realpath(params["file"])
    return Wanted(file, params["state"] == "present", unit, sector, params["readonly"])


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "file": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "unit": {"type": "str"},
            "sector_size": {"type": "int"},
            "readonly": {"type": "bool"},
        },
        supports_check_mode=True,
    )

    def body() -> Dict[str, Any]:
        runner = Runner()
        wanted = wanted_of(module.params)
        observed = observe(runner, wanted)
        steps = plan(wanted, observed)
        unit = None if module.check_mode else apply(runner, wanted, steps)
        return result(wanted, observed, steps, unit)

    run_module(module, body)


if __name__ == "__main__":
    main()
