#!/usr/bin/python
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

DOCUMENTATION = r"""
module: pool_image
short_description: Make the ZFS pool of an image in a file
version_added: 0.1.0
author: The freehyve.builder authors (@freehyve)
description:
  - Makes a pool on a memory disk under a temporary name, receives a boot environment into it, makes the persistent
    datasets with the content that the boot environment has at their mount points, sets C(bootfs), exports the pool.
  - The builder may have a pool of the same name; it is neither looked at nor touched.
  - Only features are enabled that the loader of the image's release can read.
  - Pool, memory disk, mounts and temporary files are gone when the module ends, whatever fails.
  - Can look first whether a product made later from this pool is up to date, and then makes nothing.
options:
  path:
    description: Absolute path of the file to make.
    type: path
    required: true
  size:
    description: Size of the file.
    type: str
    required: true
  pool:
    description: Name of the pool in the image.
    type: str
    required: true
  snapshot:
    description: Snapshot that becomes the boot environment.
    type: str
    required: true
  content_key:
    description: What names the content of the snapshot; the pool is made again when it changes.
    type: str
    required: true
  boot_environment:
    description: Name of the boot environment below C(ROOT).
    type: str
    required: true
  release:
    description: FreeBSD release in the image, whose loader must be able to read the pool.
    type: str
    required: true
  compatibility:
    description: Feature set of the pool. V(auto) chooses by O(release), V(off) takes all that the builder has.
    type: str
    default: auto
  compression:
    description: Compression of the pool's datasets.
    type: str
    default: lz4
  filesystem_properties:
    description: More properties of the pool's own dataset, inherited by all.
    type: dict
    default: {}
  datasets:
    description: Persistent datasets beside the boot environment.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name without the pool.
        type: str
        required: true
      mountpoint:
        description: Mount point in the image. The default is below the parent's.
        type: str
      properties:
        description: Properties by name.
        type: dict
        default: {}
  leases:
    description: Absolute path of the directory of leases.
    type: path
    required: true
  receipt:
    description: Absolute path of the file that remembers what was made from what.
    type: path
    required: true
  product:
    description: Something made later from the pool. When it is up to date the pool is not made, not even if it is gone.
    type: dict
    suboptions:
      receipt:
        description: Absolute path of the product's receipt.
        type: path
        required: true
      inputs:
        description: What the product depends on beside the pool.
        type: dict
        required: true
extends_documentation_fragment: freehyve.builder.job
attributes:
  check_mode:
    description: Says what would be made, and makes nothing. Needs no snapshot to be there yet.
    support: full
  diff_mode:
    description: Shows the inputs of the pool that is there against the wanted ones.
    support: full
  idempotent:
    description: A pool made from the same inputs is kept.
    support: full
"""

EXAMPLES = r"""
- name: Make the pool of the image
  freehyve.builder.pool_image:
    path: /freehyve/images/freehyve-0.1.0-amd64/pool.raw
    size: 7g
    pool: freehyve
    snapshot: zroot/freehyve/release/freehyve-0.1.0-amd64@0.1.0
    content_key: "{{ release_layer.key }}"
    boot_environment: 0.1.0
    release: 15.1-RELEASE
    datasets:
      - {name: persist, mountpoint: /persist}
      - {name: persist/root, mountpoint: /root}
      - {name: ballast, properties: {canmount: "off", refreservation: 64m}}
    leases: /freehyve/leases
    receipt: /freehyve/images/freehyve-0.1.0-amd64/pool.json
"""

RETURN = r"""
actions:
  description: What was or would be done, and why.
  returned: always
  type: list
  elements: dict
  sample: [{action: make /freehyve/images/pool.raw, reason: "content: 1f2e3d4c5b6a -> 6a5b4c3d2e1f"}]
needed:
  description: Whether the pool is needed, because the product is not up to date.
  returned: always
  type: bool
  sample: true
product_reasons:
  description: Why the product is not up to date.
  returned: always
  type: list
  elements: str
  sample: [not made yet]
product_inputs:
  description: Everything that the product depends on, for its receipt.
  returned: always
  type: dict
  sample: {pool: 4d7a21, formats: [raw, qcow2]}
product_results:
  description: What the product's receipt remembers, when it is up to date.
  returned: when it is
  type: dict
  sample: {files: {}}
path:
  description: The file.
  returned: always
  type: str
  sample: /freehyve/images/freehyve-0.1.0-amd64/pool.raw
identity:
  description: Names this very pool, for whoever makes something of it; a pool made again from the same has another.
  returned: when it is there
  type: str
  sample: 4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
guid:
  description: GUID of the pool.
  returned: when it is there
  type: str
  sample: "3158072871239408338"
compatibility:
  description: Feature set of the pool; empty for all.
  returned: always
  type: str
  sample: openzfs-2.2-freebsd
key:
  description: Digest of the inputs.
  returned: always
  type: str
  sample: 4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
"""

import os
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.freehyve.builder.plugins.module_utils import _lease, _md, _properties, _zfs, _zpool
from ansible_collections.freehyve.builder.plugins.module_utils._context import JOB_ARGUMENTS
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._files import (
    free_bytes,
    read_json,
    remove_empty,
    replace_file,
)
from ansible_collections.freehyve.builder.plugins.module_utils._keys import key_of
from ansible_collections.freehyve.builder.plugins.module_utils._plan import Step, diff_of, run_module
from ansible_collections.freehyve.builder.plugins.module_utils._pool_image import (
    BOOT_ENVIRONMENTS,
    COMPATIBILITY_DIRECTORY,
    Spec,
    below_place,
    choose_compatibility,
    copy_argvs,
    needed_size,
    reserved,
    specs,
)
from ansible_collections.freehyve.builder.plugins.module_utils._product import (
    because,
    receipt_of,
    stale,
    write_receipt,
)
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner, patiently
from ansible_collections.freehyve.builder.plugins.module_utils._sizes import human_size, parse_size

LEAST = 64 << 20  # bytes: what zpool create takes at least
SECTOR = 4096  # bytes: ashift=12
BUSY_SECONDS = 60.0  # find(1) of periodic(8) looks into every file system that is mounted

ARGUMENTS: Dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "size": {"type": "str", "required": True},
    "pool": {"type": "str", "required": True},
    "snapshot": {"type": "str", "required": True},
    "content_key": {"type": "str", "required": True, "no_log": False},
    "boot_environment": {"type": "str", "required": True},
    "release": {"type": "str", "required": True},
    "compatibility": {"type": "str", "default": "auto"},
    "compression": {"type": "str", "default": "lz4"},
    "filesystem_properties": {"type": "dict", "default": {}},
    "datasets": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "mountpoint": {"type": "str"},
            "properties": {"type": "dict", "default": {}},
        },
    },
    "leases": {"type": "path", "required": True},
    "receipt": {"type": "path", "required": True},
    "product": {
        "type": "dict",
        "options": {
            "receipt": {"type": "path", "required": True},
            "inputs": {"type": "dict", "required": True},
        },
    },
    **JOB_ARGUMENTS,
}


@dataclass(frozen=True)
class Wanted:
    """The checked request; sizes in bytes."""

    path: str
    size: int
    pool: str
    snapshot: str
    boot_environment: str
    compatibility: Optional[str]
    root_properties: Dict[str, str]
    datasets: Tuple[Spec, ...]
    inputs: Dict[str, Any]

    @property
    def temporary_name(self) -> str:
        """Name of the pool while it is imported: of our key, so never that of a pool of the builder."""
        return f"fhb{key_of(self.inputs)[:12]}"

    @property
    def altroot(self) -> str:
        """Below which the pool mounts while it is imported."""
        return os.path.join(os.path.dirname(self.path), f".alt-{self.temporary_name}")


@dataclass(frozen=True)
class Observed:
    """What is there: receipts, and sizes of the snapshot in bytes (None while there is no snapshot)."""

    receipt: Optional[Dict[str, Any]]
    product: Optional[Dict[str, Any]]
    content: Optional[int]
    source: Optional[str]


def available_sets() -> List[str]:
    """Feature sets that this builder's zpool(8) knows by name."""
    try:
        return sorted(os.listdir(COMPATIBILITY_DIRECTORY))
    except OSError:
        return []


def want(params: Mapping[str, Any], sets: List[str]) -> Wanted:
    """Check the parameters; asks the builder for nothing.

    :raises ToolError: anything that must be refused before a file is made.
    """
    path = params["path"]
    if not os.path.isabs(path) or ":" in path:
        raise ToolError(f"pool file '{path}': refusing the name, it must be absolute and without ':'")
    size = parse_size(params["size"], "size")
    if size < LEAST or size % SECTOR:
        raise ToolError(f"size '{params['size']}': a pool needs {human_size(LEAST)} or more, in multiples of {SECTOR}")
    pool = _zpool.check_name(params["pool"])
    if params["snapshot"].count("@") != 1:
        raise ToolError(f"snapshot '{params['snapshot']}': not a snapshot; write pool/name@snapshot")
    _zfs.check_name(f"{pool}/{BOOT_ENVIRONMENTS}/{params['boot_environment']}")
    if "/" in params["boot_environment"]:
        raise ToolError(f"boot environment '{params['boot_environment']}': must not contain '/'")
    compatibility = choose_compatibility(params["compatibility"], params["release"], sets)
    wishes = {"atime": "off", "compression": params["compression"], **params["filesystem_properties"]}
    what = f"pool '{pool}'"
    properties = {k: _properties.check(what, k, v, _properties.dataset_rule(k)) for k, v in wishes.items()}
    if "mountpoint" in properties:
        raise ToolError(f"{what}: its own dataset is never mounted; give a mount point to one of datasets")
    properties["mountpoint"] = "none"
    datasets = specs(params["datasets"])
    inputs = {
        "content": params["content_key"],
        "size": size,
        "name": pool,
        "boot environment": params["boot_environment"],
        "compatibility": compatibility or "off",
        "properties": properties,
        "datasets": {spec.name: spec.properties for spec in datasets},
    }
    return Wanted(
        path=path,
        size=size,
        pool=pool,
        snapshot=params["snapshot"],
        boot_environment=params["boot_environment"],
        compatibility=compatibility,
        root_properties=properties,
        datasets=tuple(datasets),
        inputs=inputs,
    )


def observe(runner: Runner, params: Mapping[str, Any], wanted: Wanted) -> Observed:
    """Read the receipts, and look at the snapshot only when something is to be made."""
    product = params["product"]
    receipt = read_json(params["receipt"])
    later = read_json(product["receipt"]) if product else None
    if not plan_reasons(wanted, params, receipt, later)[1]:
        return Observed(receipt, later, None, None)
    dataset = wanted.snapshot.split("@")[0]
    properties = ("referenced", "logicalreferenced", "mountpoint", "mounted")
    found = _zfs.named(runner, [wanted.snapshot, dataset], properties, "filesystem,snapshot")
    if wanted.snapshot not in found or dataset not in found:
        return Observed(receipt, later, None, None)
    plain = wanted.root_properties["compression"] == "off"
    content = found[wanted.snapshot].value("logicalreferenced" if plain else "referenced")
    # What is not mounted would look like an empty system, and its datasets would stay empty without a word.
    place, mounted = found[dataset].value("mountpoint"), found[dataset].value("mounted") == "yes"
    return Observed(receipt, later, int(content), place if mounted and place.startswith("/") else None)


def product_inputs(wanted: Wanted, params: Mapping[str, Any]) -> Dict[str, Any]:
    """Everything that a product depends on: the pool's inputs, and its own."""
    own = params["product"]["inputs"] if params["product"] else {}
    return {**{f"pool {name}": value for name, value in wanted.inputs.items()}, **own}


def plan_reasons(
    wanted: Wanted, params: Mapping[str, Any], receipt: Optional[Mapping[str, Any]], later: Optional[Mapping[str, Any]]
) -> Tuple[List[str], List[str]]:
    """Why the product is not up to date, and why the pool must be made for it; both empty when all is well."""
    if params["product"]:
        product = stale(later, product_inputs(wanted, params))
        if not product:
            return [], []
    else:
        product = []
    return product, stale(receipt, wanted.inputs)


def plan(wanted: Wanted, why: List[str]) -> List[Step]:
    """One step, or none when the pool is there or not needed."""
    return [Step(f"make {wanted.path}", because(why))] if why else []


def check_space(wanted: Wanted, content: int) -> None:
    """:raises ToolError: the boot environment and the reservations do not fit."""
    least = needed_size(content, reserved(wanted.datasets))
    if least > wanted.size:
        raise ToolError(
            f"pool '{wanted.pool}': {human_size(wanted.size)} is too small, boot environment and reservations need "
            f"{human_size(least)}; make the image at least {human_size(least - wanted.size)} larger"
        )


def check_room(wanted: Wanted, content: int) -> None:
    """A pool whose file cannot grow does not fail: it suspends its I/O, and whoever waits for it hangs (zpoolprops(7)).

    :raises ToolError: the file system has less room than the content takes in the file.
    """
    need, free = min(needed_size(content, 0), wanted.size), free_bytes(os.path.dirname(wanted.path))
    if free < need:
        raise ToolError(
            f"pool file '{wanted.path}': its content needs {human_size(need)} and {human_size(free)} are free there; "
            f"free some, for example with clean.yml -e keep=2"
        )


def fill(runner: Runner, wanted: Wanted, source: str) -> None:
    """Make everything in the imported pool."""
    name = wanted.temporary_name
    top = f"{name}/{BOOT_ENVIRONMENTS}"
    _zfs.create(runner, top, {"mountpoint": "none", "canmount": "off"})
    system = f"{top}/{wanted.boot_environment}"
    receive = _zfs.receive_argv(system, {"mountpoint": "/", "canmount": "noauto"})
    runner.pipe(_zfs.send_argv(wanted.snapshot), receive, failed=f"boot environment '{system}': cannot be received")
    for spec in wanted.datasets:
        _zfs.create(runner, f"{name}/{spec.name}", spec.properties)
    for spec in wanted.datasets:
        if spec.place is not None:
            copy_in(runner, wanted, spec, source)
    _zpool.set_property(runner, name, "bootfs", system)


def copy_in(runner: Runner, wanted: Wanted, spec: Spec, source: str) -> None:
    """Give a dataset what the boot environment has in the directory that it will hide."""
    place = spec.place or ""
    origin, dest = source + place, wanted.altroot + place
    if not os.path.isdir(origin) or os.path.islink(origin):
        return
    if not os.path.ismount(dest):
        raise ToolError(f"dataset '{spec.name}': is not mounted at '{dest}', its content would be lost")
    pack, unpack = copy_argvs(origin, dest, below_place(wanted.datasets, place))
    runner.pipe(pack, unpack, failed=f"dataset '{spec.name}': cannot be filled from '{origin}'")


def check_free(runner: Runner, wanted: Wanted, file: str) -> None:
    """What dead builds left is gone by now, so whatever is in the way is somebody else's.

    :raises ToolError: a pool has our temporary name, or a memory disk lies on our file.
    """
    if wanted.temporary_name in _zpool.pools(runner):
        raise ToolError(
            f"pool '{wanted.temporary_name}': refusing to touch it, no lease of ours says what it is; "
            f"export it and run again"
        )
    units = _md.of_file(_md.units(runner), file)
    if units:
        raise ToolError(
            f"file '{file}': refusing to touch it, {units[0].name} lies on it and no lease of ours says so; "
            f"detach it with mdconfig -d -u {units[0].name} and run again"
        )


def make_pool(runner: Runner, wanted: Wanted, device: str, file: str, leases: str, source: str) -> str:
    """Make, fill and export the pool on a device; returns its GUID. A pool that cannot be finished is destroyed."""
    name = wanted.temporary_name
    properties = {"ashift": "12", "autoexpand": "on", "cachefile": "none"}
    if wanted.compatibility is not None:
        properties["compatibility"] = wanted.compatibility
    # By the name that only we use and the file below: the GUID is known when the pool is there, a lease comes before.
    lease = _lease.take(runner, leases, "pool", name, details={"file": file, "altroot": wanted.altroot})
    try:
        os.makedirs(wanted.altroot, mode=0o700, exist_ok=True)
        guid = _zpool.create(runner, wanted.pool, [device], name, wanted.altroot, properties, wanted.root_properties)
        lease = _lease.note(lease, guid=guid)
        fill(runner, wanted, source)
        patiently(lambda: _zpool.export(runner, name, guid), BUSY_SECONDS)
    except BaseException:
        # The name is free before and only ours, so what bears it now is what was just made.
        if name in _zpool.pools(runner):
            _zpool.destroy(runner, name, force=True)
        raise
    finally:
        if name not in _zpool.pools(runner):
            remove_empty(wanted.altroot)
            _lease.release(lease)
    return guid


def make_on_file(runner: Runner, wanted: Wanted, file: str, leases: str, source: str) -> str:
    """Make the pool in a file, by a memory disk that is gone afterwards; returns the pool's GUID."""
    lease = _lease.take(runner, leases, "md", file, details=_lease.identity_of(file))
    try:
        unit = _md.attach(runner, file)
        try:
            lease = _lease.note(lease, unit=unit)
            return make_pool(runner, wanted, f"/dev/{unit}", file, leases, source)
        except ToolError as exc:
            if "out of space" in exc.stderr or "No space left" in exc.stderr:
                raise ToolError(
                    f"pool '{wanted.pool}': {human_size(wanted.size)} is too small for its content; "
                    f"make the image larger",
                    exc.cmd,
                    exc.rc,
                    exc.stdout,
                    exc.stderr,
                ) from exc
            raise
        finally:
            _md.detach(runner, unit, file)
    finally:
        # What could not be detached stays ours, so that a later run may.
        if not _md.of_file(_md.units(runner), file):
            _lease.release(lease)


def apply(runner: Runner, wanted: Wanted, params: Mapping[str, Any], seen: Observed) -> Dict[str, Any]:
    """Make the pool in a temporary file and rename it; nothing else is left."""
    # Only now: a run that makes nothing need not wait for it.
    from ansible_collections.freehyve.builder.plugins.module_utils import _reap

    if seen.content is None or seen.source is None:
        raise ToolError(f"snapshot '{wanted.snapshot}': not there, or its dataset is not mounted; make it first")
    check_space(wanted, seen.content)
    temporary = f"{wanted.path}.part"
    leases = params["leases"]
    _reap.reap(runner, leases, os.path.dirname(leases))
    check_free(runner, wanted, temporary)
    check_room(wanted, seen.content)
    os.makedirs(os.path.dirname(wanted.path), mode=0o755, exist_ok=True)
    with _lease.temporary(runner, leases, temporary):
        try:
            with open(temporary, "wb") as stream:
                stream.truncate(wanted.size)
            guid = make_on_file(runner, wanted, temporary, leases, seen.source)
            replace_file(temporary, wanted.path)
        finally:
            # What could not be detached stays ours with its file, so that a later run finds both.
            if os.path.exists(temporary) and not _md.of_file(_md.units(runner), temporary):
                os.unlink(temporary)
    results = {
        "guid": guid,
        "identity": key_of({"key": key_of(wanted.inputs), "guid": guid}),
        "files": {wanted.path: {"size": wanted.size}},
    }
    write_receipt(params["receipt"], receipt_of("pool", wanted.pool, wanted.inputs, results))
    return results


def body(module: AnsibleModule, runner: Runner) -> Dict[str, Any]:
    params = module.params
    wanted = want(params, available_sets())
    seen = observe(runner, params, wanted)
    product, why = plan_reasons(wanted, params, seen.receipt, seen.product)
    # A pool that went after its product was made says less than what made the product old.
    steps = plan(wanted, product if product and why == ["not made yet"] else why)
    result: Dict[str, Any] = {
        "changed": bool(steps),
        "actions": [step.as_dict() for step in steps],
        "needed": bool(product) or not params["product"],
        "product_reasons": product,
        "product_inputs": product_inputs(wanted, params),
        "path": wanted.path,
        "compatibility": wanted.compatibility or "",
        "key": key_of(wanted.inputs),
    }
    if not result["needed"] and seen.product is not None:
        result["product_results"] = seen.product["results"]
    if steps and seen.content is not None:
        check_space(wanted, seen.content)
    if steps:
        result["diff"] = diff_of(None if seen.receipt is None else seen.receipt.get("inputs"), wanted.inputs)
    if steps and not module.check_mode:
        made = apply(runner, wanted, params, seen)
        result.update(guid=made["guid"], identity=made["identity"])
    elif not steps and seen.receipt is not None:
        result.update({n: seen.receipt["results"][n] for n in ("guid", "identity")})
    return result


def entry(module: Any) -> Dict[str, Any]:
    """The module's work, for AnsibleModule and for a job's Context."""
    return body(module, Runner())


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_module(module, lambda: entry(module))


if __name__ == "__main__":
    main()
