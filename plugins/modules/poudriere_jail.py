#!/usr/bin/python
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

DOCUMENTATION = r"""
module: poudriere_jail
short_description: A poudriere jail made from verified distribution sets
version_added: 0.1.0
description:
  - Makes a jail from the very files that M(freehyve.builder.dist_set) verified, by C(poudriere jail -c), with C(-m
    tar=) for base alone and C(-m url=file://) for more sets.
  - Remakes it when release, arch or the digest of a set changed, when its directory is gone, and when an earlier run
    was killed while it made the jail.
  - Reads the state from poudriere's own files, and what the jail was made from out of a receipt beside them.
  - A jail that this module did not make is left alone, unless O(allow_destroy) is set. A jail that a build runs in is
    never touched.
options:
  name:
    description: Name of the jail. Letters, digits, C(_) and C(-).
    type: str
    required: true
  state:
    description: Whether the jail is there.
    type: str
    choices: [present, absent]
    default: present
  release:
    description: Release of the sets. Needed for O(state=present).
    type: str
  arch:
    description: V(amd64), or C(TARGET/TARGET_ARCH) such as V(arm64/aarch64).
    type: str
    default: amd64
  sets_dir:
    description: Directory with the sets and their C(MANIFEST). Needed for O(state=present).
    type: path
  sets:
    description: Sets of the jail; V(base), and if wanted V(lib32) and V(src), which is what poudriere takes.
    type: list
    elements: str
    default: [base]
  digests:
    description: SHA-256 by set. A set that is not named here is looked up in O(receipt), then in C(MANIFEST).
    type: dict
    default: {}
  receipt:
    description: Receipt of the stage that brought the sets.
    type: path
  etcdir:
    description: What C(poudriere -e) points at.
    type: path
    required: true
  distfiles:
    description: Directory for the sources of ports (DISTFILES_CACHE), without which poudriere refuses to build. Made
      when it is missing.
    type: path
  allow_destroy:
    description: Delete or remake a jail that this module did not make.
    type: bool
    default: false
  timeout:
    description: Seconds after which making or deleting the jail is given up.
    type: int
    default: 3600
extends_documentation_fragment: freehyve.builder.job
attributes:
  check_mode:
    support: full
    description: Also where neither poudriere nor the sets are there yet.
  diff_mode:
    support: full
    description: Release, arch and digests, there and planned.
  idempotent:
    support: full
    description: By release, arch and digests.
author:
  - The freehyve.builder authors (@freehyve)
"""

EXAMPLES = r"""
- name: The jail that packages are built in
  freehyve.builder.poudriere_jail:
    name: fh151RELEASEamd64
    release: 15.1-RELEASE
    sets_dir: /freehyve/dists/15.1-RELEASE-amd64
    receipt: /freehyve/stages/dists-15.1-RELEASE-amd64.json
    etcdir: /freehyve/poudriere/etc
"""

RETURN = r"""
actions:
  description: What was or would be done, and why.
  returned: success
  type: list
  elements: dict
  sample: [{action: remake jail fh151RELEASEamd64, reason: "release: 15.0-RELEASE -> 15.1-RELEASE"}]
jail:
  description: C(name), C(version), C(arch), C(method), C(mnt) and C(fs) as poudriere has them, null without a jail.
  returned: success
  type: dict
key:
  description: SHA-256 of release, arch and digests.
  returned: when the digests are known
  type: str
"""

import os
import shutil
import time
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.freehyve.builder.plugins.module_utils import _lease, _poudriere
from ansible_collections.freehyve.builder.plugins.module_utils._context import JOB_ARGUMENTS
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._files import read_json, write_file, write_json
from ansible_collections.freehyve.builder.plugins.module_utils._keys import key_of, reasons
from ansible_collections.freehyve.builder.plugins.module_utils._manifest import is_sha256, parse_manifest, render
from ansible_collections.freehyve.builder.plugins.module_utils._mirror import check_release, check_set, split_arch
from ansible_collections.freehyve.builder.plugins.module_utils._plan import Step, diff_of, run_module
from ansible_collections.freehyve.builder.plugins.module_utils._poudriere import Jail
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner

# What poudriere fetches for a jail by itself, each with the setting that would leave it out (jail.sh).
TAKEN = {"base": "", "lib32": "NO_LIB32", "src": "NO_SRC"}


@dataclass(frozen=True)
class Wanted:
    name: str
    release: str
    arch: str
    sets: Sequence[str]
    sets_dir: str
    digests: Mapping[str, Optional[str]] = field(default_factory=dict)  # None: not known yet

    def inputs(self) -> Dict[str, Any]:
        return {"release": self.release, "arch": self.arch, "sets": dict(self.digests)}


@dataclass(frozen=True)
class Observed:
    """The jail, whether its directory is there, whether making it was begun and never finished."""

    jail: Optional[Jail]
    populated: bool
    unfinished: bool
    builds: Sequence[str] = ()


def intent_path(etcdir: str, name: str) -> str:
    """A file that says that we are making a jail; poudriere lists directories only."""
    return os.path.join(_poudriere.jails_dir(etcdir), f".freehyve-{name}.json")


def validate(params: Mapping[str, Any]) -> None:
    """:raises ToolError: a malformed input."""
    _poudriere.check_jail_name(params["name"])
    if params["state"] == "absent":
        return
    for name in ("release", "sets_dir"):
        if not params[name]:
            raise ToolError(f"poudriere jail '{params['name']}': {name} is missing")
    check_release(params["release"])
    split_arch(params["arch"])
    for name in params["sets"]:
        check_set(name)
        if name not in TAKEN:
            raise ToolError(
                f"poudriere jail '{params['name']}': cannot take the set '{name}'; poudriere installs base, lib32, src"
            )
    if "base" not in params["sets"]:
        raise ToolError(f"poudriere jail '{params['name']}': needs the set 'base'")
    for name, value in params["digests"].items():
        if not is_sha256(str(value)):
            raise ToolError(f"poudriere jail '{params['name']}': digest of '{name}' is malformed")


def digests_of(params: Mapping[str, Any]) -> Dict[str, Optional[str]]:
    """SHA-256 of each wanted set: as given, of the stage's receipt, of MANIFEST; None when nobody knows it yet."""
    known: Dict[str, str] = dict(params["digests"])
    receipt = (read_json(params["receipt"]) if params["receipt"] else None) or {}
    for name, record in receipt.get("results", {}).get("sets", {}).items():
        known.setdefault(name, record.get("sha256"))
    if any(name not in known for name in params["sets"]):
        path = os.path.join(params["sets_dir"], "MANIFEST")
        try:
            with open(path, "rb") as stream:
                entries = parse_manifest(stream.read(), path)
        except FileNotFoundError:
            entries = {}
        for name, entry in entries.items():
            known.setdefault(name, entry.sha256)
    return {name: known.get(name) for name in params["sets"]}


def observe(runner: Runner, etcdir: str, name: str) -> Observed:
    # One that we make has its intent from before it is there until after it has its receipt: look on both sides.
    intent = intent_path(etcdir, name)
    begun = os.path.exists(intent)
    found = _poudriere.jail(etcdir, name)
    unfinished = os.path.exists(intent) or (begun and found is not None and found.receipt is None)
    builds: List[str] = []
    if found is not None and runner.which("jls"):
        output = runner.run(["jls", "-N"], failed="running jails: cannot be listed").stdout
        builds = _poudriere.running_builds(output, name, _poudriere.jail_names(etcdir))
    return Observed(
        jail=found,
        populated=bool(found and found.mnt and os.path.isdir(os.path.join(found.mnt, "etc"))),
        unfinished=unfinished,
        builds=builds,
    )


def why_remake(wanted: Wanted, observed: Observed) -> List[str]:
    """Why the jail that is there does not serve; empty when it does."""
    jail = observed.jail
    if jail is None:
        return ["not there"]
    if observed.unfinished:
        return ["an earlier run was interrupted while it made the jail"]
    if jail.receipt is None:
        return ["was not made by this collection"]
    if not observed.populated:
        return [f"its directory '{jail.mnt}' is gone"]
    before = dict(jail.receipt.get("inputs", {}))
    # Somebody may have updated the jail by hand since.
    for mine, theirs, made in (("release", jail.version, "version"), ("arch", jail.arch, "arch")):
        if theirs != jail.receipt.get("poudriere", {}).get(made):
            before[mine] = theirs
    after = wanted.inputs()
    if None in wanted.digests.values():  # check mode, sets not downloaded yet
        before.pop("sets", None)
        after.pop("sets", None)
    return reasons(before, after)


def plan(wanted: Optional[Wanted], name: str, observed: Observed, allow_destroy: bool) -> List[Step]:
    """Steps that make the jail the wanted one, or none of ``wanted`` is None.

    :raises ToolError: they would touch a jail that is not ours, or one that a build runs in.
    """
    words = why_remake(wanted, observed) if wanted else ["state is absent"]
    if not words or (wanted is None and observed.jail is None and not observed.unfinished):
        return []
    jail = observed.jail
    verb = "remake" if wanted else "delete"
    if jail is not None:
        if observed.builds:
            raise ToolError(
                f"poudriere jail '{name}': refusing to {verb} it, a build runs in it ({', '.join(observed.builds)}); "
                "wait for it, or stop it with poudriere jail -k"
            )
        if jail.receipt is None and not observed.unfinished and not allow_destroy:
            raise ToolError(
                f"poudriere jail '{name}': refusing to {verb} it, it was not made by this collection; "
                "choose another name, or set allow_destroy"
            )
    if jail is None and wanted:
        verb = "make"
    return [Step(f"{verb} jail {name}", "; ".join(words))]


def create_argv(etcdir: str, wanted: Wanted, method: str, cross: bool) -> List[str]:
    arch = wanted.arch.replace("/", ".")
    argv = _poudriere.base_argv(etcdir) + ["jail", "-c", "-j", wanted.name, "-v", wanted.release, "-a", arch]
    # Without the sources of the release, native-xtools cannot be built for another architecture.
    return argv + ["-m", method] + (["-X"] if cross and "src" not in wanted.sets else [])


def dataset_argvs(conf: Mapping[str, str]) -> List[List[str]]:
    """Commands that make poudriere's root dataset where it would not do so itself (common.sh, get_data_dir)."""
    if conf.get("NO_ZFS") or not conf.get("ZPOOL") or not conf.get("BASEFS") or not conf.get("POUDRIERE_DATA"):
        return []
    root = conf["ZPOOL"] + conf.get("ZROOTFS", "/poudriere")
    options = ["atime=off", "compression=on", f"mountpoint={conf['BASEFS']}"]
    return [["zfs", "create", "-p", *(word for option in options for word in ("-o", option)), root]]


def delete_argv(etcdir: str, name: str) -> List[str]:
    return _poudriere.base_argv(etcdir) + ["jail", "-d", "-y", "-j", name]


def staging_of(wanted: Wanted) -> str:
    """Where the sets of a jail lie together while it is made."""
    return os.path.join(wanted.sets_dir, f".jail-{wanted.name}")


class Maker:
    """Everything of this module that changes the builder."""

    def __init__(self, runner: Runner, etcdir: str, timeout: float, leases: Optional[str] = None) -> None:
        self._runner = runner
        self._etcdir = etcdir
        self._timeout = timeout
        self._leases = leases

    def delete(self, name: str) -> None:
        self._runner.run(
            delete_argv(self._etcdir, name), timeout=self._timeout, failed=f"poudriere jail '{name}': cannot delete"
        )
        if _poudriere.jail(self._etcdir, name) is not None:
            raise ToolError(f"poudriere jail '{name}': cannot delete, poudriere still lists it; look at its mounts")
        intent = intent_path(self._etcdir, name)
        if os.path.exists(intent):
            os.unlink(intent)

    def make(self, wanted: Wanted, there: bool = False) -> Jail:
        """Make the jail; what is ``there`` under its name goes first."""
        name = wanted.name
        # Before anything else: another build may be making this very jail.
        with _lease.temporary(self._runner, self._leases, staging_of(wanted)):
            if there:
                self.delete(name)
            self._datasets(name)
            os.makedirs(_poudriere.jails_dir(self._etcdir), exist_ok=True)
            intent = intent_path(self._etcdir, name)
            write_json(intent, {"inputs": wanted.inputs(), "begun": int(time.time())})
            staged = self._stage(wanted)
            try:
                self._create(wanted, f"url=file://{staged}" if staged else f"tar={wanted.sets_dir}/base.txz")
            finally:
                if staged:
                    shutil.rmtree(staged)
        jail = _poudriere.jail(self._etcdir, name)
        if jail is None or not os.path.isdir(os.path.join(jail.mnt, "etc")):
            raise ToolError(f"poudriere jail '{name}': poudriere made no usable jail and did not say why; run again")
        receipt = os.path.join(_poudriere.jails_dir(self._etcdir), name, _poudriere.RECEIPT)
        inputs = wanted.inputs()
        as_made = {"version": jail.version, "arch": jail.arch}
        write_json(receipt, {"key": key_of(inputs), "inputs": inputs, "poudriere": as_made, "made": int(time.time())})
        os.unlink(intent)
        return jail

    def _create(self, wanted: Wanted, method: str) -> None:
        machine = self._runner.run(["uname", "-m"], failed="builder: its architecture is unknown").stdout.strip()
        cross = machine != split_arch(wanted.arch)[0]
        self._runner.run(
            create_argv(self._etcdir, wanted, method, cross),
            timeout=self._timeout,
            failed=f"poudriere jail '{wanted.name}': cannot make",
        )

    def _datasets(self, name: str) -> None:
        """Have poudriere's root dataset mounted where BASEFS says.

        poudriere sees to that itself, but not with POUDRIERE_DATA set: then its ``zfs create -p`` of the jail lets the
        root inherit a mount point, which may well hide the directory that the configuration lies in.
        """
        for argv in dataset_argvs(_poudriere.read_conf(self._etcdir)):
            if self._runner.run(["zfs", "list", "-H", "-o", "name", argv[-1]], ok=(0, 1)).rc:
                self._runner.run(argv, failed=f"poudriere jail '{name}': cannot make dataset '{argv[-1]}'")

    def _stage(self, wanted: Wanted) -> Optional[str]:
        """A directory with exactly the wanted sets, None when base alone is wanted.

        poudriere installs base, lib32 and src when MANIFEST names them; leaving them out of MANIFEST works with every
        version, while ``poudriere -s`` came after 3.4.8.
        """
        if list(wanted.sets) == ["base"]:
            return None
        path = os.path.join(wanted.sets_dir, "MANIFEST")
        with open(path, "rb") as stream:
            entries = parse_manifest(stream.read(), path)
        chosen = [entries[name] for name in wanted.sets if name in entries]
        directory = staging_of(wanted)
        os.mkdir(directory, 0o755)
        try:
            for name in wanted.sets:
                os.symlink(os.path.join(wanted.sets_dir, name + ".txz"), os.path.join(directory, name + ".txz"))
            digests = {name: digest for name, digest in wanted.digests.items() if digest}
            write_file(os.path.join(directory, "MANIFEST"), render(chosen, digests))
        except BaseException:
            shutil.rmtree(directory)
            raise
        return directory


def check_ready(runner: Runner, etcdir: str, wanted: Wanted) -> None:
    """:raises ToolError: something that making the jail needs is not there."""
    if not runner.which("poudriere"):
        raise ToolError("poudriere: not installed on the builder; run provision.yml or install the package poudriere")
    conf = _poudriere.read_conf(etcdir)
    if not conf:
        raise ToolError(f"poudriere configuration below '{etcdir}': is not there; push it first (--tags jail)")
    for name in wanted.sets:
        path = os.path.join(wanted.sets_dir, name + ".txz")
        if not os.path.isfile(path) or wanted.digests.get(name) is None:
            raise ToolError(f"poudriere jail '{wanted.name}': no verified set '{path}'; run --tags dists first")
        if TAKEN[name] and conf.get(TAKEN[name], "no") != "no":
            raise ToolError(
                f"poudriere jail '{wanted.name}': the set '{name}' is wanted, but poudriere.conf sets {TAKEN[name]}"
            )
    if "=" in wanted.sets_dir or any(char.isspace() for char in wanted.sets_dir):
        raise ToolError(f"poudriere jail '{wanted.name}': poudriere takes no '=' and no space in '{wanted.sets_dir}'")


def public(jail: Optional[Jail]) -> Optional[Dict[str, Any]]:
    if jail is None:
        return None
    keys = ("name", "version", "arch", "method", "mnt", "fs")
    return {key: getattr(jail, key) for key in keys}


def run(module: AnsibleModule, runner: Runner) -> Dict[str, Any]:
    params = module.params
    validate(params)
    name, etcdir = params["name"], params["etcdir"]
    wanted: Optional[Wanted] = None
    if params["state"] == "present":
        sets = list(dict.fromkeys(params["sets"]))
        wanted = Wanted(
            name, params["release"], params["arch"], sets, params["sets_dir"].rstrip("/") or "/", digests_of(params)
        )
    observed = observe(runner, etcdir, name)
    steps = plan(wanted, name, observed, params["allow_destroy"])
    jail = observed.jail
    if steps and not module.check_mode:
        maker = Maker(runner, etcdir, params["timeout"], _lease.directory_of(params))
        if wanted is not None:
            check_ready(runner, etcdir, wanted)
            jail = maker.make(wanted, there=jail is not None or observed.unfinished)
        else:
            maker.delete(name)
            jail = None
    distfiles = params["distfiles"] if wanted else None
    if distfiles and not os.path.isdir(distfiles):
        steps.append(Step(f"make directory {distfiles}", "not there"))
        if not module.check_mode:
            os.makedirs(distfiles, mode=0o755)
    result: Dict[str, Any] = {
        "changed": bool(steps),
        "actions": [step.as_dict() for step in steps],
        "jail": public(jail),
    }
    if wanted is not None and None not in wanted.digests.values():
        result["key"] = key_of(wanted.inputs())
    if module._diff:
        before = (observed.jail.receipt or {}).get("inputs", {}) if observed.jail else {}
        result["diff"] = diff_of(before, wanted.inputs() if wanted else {})
    return result


ARGUMENTS: Dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "release": {"type": "str"},
    "arch": {"type": "str", "default": "amd64"},
    "sets_dir": {"type": "path"},
    "sets": {"type": "list", "elements": "str", "default": ["base"]},
    "digests": {"type": "dict", "default": {}},
    "receipt": {"type": "path"},
    "etcdir": {"type": "path", "required": True},
    "distfiles": {"type": "path"},
    "allow_destroy": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 3600},
    **JOB_ARGUMENTS,
}


def entry(module: Any) -> Dict[str, Any]:
    """The module's work, for AnsibleModule and for a job's Context."""
    return run(module, Runner())


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_module(module, lambda: entry(module))


if __name__ == "__main__":
    main()
