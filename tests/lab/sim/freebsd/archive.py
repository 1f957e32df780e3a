# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Distribution sets and MANIFEST from entries: the same bytes on every machine, made once and kept in a cache."""

from __future__ import annotations

import hashlib
import io
import lzma
import os
import shutil
import tarfile
import tempfile
import time
from pathlib import Path

from .entries import TIME, Entry
from .tree import SETS, entries_of

_TYPES = {"d": tarfile.DIRTYPE, "f": tarfile.REGTYPE, "l": tarfile.SYMTYPE, "h": tarfile.LNKTYPE}
_USERS = {0: "root"}
UNUSED_SECONDS = 86400.0  # sets of other sources are kept as long: another checkout may have labs here, too
_GROUPS = {0: "wheel", 5: "operator", 6: "mail", 13: "games", 77: "audit"}


def _member(entry: Entry) -> tarfile.TarInfo:
    info = tarfile.TarInfo("." if entry.path == "." else f"./{entry.path}")
    info.type = _TYPES[entry.kind]
    info.mode, info.mtime = entry.mode, TIME
    info.uid, info.gid = entry.uid, entry.gid
    info.uname, info.gname = _USERS.get(entry.uid, ""), _GROUPS.get(entry.gid, "")
    if entry.kind == "f":
        info.size = len(entry.data)
    elif entry.kind == "h":
        info.linkname = f"./{entry.data.decode()}"
    elif entry.kind == "l":
        info.linkname = entry.data.decode()
    return info


def _order(entry: Entry) -> tuple[bool, str]:
    """By path, hard links last: their target must have been there."""
    return entry.kind == "h", entry.path


def write_set(file: str, target: Path) -> int:
    """Write one set; returns how many entries it has."""
    entries = sorted(entries_of(file), key=_order)
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for entry in entries:
            archive.addfile(_member(entry), io.BytesIO(entry.data) if entry.kind == "f" else None)
    target.write_bytes(lzma.compress(raw.getvalue(), preset=0))
    return len(entries)


def write_all(directory: Path) -> None:
    """All sets and their MANIFEST (facts: six TAB columns, no header) into ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    lines = []
    for file, description, default in SETS:
        count = write_set(file, directory / file)
        digest = hashlib.sha256((directory / file).read_bytes()).hexdigest()
        name = file.removesuffix(".txz").replace("-", "_").replace(".", "_")
        lines.append(f'{file}\t{digest}\t{count}\t{name}\t"{description}"\t{"on" if default else "off"}\n')
    (directory / "MANIFEST").write_text("".join(lines), encoding="utf-8")


def cached(cache: Path) -> Path:
    """Directory with all sets, made unless a run before made it from the same sources."""
    key = hashlib.sha256(
        b"".join(file.read_bytes() for file in sorted(Path(__file__).parent.glob("*.py")))
    ).hexdigest()[:16]
    ready = cache / f"dists-{key}"
    if not (ready / "MANIFEST").exists():
        cache.mkdir(parents=True, exist_ok=True)
        # Not by pid: the first processes of two labs have the same.
        temporary = Path(tempfile.mkdtemp(prefix=f"dists-{key}.", dir=cache))
        temporary.chmod(0o755)
        write_all(temporary)
        try:
            temporary.rename(ready)
        except OSError:
            # Another lab was faster; its bytes are the same.
            shutil.rmtree(temporary)
        for other in cache.glob("dists-*"):
            if time.time() - other.stat().st_mtime > UNUSED_SECONDS:
                shutil.rmtree(other, ignore_errors=True)
    os.utime(ready)
    return ready


def unpack(entries: list[Entry], root: Path, skip: tuple[str, ...] = ()) -> None:
    """Put entries below ``root``, owners and modes included; paths below ``skip`` stay as they are."""
    for entry in sorted(entries, key=_order):
        if entry.path == "." or any(entry.path == part or entry.path.startswith(part + "/") for part in skip):
            continue
        path = root / entry.path
        if entry.kind == "d":
            path.mkdir(parents=True, exist_ok=True)
        elif not os.path.lexists(path):
            _make(path, entry, root)
        if entry.kind in "df":
            os.chown(path, entry.uid, entry.gid)
            path.chmod(entry.mode)


def _make(path: Path, entry: Entry, root: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if entry.kind == "l":
        path.symlink_to(entry.data.decode())
    elif entry.kind == "h":
        path.hardlink_to(root / entry.data.decode())
    else:
        path.write_bytes(entry.data)


__all__ = ["cached", "unpack", "write_all"]
