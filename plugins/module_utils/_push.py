# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""A tree of files as data: walked on the controller, compared and written on the builder.

A manifest maps a path relative to the tree (``a/b``) to ``{"type": "file", "sha256", "mode", "size"}``,
``{"type": "directory"}`` or ``{"type": "link", "target"}``. Sizes are bytes, modes octal text such as ``0644``.
"""

from __future__ import annotations

import fnmatch
import hashlib
import io
import os
import posixpath
import stat
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._files import sha256_file
from ansible_collections.freehyve.builder.plugins.module_utils._keys import key_of

SIDECAR = ".freehyve-manifest.json"
Node = Dict[str, Any]
Manifest = Dict[str, Node]

_SPECIAL = (
    (stat.S_ISBLK, "a device node"),
    (stat.S_ISCHR, "a device node"),
    (stat.S_ISFIFO, "a fifo"),
    (stat.S_ISSOCK, "a socket"),
)


def check_path(path: str) -> str:
    """A relative path that stays below its root, as given.

    :raises ToolError: absolute, empty, with ``..``, or with a character that text formats cannot carry.
    """
    if not path or path.startswith("/") or posixpath.normpath(path) != path or path.split("/")[0] in ("..", "."):
        raise ToolError(f"path '{path}': malformed; give a path below the tree, such as poudriere.d/make.conf")
    if any(ord(char) < 32 or ord(char) == 127 or 0xDC80 <= ord(char) <= 0xDCFF for char in path):
        raise ToolError(f"path {path!r}: has a control character or no UTF-8; rename the file")
    return path


def leaves(path: str, target: str) -> bool:
    """True when a link at ``path`` of a tree points out of the tree."""
    if target.startswith("/"):
        return True
    resolved = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    return resolved == ".." or resolved.startswith("../")


def excluded(path: str, patterns: Sequence[str]) -> bool:
    """True when the path, or its last part, matches a shell pattern."""
    return any(fnmatch.fnmatchcase(path, p) or fnmatch.fnmatchcase(posixpath.basename(path), p) for p in patterns)


def below(path: str, prefixes: Iterable[str]) -> bool:
    """True when ``path`` is one of ``prefixes`` or lies below one."""
    return any(path == prefix or path.startswith(prefix + "/") for prefix in prefixes)


def file_node(data: bytes, executable: bool = False) -> Node:
    """Manifest entry of a file with that content."""
    mode = "0755" if executable else "0644"
    return {"type": "file", "sha256": hashlib.sha256(data).hexdigest(), "mode": mode, "size": len(data)}


def walk(root: str, exclude: Sequence[str] = ()) -> Manifest:
    """Manifest of a tree, in order; modes are normalised (files 0755 when executable, else 0644).

    :raises ToolError: the tree is not there, or holds what cannot be pushed: device nodes, sockets, fifos,
        links that leave it, names with a control character.
    """
    if not os.path.isdir(root):
        raise ToolError(f"tree '{root}': is not a directory on the controller")
    manifest: Manifest = {}

    def visit(relative: str) -> None:
        with os.scandir(os.path.join(root, relative)) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            path = posixpath.join(relative, entry.name)
            if path == SIDECAR or excluded(path, exclude):
                continue
            try:
                check_path(path)
            except ToolError as exc:
                raise ToolError(f"tree '{root}': {exc.message}") from exc
            manifest[path] = _node(root, path, entry)
            if manifest[path]["type"] == "directory":
                visit(path)

    visit("")
    return manifest


def _node(root: str, path: str, entry: "os.DirEntry[str]") -> Node:
    info = entry.stat(follow_symlinks=False)
    if stat.S_ISLNK(info.st_mode):
        target = os.readlink(entry.path)
        if leaves(path, target):
            raise ToolError(f"tree '{root}': link '{path}' leaves the tree (to '{target}'); copy the file instead")
        return {"type": "link", "target": target}
    if stat.S_ISDIR(info.st_mode):
        return {"type": "directory"}
    for test, word in _SPECIAL:
        if test(info.st_mode):
            raise ToolError(f"tree '{root}': '{path}' is {word}; only files, directories and links can be pushed")
    try:
        digest = sha256_file(entry.path)
    except OSError as exc:
        raise ToolError(f"tree '{root}': '{path}' cannot be read: {exc.strerror}") from exc
    mode = "0755" if info.st_mode & stat.S_IXUSR else "0644"
    return {"type": "file", "sha256": digest, "mode": mode, "size": info.st_size}


def tree_digest(manifest: Mapping[str, Node]) -> str:
    """SHA-256 that names a tree: paths, kinds, contents, modes, targets."""
    return key_of(manifest)


def pack(paths: Sequence[str], contents: Mapping[str, bytes], root: str) -> bytes:
    """A tar.gz with the named files; those of ``contents`` from there, the others from below ``root``."""
    # Only the controller packs, and the builder unpacks only what differs.
    import tarfile

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=6, format=tarfile.PAX_FORMAT) as archive:
        for path in paths:
            data = contents.get(path)
            if data is None:
                with open(os.path.join(root, path), "rb") as stream:
                    data = stream.read()
            member = tarfile.TarInfo(path)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def state_of(root: str, path: str, want: Optional[Node] = None) -> Optional[Node]:
    """What the builder has at a path, as a manifest entry with ``uid`` and ``gid``; None when nothing is there.

    A file is read only when its size is the wanted one.
    """
    full = os.path.join(root, path)
    try:
        info = os.lstat(full)
    except (FileNotFoundError, NotADirectoryError):
        return None
    node: Node = {"uid": info.st_uid, "gid": info.st_gid, "mode": f"{stat.S_IMODE(info.st_mode):04o}"}
    if stat.S_ISLNK(info.st_mode):
        node.update(type="link", target=os.readlink(full))
    elif stat.S_ISDIR(info.st_mode):
        node.update(type="directory")
    elif stat.S_ISREG(info.st_mode):
        same_size = want is not None and want.get("size") == info.st_size
        node.update(type="file", size=info.st_size, sha256=sha256_file(full) if same_size else "")
    else:
        node.update(type="other")
    return node


def brief(node: Optional[Node]) -> str:
    """A manifest entry in a few characters, for diffs."""
    if node is None:
        return ""
    if node["type"] == "file":
        return f"{node.get('mode', '')} {node['sha256'][:12] or 'other content'}"
    return f"-> {node['target']}" if node["type"] == "link" else str(node["type"])


def parents(paths: Iterable[str]) -> List[str]:
    """All directories above the paths, outermost first."""
    found = set()
    for path in paths:
        while "/" in path:
            path = posixpath.dirname(path)
            found.add(path)
    return sorted(found)


__all__ = [
    "SIDECAR",
    "Manifest",
    "Node",
    "below",
    "brief",
    "check_path",
    "excluded",
    "file_node",
    "leaves",
    "pack",
    "parents",
    "state_of",
    "tree_digest",
    "walk",
]
