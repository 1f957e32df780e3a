#!/usr/bin/python
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

DOCUMENTATION = r"""
module: mkimg
short_description: Make disk images with FreeBSD's mkimg
version_added: 0.1.0
author: The freehyve.builder authors (@freehyve)
description:
  - Makes one disk in any number of formats with C(mkimg), from partitions given as data.
  - The formats are written by parallel processes, so that a large file system image is read from the disk once.
  - Every image is written under a temporary name beside its final one, proved to be whole (exit status, size,
    signature, partition table), made durable and renamed.
  - Partitions of a GPT are placed at computed absolute offsets, so that the layout is the same on every release.
  - Refuses what C(mkimg) takes and silently gets wrong.
options:
  scheme:
    description: Partitioning scheme, one that the builder's C(mkimg --schemes) knows.
    type: str
    default: gpt
  outputs:
    description: The images to make.
    type: list
    elements: dict
    required: true
    suboptions:
      format:
        description: Format, one that the builder's C(mkimg --formats) knows.
        type: str
        required: true
      path:
        description: Absolute path of the image.
        type: path
        required: true
  partitions:
    description: The partitions in the order of their places on the disk.
    type: list
    elements: dict
    required: true
    suboptions:
      type:
        description: Type, in the scheme-neutral words of C(mkimg).
        type: str
        required: true
      label:
        description: Label of the partition.
        type: str
      file:
        description: Absolute path of the content, which also gives the size.
        type: path
      size:
        description: Size of an empty partition, in bytes or with a unit as in V(512k), V(1g).
        type: str
      command:
        description: Always refused, because C(mkimg) ignores the exit status of a command.
        type: str
      align:
        description: The partition starts at a multiple of this, in bytes or with a unit.
        type: str
      offset:
        description: Absolute place, or with a leading V(+) the distance from the end of the partition before.
        type: str
  bootcode:
    description: Absolute path of the boot code for the first sector, such as C(/boot/pmbr).
    type: path
  capacity:
    description: Size of the disk; the partitions must fit. Without it the disk is as large as they need.
    type: str
  sector_size:
    description: Logical sector size in bytes (C(-S)).
    type: int
    default: 512
  physical_size:
    description: Physical sector size in bytes (C(-P)); the capacity is rounded up to it.
    type: int
    default: 512
  active:
    description: Number of the active partition, for scheme V(mbr) only.
    type: int
  heads:
    description: Number of heads to simulate.
    type: int
  tracks:
    description: Number of tracks to simulate.
    type: int
  file_digests:
    description:
      - SHA-256 of files that the caller knows already, by path.
      - The others are computed.
    type: dict
    default: {}
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
    description: Shows the inputs of the images that are there against the wanted ones.
    support: full
  idempotent:
    description: Images made from the same inputs are kept.
    support: full
"""

EXAMPLES = r"""
- name: Make a bootable disk as raw and as qcow2
  freehyve.builder.mkimg:
    receipt: /var/images/appliance.mkimg.json
    outputs:
      - {format: raw, path: /var/images/appliance.raw}
      - {format: qcow2, path: /var/images/appliance.qcow2}
    bootcode: /boot/pmbr
    capacity: 8g
    partitions:
      - {type: freebsd-boot, label: gptboot0, file: /boot/gptzfsboot, align: 1m}
      - {type: efi, label: efiboot0, file: /var/images/esp.img, align: 1m}
      - {type: freebsd-swap, label: swap0, size: 1g, align: 1m}
      - {type: freebsd-zfs, label: zfs0, file: /var/images/pool.raw, align: 1m}
"""

RETURN = r"""
actions:
  description: What was or would be done, and why.
  returned: always
  type: list
  elements: dict
  sample: [{action: make raw /var/images/appliance.raw, reason: not made yet}]
files:
  description: The images by path, with their size in bytes and SHA-256.
  returned: when they are there
  type: dict
  sample: {/var/images/appliance.raw: {size: 8589934592, sha256: 0f2d0f6f, format: raw}}
digests:
  description: SHA-256 of the images by path.
  returned: when they are there
  type: dict
  sample: {/var/images/appliance.raw: 0f2d0f6f}
partitions:
  description: The partitions with their places, in bytes.
  returned: always
  type: list
  elements: dict
  sample: [{type: efi, label: efiboot0, start: 1048576, size: 34091008}]
key:
  description: Digest of the inputs.
  returned: always
  type: str
  sample: 4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.freehyve.builder.plugins.module_utils import _lease
from ansible_collections.freehyve.builder.plugins.module_utils._context import JOB_ARGUMENTS
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._files import read_json, replace_file, sha256_file
from ansible_collections.freehyve.builder.plugins.module_utils._geometry import (
    Partition,
    check_capacity,
    place,
    raw_sizes,
)
from ansible_collections.freehyve.builder.plugins.module_utils._keys import key_of
from ansible_collections.freehyve.builder.plugins.module_utils._mkimg import (
    Request,
    check_bootcode,
    check_labels,
    check_output,
    check_partition_words,
    check_request,
    image_argv,
    words,
)
from ansible_collections.freehyve.builder.plugins.module_utils._plan import Step, diff_of, run_module
from ansible_collections.freehyve.builder.plugins.module_utils._product import (
    because,
    receipt_of,
    stale,
    write_receipt,
)
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner
from ansible_collections.freehyve.builder.plugins.module_utils._sizes import parse_size

ARGUMENTS: Dict[str, Any] = {
    "scheme": {"type": "str", "default": "gpt"},
    "outputs": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "format": {"type": "str", "required": True},
            "path": {"type": "path", "required": True},
        },
    },
    "partitions": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "type": {"type": "str", "required": True},
            "label": {"type": "str"},
            "file": {"type": "path"},
            "size": {"type": "str"},
            "command": {"type": "str"},
            "align": {"type": "str"},
            "offset": {"type": "str"},
        },
    },
    "bootcode": {"type": "path"},
    "capacity": {"type": "str"},
    "sector_size": {"type": "int", "default": 512},
    "physical_size": {"type": "int", "default": 512},
    "active": {"type": "int"},
    "heads": {"type": "int"},
    "tracks": {"type": "int"},
    "file_digests": {"type": "dict", "default": {}},
    "receipt": {"type": "path", "required": True},
    **JOB_ARGUMENTS,
}


@dataclass(frozen=True)
class Wanted:
    """The checked request: outputs as {path: format}, inputs as the receipt keeps them.

    ``request`` is None in check mode while a content is not made yet.
    """

    outputs: Dict[str, str]
    inputs: Dict[str, Any]
    request: Optional[Request]
    missing: Tuple[str, ...]


@dataclass(frozen=True)
class Observed:
    """What the builder's mkimg knows and what an earlier run left."""

    formats: Tuple[str, ...]
    schemes: Tuple[str, ...]
    receipt: Optional[Dict[str, Any]]


def observe(runner: Runner, receipt: str) -> Observed:
    """Ask mkimg and read the receipt; changes nothing."""
    formats = words(runner.run(["mkimg", "--formats"], failed="mkimg: cannot list its formats").stdout)
    schemes = words(runner.run(["mkimg", "--schemes"], failed="mkimg: cannot list its schemes").stdout)
    return Observed(tuple(formats), tuple(schemes), read_json(receipt))


def check_words(params: Mapping[str, Any], seen: Observed) -> Dict[str, str]:
    """Refuse what can be told without looking at any file; returns {path: format}."""
    if params["scheme"] not in seen.schemes:
        raise ToolError(f"scheme '{params['scheme']}': this builder's mkimg knows {', '.join(seen.schemes)}")
    if not params["partitions"]:
        raise ToolError("disk image: no partitions given")
    outputs: Dict[str, str] = {}
    for item in params["outputs"]:
        path, kind = item["path"], item["format"]
        if kind not in seen.formats:
            raise ToolError(f"format '{kind}': this builder's mkimg knows {', '.join(seen.formats)}")
        if not os.path.isabs(path) or ":" in path:
            raise ToolError(f"image '{path}': refusing the name, it must be absolute and without ':'")
        if path in outputs:
            raise ToolError(f"image '{path}': given twice; every format needs a path of its own")
        outputs[path] = kind
    if not outputs:
        raise ToolError("disk image: no outputs given; name at least one format and path")
    for number, data in enumerate(params["partitions"], 1):
        check_partition_words(params["scheme"], number, data)
    check_labels([data.get("label") or "" for data in params["partitions"]])
    return outputs


def partition_of(number: int, data: Mapping[str, Any]) -> Partition:
    """A partition from its data; a content that is missing is an OSError."""
    what = f"partition {number} ({data['type']})"
    path = data.get("file")
    size = os.path.getsize(path) if path is not None else parse_size(data["size"], f"{what} size")
    if path is not None and size == 0:
        raise ToolError(f"{what}: refusing file '{path}', it is empty")
    offset = data.get("offset")
    relative = bool(offset and offset.startswith("+"))
    return Partition(
        type=data["type"],
        label=data.get("label") or "",
        file=path,
        size=size,
        align=parse_size(data["align"], f"{what} align") if data.get("align") else 0,
        offset=parse_size(offset.lstrip("+"), f"{what} offset") if offset else None,
        relative=relative,
    )


def request_of(params: Mapping[str, Any]) -> Request:
    """Place the partitions and check every number."""
    partitions = [partition_of(number, data) for number, data in enumerate(params["partitions"], 1)]
    sector, physical = params["sector_size"], params["physical_size"]
    capacity = parse_size(params["capacity"], "capacity") if params["capacity"] else 0
    bare = Request(params["scheme"], (), sector=sector, physical=physical)
    check_request(bare)
    placed = place(params["scheme"], partitions, sector, physical)
    check_capacity(params["scheme"], placed, sector, physical, capacity)
    request = Request(
        scheme=params["scheme"],
        placed=tuple(placed),
        bootcode=params["bootcode"],
        capacity=-(-capacity // physical) * physical,
        sector=sector,
        physical=physical,
        active=params["active"],
        heads=params["heads"],
        tracks=params["tracks"],
    )
    check_request(request)
    if request.bootcode is not None:
        check_bootcode(request.scheme, request.bootcode, os.path.getsize(request.bootcode))
    return request


def inputs_of(params: Mapping[str, Any], outputs: Mapping[str, str], request: Request) -> Dict[str, Any]:
    """What the images depend on: content by digest, never by time."""
    known = params["file_digests"]
    digests: Dict[str, str] = {}

    def digest(path: str) -> str:
        if path not in digests:
            digests[path] = known.get(path) or sha256_file(path)
        return digests[path]

    partitions = {}
    for number, item in enumerate(request.placed, 1):
        part = item.partition
        content = f"empty {item.size}" if part.file is None else digest(part.file)
        partitions[f"{number} {part.name}"] = {"content": content, "size": item.size, "start": item.start}
    inputs = {
        "scheme": request.scheme,
        "partitions": partitions,
        "bootcode": None if request.bootcode is None else digest(request.bootcode),
        "capacity": request.capacity,
        "sectors": [request.sector, request.physical],
        "outputs": dict(outputs),
    }
    geometry = {"active": request.active, "heads": request.heads, "tracks": request.tracks}
    given = {name: value for name, value in geometry.items() if value is not None}
    return {**inputs, "geometry": given} if given else inputs


def want(params: Mapping[str, Any], seen: Observed, check_mode: bool) -> Wanted:
    """Check the parameters against the builder.

    :raises ToolError: anything that must be refused before a file is written.
    """
    outputs = check_words(params, seen)
    paths = [d["file"] for d in params["partitions"] if d.get("file")]
    paths += [params["bootcode"]] if params["bootcode"] else []
    missing = tuple(path for path in paths if not os.path.isfile(path))
    if missing:
        if not check_mode:
            raise ToolError(f"file '{missing[0]}': not there, or not a file; a partition or the boot code names it")
        return Wanted(outputs, {}, None, missing)
    request = request_of(params)
    return Wanted(outputs, inputs_of(params, outputs, request), request, ())


def plan(wanted: Wanted, seen: Observed) -> List[Step]:
    """One step for every image to make, none when all are there."""
    why = [f"{path}: not made yet" for path in wanted.missing] if wanted.missing else stale(seen.receipt, wanted.inputs)
    if not why:
        return []
    return [Step(f"make {kind} {path}", because(why)) for path, kind in sorted(wanted.outputs.items())]


def apply(runner: Runner, wanted: Wanted, receipt: str, leases: Optional[str] = None) -> Dict[str, Any]:
    """Make all images at once; none gets its name unless every one is whole."""
    request = wanted.request
    if request is None:
        raise ToolError("disk image: its content is not made yet")
    sizes = raw_sizes(request.scheme, request.placed, request.sector, request.physical, request.capacity)
    parts = {path: f"{path}.part" for path in wanted.outputs}

    def make(path: str) -> Dict[str, Any]:
        kind = wanted.outputs[path]
        runner.run(image_argv(request, kind, parts[path]), failed=f"image '{path}': cannot be made")
        size = check_output(request, kind, parts[path], sizes)
        return {"format": kind, "size": size, "sha256": sha256_file(parts[path])}

    for path in parts:
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    with _lease.temporary(runner, leases, *parts.values()):
        try:
            with ThreadPoolExecutor(max_workers=len(parts)) as pool:
                files = dict(zip(parts, pool.map(make, parts)))
            for path, temporary in parts.items():
                replace_file(temporary, path)
        finally:
            for temporary in parts.values():
                if os.path.exists(temporary):
                    os.unlink(temporary)
    write_receipt(receipt, receipt_of("mkimg", os.path.basename(receipt), wanted.inputs, {"files": files}))
    return files


def places(request: Optional[Request]) -> List[Dict[str, Any]]:
    """The partitions as the result shows them."""
    if request is None:
        return []
    return [
        {"type": i.partition.type, "label": i.partition.label, "start": i.start, "size": i.size} for i in request.placed
    ]


def body(module: AnsibleModule, runner: Runner) -> Dict[str, Any]:
    params = module.params
    seen = observe(runner, params["receipt"])
    wanted = want(params, seen, module.check_mode)
    steps = plan(wanted, seen)
    result: Dict[str, Any] = {
        "changed": bool(steps),
        "actions": [step.as_dict() for step in steps],
        "partitions": places(wanted.request),
        "key": key_of(wanted.inputs),
    }
    if steps:
        before = None if seen.receipt is None else seen.receipt.get("inputs")
        result["diff"] = diff_of(before, wanted.inputs)
        if not module.check_mode:
            result["files"] = apply(runner, wanted, params["receipt"], _lease.directory_of(params))
    elif seen.receipt is not None:
        result["files"] = seen.receipt["results"]["files"]
    if "files" in result:
        result["digests"] = {path: facts["sha256"] for path, facts in result["files"].items()}
    return result


def entry(module: Any) -> Dict[str, Any]:
    """The module's work, for AnsibleModule and for a job's Context."""
    return body(module, Runner())


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_module(module, lambda: entry(module))


if __name__ == "__main__":
    main()
