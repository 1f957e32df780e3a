#!/usr/bin/python
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

DOCUMENTATION = r"""
module: builder_facts
short_description: Everything a build wants to know of its host, in one call
version_added: 0.1.0
description:
  - Reads release, resources, pools, workspace, tools and the receipts of finished stages.
  - Changes nothing and does not fail on a host that is no builder; what it cannot find out is null, false or empty.
author:
  - The freehyve.builder authors (@freehyve)
attributes:
  check_mode:
    description: Only reads.
    support: full
  diff_mode:
    description: Nothing changes, so there is nothing to show.
    support: none
  idempotent:
    description: Only reads.
    support: full
  facts:
    description: Returns facts that are set for the host.
    support: full
options:
  workspace:
    description: Dataset that holds everything we make.
    type: str
    required: true
  workspace_path:
    description: Where it is mounted; C(/) and its name when not given.
    type: path
  poudriere_etc:
    description: Directory whose C(poudriere.d) holds poudriere's jails and ports trees; not looked at when not given.
    type: path
"""

EXAMPLES = r"""
- name: Look at the builder
  freehyve.builder.builder_facts:
    workspace: zroot/freehyve

- name: Is there enough room?
  ansible.builtin.assert:
    that: ansible_facts.freehyve_builder.workspace_available | default(0, true) > 20 * 1024 ** 3
"""

RETURN = r"""
ansible_facts:
  description: The facts.
  returned: always
  type: dict
  contains:
    freehyve_builder:
      description: All of them.
      returned: always
      type: dict
      sample:
        system: FreeBSD
        release: 13.2-RELEASE
        osreldate: 1302001
        arch: amd64
        machine_arch: amd64
        cpus: 2
        memory: 3196551168
        jailed: false
        root: true
        hostname: builder
        boot_time: 1795383000
        boot_id: null
        python: 3.11.7
        zfs_version: 2.1.9-FreeBSD_g92e0d9d18
        pools:
          zroot: {size: 12348030976, free: 12102816768, guid: "1076897059890472053", health: ONLINE, altroot: null}
        zpool_free: 12102816768
        pool_of_root: zroot
        workspace: zroot/freehyve
        workspace_path: /zroot/freehyve
        workspace_pool: zroot
        workspace_pool_exists: true
        workspace_exists: true
        workspace_mountpoint: /zroot/freehyve
        workspace_mounted: true
        workspace_available: 11717153792
        mounts: {/: zroot/ROOT/default}
        tools: {zfs: /sbin/zfs, poudriere: null}
        missing_tools: [poudriere]
        zfs_compatibility: [openzfs-2.0-freebsd]
        mkimg_formats: [qcow2, raw]
        mkimg_schemes: [gpt]
        poudriere_version: 3.4.8
        poudriere_jails: {}
        poudriere_ports: {}
        stages: {}
"""

import json
import os
import platform
import re
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.freehyve.builder.plugins.module_utils import _mounts, _zfs, _zpool
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._plan import run_module
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner

COMPATIBILITY_DIR = "/usr/share/zfs/compatibility.d"
# What we or poudriere call: in the base system of every supported release, or a package that provisioning installs.
TOOLS = (
    "cap_mkdb",
    "chflags",
    "daemon",
    "fetch",
    "git",
    "jls",
    "mdconfig",
    "mkimg",
    "mount",
    "mount_msdosfs",
    "newfs_msdos",
    "pkg",
    "poudriere",
    "ps",
    "pw",
    "pwd_mkdb",
    "python3",
    "sysctl",
    "sysrc",
    "tar",
    "umount",
    "xz",
    "zfs",
    "zpool",
    "zstd",
)
SYSCTLS = (
    "hw.machine",
    "hw.machine_arch",
    "hw.ncpu",
    "hw.physmem",
    "kern.boot_id",
    "kern.boottime",
    "kern.osreldate",
    "security.jail.jailed",
    "vfs.zfs.version.module",
)


@dataclass(frozen=True)
class Asked:
    """The parameters."""

    workspace: str
    workspace_path: str
    poudriere_etc: Optional[str] = None
    compatibility_dir: str = COMPATIBILITY_DIR


@dataclass(frozen=True)
class Workspace:
    """The dataset of the workspace, and what is free for it or its nearest existing parent (bytes)."""

    exists: bool = False
    mountpoint: Optional[str] = None
    mounted: bool = False
    available: Optional[int] = None
    pool_exists: bool = False


@dataclass(frozen=True)
class Kernel:
    """Values of sysctl(8) by name; those that this kernel does not have are absent."""

    values: Mapping[str, str] = field(default_factory=dict)

    def number(self, name: str) -> Optional[int]:
        text = self.values.get(name, "")
        return int(text) if re.fullmatch(r"[0-9]+", text) else None

    def text(self, name: str) -> Optional[str]:
        return self.values.get(name) or None


def sysctl_argv() -> List[str]:
    return ["sysctl", *SYSCTLS]


def parse_sysctl(stdout: str) -> Kernel:
    """Lines ``name: value`` of sysctl(8); it skips names that it does not know."""
    pairs = (line.split(": ", 1) for line in stdout.splitlines() if ": " in line)
    return Kernel({name.strip(): value.strip() for name, value in pairs})


def parse_version(stdout: str) -> Optional[str]:
    """``poudriere version``: ``poudriere-git-3.4.99`` or ``3.4.8``."""
    match = re.search(r"(\d+(?:\.\d+)+\S*)", stdout)
    return match.group(1) if match else None


def quietly(runner: Runner, argv: Sequence[str], tools: Mapping[str, Optional[str]]) -> str:
    """Output of a command of the list; empty when there is no such command or it has nothing to say."""
    if tools.get(argv[0]) is None:
        return ""
    try:
        return runner.run(argv, ok=range(256), timeout=60).stdout
    except ToolError:
        return ""


def pools_of(runner: Runner, tools: Mapping[str, Optional[str]]) -> Dict[str, _zpool.Pool]:
    try:
        return _zpool.parse_list(quietly(runner, _zpool.list_argv(), tools))
    except ToolError:
        return {}


def workspace_of(runner: Runner, tools: Mapping[str, Optional[str]], name: str) -> Workspace:
    """One call asks about the workspace and all datasets above it: the nearest tells how much is free."""
    parts = name.split("/")
    names = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    argv = _zfs.get_argv(names, ("available", "mountpoint", "mounted"))
    try:
        found = _zfs.parse_get(quietly(runner, argv, tools))
    except ToolError:
        found = {}
    nearest = next((found[one] for one in reversed(names) if one in found), None)
    own = found.get(name)
    free = nearest.value("available") if nearest is not None else ""
    mountpoint = own.value("mountpoint") if own is not None else ""
    return Workspace(
        own is not None,
        mountpoint if mountpoint.startswith("/") else None,
        own is not None and own.value("mounted") == "yes",
        int(free) if free.isdigit() else None,
        parts[0] in found,
    )


def read_stages(directory: str) -> Dict[str, Any]:
    """Receipts of finished stages by the stem of their file; null for one that cannot be read."""
    found: Dict[str, Any] = {}
    for name in _listing(directory):
        if not name.endswith(".json") or name.startswith("."):
            continue
        try:
            with open(os.path.join(directory, name), "rb") as stream:
                value = json.loads(stream.read().decode("utf-8"))
        except (OSError, ValueError):
            value = None
        found[name[: -len(".json")]] = value if isinstance(value, dict) else None
    return found


def read_state(directory: str, names: Sequence[str]) -> Dict[str, Dict[str, Optional[str]]]:
    """poudriere's own state: a directory for each jail or tree, a file for each value."""
    found: Dict[str, Dict[str, Optional[str]]] = {}
    for owner in _listing(directory):
        if os.path.isdir(os.path.join(directory, owner)):
            found[owner] = {name: _line(os.path.join(directory, owner, name)) for name in names}
    return found


def _listing(directory: str) -> List[str]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


def _line(path: str) -> Optional[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.readline().rstrip("\n")
    except OSError:
        return None


def _memory(kernel: Kernel) -> Optional[int]:
    physical = kernel.number("hw.physmem")
    if physical is not None:
        return physical
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return None


def _boot_time(kernel: Kernel) -> Optional[int]:
    match = re.search(r"\bsec = (\d+)", kernel.values.get("kern.boottime", ""))
    return int(match.group(1)) if match else None


def observe(runner: Runner, asked: Asked) -> Dict[str, Any]:
    """All facts; see RETURN."""
    tools = {name: runner.which(name) for name in TOOLS}
    system = os.uname()
    kernel = parse_sysctl(quietly(runner, sysctl_argv(), tools))
    mounts = _mounts.parse_mounts(quietly(runner, _mounts.mounts_argv(), tools)) if system.sysname == "FreeBSD" else []
    pools = pools_of(runner, tools)
    workspace = workspace_of(runner, tools, asked.workspace)
    pool = asked.workspace.split("/")[0]
    etc = os.path.join(asked.poudriere_etc, "poudriere.d") if asked.poudriere_etc else ""
    return {
        "system": system.sysname,
        "release": system.release,
        "osreldate": kernel.number("kern.osreldate"),
        "arch": kernel.text("hw.machine") or system.machine,
        "machine_arch": kernel.text("hw.machine_arch") or platform.processor() or system.machine,
        "cpus": kernel.number("hw.ncpu") or os.cpu_count(),
        "memory": _memory(kernel),
        "jailed": kernel.number("security.jail.jailed") == 1,
        "root": os.geteuid() == 0,
        "hostname": system.nodename,
        "boot_time": _boot_time(kernel),
        "boot_id": kernel.text("kern.boot_id"),
        "python": platform.python_version(),
        "zfs_version": kernel.text("vfs.zfs.version.module"),
        "pools": {
            one.name: {
                "size": one.size,
                "free": one.free,
                "guid": one.guid,
                "health": one.health,
                "altroot": one.altroot,
            }
            for one in pools.values()
        },
        "zpool_free": pools[pool].free if pool in pools else None,
        "pool_of_root": _mounts.root_pool(mounts),
        "workspace": asked.workspace,
        "workspace_path": asked.workspace_path,
        "workspace_pool": pool,
        "workspace_pool_exists": workspace.pool_exists or pool in pools,
        "workspace_exists": workspace.exists,
        "workspace_mountpoint": workspace.mountpoint,
        "workspace_mounted": workspace.mounted,
        "workspace_available": workspace.available,
        "mounts": {mount.path: mount.source for mount in mounts},
        "tools": tools,
        "missing_tools": sorted(name for name, path in tools.items() if path is None),
        "zfs_compatibility": _listing(asked.compatibility_dir),
        "mkimg_formats": quietly(runner, ["mkimg", "--formats"], tools).split(),
        "mkimg_schemes": quietly(runner, ["mkimg", "--schemes"], tools).split(),
        "poudriere_version": parse_version(quietly(runner, ["poudriere", "version"], tools)),
        "poudriere_jails": read_state(os.path.join(etc, "jails"), ("version", "arch", "method", "mnt")) if etc else {},
        "poudriere_ports": read_state(os.path.join(etc, "ports"), ("method", "mnt")) if etc else {},
        "stages": read_stages(os.path.join(asked.workspace_path, "stages")),
    }


def asked_of(params: Mapping[str, Any]) -> Asked:
    """Parameters, checked."""
    workspace = _zfs.check_name(params["workspace"])
    return Asked(workspace, params["workspace_path"] or f"/{workspace}", params["poudriere_etc"])


ARGUMENTS: Dict[str, Any] = {
    "workspace": {"type": "str", "required": True},
    "workspace_path": {"type": "path"},
    "poudriere_etc": {"type": "path"},
}


def entry(module: Any) -> Dict[str, Any]:
    """The module's work, for AnsibleModule and for a job's Context."""
    facts = observe(Runner(), asked_of(module.params))
    return {"changed": False, "actions": [], "ansible_facts": {"freehyve_builder": facts}}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_module(module, lambda: entry(module))


if __name__ == "__main__":
    main()
