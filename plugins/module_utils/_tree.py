# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Writing below a root directory as the system in it will see its paths: no link leads out of the root."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import shutil
import stat
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._files import sha256_file

LINKS = 40  # how many a path may lead through: MAXSYMLINKS of FreeBSD is 32
STATES = ("file", "directory", "link", "absent")


def parts_of(path: str) -> List[str]:
    """The names of a path below a root.

    :raises ToolError: empty, or a ``..`` in it.
    """
    names = [name for name in path.split("/") if name not in ("", ".")]
    if not names or ".." in names or "\0" in path:
        raise ToolError(f"path '{path}': refusing it, it must name something below the root, without '..'")
    return names


def inside(root: str, path: str) -> str:
    """Where ``path`` lies below ``root``, its directories resolved as a process rooted there would resolve them.

    An absolute link means "from the root"; a ``..`` in a link never climbs above it. The last name is not followed.
    :raises ToolError: a loop of links, or a component that is not a directory.
    """
    todo = parts_of(path)
    done: List[str] = []
    followed = 0
    while len(todo) > 1:
        name = todo.pop(0)
        if name == "..":
            done = done[:-1]
            continue
        here = os.path.join(root, *done, name)
        if os.path.islink(here):
            followed += 1
            if followed > LINKS:
                raise ToolError(f"path '{path}': too many links below '{root}'")
            target = os.readlink(here)
            if target.startswith("/"):
                done = []
            todo = [part for part in target.split("/") if part not in ("", ".")] + todo
            continue
        if os.path.lexists(here) and not os.path.isdir(here):
            raise ToolError(f"path '{path}': '{here}' is not a directory")
        done.append(name)
    return os.path.join(root, *done, todo[0])


@dataclass(frozen=True)
class Entry:
    """A file to be in a root. ``content`` is text for a file, ``target`` for a link; ``mode`` is a number."""

    path: str
    state: str = "file"
    content: str = ""
    target: str = ""
    mode: int = 0o644
    owner: str = "root"
    group: str = "wheel"

    @property
    def digest(self) -> str:
        """Stands for everything that makes a difference; the content itself never leaves the module."""
        body = "\0".join((self.state, self.content, self.target, oct(self.mode), self.owner, self.group))
        return hashlib.sha256(body.encode("utf-8")).hexdigest()


def entry_of(data: Mapping[str, Any]) -> Entry:
    """An entry from a module's parameter.

    :raises ToolError: a path outside, a mode that is none, a link without target.
    """
    path = data["path"]
    parts_of(path)
    state = data.get("state") or "file"
    default = "0755" if state == "directory" else "0644"
    text = data.get("mode") or default
    try:
        mode = int(text, 8)
    except ValueError as exc:
        raise ToolError(f"path '{path}': mode '{text}' is not an octal number; quote it, such as '0644'") from exc
    if not 0 <= mode <= 0o7777:
        raise ToolError(f"path '{path}': mode '{text}' is out of range")
    if state == "link" and not data.get("target"):
        raise ToolError(f"path '{path}': a link needs a target")
    return Entry(
        path="/".join(parts_of(path)),
        state=state,
        content=data.get("content") or "",
        target=data.get("target") or "",
        mode=mode,
        owner=data.get("owner") or "root",
        group=data.get("group") or "wheel",
    )


def _numbers(path: str) -> Dict[str, int]:
    """``{name: id}`` of a passwd(5) or group(5) file."""
    found: Dict[str, int] = {}
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            for line in stream:
                fields = line.rstrip("\n").split(":")
                if len(fields) > 2 and not line.startswith("#") and fields[2].isdigit():
                    found.setdefault(fields[0], int(fields[2]))
    except OSError:
        return {}
    return found


def ids_in(root: str, owner: str, group: str) -> Tuple[int, int]:
    """Numeric owner and group as the system below ``root`` knows them; the builder's where it has no such file.

    :raises ToolError: no such user or group.
    """
    if owner in ("root", "0"):
        uid: Optional[int] = 0
    else:
        uid = int(owner) if owner.isdigit() else _numbers(os.path.join(root, "etc/passwd")).get(owner)
    if group in ("wheel", "0"):
        gid: Optional[int] = 0
    else:
        gid = int(group) if group.isdigit() else _numbers(os.path.join(root, "etc/group")).get(group)
    if uid is None:
        try:
            uid = pwd.getpwnam(owner).pw_uid
        except KeyError as exc:
            raise ToolError(f"owner '{owner}': no such user in '{root}/etc/passwd'; give a number") from exc
    if gid is None:
        try:
            gid = grp.getgrnam(group).gr_gid
        except KeyError as exc:
            raise ToolError(f"group '{group}': no such group in '{root}/etc/group'; give a number") from exc
    return uid, gid


def _unflag(path: str) -> None:
    """Clear schg and friends (chflags(1)), which base.txz sets on some files; nothing where there are no flags."""
    flags = getattr(os.lstat(path), "st_flags", 0)
    lchflags = getattr(os, "lchflags", None)
    if flags and lchflags is not None:
        lchflags(path, 0)


def clear(path: str) -> None:
    """Remove a file or link, flags or not; a directory is refused unless it is empty."""
    if not os.path.lexists(path):
        return
    _unflag(path)
    if os.path.isdir(path) and not os.path.islink(path):
        os.rmdir(path)
    else:
        os.unlink(path)


def make_parents(root: str, path: str) -> None:
    """Make the directories above ``path`` below ``root``, root:wheel 0755; those that are there keep their mode."""
    names = parts_of(path)[:-1]
    for depth in range(1, len(names) + 1):
        here = inside(root, "/".join(names[:depth]))
        if os.path.islink(here) or os.path.isdir(here):
            continue
        os.mkdir(here, 0o755)
        os.chmod(here, 0o755)
        os.chown(here, 0, 0)
    if not os.path.isdir(os.path.dirname(inside(root, path))):
        raise ToolError(f"path '{path}': a link on its way points to nothing below '{root}'")


def _settle(temporary: str, place: str) -> None:
    if os.path.lexists(place):
        _unflag(place)
        if os.path.isdir(place) and not os.path.islink(place):
            raise ToolError(f"path '{place}': is a directory, refusing to put a file there")
    os.rename(temporary, place)


def put(root: str, entry: Entry) -> None:
    """Bring one entry about below ``root``; a link at its place is replaced, never followed."""
    if entry.state == "absent":
        place = inside(root, entry.path)
        try:
            clear(place)
        except OSError as exc:
            raise ToolError(f"path '{entry.path}': cannot be removed: {exc.strerror}") from exc
        return
    make_parents(root, entry.path)
    place = inside(root, entry.path)
    uid, gid = ids_in(root, entry.owner, entry.group)
    if entry.state == "directory":
        if os.path.islink(place) or (os.path.lexists(place) and not os.path.isdir(place)):
            raise ToolError(f"path '{entry.path}': is there and is not a directory")
        if not os.path.isdir(place):
            os.mkdir(place, 0o700)
        os.chown(place, uid, gid)
        os.chmod(place, entry.mode)
        return
    temporary = f"{place}.fhb-part"
    clear(temporary)
    if entry.state == "link":
        os.symlink(entry.target, temporary)
        os.lchown(temporary, uid, gid)
    else:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "wb") as stream:
            stream.write(entry.content.encode("utf-8"))
        os.chown(temporary, uid, gid)
        os.chmod(temporary, entry.mode)
    _settle(temporary, place)


def _is_sha256(text: str) -> bool:
    return len(text) == 64 and all(c in "0123456789abcdef" for c in text)


def check_tree(source: str, files: Mapping[str, str]) -> None:
    """Prove that a pushed tree is what the controller described, before anything is written.

    :param files: ``{relative path: digest}``; a digest of a regular file is its SHA-256, anything else is not compared.
    :raises ToolError: a file is missing, differs, or is neither file, directory nor link.
    """
    for path, digest in sorted(files.items()):
        parts_of(path)
        here = os.path.join(source, path)
        try:
            mode = os.lstat(here).st_mode
        except OSError as exc:
            raise ToolError(f"overlay: '{path}' is not in '{source}': {exc.strerror}; push it again") from exc
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
            raise ToolError(f"overlay: '{path}' is neither file, directory nor link; remove it")
        if stat.S_ISREG(mode) and _is_sha256(digest) and sha256_file(here) != digest:
            raise ToolError(f"overlay: '{path}' differs from what was pushed; push it again")


def unlisted(source: str, files: Mapping[str, str]) -> List[str]:
    """Directories and links of a pushed tree, which carry no digest of their own; regular files count as listed."""
    found = []
    for parent, directories, names in os.walk(source):
        for name in directories + names:
            here = os.path.join(parent, name)
            if os.path.islink(here) or (name in directories):
                found.append(os.path.relpath(here, source))
    return [path for path in found if path not in files]


def lay_over(source: str, files: Mapping[str, str], root: str) -> int:
    """Copy a checked tree over ``root``, owned by root:wheel; returns the number of files and links.

    Modes come from the source. Directories that the root has keep theirs.
    """
    count = 0
    for path in sorted([*files, *unlisted(source, files)]):
        here = os.path.join(source, path)
        info = os.lstat(here)
        make_parents(root, path)
        place = inside(root, path)
        if stat.S_ISDIR(info.st_mode):
            if os.path.islink(place):
                # The root may have a link there, such as home -> usr/home: it must lead to a directory of the root.
                make_parents(root, f"{path}/x")
            elif not os.path.isdir(place):
                os.mkdir(place, 0o755)
                os.chown(place, 0, 0)
                os.chmod(place, stat.S_IMODE(info.st_mode))
            continue
        temporary = f"{place}.fhb-part"
        clear(temporary)
        if stat.S_ISLNK(info.st_mode):
            os.symlink(os.readlink(here), temporary)
            os.lchown(temporary, 0, 0)
        else:
            shutil.copyfile(here, temporary, follow_symlinks=False)
            os.chown(temporary, 0, 0)
            os.chmod(temporary, stat.S_IMODE(info.st_mode))
        _settle(temporary, place)
        count += 1
    return count


__all__ = [
    "STATES",
    "Entry",
    "check_tree",
    "clear",
    "entry_of",
    "ids_in",
    "inside",
    "lay_over",
    "make_parents",
    "parts_of",
    "put",
    "unlisted",
]
