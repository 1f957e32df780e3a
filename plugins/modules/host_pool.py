#!/usr/bin/python
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

DOCUMENTATION = r"""
module: host_pool
short_description: A pool for a build host, made of empty disks or of a file
version_added: 0.1.0
description:
  - Leaves an imported pool of that name as it is. Imports it when it lies on the named devices. Else makes it of them.
  - A disk that carries a partition table, a pool, a file system or anything but zeros at its ends is refused unless
    O(allow_destroy) is set. A disk in use is always refused.
  - Sees to C(zfs_enable) in rc.conf, without which no pool is mounted at boot.
author:
  - The freehyve.builder authors (@freehyve)
attributes:
  check_mode:
    description: Says what would be done and changes nothing.
    support: full
  diff_mode:
    description: Shows the pool and C(zfs_enable), observed against planned.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
options:
  name:
    description: Name of the pool.
    type: str
    required: true
  devices:
    description:
      - Disks or partitions (V(da1), V(/dev/da1)), with words such as V(mirror) as zpool-create(8) has them,
        or the absolute path of one file, which is made when it is missing.
    type: list
    elements: str
    default: []
  file_size:
    description: Size of the file when it is missing, such as V(64g). It grows up to that as the pool is filled.
    type: str
  allow_destroy:
    description: Consent to destroy what the disks or the file carry.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: A pool of two empty disks
  freehyve.builder.host_pool:
    name: tank
    devices: [mirror, da1, da2]

- name: A pool to try things with
  freehyve.builder.host_pool:
    name: tank
    devices: [/var/tank.img]
    file_size: 40g
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode.
  returned: always
  type: list
  elements: dict
  sample: [{action: create pool tank of /dev/da1, reason: there is none}]
imported:
  description: Whether the pool is imported after the run (before it, in check mode).
  returned: always
  type: bool
  sample: true
"""

import os
import re
import stat
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.freehyve.builder.plugins.module_utils import _disk, _zpool
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._plan import Step, diff_of, run_module
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner
from ansible_collections.freehyve.builder.plugins.module_utils._sizes import human_size, parse_size

MINIMUM = 64 << 20  # SPA_MINDEVSIZE, bytes


@dataclass(frozen=True)
class Wanted:
    """The parameters, checked; ``words`` as on the command line of ``zpool create``."""

    name: str
    words: Tuple[str, ...] = ()
    file_size: Optional[int] = None
    allow_destroy: bool = False

    @property
    def paths(self) -> Tuple[str, ...]:
        return tuple(_zpool.devices(self.words))


@dataclass(frozen=True)
class Device:
    """A disk, partition or file as it is now; ``size`` in bytes, ``carries`` in words."""

    path: str
    exists: bool = True
    file: bool = False
    size: int = 0
    in_use: bool = False
    table: bool = False
    carries: Tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.path[len("/dev/") :] if self.path.startswith("/dev/") else self.path


@dataclass(frozen=True)
class Observed:
    """Pools in the kernel, pools that could be imported, the named devices, and zfs_enable of rc.conf."""

    pools: Tuple[str, ...] = ()
    importable: Tuple[_zpool.Importable, ...] = ()
    devices: Tuple[Device, ...] = ()
    enabled: bool = True
    disks: Tuple[str, ...] = field(default=())


def wanted_of(params: Mapping[str, Any]) -> Wanted:
    """Parameters, checked before anything is looked at.

    :raises ToolError: a name or size that cannot be, or a file beside other devices.
    """
    name = _zpool.check_name(params["name"])
    words = tuple(params["devices"])
    for word in words:
        if not re.fullmatch(r"/?[A-Za-z0-9][A-Za-z0-9_.:/-]*", word) or ".." in word.split("/"):
            raise ToolError(f"pool '{name}': '{word}' is neither a disk nor a file; name a disk such as da1")
    size = parse_size(params["file_size"], "file_size") if params["file_size"] else None
    wanted = Wanted(name, words, size, params["allow_destroy"])
    files = [path for path in wanted.paths if not path.startswith("/dev/")]
    if files and len(words) > 1:
        raise ToolError(f"pool '{name}': {files[0]} is a file and would be one device of many; name it alone, or disks")
    if len(set(wanted.paths)) != len([word for word in words if _is_device(word)]):
        raise ToolError(f"pool '{name}': a device is named twice in {' '.join(words)}")
    return wanted


def _is_device(word: str) -> bool:
    return bool(_zpool.devices([word]))


def observe(runner: Runner, wanted: Wanted) -> Observed:
    pools = tuple(sorted(_zpool.pools(runner)))
    enabled = runner.run(["sysrc", "-n", "zfs_enable"], ok=(0, 1)).stdout.strip().lower() in ("yes", "true", "on", "1")
    if wanted.name in pools:
        return Observed(pools, enabled=enabled)
    mesh = _disk.mesh(runner)
    found = list(_zpool.importable(runner))
    for directory in sorted({os.path.dirname(path) for path in wanted.paths if not path.startswith("/dev/")}):
        if os.path.isdir(directory):
            found += _zpool.importable(runner, [directory])
    devices = tuple(look(path, mesh, found) for path in wanted.paths)
    return Observed(pools, tuple(found), devices, enabled, tuple(sorted(mesh.sizes)))


def look(path: str, mesh: _disk.Mesh, importable: Sequence[_zpool.Importable]) -> Device:
    """What a device or file is and carries."""
    of_pool = [f"the pool '{pool.name}'" for pool in importable if not pool.destroyed and path in _paths(pool)]
    if path.startswith("/dev/"):
        name = path[len("/dev/") :]
        if name not in mesh.sizes:
            return Device(path, exists=False)
        size, table = mesh.sizes[name], name in mesh.tables
        if mesh.is_open(name):
            return Device(path, size=size, in_use=True, table=table)
        carries = (["a partition table"] if table else []) + of_pool + _read(path, size)
        return Device(path, size=size, table=table, carries=_distinct(carries))
    try:
        found = os.stat(path)
    except OSError:
        return Device(path, exists=False, file=True)
    if not stat.S_ISREG(found.st_mode):
        raise ToolError(f"file '{path}': is not a regular file; name a file or a disk")
    carries = of_pool + _read(path, found.st_size)
    return Device(path, file=True, size=found.st_size, carries=_distinct(carries))


def _distinct(carries: Sequence[str]) -> Tuple[str, ...]:
    """The same thing seen twice is told once, in the words that say more."""
    drop = set()
    if "a partition table" in carries:
        drop |= {"a GPT", "an MBR or a boot sector", "data of an unknown kind"}
    if any(word.startswith("the pool ") for word in carries):
        drop |= {"a ZFS pool", "data of an unknown kind"}
    return tuple(word for word in dict.fromkeys(carries) if word not in drop)


def _read(path: str, size: int) -> List[str]:
    try:
        return _disk.contents(*_disk.read_ends(path, size))
    except OSError as exc:
        raise ToolError(f"disk '{path}': cannot be read: {exc.strerror}; name another") from exc


def _paths(pool: _zpool.Importable) -> List[str]:
    return _zpool.devices(pool.vdevs)


def plan(wanted: Wanted, observed: Observed) -> List[Step]:
    boot = (
        []
        if observed.enabled
        else [Step("set zfs_enable in rc.conf", "pools are not mounted at boot", ("sysrc", "zfs_enable=YES"))]
    )
    if wanted.name in observed.pools:
        return boot
    ours = _ours(wanted, observed)
    if ours is not None:
        return [_import_step(wanted, ours), *boot]
    if not wanted.words:
        there = ", ".join(observed.pools) or "no pool"
        raise ToolError(
            f"pool '{wanted.name}': not on the builder, which has {there}; set freehyve_workspace to a dataset of "
            "one of its pools, or builder_host_pool_devices to make it"
        )
    steps: List[Step] = []
    for device in observed.devices:
        _refuse(wanted, device, observed)
        if not device.exists:
            steps.append(Step(f"make file {device.path} of {human_size(wanted.file_size or 0)}", "there is none"))
        elif device.carries:
            steps += _clear_steps(device)
    argv = _zpool.create_argv(
        wanted.name,
        wanted.words,
        properties={"ashift": "12"},
        filesystem_properties={"compression": "lz4", "atime": "off"},
    )
    return [*steps, Step(f"create pool {wanted.name} of {' '.join(wanted.words)}", "there is none", argv), *boot]


def _ours(wanted: Wanted, observed: Observed) -> Optional[_zpool.Importable]:
    """The exported pool of our name that lies on our devices."""
    for pool in observed.importable:
        if pool.name == wanted.name and not pool.destroyed:
            if set(_paths(pool)) <= set(wanted.paths):
                return pool
            if not wanted.words:
                raise ToolError(
                    f"pool '{pool.name}': not imported, though it is on {' '.join(pool.vdevs)}; import it with "
                    f"zpool import {pool.name}, or name its disks in builder_host_pool_devices"
                )
    return None


def _import_step(wanted: Wanted, pool: _zpool.Importable) -> Step:
    directories = sorted({os.path.dirname(path) for path in _paths(pool) if not path.startswith("/dev/")})
    argv = _zpool.import_argv(pool.guid, search_dirs=directories)
    return Step(f"import pool {wanted.name}", f"it is on {' '.join(pool.vdevs)}", argv)


def _refuse(wanted: Wanted, device: Device, observed: Observed) -> None:
    """Raise when a device cannot or must not be used."""
    what = f"{'file' if device.file else 'disk'} '{device.name}'"
    if not device.exists:
        if not device.file:
            disks = ", ".join(name for name in observed.disks if "/" not in name) or "none"
            raise ToolError(f"{what}: is not on the builder; it has {disks}")
        if wanted.file_size is None:
            raise ToolError(f"{what}: does not exist; set builder_host_pool_file_size to make it")
        if not os.path.isdir(os.path.dirname(device.path)):
            raise ToolError(
                f"{what}: there is no directory {os.path.dirname(device.path)}; make it, or name another file"
            )
    size = device.size if device.exists else wanted.file_size or 0
    if device.in_use:
        raise ToolError(f"{what}: refusing to make pool '{wanted.name}' of it, it is in use; name an empty disk")
    if size < MINIMUM:
        raise ToolError(
            f"{what}: has {human_size(size)}, a pool needs at least {human_size(MINIMUM)}; name a larger one"
        )
    if device.carries and not wanted.allow_destroy:
        raise ToolError(
            f"{what}: refusing to make pool '{wanted.name}' of it, it carries {' and '.join(device.carries)}; "
            "name an empty disk, or set builder_host_allow_destroy to lose what is on it"
        )


def _clear_steps(device: Device) -> List[Step]:
    reason = f"carries {' and '.join(device.carries)}"
    steps = []
    if device.table:
        steps.append(
            Step(f"destroy the partition table of {device.name}", reason, ("gpart", "destroy", "-F", device.name))
        )
    if any("pool" in word for word in device.carries):
        # A label that is not there any more is no failure: apply() takes exit status 1.
        argv = ("zpool", "labelclear", "-f", device.path)
        steps.append(Step(f"clear the pool's labels on {device.name}", reason, argv))
    return [*steps, Step(f"clear both ends of {device.name}", reason)]


def apply(runner: Runner, wanted: Wanted, observed: Observed, steps: Sequence[Step]) -> None:
    devices = {device.name: device for device in observed.devices}
    for step in steps:
        if step.action.startswith("make file "):
            _make_file(wanted.paths[0], wanted.file_size or 0)
        elif step.action.startswith("clear both ends of "):
            device = devices[step.action.rpartition(" ")[2]]
            _clear(device)
        elif step.argv[:2] == ("zpool", "labelclear"):
            runner.run(step.argv, ok=(0, 1))
        elif step.argv[0] == "zpool":
            _zpool.change(runner, step.argv, f"pool '{wanted.name}': {step.action.split()[0]} failed")
        else:
            runner.run(step.argv, failed=f"pool '{wanted.name}': {step.action}")


def _make_file(path: str, size: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.ftruncate(descriptor, size)
        finally:
            os.close(descriptor)
    except OSError as exc:
        raise ToolError(f"file '{path}': cannot be made: {exc.strerror}; name another") from exc


def _clear(device: Device) -> None:
    try:
        _disk.clear_ends(device.path, device.size)
    except OSError as exc:
        raise ToolError(f"disk '{device.name}': cannot be cleared: {exc.strerror}; is it in use?") from exc


def execute(runner: Runner, params: Mapping[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Look, plan, and do unless in check mode."""
    wanted = wanted_of(params)
    observed = observe(runner, wanted)
    steps = plan(wanted, observed)
    if not check_mode:
        apply(runner, wanted, observed, steps)
    there = wanted.name in observed.pools
    return {
        "changed": bool(steps),
        "actions": [step.as_dict() for step in steps],
        "imported": there or not check_mode,
        "diff": diff_of({"imported": there, "zfs_enable": observed.enabled}, {"imported": True, "zfs_enable": True}),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "devices": {"type": "list", "elements": "str", "default": []},
            "file_size": {"type": "str"},
            "allow_destroy": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    run_module(module, lambda: execute(Runner(), module.params, module.check_mode))


if __name__ == "__main__":
    main()
