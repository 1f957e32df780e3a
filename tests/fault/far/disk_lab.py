# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Checkpoints of a lab: its state file, the files of its pool, its mounts; how a lab keeps them is known only here."""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import shutil
import subprocess
import sys
from typing import Any, Dict, List, Tuple

from far.full import ROOM

STATE = "/lab/state/state.json"
POOL = "tank"
PLACE = f"/lab/state/pools/{POOL}"
MS_BIND, MS_REC = 4096, 16384


def mount(source: str, target: str, kind: str, flags: int, data: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode())
    if done != 0:
        raise OSError(ctypes.get_errno(), f"mount {source} {target}: {os.strerror(ctypes.get_errno())}")


def unmount(target: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.umount2(target.encode(), 0) != 0 and libc.umount2(target.encode(), 2) != 0:
        raise OSError(ctypes.get_errno(), f"umount {target}: {os.strerror(ctypes.get_errno())}")


def read_state() -> Dict[str, Any]:
    with open(STATE, encoding="utf-8") as stream:
        value: Dict[str, Any] = json.load(stream)
    return value


def stamps(root: str) -> Dict[str, Tuple[int, ...]]:
    """What tells whether a path is as it was: inode and change time of a file, owner and mode of a directory."""
    found: Dict[str, Tuple[int, ...]] = {}
    pending = [root]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                info = entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                    found[entry.path] = (-1, info.st_mode, info.st_uid, info.st_gid)
                else:
                    found[entry.path] = (info.st_ino, info.st_ctime_ns, info.st_size)
    return found


def copy_tree(source: str, target: str) -> None:
    """By the lab's own means: owners, modes, times and holes."""
    if "/lab" not in sys.path:
        sys.path.append("/lab")
    importlib.import_module("sim.storage.tree").copy(source, target)


def copy_file(source: str, target: str) -> None:
    """Copy a file and leave its holes holes: an image is hardly anything else."""
    with open(source, "rb") as reader, open(target, "wb") as writer:
        size, position = os.fstat(reader.fileno()).st_size, 0
        writer.truncate(size)
        while position < size:
            try:
                start = os.lseek(reader.fileno(), position, os.SEEK_DATA)
            except OSError:
                return
            position = os.lseek(reader.fileno(), start, os.SEEK_HOLE)
            os.lseek(reader.fileno(), start, os.SEEK_SET)
            os.lseek(writer.fileno(), start, os.SEEK_SET)
            while start < position:
                start += os.sendfile(writer.fileno(), reader.fileno(), start, position - start)


class LabDisk:
    """One checkpoint at a time."""

    def __init__(self, here: str) -> None:
        self._copy = os.path.join(here, "checkpoint")
        self._state: Dict[str, Any] = {}
        self._stamps: Dict[str, Tuple[int, ...]] = {}
        self.settings = {"kind": "lab", "place": PLACE}

    def prepare(self) -> None:
        """Put the pool on a file system of its own that can be filled."""
        targets = [entry["target"] for entry in read_state()["mounts"] if entry["source"].split("/")[0] == POOL]
        for target in reversed(targets):
            subprocess.run(["zfs", "unmount", target], check=True)
        aside = PLACE + ".aside"
        os.rename(PLACE, aside)
        os.mkdir(PLACE)
        mount("tmpfs", PLACE, "tmpfs", 0, f"size={ROOM},nr_inodes={1 << 20},mode=755")
        copy_tree(aside, PLACE)
        shutil.rmtree(aside)
        subprocess.run(["zfs", "mount", "-a"], check=True)

    def checkpoint(self) -> None:
        """Remember how things are now."""
        shutil.rmtree(self._copy, ignore_errors=True)
        os.mkdir(self._copy)
        copy_tree(PLACE, self._copy)
        self._state = read_state()
        self._stamps = stamps(PLACE)

    def restore(self) -> None:
        """Make things as they were at the checkpoint.

        :raises RuntimeError: a pool or a memory disk is in the way.
        """
        now = read_state()
        for kind in ("pools", "md"):
            more = set(now.get(kind, {})) - set(self._state.get(kind, {}))
            if more:
                raise RuntimeError(f"{kind} {sorted(more)} cannot be taken back")
        kept = [entry["target"] for entry in self._state["mounts"]]
        for entry in reversed(now["mounts"]):
            if entry["target"] not in kept:
                unmount(entry["target"])
        self._files()
        with open(STATE + ".new", "w", encoding="utf-8") as stream:
            json.dump(self._state, stream, separators=(",", ":"))
        os.replace(STATE + ".new", STATE)
        there = [entry["target"] for entry in now["mounts"]]
        for entry in self._state["mounts"]:
            if entry["target"] not in there:
                mount(self._directory(entry), entry["target"], "", MS_BIND | MS_REC, "")

    def _directory(self, entry: Dict[str, Any]) -> str:
        for pool in self._state["pools"].values():
            for data in pool["datasets"].values():
                if data["guid"] == entry["dataset"]:
                    return str(data.get("dir") or f"{pool['dir']}/ds/{data['id']}")
        raise RuntimeError(f"{entry['source']}: no such dataset")

    def _files(self) -> None:
        now = stamps(PLACE)
        for path in sorted(set(now) - set(self._stamps), reverse=True):
            if now[path][0] == -1:
                os.rmdir(path)
            else:
                os.unlink(path)
        again: List[str] = []
        for path in sorted(self._stamps):
            if now.get(path) == self._stamps[path]:
                continue
            again.append(path)
            source = self._copy + path[len(PLACE) :]
            info = os.lstat(source)
            if self._stamps[path][0] == -1:
                if path not in now:
                    os.mkdir(path)
                os.chown(path, info.st_uid, info.st_gid)
                os.chmod(path, info.st_mode & 0o7777)
                continue
            if path in now:
                os.unlink(path)
            if os.path.islink(source):
                os.symlink(os.readlink(source), path)
            else:
                copy_file(source, path)
            os.chown(path, info.st_uid, info.st_gid, follow_symlinks=False)
            if not os.path.islink(path):
                os.chmod(path, info.st_mode & 0o7777)
                os.utime(path, ns=(info.st_mtime_ns, info.st_mtime_ns))
        for path in again:
            info = os.lstat(path)
            if self._stamps[path][0] != -1:
                self._stamps[path] = (info.st_ino, info.st_ctime_ns, info.st_size)
