#!/usr/bin/python
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

DOCUMENTATION = r"""
module: push_tree
short_description: Make a directory of the builder equal to one of the controller
version_added: 0.1.0
description:
  - Compares a directory of the controller with one of the builder by content, in one remote call, and sends only the
    files that differ, all of them in one archive.
  - Files that an earlier push brought and that are gone from O(src) are removed; what nobody pushed is left alone.
  - Files are written under a temporary name and renamed. Modes are normalised, V(0755) for directories and executable
    files, V(0644) for the others.
  - Device nodes, sockets, fifos, names with control characters and links that leave the tree are refused before
    anything is sent.
options:
  src:
    description: Directory of the controller.
    type: path
    required: true
  dest:
    description: Directory of the builder. Made when it is missing.
    type: path
    required: true
  exclude:
    description: Shell patterns of paths, or of last parts of paths, in O(src) to leave out. Nothing is left out by
      itself.
    type: list
    elements: str
    default: []
  preserve:
    description: Paths below O(dest) that belong to the builder. Neither written nor removed, except where
      O(extra_files) names them.
    type: list
    elements: str
    default: []
  extra_files:
    description: Further files of the tree, content by path; for what is decided per host. They do not count in
      RV(digest).
    type: dict
    default: {}
  owner:
    description: Owner of everything that is pushed.
    type: str
    default: root
  group:
    description: Group of everything that is pushed.
    type: str
    default: wheel
  manifest:
    description: The tree as data. Set by the action plugin; not for use in a playbook.
    type: dict
  data:
    description: Contents, as a base64 text of a tar.gz archive. Set by the action plugin; not for use in a playbook.
    type: str
  archive:
    description: Contents, as a tar.gz file of the builder. Set by the action plugin; not for use in a playbook.
    type: path
attributes:
  check_mode:
    support: full
    description: One remote call that reads.
  diff_mode:
    support: full
    description: Lists the files, with their digests.
  idempotent:
    support: full
    description: By content, mode and owner.
author:
  - The freehyve.builder authors (@freehyve)
"""

EXAMPLES = r"""
- name: The poudriere directory
  freehyve.builder.push_tree:
    src: poudriere/
    dest: /freehyve/poudriere/etc
    preserve: [poudriere.d/jails, poudriere.d/ports]
    extra_files:
      poudriere.d/poudriere.conf: |
        ZPOOL=zroot
        BASEFS=/freehyve/poudriere/base
"""

RETURN = r"""
actions:
  description: What was or would be done, and why.
  returned: success
  type: list
  elements: dict
  sample: [{action: write make.conf, reason: content changed}]
digest:
  description: SHA-256 that names the tree of O(src); the same for the same files, modes and links.
  returned: success
  type: str
files:
  description: SHA-256 by path, of all files of O(src) and O(extra_files).
  returned: success
  type: dict
"""

import base64
import binascii
import contextlib
import grp
import io
import os
import posixpath
import pwd
import shutil
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._files import left, read_json, write_file, write_json
from ansible_collections.freehyve.builder.plugins.module_utils._plan import Step, diff_of, run_module
from ansible_collections.freehyve.builder.plugins.module_utils._push import (
    SIDECAR,
    Manifest,
    Node,
    below,
    brief,
    check_path,
    leaves,
    state_of,
)


@dataclass(frozen=True)
class Change:
    """One path to write, link, make, adjust or remove."""

    verb: str
    path: str
    reason: str

    def step(self) -> Step:
        return Step(f"{self.verb} {self.path}", self.reason)


@dataclass(frozen=True)
class Observed:
    """The builder's tree: an entry for every wanted path and every path of the last push; None where nothing is.

    ``entries`` has the names in each directory of the last push.
    """

    nodes: Mapping[str, Optional[Node]]
    pushed: Sequence[str] = field(default_factory=tuple)
    entries: Mapping[str, Sequence[str]] = field(default_factory=dict)


def observe(dest: str, manifest: Manifest) -> Observed:
    sidecar = read_json(os.path.join(dest, SIDECAR)) or {}
    pushed = [path for path in sidecar.get("files", {}) if isinstance(path, str)]
    nodes = {path: state_of(dest, path, manifest.get(path)) for path in {*manifest, *pushed}}
    directories = [path for path in pushed if (nodes[path] or {}).get("type") == "directory"]
    entries = {path: os.listdir(os.path.join(dest, path)) for path in directories}
    return Observed(nodes, tuple(sorted(pushed)), entries)


def _why(want: Node, have: Optional[Node], uid: int, gid: int) -> Optional[Change]:
    """The change that a path needs, with an empty path; None when it is as wanted."""
    kind = want["type"]
    verb = {"file": "write", "directory": "make", "link": "link"}[kind]
    if have is None:
        return Change(verb, "", "not there")
    if have["type"] != kind:
        return Change(verb, "", f"is a {have['type']}")
    if kind == "file" and have["sha256"] != want["sha256"]:
        return Change(verb, "", "content changed")
    if kind == "link" and have["target"] != want["target"]:
        return Change(verb, "", f"target: {have['target']} -> {want['target']}")
    if (have["uid"], have["gid"]) != (uid, gid):
        return Change("adjust", "", f"owner: {have['uid']}:{have['gid']} -> {uid}:{gid}")
    mode = want.get("mode", "0755")
    if kind != "link" and have["mode"] != mode:
        return Change("adjust", "", f"mode: {have['mode']} -> {mode}")
    return None


def plan(manifest: Manifest, observed: Observed, preserve: Sequence[str], uid: int, gid: int) -> List[Change]:
    """What makes the builder's tree the wanted one: removals first, then by path, so that parents come before children.

    :raises ToolError: a directory of the builder, with files that nobody pushed, stands where a file should.
    """
    changes = [Change("remove", path, "no longer in the tree") for path in removable(manifest, observed, preserve)]
    for path in sorted(manifest):
        change = _why(manifest[path], observed.nodes.get(path), uid, gid)
        if change:
            changes.append(Change(change.verb, path, change.reason))
    return changes


def removable(manifest: Manifest, observed: Observed, preserve: Sequence[str]) -> List[str]:
    """Paths of the last push that are no longer wanted, children first; a directory only when nothing stays in it."""
    gone: List[str] = []
    for path in sorted(observed.pushed, reverse=True):
        if path in manifest or observed.nodes.get(path) is None or below(path, preserve):
            continue
        if any(below(kept, [path]) for kept in preserve):
            continue
        if all(posixpath.join(path, name) in gone for name in observed.entries.get(path, ())):
            gone.append(path)
    return gone


class Writer:
    """Everything of this module that changes the builder."""

    def __init__(self, dest: str, uid: int, gid: int) -> None:
        self._dest = dest
        self._uid = uid
        self._gid = gid

    def apply(self, changes: Sequence[Change], manifest: Manifest, contents: Mapping[str, bytes]) -> None:
        self._directory(self._dest)
        for change in changes:
            full = os.path.join(self._dest, change.path)
            if change.verb == "remove":
                self._remove(full)
                continue
            node = manifest[change.path]
            self._real_parents(change.path)
            if change.verb == "make":
                self._clear(full, "directory")
                self._directory(full)
            elif change.verb == "write":
                self._clear(full, "file")
                # What a power loss takes back the next run sees and sends again.
                write_file(full, contents[change.path], int(node["mode"], 8), durable=False)
            elif change.verb == "link":
                self._clear(full, "link")
                os.symlink(node["target"], full)
            elif node["type"] != "link":
                os.chmod(full, int(node.get("mode", "0755"), 8))
            self._own(full)

    def _directory(self, full: str) -> None:
        if not os.path.isdir(full):
            # Another build may push the same tree at this moment.
            os.makedirs(full, mode=0o755, exist_ok=True)
            os.chmod(full, 0o755)
            self._own(full)

    def _own(self, full: str) -> None:
        info = os.lstat(full)
        if (info.st_uid, info.st_gid) != (self._uid, self._gid):
            os.chown(full, self._uid, self._gid, follow_symlinks=False)

    def _real_parents(self, path: str) -> None:
        """A link in place of a directory would take the file out of the tree."""
        parent = posixpath.dirname(path)
        while parent:
            if os.path.islink(os.path.join(self._dest, parent)):
                raise ToolError(f"tree '{self._dest}': '{parent}' is a link on the builder; remove it")
            parent = posixpath.dirname(parent)

    def _clear(self, full: str, kind: str) -> None:
        """Make room for another kind of thing; a file is replaced by a rename and needs none."""
        if os.path.isdir(full) and not os.path.islink(full):
            if kind != "directory":
                try:
                    os.rmdir(full)
                except OSError as exc:
                    raise ToolError(f"tree '{self._dest}': '{full}' is a directory with files in it; move it") from exc
        elif os.path.lexists(full) and kind != "file":
            os.unlink(full)

    def _remove(self, full: str) -> None:
        if os.path.isdir(full) and not os.path.islink(full):
            os.rmdir(full)
        else:
            os.unlink(full)


def read_archive(data: bytes, manifest: Manifest) -> Dict[str, bytes]:
    """Contents by path. Nothing is extracted: only plain files that the manifest announces, with the digest it names.

    :raises ToolError: anything else in the archive.
    """
    # Only now: mostly nothing differs and nothing is sent.
    import tarfile

    contents: Dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
            for member in archive:
                node = manifest.get(member.name, {})
                if not member.isreg() or node.get("type") != "file" or member.size != node.get("size"):
                    raise ToolError(f"archive of the tree: '{member.name}' was not announced")
                stream = archive.extractfile(member)
                contents[member.name] = stream.read() if stream else b""
    except (tarfile.TarError, EOFError, OSError) as exc:
        raise ToolError(f"archive of the tree: arrived damaged ({exc}); run again") from exc
    return contents


def check_manifest(manifest: Manifest) -> None:
    """The module trusts the controller no more than it has to."""
    for path, node in manifest.items():
        check_path(path)
        if node["type"] == "link" and leaves(path, node["target"]):
            raise ToolError(f"path '{path}': link leaves the tree")


def account(name: str, kind: str) -> int:
    """Number of an owner or a group, given by name or number.

    :raises ToolError: the builder has no such account.
    """
    if name.isdigit():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid if kind == "owner" else grp.getgrnam(name).gr_gid
    except KeyError as exc:
        raise ToolError(f"{kind} '{name}': the builder has no such {kind}") from exc


def contents_of(params: Mapping[str, Any], manifest: Manifest) -> Optional[Dict[str, bytes]]:
    """What the action plugin sent along, None at its first call."""
    if params["archive"]:
        with open(params["archive"], "rb") as stream:
            return read_archive(stream.read(), manifest)
    if params["data"]:
        try:
            return read_archive(base64.b64decode(params["data"], validate=True), manifest)
        except binascii.Error as exc:
            raise ToolError(f"archive of the tree: arrived damaged ({exc}); run again") from exc
    return None


def kept(observed: Observed, changes: Sequence[Change]) -> List[str]:
    """Paths of earlier pushes that stay: still wanted, preserved, or a directory that is not empty."""
    removed = {change.path for change in changes if change.verb == "remove"}
    return [path for path in observed.pushed if observed.nodes.get(path) and path not in removed]


def sweep(dest: str, manifest: Manifest) -> None:
    """Remove what an earlier push left half-written when it was killed; of files that we write, and of no others."""
    ours = [*(path for path, node in manifest.items() if node["type"] == "file"), SIDECAR]
    for directory in {posixpath.dirname(path) for path in ours}:
        names = tuple(f".{posixpath.basename(path)}." for path in ours if posixpath.dirname(path) == directory)
        for path in left(os.path.join(dest, directory) if directory else dest):
            if os.path.basename(path).startswith(names):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)


def run(module: AnsibleModule) -> Dict[str, Any]:
    params = module.params
    manifest: Optional[Manifest] = params["manifest"]
    if manifest is None:
        raise ToolError("push_tree: has no manifest; it works through its action plugin only")
    check_manifest(manifest)
    dest, preserve = params["dest"], params["preserve"]
    uid, gid = account(params["owner"], "owner"), account(params["group"], "group")
    observed = observe(dest, manifest)
    changes = plan(manifest, observed, preserve, uid, gid)
    contents = contents_of(params, manifest)
    missing = [c.path for c in changes if c.verb == "write" and c.path not in (contents or {})]
    result: Dict[str, Any] = {
        "changed": bool(changes),
        "actions": [change.step().as_dict() for change in changes],
    }
    if module._diff:
        paths = [change.path for change in changes]
        result["diff"] = diff_of(
            {p: brief(observed.nodes.get(p)) for p in paths if observed.nodes.get(p)},
            {p: brief(manifest[p]) for p in paths if p in manifest},
        )
    if module.check_mode:
        return result
    sweep(dest, manifest)
    if missing:
        if contents is not None:
            raise ToolError(f"tree '{dest}': '{missing[0]}' changed while it was pushed; run again")
        return {"missing": missing, "changed": False}
    if changes:
        need = sum(len(data) for data in (contents or {}).values())
        try:
            Writer(dest, uid, gid).apply(changes, manifest, contents or {})
        except OSError as exc:
            free = shutil.disk_usage(dest).free if os.path.isdir(dest) else 0
            raise ToolError(
                f"tree '{dest}': cannot write '{exc.filename}': {exc.strerror} ({need} bytes to write, {free} free)"
            ) from exc
    names = sorted({*manifest, *kept(observed, changes)})
    if sorted(observed.pushed) != names:
        os.makedirs(dest, exist_ok=True)
        write_json(os.path.join(dest, SIDECAR), {"files": {p: (manifest.get(p) or {}).get("sha256") for p in names}})
    return result


ARGUMENTS: Dict[str, Any] = {
    "src": {"type": "path", "required": True},
    "dest": {"type": "path", "required": True},
    "exclude": {"type": "list", "elements": "str", "default": []},
    "preserve": {"type": "list", "elements": "str", "default": []},
    "extra_files": {"type": "dict", "default": {}},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "wheel"},
    "manifest": {"type": "dict"},
    "data": {"type": "str"},
    "archive": {"type": "path"},
}


def entry(module: Any) -> Dict[str, Any]:
    """The module's work, for AnsibleModule and for a job's Context."""
    return run(module)


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_module(module, lambda: entry(module))


if __name__ == "__main__":
    main()
