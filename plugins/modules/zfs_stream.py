#!/usr/bin/python
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

DOCUMENTATION = r"""
module: zfs_stream
short_description: Write a ZFS snapshot into a compressed file
version_added: 0.1.0
description:
  - Sends a snapshot through zstd(1) into a temporary file beside the destination, with its digest taken on the way, and
    renames it when both ends have succeeded.
  - The receipt says of which snapshot (by GUID), how the file was made; nothing is done while it is true.
  - Without O(large_blocks), O(embedded) and O(compressed) every system that can import the pool can receive the stream.
author:
  - The freehyve.builder authors (@freehyve)
extends_documentation_fragment: freehyve.builder.job
attributes:
  check_mode:
    description: Says whether the stream would be written and why, and changes nothing.
    support: full
  diff_mode:
    description: Shows the inputs of the stream, those of the receipt against those of now.
    support: full
  idempotent:
    description: A second run changes nothing while snapshot, options and file are the same.
    support: full
options:
  snapshot:
    description: Full name of the snapshot.
    type: str
    required: true
  from_snapshot:
    description: An earlier snapshot or bookmark of the dataset, as V(@v1) or in full; makes the stream incremental.
    type: str
  path:
    description: The file; its directory must exist.
    type: path
    required: true
  receipt:
    description: The receipt; O(path) with C(.receipt.json) behind it when not given.
    type: path
  sums:
    description: A SHA256SUMS file in the stream's directory that gets a line for it; other lines stay.
    type: path
  compression:
    description: How the stream is compressed.
    type: str
    choices: [zstd, none]
    default: zstd
  level:
    description: Level of zstd, 1 to 19.
    type: int
    default: 3
  threads:
    description: Threads of zstd; one for every CPU when 0.
    type: int
    default: 0
  large_blocks:
    description: Keep blocks larger than 128k (C(-L)); needs large_blocks on the receiver.
    type: bool
    default: false
  embedded:
    description: Keep embedded blocks (C(-e)); needs embedded_data on the receiver.
    type: bool
    default: false
  compressed:
    description: Send blocks as they are compressed on disk (C(-c)); needs the same compression on the receiver.
    type: bool
    default: false
  properties:
    description: Send the dataset's properties too (C(-p)).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Full stream of a release
  freehyve.builder.zfs_stream:
    snapshot: zroot/freehyve/release/0.1.0@ready
    path: /zroot/freehyve/images/freehyve-0.1.0.zfs.zst
    sums: /zroot/freehyve/images/SHA256SUMS
    receipt: /zroot/freehyve/stages/stream-freehyve-0.1.0-amd64.json
    level: 19
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode.
  returned: always
  type: list
  elements: dict
  sample: [{action: write /zroot/freehyve/images/freehyve-0.1.0.zfs.zst, reason: not made yet}]
path:
  description: The file.
  returned: always
  type: str
  sample: /zroot/freehyve/images/freehyve-0.1.0.zfs.zst
size:
  description: Its size in bytes; null in check mode when it would be written.
  returned: always
  type: int
  sample: 62951239
sha256:
  description: Its SHA-256; null in check mode when it would be written.
  returned: always
  type: str
  sample: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
guid:
  description: GUID of the snapshot.
  returned: always
  type: str
  sample: "5269174021318912936"
from_guid:
  description: GUID of the earlier snapshot; null for a full stream.
  returned: always
  type: str
  sample: null
toname:
  description: Name of the snapshot, as the stream says it.
  returned: always
  type: str
  sample: zroot/freehyve/release/0.1.0@ready
"""

import contextlib
import hashlib
import os
import threading
import time
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.freehyve.builder.plugins.module_utils import _lease, _zfs
from ansible_collections.freehyve.builder.plugins.module_utils._archive import merge_sums, parse_sums, render_sums
from ansible_collections.freehyve.builder.plugins.module_utils._context import (
    JOB_ARGUMENTS,
    Report,
    nowhere,
    progress_of,
)
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._files import (
    CHUNK,
    read_json,
    replace_file,
    write_file,
    write_json,
)
from ansible_collections.freehyve.builder.plugins.module_utils._gauge import Gauge
from ansible_collections.freehyve.builder.plugins.module_utils._keys import key_of, reasons
from ansible_collections.freehyve.builder.plugins.module_utils._plan import Step, diff_of, run_module
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"  # RFC 8878, 3.1.1
FLAGS = ("large_blocks", "embedded", "compressed", "properties")


@dataclass(frozen=True)
class Wanted:
    """The parameters, checked; ``source`` is the full name of the earlier snapshot or bookmark."""

    snapshot: str
    source: Optional[str]
    path: str
    receipt: str
    sums: Optional[str]
    compression: str
    level: int
    threads: int
    flags: Tuple[str, ...]


@dataclass(frozen=True)
class Observed:
    """GUIDs of the snapshots now, the receipt, the file's size (None when there is no file), digests listed by name."""

    guid: str
    from_guid: Optional[str]
    receipt: Optional[Mapping[str, Any]]
    size: Optional[int]
    tools: Tuple[str, ...]
    sums: Mapping[str, str]


@dataclass(frozen=True)
class Written:
    """A finished file."""

    size: int
    sha256: str


def wanted_of(params: Mapping[str, Any]) -> Wanted:
    """Parameters, checked.

    :raises ToolError: a name or number that cannot be.
    """
    name = params["snapshot"]
    dataset, at, tag = name.partition("@")
    if not at or not tag or "@" in tag or "/" in tag:
        raise ToolError(f"snapshot '{name}': not a snapshot's name; write dataset@name")
    _zfs.check_name(dataset)
    source = params["from_snapshot"]
    if source is not None:
        source = dataset + source if source[:1] in ("@", "#") else source
        if "@" not in source and "#" not in source:
            raise ToolError(f"snapshot '{source}': from_snapshot is not a snapshot's name; write @name or dataset@name")
        if source == name:
            raise ToolError(f"snapshot '{name}': cannot be sent from itself; give an earlier from_snapshot")
    if not 1 <= params["level"] <= 19:
        raise ToolError(f"snapshot '{name}': level {params['level']} is not one of zstd's 1 to 19")
    if params["threads"] < 0:
        raise ToolError(f"snapshot '{name}': threads {params['threads']} is below 0; 0 takes every CPU")
    path = os.path.abspath(params["path"])
    sums = os.path.abspath(params["sums"]) if params["sums"] else None
    if sums and os.path.dirname(sums) != os.path.dirname(path):
        raise ToolError(f"checksum file '{sums}': must lie in the directory of the stream")
    return Wanted(
        name,
        source,
        path,
        os.path.abspath(params["receipt"]) if params["receipt"] else path + ".receipt.json",
        sums,
        params["compression"],
        params["level"],
        params["threads"],
        tuple(flag for flag in FLAGS if params[flag]),
    )


def send_argv(wanted: Wanted) -> List[str]:
    return _zfs.send_argv(wanted.snapshot, wanted.source, **dict.fromkeys(wanted.flags, True))


def compress_argv(wanted: Wanted) -> List[str]:
    return ["zstd", "-q", "-c", f"-{wanted.level}", f"-T{wanted.threads}"]


def inputs_of(wanted: Wanted, guid: str, from_guid: Optional[str]) -> Dict[str, Any]:
    """What the stream's content depends on. Threads are left out: zstd's output does not depend on their number,
    but for one thread against several, and either decompresses to the same."""
    return {
        "snapshot": guid,
        "from": from_guid,
        "name": wanted.snapshot,
        "path": wanted.path,
        "compression": wanted.compression,
        "level": wanted.level if wanted.compression == "zstd" else None,
        "flags": list(wanted.flags),
    }


def observe(runner: Runner, wanted: Wanted) -> Observed:
    names = [wanted.snapshot] + ([wanted.source] if wanted.source else [])
    found = _zfs.named(runner, names, ("guid",), "snapshot,bookmark")
    for name in names:
        if name not in found:
            raise ToolError(f"snapshot '{name}': does not exist; see zfs list -t snapshot")
    from_guid = found[wanted.source].value("guid") if wanted.source else None
    size = os.path.getsize(wanted.path) if os.path.isfile(wanted.path) else None
    needed = ["zfs"] + (["zstd"] if wanted.compression == "zstd" else [])
    missing = tuple(tool for tool in needed if runner.which(tool) is None)
    guid = found[wanted.snapshot].value("guid")
    return Observed(guid, from_guid, read_json(wanted.receipt), size, missing, read_sums(wanted.sums))


def read_sums(path: Optional[str]) -> Mapping[str, str]:
    """Digests by file name; none when there is no such file."""
    if path is None or not os.path.isfile(path):
        return {}
    with open(path, encoding="utf-8") as stream:
        return parse_sums(stream.read(), path)


def is_listed(wanted: Wanted, observed: Observed, sha256: str) -> bool:
    """Whether the checksum file says what it should, or none was asked for."""
    return wanted.sums is None or observed.sums.get(os.path.basename(wanted.path)) == sha256


def plan(wanted: Wanted, observed: Observed) -> List[Step]:
    receipt = observed.receipt or {}
    words = reasons(receipt.get("inputs"), inputs_of(wanted, observed.guid, observed.from_guid))
    if not words:
        size = (receipt.get("results") or {}).get("size")
        if observed.size is None:
            words = ["the file is gone"]
        elif observed.size != size:
            words = [f"the file has {observed.size} bytes instead of {size}"]
    if not words:
        if is_listed(wanted, observed, str((receipt.get("results") or {}).get("sha256"))):
            return []
        return [Step(f"list {os.path.basename(wanted.path)} in {wanted.sums}", "its digest is not there")]
    if observed.tools:
        raise ToolError(f"snapshot '{wanted.snapshot}': cannot send it, the builder has no {', '.join(observed.tools)}")
    for path in (wanted.path, wanted.receipt):
        directory = os.path.dirname(path)
        if not os.path.isdir(directory):
            raise ToolError(f"stream '{path}': there is no directory '{directory}'; create it first")
    return [Step(f"write {wanted.path}", "; ".join(words), tuple(send_argv(wanted)))]


@contextlib.contextmanager
def _fifo(path: str) -> Iterator[str]:
    """A named pipe: the runner writes its pipeline's output there while we read."""
    os.mkfifo(path, 0o600)
    try:
        yield path
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _copy(source: str, target: str, gauge: Gauge) -> Written:
    """Copy until the writer closes, hashed on the way."""
    digest, size = hashlib.sha256(), 0
    with open(source, "rb") as stream, open(target, "wb") as sink:
        for block in iter(lambda: stream.read(CHUNK), b""):
            digest.update(block)
            sink.write(block)
            size += len(block)
            gauge.set(target, size)
    return Written(size, digest.hexdigest())


def write_stream(runner: Runner, wanted: Wanted, leases: Optional[str] = None, report: Report = nowhere) -> Written:
    """Send into a temporary file and give it its name.

    :param leases: directory of leases, None when nobody else looks after what we leave.
    :raises ToolError: either end failed, or nothing came; no file is left.
    """
    commands = [send_argv(wanted)] + ([compress_argv(wanted)] if wanted.compression == "zstd" else [])
    what = f"snapshot '{wanted.snapshot}': sending it failed"
    failures: List[Exception] = []
    temporary, pipe = f"{wanted.path}.part", f"{wanted.path}.pipe.part"

    def produce(output: str) -> None:
        try:
            runner.pipe(*commands, output=output, failed=what)
        except Exception as exc:  # raised again by the thread that waits
            failures.append(exc)

    with _lease.temporary(runner, leases, temporary, pipe):
        try:
            with _fifo(pipe) as fifo:
                producer = threading.Thread(target=produce, args=(fifo,), daemon=True)
                producer.start()
                try:
                    # How long the stream will be is not known: zfs estimates it before compression.
                    with Gauge(report, None, os.path.basename(wanted.path)) as gauge:
                        written = _copy(fifo, temporary, gauge)
                except OSError as exc:
                    raise ToolError(f"stream '{wanted.path}': writing failed: {exc.strerror}; free some space") from exc
                finally:
                    producer.join()
            if failures:
                raise failures[0]
            _check(wanted, temporary, written)
            os.chmod(temporary, 0o644)
            replace_file(temporary, wanted.path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
    return written


def _check(wanted: Wanted, path: str, written: Written) -> None:
    with open(path, "rb") as stream:
        magic = stream.read(len(ZSTD_MAGIC))
    if written.size == 0 or (wanted.compression == "zstd" and magic != ZSTD_MAGIC):
        raise ToolError(
            f"snapshot '{wanted.snapshot}': sending it failed: {written.size} bytes that are no stream came"
        )


def write_sums(wanted: Wanted, observed: Observed, sha256: str) -> None:
    """Put the stream's digest among the others."""
    if wanted.sums is not None and not is_listed(wanted, observed, sha256):
        directory, name = os.path.split(wanted.path)
        write_file(wanted.sums, render_sums(merge_sums(directory, observed.sums, {name: sha256})).encode("utf-8"))


def apply(
    runner: Runner, wanted: Wanted, observed: Observed, leases: Optional[str] = None, report: Report = nowhere
) -> Mapping[str, Any]:
    """Write stream, digest and receipt; the receipt last, for it says that the file is whole."""
    written = write_stream(runner, wanted, leases, report)
    write_sums(wanted, observed, written.sha256)
    inputs = inputs_of(wanted, observed.guid, observed.from_guid)
    stem = os.path.splitext(os.path.basename(wanted.receipt))[0]
    stage, dash, identity = stem.partition("-")
    results = {
        "path": wanted.path,
        "size": written.size,
        "sha256": written.sha256,
        "guid": observed.guid,
        "from_guid": observed.from_guid,
        "toname": wanted.snapshot,
    }
    write_json(
        wanted.receipt,
        {
            "stage": stage if dash else "stream",
            "id": identity or stem,
            "key": key_of(inputs),
            "inputs": inputs,
            "results": results,
            "made": int(time.time()),
        },
    )
    return results


ARGUMENTS: Dict[str, Any] = {
    "snapshot": {"type": "str", "required": True},
    "from_snapshot": {"type": "str"},
    "path": {"type": "path", "required": True},
    "receipt": {"type": "path"},
    "sums": {"type": "path"},
    "compression": {"type": "str", "choices": ["zstd", "none"], "default": "zstd"},
    "level": {"type": "int", "default": 3},
    "threads": {"type": "int", "default": 0},
    "large_blocks": {"type": "bool", "default": False},
    "embedded": {"type": "bool", "default": False},
    "compressed": {"type": "bool", "default": False},
    "properties": {"type": "bool", "default": False},
    **JOB_ARGUMENTS,
}


def execute(runner: Runner, params: Mapping[str, Any], check_mode: bool, report: Report = nowhere) -> Dict[str, Any]:
    """Look, plan, and do unless in check mode."""
    wanted = wanted_of(params)
    observed = observe(runner, wanted)
    steps = plan(wanted, observed)
    results: Mapping[str, Any] = {}
    if not any(step.argv for step in steps):
        results = (observed.receipt or {})["results"]
        if steps and not check_mode:
            write_sums(wanted, observed, results["sha256"])
    elif not check_mode:
        results = apply(runner, wanted, observed, _lease.directory_of(params), report)
    return {
        "changed": bool(steps),
        "actions": [step.as_dict() for step in steps],
        "path": wanted.path,
        "size": results.get("size"),
        "sha256": results.get("sha256"),
        "guid": observed.guid,
        "from_guid": observed.from_guid,
        "toname": wanted.snapshot,
        "diff": diff_of((observed.receipt or {}).get("inputs"), inputs_of(wanted, observed.guid, observed.from_guid)),
    }


def entry(module: Any) -> Dict[str, Any]:
    """The module's work, for AnsibleModule and for a job's Context."""
    return execute(Runner(), module.params, module.check_mode, progress_of(module))


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_module(module, lambda: entry(module))


if __name__ == "__main__":
    main()
