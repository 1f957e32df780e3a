# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""mount(8) and its helpers, umount(8): FreeBSD's messages over the lab's real mounts."""

from __future__ import annotations

import os

from . import actions, geom, kernel, mounts, units
from . import datasets as ds
from .errors import Fail, strerror, warn
from .options import OptionError, getopt
from .window import Window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    State = dict[str, Any]
    Entry = dict[str, Any]

USAGE = """\
usage: mount [-adflpruvw] [-F fstab] [-o options] [-t ufs | external_type]
       mount [-dfpruvw] special | node
       mount [-dfpruvw] [-o options] [-t ufs | external_type] special node"""
UMOUNT_USAGE = """\
usage: umount [-fNnv] special ... | node ... | fsid ...
       umount -a | -A [-F fstab] [-fnv] [-h host] [-t type]"""
_KNOWN_FLAGS = ("noatime", "noexec", "nosuid", "nosymfollow", "ro", "union", "sync", "async")
_PLAIN = {"devfs": False, "procfs": True, "fdescfs": False, "linprocfs": True, "linsysfs": True, "tmpfs": True}


def sysdir(path: str) -> str:
    """checkpath(3): the real path of a mount point that must be a directory."""
    real = os.path.realpath(path)
    if not os.path.exists(real):
        raise OSError(2, strerror(2))
    if not os.path.isdir(real):
        raise OSError(20, strerror(20))
    return real


def mount_command(s: State, argv: list[str]) -> int:
    try:
        found, operands = getopt(argv[1:], "adF:fLlno:prt:uvw")
    except OptionError as error:
        kind = "option requires an argument" if error.missing else "illegal option"
        raise Fail(f"mount: {kind} -- {error.letter}\n{USAGE}") from None
    flags = {letter for letter, _value in found}
    kinds = [value for letter, value in found if letter == "t"]
    options = [word for letter, value in found if letter == "o" for word in value.split(",") if word]
    if "r" in flags:
        options.append("ro")
    if "w" in flags:
        options.append("rw")
    if "a" in flags:
        return 0
    if not operands:
        return _show(s, kinds, "p" in flags)
    if len(operands) == 1:
        return _one_argument(s, operands[0], options, "u" in flags)
    if len(operands) != 2:
        raise Fail(USAGE)
    if "u" in flags:
        return _one_argument(s, operands[1], options, True)
    return mount_one(s, kinds[0] if kinds else "ufs", operands[0], operands[1], options)


def _show(s: State, kinds: list[str], fstab: bool) -> int:
    wanted: list[str] = kinds[0].removeprefix("no").split(",") if kinds else []
    inverse = bool(kinds) and kinds[0].startswith("no")
    for entry in mounts.table(s):
        if wanted and (entry["type"] in wanted) == inverse:
            continue
        print(mounts.fstab_line(entry) if fstab else mounts.plain_line(entry))
    return 0


def _one_argument(s: State, node: str, options: list[str], update: bool) -> int:
    entry = mounts.at(s, os.path.realpath(node)) or next((e for e in mounts.table(s) if e["source"] == node), None)
    if not update:
        raise Fail(f"mount: {node}: unknown special file or file system")
    if entry is None:
        raise Fail(f"mount: not currently mounted {node}")
    for word in options:
        if word in ("ro", "rdonly") and "ro" not in entry["flags"]:
            entry["flags"].insert(0, "ro")
        elif word in ("rw", "noro") and "ro" in entry["flags"]:
            entry["flags"].remove("ro")
    if entry["target"] not in ("/", mounts.RESERVED):
        kernel.remount(entry["target"], "ro" in entry["flags"])
    return 0


def mount_one(s: State, kind: str, source: str, node: str, options: list[str]) -> int:
    """``mount -t kind source node``, or the helper of that name."""
    flags = [word for word in options if word in _KNOWN_FLAGS]
    if "rdonly" in options:
        flags.append("ro")
    if kind == "nullfs":
        return nullfs(s, source, node, flags)
    if kind == "msdosfs":
        return msdosfs(s, source, node, flags)
    if kind == "zfs":
        return zfs(s, source, node, flags)
    try:
        target = sysdir(node)
    except OSError as error:
        raise Fail(f"mount: {node}: {strerror(error.errno)}") from None
    if kind in _PLAIN:
        return _plain(s, kind, source, target, options, flags)
    if kind == "ufs":
        if geom.lookup(s, source) is None and not os.path.exists(source):
            raise Fail(f"mount: {source}: No such file or directory")
        raise Fail(f"mount: {source}: Invalid argument")
    raise Fail(f"mount: {source}: Operation not supported by device")


def _plain(s: State, kind: str, source: str, target: str, options: list[str], flags: list[str]) -> int:
    if kind == "devfs":
        kernel.bind("/dev", target)
    elif kind == "procfs" and os.path.isdir("/lab/proc/self"):
        kernel.bind("/lab/proc", target)
    else:
        size = 1 << 30
        for word in options:
            if word.startswith("size="):
                try:
                    size = units.expand(word[5:]) or size
                except ValueError:
                    raise Fail(f"mount: {source}: size: Invalid argument") from None
        kernel.tmpfs(target, size)
        for word in options:
            if word.startswith("mode="):
                os.chmod(target, int(word[5:], 8))
    mounts.add(s, source, target, kind, flags, local=_PLAIN[kind])
    return 0


def nullfs(s: State, source: str, node: str, flags: list[str]) -> int:
    """mount_nullfs(8), whose errors exit 64 (EX_USAGE)."""
    places = []
    for path in (node, source):
        try:
            places.append(sysdir(path) if path == node else _any(path))
        except OSError as error:
            raise Fail(f"mount_nullfs: {path}: {strerror(error.errno)}", 64) from None
    target, real = places
    if real == target or (real.startswith(target.rstrip("/") + "/") and target == "/"):
        raise Fail(f"mount_nullfs: {target}: Resource deadlock avoided")
    below = mounts.containing(s, real)
    inherited = [flag for flag in (below["flags"] if below else []) if flag != "ro"]
    kernel.bind(real, target, "ro" in flags)
    mounts.add(s, real, target, "nullfs", [*flags, *(flag for flag in inherited if flag not in flags)])
    return 0


def _any(path: str) -> str:
    real = os.path.realpath(path)
    if not os.path.exists(real):
        raise OSError(2, strerror(2))
    return real


def zfs(s: State, source: str, node: str, flags: list[str]) -> int:
    """``mount -t zfs``: legacy mount points, and snapshots."""
    try:
        target = sysdir(node)
    except OSError as error:
        raise Fail(f"mount: {node}: {strerror(error.errno)}") from None
    base, at, snap = source.partition("@")
    dataset = ds.lookup(s, base)
    if dataset is None or dataset.volume or (at and snap not in dataset.data["snaps"]):
        raise Fail(f"mount: {source}: No such file or directory")
    if at:
        kernel.bind(dataset.snapshot_path(snap), target, True)
        mounts.add(s, source, target, "zfs", ["ro", "noatime", "nfsv4acls"], snapshot=dataset.data["guid"])
        return 0
    if dataset.mount() is not None:
        raise Fail(f"mount: {source}: Device busy")
    natural = actions.mount_flags(dataset)
    actions.mount_at(dataset, target, [*(flag for flag in flags if flag not in natural), *natural])
    return 0


def msdosfs(s: State, source: str, node: str, flags: list[str]) -> int:
    """mount_msdosfs(8): the FAT on a provider as a real directory, written back when it is unmounted."""
    from . import fat

    try:
        target = sysdir(node)
    except OSError as error:
        raise Fail(f"mount_msdosfs: {node}: {strerror(error.errno)}", 64) from None
    provider = geom.lookup(s, source)
    if provider is None:
        raise Fail(f"mount_msdosfs: {source}: {strerror(2) if not os.path.exists(source) else 'Block device required'}")
    if any(geom.strip(user) == geom.strip(source) for user in geom.users(s)):
        raise Fail(f"mount_msdosfs: {source}: Device busy")
    volume = fat.read(provider.window)
    if volume is None:
        raise Fail(f"mount_msdosfs: {source}: Invalid argument")
    kernel.tmpfs(target, volume.data_bytes())
    volume.unpack(target)
    if "ro" in flags:
        kernel.remount(target, True)
    mounts.add(s, source, target, "msdosfs", flags, provider=source)
    geom.retaste_user(s, source)
    return 0


def write_back(s: State, entry: Entry) -> None:
    """Put the directory of a mounted FAT back on its provider."""
    from . import fat

    provider = geom.lookup(s, entry["provider"])
    if provider is None or "ro" in entry["flags"]:
        return
    window: Window = provider.window
    volume = fat.read(window)
    if volume is not None:
        fat.pack(window, volume, entry["target"])


# --- umount ---


def umount_command(s: State, argv: list[str]) -> int:
    try:
        found, operands = getopt(argv[1:], "AaF:fh:Nnt:v")
    except OptionError as error:
        kind = "option requires an argument" if error.missing else "illegal option"
        raise Fail(f"umount: {kind} -- {error.letter}\n{UMOUNT_USAGE}") from None
    flags = {letter for letter, _value in found}
    force = "f" in flags
    if flags & {"a", "A"}:
        kinds = [kind for letter, value in found if letter == "t" for kind in value.split(",")]
        return _umount_all(s, kinds, force, "v" in flags)
    if not operands:
        raise Fail(UMOUNT_USAGE)
    rc = 0
    for name in operands:
        try:
            umount_one(s, name, force, "v" in flags)
        except Fail as error:
            warn(error.text)
            rc = error.rc
    return rc


def umount_one(s: State, name: str, force: bool, verbose: bool = False) -> None:
    """Unmount one mount point or source. Raises Fail."""
    real = os.path.realpath(name)
    entry = mounts.at(s, real) or next((e for e in reversed(mounts.table(s)) if e["source"] == name), None)
    if entry is None:
        if os.path.exists(real):
            if os.path.isdir(real):
                raise Fail(f"umount: {name}: not a file system root directory")
            raise Fail(f"umount: {name}: unknown file system")
        raise Fail(f"umount: {name}: statfs: {strerror(2)}\numount: {name}: unknown file system")
    detach(s, entry, force)
    if verbose:
        print(f"{entry['source']}: unmount from {entry['target']}")


def detach(s: State, entry: Entry, force: bool) -> None:
    """Unmount *entry*. Raises Fail when busy."""
    busy = Fail(f"umount: unmount of {entry['target']} failed: Device busy")
    if entry["target"] in ("/", "/dev"):
        raise busy
    if entry["type"] == "msdosfs":
        # Written first: once the tmpfs is gone there is nothing to write.
        write_back(s, entry)
    try:
        mounts.unmount(s, entry, force)
    except OSError:
        raise busy from None
    if entry["type"] == "msdosfs":
        geom.retaste_user(s, entry["provider"])


def _umount_all(s: State, kinds: list[str], force: bool, verbose: bool) -> int:
    rc = 0
    for entry in list(reversed(mounts.table(s))):
        if entry["target"] in ("/", "/dev") or (kinds and entry["type"] not in kinds):
            continue
        try:
            detach(s, entry, force)
        except Fail as error:
            warn(error.text)
            rc = 1
        else:
            if verbose:
                print(f"{entry['source']}: unmount from {entry['target']}")
    return rc


__all__ = ["detach", "mount_command", "mount_one", "umount_command", "umount_one"]
