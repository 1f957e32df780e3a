#!/usr/bin/python
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

DOCUMENTATION = r"""
module: compress
short_description: Compress artifacts and write their SHA256SUMS
version_added: 0.1.0
author: The freehyve.builder authors (@freehyve)
description:
  - Compresses files with C(zstd) or C(xz) of the base system, several at a time.
  - A source is hashed while it is compressed, so that it comes from the disk once.
  - Every result is written under a temporary name, made durable and renamed; then its digest goes into a
    checksum file beside it, written as a whole.
  - Results that an earlier run made and this one does not, such as those of another method, are removed.
  - Can write the receipt of the stage whose last act it is.
options:
  files:
    description: What to compress.
    type: list
    elements: dict
    required: true
    suboptions:
      src:
        description: Absolute path of the source; may be sparse.
        type: path
        required: true
      dest:
        description: Absolute path of the result. The default is the source with the suffix of the method.
        type: path
  method:
    description: How to compress; V(none) copies.
    type: str
    choices: [zstd, xz, none]
    default: zstd
  level:
    description: Level of the method. V(zstd) has 1 to 22, V(xz) 0 to 9; the defaults are 3 and 6.
    type: int
  threads:
    description: Threads of each process; V(0) takes every CPU.
    type: int
    default: 0
  digests:
    description: SHA-256 of sources that the caller knows already, by path. The others are computed.
    type: dict
    default: {}
  sums:
    description:
      - Absolute path of the checksum file that gets a line C(<sha256>  <name>) for every result.
      - It must lie in the directory of the results. Lines of other files that are still there are kept.
    type: path
  remove:
    description:
      - Absolute paths of files to remove after everything else is done, sources among them.
      - A run that finds nothing to do removes nothing.
    type: list
    elements: path
    default: []
  receipt:
    description: Absolute path of the file that remembers what was made from what.
    type: path
    required: true
  stage:
    description: Stage that the receipt stands for, with inputs of its own.
    type: dict
    suboptions:
      name:
        description: Name of the stage.
        type: str
        required: true
      id:
        description: What the stage was run for.
        type: str
        required: true
      inputs:
        description: What the stage depends on.
        type: dict
        required: true
      results:
        description: What to remember beside the files.
        type: dict
        default: {}
extends_documentation_fragment: freehyve.builder.job
attributes:
  check_mode:
    description: Says what would be made, and makes nothing.
    support: full
  diff_mode:
    description: Shows the inputs of the results that are there against the wanted ones.
    support: full
  idempotent:
    description: Results made from the same sources in the same way are kept.
    support: full
"""

EXAMPLES = r"""
- name: Compress the images
  freehyve.builder.compress:
    files:
      - src: /var/images/appliance.raw
      - src: /var/images/appliance.qcow2
    method: zstd
    level: 9
    sums: /var/images/SHA256SUMS
    receipt: /var/images/compress.json
"""

RETURN = r"""
actions:
  description: What was or would be done, and why.
  returned: always
  type: list
  elements: dict
  sample: [{action: compress /var/images/appliance.raw, reason: not made yet}]
files:
  description: The results by path, with size in bytes, SHA-256, and the same of their sources.
  returned: when they are there
  type: dict
  sample: {/var/images/appliance.raw.zst: {size: 75915661, sha256: 9b1c, source_size: 2026506752, source_sha256: 33ab}}
key:
  description: Digest of the inputs.
  returned: always
  type: str
  sample: 4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
seconds:
  description: How long the work took.
  returned: when something was done
  type: float
  sample: 12.5
"""

import contextlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.freehyve.builder.plugins.module_utils import _lease
from ansible_collections.freehyve.builder.plugins.module_utils._archive import (
    DEFAULT_LEVELS,
    SUFFIXES,
    check_level,
    compress_argv,
    merge_sums,
    parse_sums,
    render_sums,
)
from ansible_collections.freehyve.builder.plugins.module_utils._context import (
    JOB_ARGUMENTS,
    Report,
    nowhere,
    progress_of,
)
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._files import (
    read_json,
    replace_file,
    sha256_file,
    write_file,
)
from ansible_collections.freehyve.builder.plugins.module_utils._gauge import Gauge
from ansible_collections.freehyve.builder.plugins.module_utils._keys import key_of
from ansible_collections.freehyve.builder.plugins.module_utils._plan import Step, diff_of, run_module
from ansible_collections.freehyve.builder.plugins.module_utils._product import (
    because,
    receipt_of,
    stale,
    stamp,
    write_receipt,
)
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner

ARGUMENTS: Dict[str, Any] = {
    "files": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {"src": {"type": "path", "required": True}, "dest": {"type": "path"}},
    },
    "method": {"type": "str", "choices": ["zstd", "xz", "none"], "default": "zstd"},
    "level": {"type": "int"},
    "threads": {"type": "int", "default": 0},
    "digests": {"type": "dict", "default": {}},
    "sums": {"type": "path"},
    "remove": {"type": "list", "elements": "path", "default": []},
    "receipt": {"type": "path", "required": True},
    "stage": {
        "type": "dict",
        "options": {
            "name": {"type": "str", "required": True},
            "id": {"type": "str", "required": True},
            "inputs": {"type": "dict", "required": True},
            "results": {"type": "dict", "default": {}},
        },
    },
    **JOB_ARGUMENTS,
}


@dataclass(frozen=True)
class Wanted:
    """Checked parameters: ``pairs`` are (source, result), ``inputs`` as the receipt keeps them."""

    pairs: Tuple[Tuple[str, str], ...]
    method: str
    level: int
    threads: int
    sums: Optional[str]
    inputs: Dict[str, Any]
    missing: Tuple[str, ...]


def pairs_of(params: Mapping[str, Any]) -> Tuple[Tuple[str, str], ...]:
    """(source, result) of every file.

    :raises ToolError: names that would overwrite something.
    """
    suffix = SUFFIXES[params["method"]]
    pairs: List[Tuple[str, str]] = []
    for item in params["files"]:
        src = item["src"]
        dest = item.get("dest") or src + suffix
        for path in (src, dest):
            if not os.path.isabs(path):
                raise ToolError(f"file '{path}': refusing the name, it must be absolute")
        if src == dest:
            raise ToolError(f"file '{src}': refusing to write it over itself; name a dest")
        if any(dest == other for _src, other in pairs):
            raise ToolError(f"file '{dest}': given twice; every source needs a result of its own")
        pairs.append((src, dest))
    if not pairs:
        raise ToolError("compress: no files given")
    return tuple(pairs)


def want(params: Mapping[str, Any], check_mode: bool) -> Wanted:
    """Check the parameters and name the inputs."""
    method = params["method"]
    level = DEFAULT_LEVELS[method] if params["level"] is None or method == "none" else params["level"]
    check_level(method, level)
    if params["threads"] < 0:
        raise ToolError(f"threads {params['threads']}: must be 0 or more")
    pairs = pairs_of(params)
    sums = params["sums"]
    if sums and any(os.path.dirname(dest) != os.path.dirname(sums) for _src, dest in pairs):
        raise ToolError(f"checksum file '{sums}': must lie in the directory of every result")
    missing = tuple(src for src, _dest in pairs if not os.path.isfile(src) and src not in params["digests"])
    stage = params["stage"]
    inputs: Dict[str, Any] = dict(stage["inputs"]) if stage else {}
    if not stage and not missing:
        inputs["files"] = {dest: params["digests"].get(src) or sha256_file(src) for src, dest in pairs}
        inputs["compression"] = f"{method} {level}"
    if missing and not check_mode and not stage:
        raise ToolError(f"file '{missing[0]}': not there, or not a file; it cannot be compressed")
    return Wanted(pairs, method, level, params["threads"], sums, inputs, missing)


def plan(wanted: Wanted, receipt: Optional[Mapping[str, Any]], by_stage: bool) -> List[Step]:
    """One step for every result, none when all are there."""
    why = stale(receipt, wanted.inputs)
    if not by_stage and wanted.missing:
        why = [f"{path}: not made yet" for path in wanted.missing]
    if not why:
        return []
    verb = "copy" if wanted.method == "none" else "compress"
    return [Step(f"{verb} {src} to {dest}", because(why)) for src, dest in wanted.pairs]


def make(runner: Runner, wanted: Wanted, src: str, dest: str, digest: Optional[str], gauge: Gauge) -> Dict[str, Any]:
    """Compress one file under a temporary name; hashes the source at the same time."""
    temporary = f"{dest}.part"
    before = os.stat(src)
    with ThreadPoolExecutor(max_workers=1) as pool:
        hashed = pool.submit(sha256_file, src) if digest is None else None
        argv = compress_argv(wanted.method, wanted.level, wanted.threads)
        with gauge.reading(src) as stream:
            runner.pipe(argv, output=temporary, failed=f"file '{src}': cannot be compressed", stdin=stream)
        source_digest = digest if hashed is None else hashed.result()
    after = os.stat(src)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise ToolError(f"file '{src}': changed while it was compressed; run again")
    return {
        "size": os.path.getsize(temporary),
        "sha256": sha256_file(temporary),
        "source_size": before.st_size,
        "source_sha256": source_digest,
    }


def apply(
    runner: Runner,
    wanted: Wanted,
    params: Mapping[str, Any],
    receipt: Optional[Mapping[str, Any]],
    report: Report = nowhere,
) -> Dict[str, Any]:
    """Make every result, then the checksum file, then the receipt."""
    for src, _dest in wanted.pairs:
        if not os.path.isfile(src):
            raise ToolError(f"file '{src}': not there, or not a file; it cannot be compressed")
    sums = wanted.sums
    before: Dict[str, str] = {}
    if sums and os.path.isfile(sums):
        with open(sums, encoding="utf-8") as stream:
            before = parse_sums(stream.read(), sums)
    for _src, dest in wanted.pairs:
        os.makedirs(os.path.dirname(dest), mode=0o755, exist_ok=True)
    # One process already uses every CPU when threads is 0; otherwise as many at a time as the CPUs carry.
    cpus = os.cpu_count() or 1
    workers = max(1, min(len(wanted.pairs), cpus // wanted.threads if wanted.threads else 1))

    total = sum(os.path.getsize(src) for src, _dest in wanted.pairs)
    gauge = Gauge(report, total, ", ".join(os.path.basename(src) for src, _dest in wanted.pairs))

    def one(pair: Tuple[str, str]) -> Dict[str, Any]:
        return make(runner, wanted, pair[0], pair[1], params["digests"].get(pair[0]), gauge)

    parts = [f"{dest}.part" for _src, dest in wanted.pairs]
    with _lease.temporary(runner, _lease.directory_of(params), *parts):
        try:
            with gauge, ThreadPoolExecutor(max_workers=workers) as pool:
                made = list(pool.map(one, wanted.pairs))
            files = {}
            for (_src, dest), facts in zip(wanted.pairs, made):
                replace_file(f"{dest}.part", dest)
                files[dest] = facts
        finally:
            for part in parts:
                if os.path.exists(part):
                    os.unlink(part)
    earlier = ((receipt or {}).get("results") or {}).get("files") or {}
    for path in set(earlier) - set(files):
        if os.path.isfile(path):
            os.unlink(path)
    if sums:
        new = {os.path.basename(dest): facts["sha256"] for dest, facts in files.items()}
        write_file(sums, render_sums(merge_sums(os.path.dirname(sums), before, new)).encode("utf-8"))
    stage = params["stage"] or {"name": "compress", "id": os.path.basename(params["receipt"]), "results": {}}
    results = dict(stage["results"] or {}, files=files)
    # From the receipt on they are not needed: a run that dies before they are gone leaves them to the next (see _reap).
    superseded = {path: stamp(path) for path in params["remove"] if os.path.lexists(path)}
    done = receipt_of(stage["name"], stage["id"], wanted.inputs, results)
    write_receipt(params["receipt"], dict(done, superseded=superseded) if superseded else done)
    for path in superseded:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    return files


def body(module: AnsibleModule, runner: Runner) -> Dict[str, Any]:
    params = module.params
    receipt = read_json(params["receipt"])
    wanted = want(params, module.check_mode)
    steps = plan(wanted, receipt, bool(params["stage"]))
    result: Dict[str, Any] = {
        "changed": bool(steps),
        "actions": [step.as_dict() for step in steps],
        "key": key_of(wanted.inputs),
    }
    if steps:
        result["diff"] = diff_of(None if receipt is None else receipt.get("inputs"), wanted.inputs)
        if not module.check_mode:
            started = time.monotonic()
            result["files"] = apply(runner, wanted, params, receipt, progress_of(module))
            result["seconds"] = round(time.monotonic() - started, 1)
    elif receipt is not None:
        result["files"] = receipt["results"]["files"]
    return result


def entry(module: Any) -> Dict[str, Any]:
    """The module's work, for AnsibleModule and for a job's Context."""
    return body(module, Runner())


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_module(module, lambda: entry(module))


if __name__ == "__main__":
    main()
