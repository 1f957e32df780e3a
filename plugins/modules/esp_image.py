#!/usr/bin/python
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

DOCUMENTATION = r"""
module: esp_image
short_description: Make an EFI system partition with FreeBSD's loader in it
version_added: 0.1.0
author: The freehyve.builder authors (@freehyve)
description:
  - Makes a file with a FAT32 file system that holds C(EFI/BOOT/BOOT<architecture>.EFI), where
    every UEFI firmware looks.
  - Uses C(newfs_msdos) and a mount on a memory disk, because C(makefs -t msdos) is not everywhere.
  - The memory disk is detached and the mount undone whatever fails.
options:
  path:
    description: Absolute path of the file to make.
    type: path
    required: true
  loader:
    description: Absolute path of the loader, such as C(/boot/loader.efi) of the system in the image.
    type: path
    required: true
  arch:
    description: Architecture of the image, which names the loader.
    type: str
    choices: [amd64, aarch64, arm, i386, riscv64]
    default: amd64
  size:
    description: Size of the file system. V(33292k) is the least that FAT32 takes with clusters of one sector.
    type: str
    default: 33292k
  label:
    description: Volume label.
    type: str
    default: EFISYS
  leases:
    description: Absolute path of the directory of leases.
    type: path
    required: true
  receipt:
    description: Absolute path of the file that remembers what was made from what.
    type: path
    required: true
extends_documentation_fragment: freehyve.builder.job
attributes:
  check_mode:
    description: Says what would be made, and makes nothing.
    support: full
  diff_mode:
    description: Shows the inputs of the file that is there against the wanted ones.
    support: full
  idempotent:
    description: A file made from the same loader and options is kept.
    support: full
"""

EXAMPLES = r"""
- name: Make the EFI system partition
  freehyve.builder.esp_image:
    path: /freehyve/images/freehyve-0.1.0-amd64/esp.img
    loader: /freehyve/release/freehyve-0.1.0-amd64/boot/loader.efi
    arch: amd64
    leases: /freehyve/leases
    receipt: /freehyve/images/freehyve-0.1.0-amd64/esp.json
"""

RETURN = r"""
actions:
  description: What was or would be done, and why.
  returned: always
  type: list
  elements: dict
  sample: [{action: make /freehyve/images/esp.img, reason: not made yet}]
path:
  description: The file.
  returned: always
  type: str
  sample: /freehyve/images/esp.img
sha256:
  description: Its digest.
  returned: when it is there
  type: str
  sample: 0f2d0f6f0f2d0f6f0f2d0f6f0f2d0f6f0f2d0f6f0f2d0f6f0f2d0f6f0f2d0f6f
size:
  description: Its size in bytes.
  returned: when it is there
  type: int
  sample: 34091008
"""

import contextlib
import os
import re
import shutil
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Optional

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.freehyve.builder.plugins.module_utils import _lease, _md, _mounts
from ansible_collections.freehyve.builder.plugins.module_utils._context import JOB_ARGUMENTS
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._files import read_json, replace_file, sha256_file
from ansible_collections.freehyve.builder.plugins.module_utils._plan import Step, diff_of, run_module
from ansible_collections.freehyve.builder.plugins.module_utils._product import (
    because,
    receipt_of,
    stale,
    write_receipt,
)
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner
from ansible_collections.freehyve.builder.plugins.module_utils._sizes import parse_size

# UEFI 2.10 section 3.5.1.1, and what loader.efi(8) is installed as.
LOADERS = {
    "amd64": "BOOTX64.EFI",
    "aarch64": "BOOTAA64.EFI",
    "arm": "BOOTARM.EFI",
    "i386": "BOOTIA32.EFI",
    "riscv64": "BOOTRISCV64.EFI",
}
LEAST = 33292 << 10  # bytes
SECTOR = 512  # bytes

ARGUMENTS: Dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "loader": {"type": "path", "required": True},
    "arch": {"type": "str", "choices": ["amd64", "aarch64", "arm", "i386", "riscv64"], "default": "amd64"},
    "size": {"type": "str", "default": "33292k"},
    "label": {"type": "str", "default": "EFISYS"},
    "leases": {"type": "path", "required": True},
    "receipt": {"type": "path", "required": True},
    **JOB_ARGUMENTS,
}

_LABEL = re.compile(r"[A-Z0-9_-]{1,11}")


@dataclass(frozen=True)
class Wanted:
    """The checked request; ``inputs`` is empty while the loader is not there yet (check mode only)."""

    path: str
    loader: str
    name: str
    size: int
    label: str
    inputs: Dict[str, Any]


def want(params: Mapping[str, Any], check_mode: bool) -> Wanted:
    """Check the parameters.

    :raises ToolError: a size, label or loader that cannot be.
    """
    path, loader = params["path"], params["loader"]
    for item in (path, loader):
        if not os.path.isabs(item):
            raise ToolError(f"file '{item}': refusing the name, it must be absolute")
    size = parse_size(params["size"], "size")
    if size < LEAST or size % SECTOR:
        raise ToolError(f"size '{params['size']}': a FAT32 file system needs {LEAST >> 10}k or more, in whole sectors")
    if not _LABEL.fullmatch(params["label"]):
        raise ToolError(f"label '{params['label']}': must be 1 to 11 of the capital letters, digits, '_' and '-'")
    name = LOADERS[params["arch"]]
    if not os.path.isfile(loader):
        if not check_mode:
            raise ToolError(f"loader '{loader}': not there; is the set 'base' of this architecture in the system?")
        return Wanted(path, loader, name, size, params["label"], {})
    if os.path.getsize(loader) > size // 2:
        raise ToolError(f"size '{params['size']}': too small for a loader of {os.path.getsize(loader)} bytes")
    inputs = {"path": path, "loader": sha256_file(loader), "name": name, "size": size, "label": params["label"]}
    return Wanted(path, loader, name, size, params["label"], inputs)


def newfs_argv(device: str, label: str) -> List[str]:
    """FAT32 with clusters of one sector, as release(7)'s install-boot.sh makes it."""
    return ["newfs_msdos", "-F", "32", "-c", "1", "-L", label, device]


def plan(wanted: Wanted, receipt: Optional[Mapping[str, Any]]) -> List[Step]:
    """One step, or none when the file is there."""
    why = stale(receipt, wanted.inputs) if wanted.inputs else [f"{wanted.loader}: not made yet"]
    return [Step(f"make {wanted.path}", because(why))] if why else []


def check_free(runner: Runner, file: str, place: str) -> None:
    """What dead builds left is gone by now, so whatever is in the way is somebody else's.

    :raises ToolError: something is mounted at our place, or a memory disk lies on our file.
    """
    mount = _mounts.at(_mounts.mounts(runner), place)
    if mount is not None:
        raise ToolError(
            f"mount '{place}': refusing to undo it, '{mount.source}' is mounted and no lease of ours says so; "
            f"unmount it and run again"
        )
    units = _md.of_file(_md.units(runner), file)
    if units:
        raise ToolError(
            f"file '{file}': refusing to touch it, {units[0].name} lies on it and no lease of ours says so; "
            f"detach it with mdconfig -d -u {units[0].name} and run again"
        )


@contextlib.contextmanager
def attached(runner: Runner, leases: str, file: str) -> Iterator[str]:
    """A memory disk for the time of a block."""
    lease = _lease.take(runner, leases, "md", file, details=_lease.identity_of(file))
    try:
        unit_name = _md.attach(runner, file)
        try:
            lease = _lease.note(lease, unit=unit_name)
            yield f"/dev/{unit_name}"
        finally:
            _md.detach(runner, unit_name, file)
    finally:
        # What could not be detached stays ours, so that a later run may.
        if not _md.of_file(_md.units(runner), file):
            _lease.release(lease)


@contextlib.contextmanager
def mounted(runner: Runner, leases: str, device: str, file: str, place: str) -> Iterator[str]:
    """A FAT file system mounted for the time of a block."""
    lease = _lease.take(runner, leases, "mount", place, details={"source": device, "file": file})
    try:
        os.makedirs(place, mode=0o700, exist_ok=True)
        argv = ["mount", "-t", "msdosfs", device, place]
        runner.run(argv, failed=f"device '{device}': cannot be mounted")
        lease = _lease.note(lease, fsid=_lease.identity_of(place)["fsid"])
        yield place
    finally:
        if _mounts.at(_mounts.mounts(runner), place) is not None:
            runner.run(["umount", place], failed=f"mount '{place}': cannot be undone")
        os.rmdir(place)
        _lease.release(lease)


def apply(runner: Runner, wanted: Wanted, leases: str, receipt: str) -> Dict[str, Any]:
    """Make the file under a temporary name, then rename it."""
    # Only now: a run that makes nothing need not wait for it.
    from ansible_collections.freehyve.builder.plugins.module_utils import _reap

    os.makedirs(os.path.dirname(wanted.path), mode=0o755, exist_ok=True)
    temporary, place = f"{wanted.path}.part", f"{wanted.path}.mnt"
    _reap.reap(runner, leases, os.path.dirname(leases))
    check_free(runner, temporary, place)
    with _lease.temporary(runner, leases, temporary):
        try:
            with open(temporary, "wb") as stream:
                stream.truncate(wanted.size)
            with attached(runner, leases, temporary) as device:
                runner.run(newfs_argv(device, wanted.label), failed=f"file system on '{device}': cannot be made")
                with mounted(runner, leases, device, temporary, place):
                    directory = os.path.join(place, "EFI", "BOOT")
                    os.makedirs(directory)
                    shutil.copyfile(wanted.loader, os.path.join(directory, wanted.name))
            facts = {"size": os.path.getsize(temporary), "sha256": sha256_file(temporary)}
            replace_file(temporary, wanted.path)
        finally:
            if os.path.exists(temporary) and not _md.of_file(_md.units(runner), temporary):
                os.unlink(temporary)
    files = {wanted.path: facts}
    write_receipt(receipt, receipt_of("esp", os.path.basename(wanted.path), wanted.inputs, {"files": files}))
    return facts


def body(module: AnsibleModule, runner: Runner) -> Dict[str, Any]:
    params = module.params
    wanted = want(params, module.check_mode)
    receipt = read_json(params["receipt"])
    steps = plan(wanted, receipt)
    result: Dict[str, Any] = {
        "changed": bool(steps),
        "actions": [step.as_dict() for step in steps],
        "path": wanted.path,
    }
    if steps:
        result["diff"] = diff_of(None if receipt is None else receipt.get("inputs"), wanted.inputs)
        if not module.check_mode:
            result.update(apply(runner, wanted, params["leases"], params["receipt"]))
    elif receipt is not None:
        result.update(receipt["results"]["files"][wanted.path])
    return result


def entry(module: Any) -> Dict[str, Any]:
    """The module's work, for AnsibleModule and for a job's Context."""
    return body(module, Runner())


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_module(module, lambda: entry(module))


if __name__ == "__main__":
    main()
