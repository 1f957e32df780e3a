#!/usr/bin/python
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

DOCUMENTATION = r"""
module: dist_set
short_description: Download and verify the distribution sets of a FreeBSD release
version_added: 0.1.0
description:
  - Brings distribution sets (C(base.txz), C(kernel.txz) …) of one release into a directory of the builder, all of
    them in one call and in parallel, resumed where an earlier run was interrupted, hashed while they are written, and
    renamed when they are verified.
  - A set's SHA-256 comes from, in this order, O(checksums), a copy of the release's MANIFEST in O(manifests_dir)
    (package C(freebsd-release-manifests)), or the mirror's own MANIFEST. RV(sets) says which.
  - Puts a C(MANIFEST) with the verified digests beside the sets, so that poudriere can use the directory as a
    C(file://) URL.
  - A complete receipt of the same release, sets and checksums is trusted without asking the mirror again, because
    releases do not change. Snapshots (C(-STABLE), C(-CURRENT) …) are always asked for. A file whose size, time and
    inode are those of the receipt is not read again.
  - A proxy named by the environment is used; TLS is verified with the builder's CA certificates.
options:
  release:
    description: Release or snapshot, as in V(15.1-RELEASE) or V(16.0-CURRENT).
    type: str
    required: true
  arch:
    description: V(amd64), or C(TARGET/TARGET_ARCH) such as V(arm64/aarch64).
    type: str
    default: amd64
  sets:
    description: Names of the sets, without C(.txz).
    type: list
    elements: str
    default: [base, kernel]
  mirror:
    description:
      - Root of the distribution mirror. Official hosts have C(releases/) directly below it, any other
        C(/pub/FreeBSD/releases/), given or not; C(file://) names a directory of the builder.
      - May also be the directory itself that holds C(MANIFEST), or end in C(releases), C(snapshots) or
        C(old-releases).
    type: str
    default: https://download.freebsd.org
  dest:
    description: Directory of the builder for the sets. Made when it is missing.
    type: path
    required: true
  checksums:
    description: Pinned SHA-256 by set. Wins over every MANIFEST.
    type: dict
    default: {}
  manifests_dir:
    description: Directory with copies of MANIFEST, named C(TARGET-TARGET_ARCH-RELEASE).
    type: path
    default: /usr/local/share/freebsd/MANIFESTS
  receipt:
    description: File for the receipt of this stage. Without it, C(.dist_set.json) in O(dest).
    type: path
  refresh:
    description: Ask the mirror again even when the receipt is complete.
    type: bool
    default: false
  timeout:
    description: Seconds without a byte after which a connection counts as dead.
    type: int
    default: 60
extends_documentation_fragment: freehyve.builder.job
attributes:
  check_mode:
    support: full
    description: Reads MANIFEST and the sizes of what would be downloaded.
  diff_mode:
    support: full
    description: Digests of the sets, there and planned.
  idempotent:
    support: full
    description: Nothing is read or written again when the receipt answers for all sets.
author:
  - The freehyve.builder authors (@freehyve)
"""

EXAMPLES = r"""
- name: Base and kernel of a release
  freehyve.builder.dist_set:
    release: 15.1-RELEASE
    dest: /freehyve/dists/15.1-RELEASE-amd64

- name: From a mirror of our own, with a pinned base
  freehyve.builder.dist_set:
    release: 14.5-RELEASE
    arch: arm64/aarch64
    sets: [base, kernel, src]
    mirror: http://mirror.example.org
    dest: /freehyve/dists/14.5-RELEASE-arm64-aarch64
    checksums:
      base: d82c1a471e1bab3fa5605d452baca7cae69fa69941d26f6e62e72846147425be
"""

RETURN = r"""
actions:
  description: What was or would be done, and why.
  returned: success
  type: list
  elements: dict
  sample: [{action: download base, reason: not there}]
bytes:
  description: Bytes that were or would be downloaded, as far as the mirror tells.
  returned: success
  type: int
  sample: 209715200
key:
  description: SHA-256 of release, arch and digests.
  returned: when all digests are known
  type: str
url:
  description: Directory of the mirror that holds the sets.
  returned: when it is known
  type: str
  sample: https://download.freebsd.org/releases/amd64/amd64/15.1-RELEASE
sets:
  description: By set, C(path), C(sha256), C(size) in bytes, and C(trust), which is V(pinned), V(release-manifests) or
    V(mirror).
  returned: success
  type: dict
"""

import fcntl
import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.freehyve.builder.plugins.module_utils._context import (
    JOB_ARGUMENTS,
    Report,
    nowhere,
    progress_of,
)
from ansible_collections.freehyve.builder.plugins.module_utils._download import Client, NotFound
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._files import (
    free_bytes,
    read_json,
    sha256_file,
    write_file,
    write_json,
)
from ansible_collections.freehyve.builder.plugins.module_utils._gauge import Gauge
from ansible_collections.freehyve.builder.plugins.module_utils._keys import key_of
from ansible_collections.freehyve.builder.plugins.module_utils._manifest import (
    Entry,
    is_sha256,
    parse_manifest,
    render,
)
from ansible_collections.freehyve.builder.plugins.module_utils._mirror import (
    candidates,
    check_set,
    is_snapshot,
    split_arch,
)
from ansible_collections.freehyve.builder.plugins.module_utils._plan import Step, diff_of, run_module

PARALLEL = 4  # connections; mirrors limit them per client
MARGIN = 64 << 20  # bytes to leave free


@dataclass(frozen=True)
class Wanted:
    """What the user asks for."""

    release: str
    arch: str
    sets: Sequence[str]
    dest: str
    checksums: Mapping[str, str] = field(default_factory=dict)
    refresh: bool = False

    def path(self, name: str) -> str:
        return os.path.join(self.dest, name + ".txz")


@dataclass(frozen=True)
class FileState:
    """What the builder has under a set's final name; sizes in bytes."""

    size: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True)
class Trusted:
    """The digest that a set must have, and who says so."""

    sha256: str
    trust: str


@dataclass(frozen=True)
class SetPlan:
    """What happens to one set: ``keep``, ``record`` (there, verified, not yet in the receipt) or ``download``."""

    name: str
    verb: str
    reason: str
    trusted: Trusted


@dataclass(frozen=True)
class Observed:
    """The builder: files by set, the receipt, whether MANIFEST lies beside the sets."""

    files: Mapping[str, Optional[FileState]]
    receipt: Optional[Mapping[str, Any]]
    manifest: bool

    def record(self, wanted: Wanted, name: str) -> Optional[Mapping[str, Any]]:
        """The receipt's word on a set, None when it is about something else."""
        inputs = (self.receipt or {}).get("inputs", {})
        if inputs.get("release") != wanted.release or inputs.get("arch") != wanted.arch:
            return None
        found = (self.receipt or {}).get("results", {}).get("sets", {}).get(name)
        return found if isinstance(found, dict) else None


def validate(wanted: Wanted) -> None:
    """:raises ToolError: a malformed input, before anything is looked at."""
    if not wanted.sets:
        raise ToolError("dist sets: the list is empty; name base at least")
    for name in wanted.sets:
        check_set(name)
    for name, value in wanted.checksums.items():
        if not isinstance(value, str) or not is_sha256(value):
            raise ToolError(f"dist set '{name}': pinned checksum is malformed; write 64 lower case hexadecimal digits")


def file_state(path: str) -> Optional[FileState]:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise ToolError(f"dist set '{path}': is no regular file; remove it")
    return FileState(found.st_size, found.st_mtime_ns, found.st_ino)


def observe(wanted: Wanted, receipt_path: str) -> Observed:
    """Files, receipt, MANIFEST: by their names and stat(2) only."""
    return Observed(
        files={name: file_state(wanted.path(name)) for name in wanted.sets},
        receipt=read_json(receipt_path),
        manifest=os.path.isfile(os.path.join(wanted.dest, "MANIFEST")),
    )


def untouched(record: Optional[Mapping[str, Any]], state: Optional[FileState]) -> bool:
    """True when a file is the one that the receipt is about, told without reading it."""
    if record is None or state is None:
        return False
    return (record.get("size"), record.get("mtime_ns"), record.get("inode")) == (
        state.size,
        state.mtime_ns,
        state.inode,
    )


def reasons_to_ask(wanted: Wanted, observed: Observed, digest: Callable[[str], str]) -> List[str]:
    """Why the receipt does not answer for everything; empty when the mirror need not be asked.

    :param digest: SHA-256 of a set's file; called only for files that were touched since the receipt was written.
    """
    words = []
    if is_snapshot(wanted.release):
        words.append(f"{wanted.release} is a snapshot")
    if wanted.refresh:
        words.append("refresh is asked for")
    if not observed.manifest:
        words.append("MANIFEST is not there")
    for name in wanted.sets:
        record = observed.record(wanted, name)
        if record is None or observed.files[name] is None:
            words.append(f"{name} is not there")
        elif not untouched(record, observed.files[name]) and digest(name) != record.get("sha256"):
            words.append(f"{name} has another content")
        elif wanted.checksums.get(name, record.get("sha256")) != record.get("sha256"):
            words.append(f"{name} has another pinned checksum")
    return words


def choose_trust(
    wanted: Wanted,
    copy: Optional[Mapping[str, Entry]],
    copy_path: str,
    mirror: Optional[Mapping[str, Entry]],
    url: str,
) -> Dict[str, Trusted]:
    """The digest of every set, by order of trust.

    :raises ToolError: a set that the most trusted MANIFEST at hand does not name.
    """
    chosen: Dict[str, Trusted] = {}
    for name in wanted.sets:
        if name in wanted.checksums:
            chosen[name] = Trusted(wanted.checksums[name], "pinned")
            continue
        entries, origin, trust = (mirror, url + "/MANIFEST", "mirror") if copy is None else (copy, copy_path, "")
        if entries is None:
            raise ToolError(f"dist set '{name}': nothing to verify it with; pin its checksum")
        if name not in entries:
            raise ToolError(f"dist set '{name}': not in MANIFEST '{origin}', which has {', '.join(sorted(entries))}")
        chosen[name] = Trusted(entries[name].sha256, trust or "release-manifests")
    return chosen


def plan(
    wanted: Wanted, observed: Observed, trusted: Mapping[str, Trusted], digest: Callable[[str], str]
) -> List[SetPlan]:
    """What to do with each set.

    :param digest: SHA-256 of a set's file; called only for files that the receipt does not answer for.
    """
    plans = []
    for name in wanted.sets:
        want, record, state = trusted[name], observed.record(wanted, name), observed.files[name]
        if state is None:
            plans.append(SetPlan(name, "download", "not there", want))
        elif untouched(record, state) and record is not None and record.get("sha256") == want.sha256:
            if record.get("trust") == want.trust:
                plans.append(SetPlan(name, "keep", "", want))
            else:
                plans.append(SetPlan(name, "record", f"trust: {record.get('trust')} -> {want.trust}", want))
        elif untouched(record, state) and record is not None:
            change = f"sha256: {str(record.get('sha256'))[:12]} -> {want.sha256[:12]} ({want.trust})"
            plans.append(SetPlan(name, "download", change, want))
        elif digest(name) != want.sha256:
            plans.append(SetPlan(name, "download", f"its SHA-256 is not the one of {want.trust}", want))
        elif record is not None and record.get("sha256") == want.sha256 and record.get("trust") == want.trust:
            plans.append(SetPlan(name, "keep", "touched, same content", want))
        else:
            plans.append(SetPlan(name, "record", "is there and verified", want))
    return plans


def trusted_of_receipt(wanted: Wanted, observed: Observed) -> Dict[str, Trusted]:
    """Digests that the receipt vouches for; pinned ones among them count as pinned."""
    chosen = {}
    for name in wanted.sets:
        record = observed.record(wanted, name) or {}
        trust = "pinned" if name in wanted.checksums else str(record.get("trust"))
        chosen[name] = Trusted(str(record.get("sha256")), trust)
    return chosen


def locate(client: Client, urls: Sequence[str]) -> Tuple[Optional[str], Optional[Dict[str, Entry]]]:
    """The first directory of the mirror that has a MANIFEST, and the MANIFEST; (None, None) when none has.

    :raises ToolError: the mirror cannot be reached, or what it calls MANIFEST is none.
    """
    for url in urls:
        try:
            data = client.read(url + "/MANIFEST")
        except NotFound:
            continue
        return url, parse_manifest(data, url + "/MANIFEST")
    return None, None


def read_copy(manifests_dir: str, wanted: Wanted) -> Tuple[str, Optional[Dict[str, Entry]]]:
    """The release-manifests copy for this release: its path, and its content when it is there."""
    path = os.path.join(manifests_dir, "-".join((*split_arch(wanted.arch), wanted.release)))
    try:
        with open(path, "rb") as stream:
            data = stream.read()
    except OSError:
        return path, None
    return path, parse_manifest(data, path)


def _mib(count: int) -> str:
    return f"{-(-count // (1 << 20))} MiB"


class Digests:
    """SHA-256 of the sets' files, each read at most once."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._known: Dict[str, str] = {}

    def __call__(self, name: str) -> str:
        if name not in self._known:
            self._known[name] = sha256_file(self._wanted.path(name))
        return self._known[name]


class Downloader:
    """Everything of this module that changes the builder."""

    def __init__(self, client: Client, wanted: Wanted, receipt_path: str, report: Report = nowhere) -> None:
        self._client = client
        self._report = report
        self._wanted = wanted
        self._receipt = receipt_path

    def sizes(self, url: str, names: Sequence[str]) -> Dict[str, Optional[int]]:
        """Sizes in bytes that the mirror tells.

        :raises ToolError: a set that the mirror does not have.
        """
        return dict(zip(names, self._parallel(lambda name: self._client.size(f"{url}/{name}.txz"), names)))

    def download(self, url: str, plans: Sequence[SetPlan], sizes: Mapping[str, Optional[int]]) -> int:
        """Bring the sets; returns the bytes that came."""
        counts = [sizes.get(one.name) for one in plans]
        total = None if None in counts else sum(count or 0 for count in counts)
        gauge = Gauge(self._report, total, ", ".join(f"{one.name}.txz" for one in plans))

        def bring(one: SetPlan) -> int:
            name = one.name
            fetched = self._client.download(
                f"{url}/{name}.txz", self._wanted.path(name), one.trusted.sha256, sizes.get(name), gauge.set
            )
            os.chmod(self._wanted.path(name), 0o644)
            return fetched.received

        with gauge:
            return sum(self._parallel(bring, plans, lambda one: one.name))

    def _parallel(
        self, work: Callable[[Any], Any], items: Sequence[Any], name: Callable[[Any], str] = str
    ) -> List[Any]:
        if not items:
            return []
        with ThreadPoolExecutor(max_workers=min(PARALLEL, len(items))) as pool:
            futures = [pool.submit(work, item) for item in items]
        results = []
        for item, future in zip(items, futures):
            try:
                results.append(future.result())
            except ToolError as exc:
                raise ToolError(f"dist set '{name(item)}': {exc.message}") from exc
        return results

    def write_receipt(self, observed: Observed, trusted: Mapping[str, Trusted], url: Optional[str]) -> Dict[str, Any]:
        """Record what is there now; sets of earlier runs stay recorded while their files are untouched."""
        records = {}
        for name, old in ((observed.receipt or {}).get("results", {}).get("sets", {})).items():
            if name not in trusted and untouched(observed.record(self._wanted, name), file_state(old.get("path", ""))):
                records[name] = old
        for name, one in trusted.items():
            path = self._wanted.path(name)
            state = file_state(path)
            if state is None:
                raise ToolError(f"dist set '{name}': vanished from '{path}' while it was recorded; run again")
            records[name] = {
                "path": path,
                "sha256": one.sha256,
                "size": state.size,
                "trust": one.trust,
                "mtime_ns": state.mtime_ns,
                "inode": state.inode,
            }
        inputs = inputs_of(self._wanted, {name: record["sha256"] for name, record in records.items()})
        write_json(
            self._receipt,
            {
                "stage": "dists",
                "id": f"{self._wanted.release}-{self._wanted.arch.replace('/', '-')}",
                "key": key_of(inputs),
                "inputs": inputs,
                "results": {"sets": records, "url": url},
                "made": int(time.time()),
            },
        )
        return records


def inputs_of(wanted: Wanted, digests: Mapping[str, str]) -> Dict[str, Any]:
    return {"release": wanted.release, "arch": wanted.arch, "sets": dict(digests)}


def public(records: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> Dict[str, Dict[str, Any]]:
    """Records for the result: without what only the receipt needs."""
    keys = ("path", "sha256", "size", "trust")
    return {name: {key: records[name][key] for key in keys} for name in names if name in records}


class Lock:
    """One run at a time writes to a directory of sets."""

    def __init__(self, directory: str) -> None:
        self._path = os.path.join(directory, ".lock")
        self._directory = directory
        self._fd = -1

    def __enter__(self) -> None:
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            os.close(self._fd)
            raise ToolError(f"dist sets in '{self._directory}': another run is downloading them; wait for it") from exc

    def __exit__(self, *_exc: object) -> None:
        os.close(self._fd)


def run(module: AnsibleModule, client: Client) -> Dict[str, Any]:
    params = module.params
    wanted = Wanted(
        release=params["release"],
        arch=params["arch"],
        sets=list(dict.fromkeys(params["sets"])),
        dest=params["dest"],
        checksums=params["checksums"],
        refresh=params["refresh"],
    )
    urls = candidates(params["mirror"], wanted.release, wanted.arch)
    validate(wanted)
    receipt_path = params["receipt"] or os.path.join(wanted.dest, ".dist_set.json")
    observed = observe(wanted, receipt_path)
    downloader = Downloader(client, wanted, receipt_path, progress_of(module))
    digest = Digests(wanted)
    asks = reasons_to_ask(wanted, observed, digest)
    touched = not all(untouched(observed.record(wanted, n), observed.files[n]) for n in wanted.sets)
    url: Optional[str] = None
    entries: Optional[Dict[str, Entry]] = None
    if asks:
        try:
            url, entries, trusted = ask(client, urls, wanted, params["manifests_dir"])
        except ToolError as exc:
            if not module.check_mode or touched or not observed.manifest or isinstance(exc, NotFound):
                raise
            module.warn(f"{exc.message}; going by the receipt")
            trusted, asks = trusted_of_receipt(wanted, observed), []
    else:
        trusted = trusted_of_receipt(wanted, observed)
    plans = plan(wanted, observed, trusted, digest)
    downloads = [p for p in plans if p.verb == "download"]
    steps = [Step(f"{p.verb} {p.name}", p.reason) for p in plans if p.verb != "keep"]
    if not observed.manifest:
        steps.append(Step("write MANIFEST", "not there"))

    sizes: Dict[str, Optional[int]] = {}
    if downloads:
        if url is None:
            raise ToolError(f"dist sets of {wanted.release}: the mirror has no such directory; tried {', '.join(urls)}")
        sizes = downloader.sizes(url, [p.name for p in downloads])
    parts = sum(_part_size(wanted.path(p.name)) for p in downloads)
    count = max(0, sum(size or 0 for size in sizes.values()) - parts)
    if downloads:
        room(module, wanted.dest, count)

    records: Mapping[str, Mapping[str, Any]] = (observed.receipt or {}).get("results", {}).get("sets", {})
    if not module.check_mode and (steps or touched):
        os.makedirs(wanted.dest, exist_ok=True)
        os.makedirs(os.path.dirname(receipt_path), exist_ok=True)
        with Lock(wanted.dest):
            if url is not None:
                count = downloader.download(url, downloads, sizes)
            if entries or not observed.manifest:
                manifest = render((entries or {}).values(), {n: t.sha256 for n, t in trusted.items()})
                write_file(os.path.join(wanted.dest, "MANIFEST"), manifest)
            old_url = (observed.receipt or {}).get("results", {}).get("url")
            records = downloader.write_receipt(observed, trusted, url or old_url)
    digests = {name: one.sha256 for name, one in trusted.items()}
    result: Dict[str, Any] = {
        "changed": bool(steps),
        "actions": [step.as_dict() for step in steps],
        "bytes": count if downloads else 0,
        "key": key_of(inputs_of(wanted, digests)),
        "sets": public(records, wanted.sets)
        if not (module.check_mode and steps)
        else {
            name: {"path": wanted.path(name), "sha256": t.sha256, "size": sizes.get(name), "trust": t.trust}
            for name, t in trusted.items()
        },
    }
    result["url"] = url or (observed.receipt or {}).get("results", {}).get("url")
    if module._diff:
        before = {n: (observed.record(wanted, n) or {}).get("sha256") for n in wanted.sets if observed.files[n]}
        result["diff"] = diff_of(before, digests)
    return result


def ask(
    client: Client, urls: Sequence[str], wanted: Wanted, manifests_dir: str
) -> Tuple[Optional[str], Optional[Dict[str, Entry]], Dict[str, Trusted]]:
    """Ask the mirror: directory, its MANIFEST, and the digest of every set."""
    copy_path, copy = read_copy(manifests_dir, wanted)
    client.prepare(urls[0])
    url, entries = locate(client, urls)
    if url is None:
        vouched = copy is not None or all(name in wanted.checksums for name in wanted.sets)
        if not vouched:
            tried = ", ".join(u + "/MANIFEST" for u in urls)
            raise NotFound(f"dist sets of {wanted.release}: no MANIFEST on the mirror, tried {tried}")
        url = _directory_with(client, urls, wanted.sets[0])
    return url, entries or copy, choose_trust(wanted, copy, copy_path, entries, url or urls[0])


def _directory_with(client: Client, urls: Sequence[str], name: str) -> Optional[str]:
    """A mirror without MANIFEST still serves when the digests are known from elsewhere."""
    for url in urls:
        try:
            client.size(f"{url}/{name}.txz")
        except NotFound:
            continue
        return url
    return None


def _part_size(path: str) -> int:
    try:
        return os.stat(path + ".part").st_size
    except FileNotFoundError:
        return 0


def room(module: AnsibleModule, dest: str, count: int) -> None:
    """Refuse a download that cannot fit; in check mode the directory's file system may not be made yet."""
    free = free_bytes(dest)
    if count and count + MARGIN > free:
        message = (
            f"dist sets in '{dest}': too little space, {_mib(count + MARGIN)} needed, {_mib(free)} there; make room"
        )
        if not module.check_mode:
            raise ToolError(message)
        module.warn(message)


ARGUMENTS: Dict[str, Any] = {
    "release": {"type": "str", "required": True},
    "arch": {"type": "str", "default": "amd64"},
    "sets": {"type": "list", "elements": "str", "default": ["base", "kernel"]},
    "mirror": {"type": "str", "default": "https://download.freebsd.org"},
    "dest": {"type": "path", "required": True},
    "checksums": {"type": "dict", "default": {}},
    "manifests_dir": {"type": "path", "default": "/usr/local/share/freebsd/MANIFESTS"},
    "receipt": {"type": "path"},
    "refresh": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 60},
    **JOB_ARGUMENTS,
}


def entry(module: Any) -> Dict[str, Any]:
    """The module's work, for AnsibleModule and for a job's Context."""
    return run(module, Client(timeout=module.params["timeout"]))


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_module(module, lambda: entry(module))


if __name__ == "__main__":
    main()
