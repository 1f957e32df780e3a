#!/usr/bin/python
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

DOCUMENTATION = r"""
module: zpool
short_description: Create, import, export or destroy a ZFS pool
version_added: 0.1.0
description:
  - Looks at imported pools by their name in the kernel, which is O(temporary_name) when that is given,
    and at the vdevs, GUID and properties that the caller asks for.
  - A pool that differs from what is asked in something that cannot be changed is refused, never replaced.
    Neither a creation nor a destruction is ever tried twice.
  - Vdevs are compared as C(zpool status -P) prints them, so V(/dev/md0p2) is not V(/dev/md0).
  - Properties are compared by value, so V(1g) equals V(1073741824).
author:
  - The freehyve.builder authors (@freehyve)
attributes:
  check_mode:
    description: Says what would be done and changes nothing.
    support: full
  diff_mode:
    description: Shows the pool's state and the properties that were asked for, observed against planned.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
options:
  name:
    description: Name of the pool, as its label has it.
    type: str
    required: true
  state:
    description:
      - V(present) creates the pool unless it is imported.
      - V(imported) imports an exported pool and never creates one.
      - V(exported) exports it; V(absent) destroys it and needs O(allow_destroy).
        A pool that is not imported counts as exported and as absent.
    type: str
    choices: [present, imported, exported, absent]
    default: present
  vdevs:
    description:
      - The words of zpool-create(8), such as V(/dev/md0) or V(mirror), V(/dev/md0), V(/dev/md1).
      - When given, an imported pool must be made of them, in whatever order. A short name lies in C(/dev).
    type: list
    elements: str
    default: []
  temporary_name:
    description:
      - Name in the kernel while the pool is imported.
      - With it, a pool called zroot can be made on a host whose own pool is zroot.
      - Leaving such a pool (exported, absent) needs O(guid) or O(vdevs) too, for a name alone does not say whose it is.
    type: str
  altroot:
    description: Directory below which its datasets are mounted while it is imported.
    type: path
  properties:
    description:
      - Properties of the pool. A dataset in C(bootfs) is written with the pool's own O(name).
    type: dict
    default: {}
  filesystem_properties:
    description: Properties of the pool's own dataset.
    type: dict
    default: {}
  compatibility:
    description: Feature sets that restrict the pool, names of files in C(/usr/share/zfs/compatibility.d), with commas.
    type: str
  guid:
    description: The pool must be the one with this GUID; chooses among exported pools of one name.
    type: str
  search_dirs:
    description: Where to look for the devices of an exported pool; C(/dev) when empty.
    type: list
    elements: path
    default: []
  force:
    description: Give C(-f) to zpool, which then takes devices that seem to be in use.
    type: bool
    default: false
  workspace:
    description: A dataset whose pool is never exported or destroyed, as is the pool that the system runs from.
    type: str
  allow_destroy:
    description: Consent to O(state=absent).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: A pool that will be called zroot in the image
  freehyve.builder.zpool:
    name: zroot
    temporary_name: fhbuild
    vdevs: [/dev/md0]
    altroot: /zroot/freehyve/images/alt
    compatibility: openzfs-2.0-freebsd
    properties:
      cachefile: none
      ashift: 12
    filesystem_properties:
      mountpoint: none
      compression: lz4
  register: pool

- name: Done with it
  freehyve.builder.zpool:
    name: zroot
    temporary_name: fhbuild
    guid: "{{ pool.guid }}"
    state: exported
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode.
  returned: always
  type: list
  elements: dict
  sample: [{action: create pool zroot as fhbuild, reason: not imported}]
name:
  description: Name of the pool in the kernel.
  returned: always
  type: str
  sample: fhbuild
guid:
  description: Its GUID; null when it is not known.
  returned: always
  type: str
  sample: "6933130972664884572"
imported:
  description: Whether it is imported after the run (as planned, in check mode).
  returned: always
  type: bool
  sample: true
"""

import os
import re
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.freehyve.builder.plugins.module_utils import _mounts, _properties, _zfs, _zpool
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._plan import Step, diff_of, run_module
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner

# zpool-features(7): where a name in the property compatibility is looked for.
COMPATIBILITY_DIRS = ("/etc/zfs/compatibility.d", "/usr/share/zfs/compatibility.d")


@dataclass(frozen=True)
class Wanted:
    """The parameters, checked; property values as text."""

    name: str
    state: str = "present"
    vdevs: Tuple[str, ...] = ()
    temporary_name: Optional[str] = None
    altroot: Optional[str] = None
    properties: Mapping[str, str] = field(default_factory=dict)
    filesystem_properties: Mapping[str, str] = field(default_factory=dict)
    guid: Optional[str] = None
    search_dirs: Tuple[str, ...] = ()
    force: bool = False
    allow_destroy: bool = False
    protected: Optional[str] = None

    @property
    def kernel_name(self) -> str:
        return self.temporary_name or self.name

    @property
    def compares(self) -> bool:
        return self.state in ("present", "imported")


@dataclass(frozen=True)
class Observed:
    """The pool of our name in the kernel if there is one, and what else the wanted state asks about."""

    pool: Optional[_zpool.Pool] = None
    vdevs: Tuple[str, ...] = ()
    properties: Mapping[str, _zfs.Property] = field(default_factory=dict)
    filesystem_properties: Mapping[str, _zfs.Property] = field(default_factory=dict)
    importable: Tuple[_zpool.Importable, ...] = ()
    root_pool: Optional[str] = None
    missing: Tuple[str, ...] = ()
    names: Tuple[str, ...] = ()


def wanted_of(params: Mapping[str, Any]) -> Wanted:
    """Parameters, checked before anything is looked at.

    :raises ToolError: a name, vdev, property or value that cannot be.
    """
    name = _zpool.check_name(params["name"])
    owner = f"pool '{name}'"
    if params["temporary_name"] is not None:
        _zpool.check_name(params["temporary_name"])
    if params["guid"] is not None and not re.fullmatch(r"[1-9][0-9]{0,19}", params["guid"]):
        raise ToolError(
            f"{owner}: guid '{params['guid']}' is not a GUID; write the decimal number of zpool get guid, quoted"
        )
    given = dict(params["properties"])
    if params["compatibility"] is not None:
        given.setdefault("compatibility", params["compatibility"])
    if "altroot" in given:
        raise ToolError(f"{owner}: property 'altroot' is given as the parameter altroot")
    if params["altroot"] is not None and not os.path.isabs(params["altroot"]):
        raise ToolError(f"{owner}: altroot '{params['altroot']}' is not an absolute path")
    pool_properties = {
        key: _properties.check(owner, key, value, _properties.pool_rule(key)) for key, value in sorted(given.items())
    }
    check_compatibility(owner, pool_properties.get("compatibility", "off"), COMPATIBILITY_DIRS)
    dataset_properties = {
        key: _properties.check(owner, key, value, _properties.dataset_rule(key))
        for key, value in sorted(params["filesystem_properties"].items())
    }
    bootfs = pool_properties.get("bootfs", "-")
    if params["temporary_name"] and bootfs.startswith(f"{name}/"):
        pool_properties["bootfs"] = params["temporary_name"] + bootfs[len(name) :]
    _zpool.layout(params["vdevs"])
    altroot = params["altroot"]
    return Wanted(
        name=name,
        state=params["state"],
        vdevs=tuple(params["vdevs"]),
        temporary_name=params["temporary_name"] if params["temporary_name"] != name else None,
        altroot=(altroot.rstrip("/") or "/") if altroot else None,
        properties=pool_properties,
        filesystem_properties=dataset_properties,
        guid=params["guid"],
        search_dirs=tuple(params["search_dirs"]),
        force=params["force"],
        allow_destroy=params["allow_destroy"],
        protected=_zfs.pool_of(params["workspace"]) if params["workspace"] else None,
    )


def check_compatibility(owner: str, value: str, directories: Sequence[str]) -> None:
    """Refuse a feature set that is not a file on this builder; zpool says so only after it has looked at the vdevs."""
    if value in ("off", "legacy", "-", ""):
        return
    found = sorted({name for place in directories if os.path.isdir(place) for name in os.listdir(place)})
    for name in value.split(","):
        if name.strip() not in found and not (os.path.isabs(name) and os.path.isfile(name)):
            listed = ", ".join(one for one in found if "freebsd" in one) or "none"
            raise ToolError(
                f"{owner}: compatibility '{name.strip()}' is no feature set of this builder; it has {listed}"
            )


def observe(runner: Runner, wanted: Wanted) -> Observed:
    pools = _zpool.pools(runner)
    name, pool = wanted.kernel_name, pools.get(wanted.kernel_name)
    names = tuple(sorted(pools))
    if pool is None:
        found = tuple(_zpool.importable(runner, wanted.search_dirs)) if wanted.state == "imported" else ()
        missing: Tuple[str, ...] = ()
        if wanted.state == "present":
            missing = tuple(path for path in _zpool.devices(wanted.vdevs) if not os.path.exists(path))
        return Observed(importable=found, missing=missing, names=names)
    vdevs = tuple(_zpool.status_vdevs(runner, name)) if wanted.vdevs else ()
    root = _mounts.root_pool(_mounts.mounts(runner)) if not wanted.compares else None
    properties: Mapping[str, _zfs.Property] = {}
    filesystem: Mapping[str, _zfs.Property] = {}
    if wanted.compares and wanted.properties:
        properties = _zpool.properties(runner, name, sorted(wanted.properties))
    if wanted.compares and wanted.filesystem_properties:
        dataset = _zfs.named(runner, [name], sorted(wanted.filesystem_properties)).get(name)
        filesystem = dataset.properties if dataset is not None else {}
    return Observed(pool, vdevs, properties, filesystem, (), root, (), names)


def _refuse_another(wanted: Wanted, observed: Observed) -> None:
    """Raise when the imported pool of our name is not the one that is meant."""
    pool, name = observed.pool, wanted.kernel_name
    if pool is None:
        return
    if wanted.guid is not None and pool.guid != wanted.guid:
        raise ToolError(
            f"pool '{name}': refusing, its GUID is {pool.guid}, not {wanted.guid}: another pool has this name"
        )
    if wanted.vdevs and _zpool.layout(wanted.vdevs) != _zpool.layout(observed.vdevs):
        raise ToolError(
            f"pool '{name}': refusing, it is made of {' '.join(observed.vdevs)}, not of {' '.join(wanted.vdevs)}; "
            "another pool has this name: choose a temporary_name, or export it"
        )


def plan(wanted: Wanted, observed: Observed) -> List[Step]:
    _refuse_another(wanted, observed)
    if not wanted.compares:
        return _plan_leaving(wanted, observed)
    if observed.pool is not None:
        return _plan_settings(wanted, observed)
    return _plan_creation(wanted, observed) if wanted.state == "present" else _plan_import(wanted, observed)


def _plan_leaving(wanted: Wanted, observed: Observed) -> List[Step]:
    """Export or destroy, after everything that speaks against it."""
    pool, name = observed.pool, wanted.kernel_name
    if pool is None:
        return []
    verb = "export" if wanted.state == "exported" else "destroy"
    if name == observed.root_pool:
        raise ToolError(f"pool '{name}': refusing to {verb}, it is the builder's own; the system runs from it")
    if name == wanted.protected:
        raise ToolError(f"pool '{name}': refusing to {verb}, it holds the workspace")
    if wanted.temporary_name and wanted.guid is None and not wanted.vdevs:
        raise ToolError(f"pool '{name}': refusing to {verb} by a temporary name alone; give its guid or its vdevs too")
    if wanted.state == "exported":
        return [Step(f"export pool {name}", "imported", _zpool.export_argv(name, wanted.force))]
    if not wanted.allow_destroy:
        raise ToolError(f"pool '{name}': refusing to destroy; set allow_destroy: true")
    return [Step(f"destroy pool {name}", f"imported, GUID {pool.guid}", _zpool.destroy_argv(name, wanted.force))]


def _title(wanted: Wanted) -> str:
    return wanted.name + (f" as {wanted.temporary_name}" if wanted.temporary_name else "")


def _plan_creation(wanted: Wanted, observed: Observed) -> List[Step]:
    if wanted.guid is not None:
        raise ToolError(
            f"pool '{wanted.name}': there is none with GUID {wanted.guid}, and a new one gets another; remove guid"
        )
    if not wanted.vdevs:
        raise ToolError(f"pool '{wanted.name}': cannot create it without vdevs; name its devices")
    if observed.missing:
        raise ToolError(f"pool '{wanted.name}': cannot create it, there is no {' and no '.join(observed.missing)}")
    properties = dict(wanted.properties)
    bootfs = properties.pop("bootfs", wanted.kernel_name)
    if bootfs != wanted.kernel_name:
        raise ToolError(
            f"pool '{wanted.name}': bootfs '{bootfs}' cannot exist before the pool; create both, then set bootfs"
        )
    if wanted.altroot or wanted.temporary_name:
        properties.setdefault("cachefile", "none")
    argv = _zpool.create_argv(
        wanted.name,
        wanted.vdevs,
        wanted.temporary_name,
        wanted.altroot,
        properties,
        wanted.filesystem_properties,
        wanted.force,
    )
    steps = [Step(f"create pool {_title(wanted)} of {' '.join(wanted.vdevs)}", "not imported", argv)]
    if "bootfs" in wanted.properties:
        steps.append(_setting(wanted, "bootfs", bootfs, "the pool is new"))
    return steps


def _plan_import(wanted: Wanted, observed: Observed) -> List[Step]:
    name = wanted.name
    found = [pool for pool in observed.importable if not pool.destroyed]
    if wanted.guid is not None:
        found = [pool for pool in found if pool.guid == wanted.guid]
    else:
        found = [pool for pool in found if pool.name == name]
    if not found:
        what = f"GUID {wanted.guid}" if wanted.guid else "that name"
        where = ", ".join(wanted.search_dirs) or "/dev"
        raise ToolError(
            f"pool '{name}': cannot import it, no device in {where} has a pool of {what}; attach its device first"
        )
    if len(found) > 1:
        guids = ", ".join(pool.guid for pool in found)
        raise ToolError(
            f"pool '{name}': cannot import it, there are {len(found)} of that name; give guid, one of {guids}"
        )
    pool = found[0]
    if pool.name != name and wanted.temporary_name is None:
        raise ToolError(
            f"pool '{name}': the pool of GUID {pool.guid} is called '{pool.name}'; use that, or a temporary_name"
        )
    if pool.state not in ("ONLINE", "DEGRADED"):
        raise ToolError(f"pool '{name}': cannot import it, it is {pool.state}; a device is missing or damaged")
    at_import = {
        key: value
        for key, value in wanted.properties.items()
        if key in ("cachefile", "readonly", "comment", "failmode")
    }
    argv = _zpool.import_argv(
        pool.guid,
        wanted.temporary_name,
        temporary=wanted.temporary_name is not None,
        altroot=wanted.altroot,
        search_dirs=wanted.search_dirs,
        properties=at_import,
        force=wanted.force,
    )
    return [Step(f"import pool {_title(wanted)}", f"exported, GUID {pool.guid}", argv)]


def _setting(wanted: Wanted, key: str, value: str, reason: str) -> Step:
    name = wanted.kernel_name
    return Step(f"set {key}={value} of pool {name}", reason, _zpool.set_argv(name, key, value))


def _plan_settings(wanted: Wanted, observed: Observed) -> List[Step]:
    """What differs of an imported pool: set it, or refuse where it cannot be set."""
    pool, name = observed.pool, wanted.kernel_name
    if pool is None:
        return []
    if wanted.altroot is not None and (pool.altroot or "/").rstrip("/") != wanted.altroot.rstrip("/"):
        raise ToolError(
            f"pool '{name}': its altroot is {pool.altroot or 'not set'}, not {wanted.altroot}; export it first"
        )
    steps = []
    for key, value in sorted(wanted.properties.items()):
        seen = observed.properties.get(key, _zfs.Property("-", "-")).value
        rule = _properties.pool_rule(key)
        if _properties.same(key, value, seen, rule):
            continue
        if rule is not None and rule.edit == "create":
            raise ToolError(
                f"pool '{name}': property '{key}' is {seen} and can only be chosen on import; export it first"
            )
        steps.append(_setting(wanted, key, value, f"{key} is {seen if seen != '-' else 'not set'}"))
    differing, words = {}, []
    for key, value in sorted(wanted.filesystem_properties.items()):
        seen = observed.filesystem_properties.get(key, _zfs.Property("-", "-")).value
        rule = _properties.dataset_rule(key)
        if _properties.same(key, value, seen, rule, pool.altroot):
            continue
        if rule is not None and rule.edit == "create":
            raise ToolError(
                f"pool '{name}': property '{key}' is {seen} and can only be chosen when the pool is created"
            )
        differing[key] = value
        words.append(f"{key} is {seen if seen != '-' else 'not set'}")
    if differing:
        settings = " ".join(f"{key}={value}" for key, value in sorted(differing.items()))
        steps.append(Step(f"set {settings} of {name}", ", ".join(words), _zfs.set_argv(name, differing)))
    return steps


def apply(runner: Runner, wanted: Wanted, steps: Sequence[Step]) -> None:
    for step in steps:
        _zpool.change(runner, step.argv, f"pool '{wanted.kernel_name}': {step.action.split()[0]} failed")


def views(wanted: Wanted, observed: Observed, steps: Sequence[Step]) -> Tuple[Dict[str, Any], Dict[str, Any]]:
    """The pool before and after, as far as it was asked about."""
    imported = wanted.compares
    before: Dict[str, Any] = {"imported": observed.pool is not None}
    after: Dict[str, Any] = {"imported": imported}
    if imported:
        if observed.pool is not None:
            for key in wanted.properties:
                before[key] = observed.properties.get(key, _zfs.Property("-", "-")).value
            for key in wanted.filesystem_properties:
                before[key] = observed.filesystem_properties.get(key, _zfs.Property("-", "-")).value
        touched = {word.split("=", 1)[0] for step in steps for word in step.argv[2:] if "=" in word}
        for key, value in [*wanted.properties.items(), *wanted.filesystem_properties.items()]:
            after[key] = value if observed.pool is None or key in touched else before[key]
    return before, after


ARGUMENTS: Dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "imported", "exported", "absent"], "default": "present"},
    "vdevs": {"type": "list", "elements": "str", "default": []},
    "temporary_name": {"type": "str"},
    "altroot": {"type": "path"},
    "properties": {"type": "dict", "default": {}},
    "filesystem_properties": {"type": "dict", "default": {}},
    "compatibility": {"type": "str"},
    "guid": {"type": "str"},
    "search_dirs": {"type": "list", "elements": "path", "default": []},
    "force": {"type": "bool", "default": False},
    "workspace": {"type": "str"},
    "allow_destroy": {"type": "bool", "default": False},
}


def execute(runner: Runner, params: Mapping[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Look, plan, and do unless in check mode."""
    wanted = wanted_of(params)
    observed = observe(runner, wanted)
    steps = plan(wanted, observed)
    before, after = views(wanted, observed, steps)
    guid = observed.pool.guid if observed.pool is not None else wanted.guid
    if not check_mode and steps:
        apply(runner, wanted, steps)
        if observed.pool is None and wanted.compares:
            guid = _zpool.guid(runner, wanted.kernel_name)
            steps = steps + _after_import(runner, wanted)
    return {
        "changed": bool(steps),
        "actions": [step.as_dict() for step in steps],
        "name": wanted.kernel_name,
        "guid": guid,
        "imported": wanted.compares,
        "diff": diff_of(before, after),
    }


def _after_import(runner: Runner, wanted: Wanted) -> List[Step]:
    """Properties of a pool that was just imported: only now can they be read."""
    if wanted.state != "imported" or not (wanted.properties or wanted.filesystem_properties):
        return []
    steps = plan(wanted, observe(runner, wanted))
    apply(runner, wanted, steps)
    return steps


def entry(module: Any) -> Dict[str, Any]:
    """The module's work, for AnsibleModule and for a job's Context."""
    return execute(Runner(), module.params, module.check_mode)


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_module(module, lambda: entry(module))


if __name__ == "__main__":
    main()
