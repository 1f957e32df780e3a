# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What a directory holds, as data that two builds can be compared by."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import stat
from typing import Any, Dict, List, Tuple

Table = Dict[str, Tuple[Any, ...]]

# Names that a build makes of the time, of a random number or of a digest that holds one.
_NAMES = (
    (re.compile(r"\d{4}-\d\d-\d\d_\d\dh\d\dm\d\ds"), "TIME"),
    (re.compile(r"(?<=jobs/)[0-9a-f]{64}"), "JOB"),
    (re.compile(r"(?<!\d)\d{10}(?!\d)"), "EPOCH"),
)
# What is the history of tries: logs, poudriere's and those of jobs, and how each try ended.
SKIPPED = re.compile(r"^(poudriere/.*data/logs|poudriere/.*data/\.m|jobs/\.lock|leases/\.lock)(/|$)")
HISTORY = re.compile(r"^jobs/[0-9a-f]{64}(/|$)")
_RANDOM = re.compile(r"\b([0-9a-f]{64}|\d{15,20})\b")  # digests, which the files tell better, and GUIDs
# What a call says of itself rather than of what it made: it did less when something was there already.
SAID = (
    "invocation",
    "diff",
    "actions",
    "lines",
    "kept",
    "built",
    "job",
    "warnings",
    "log_lines",
    "log_offset",
    "log_dir",
)
HELD = ("guid", "identity", "made", "seconds", "since", "sha256", "source_sha256", "size", "key", "bytes", "changed")


class Digests:
    """SHA-256 of files, read again only when the file is another or was written to."""

    def __init__(self) -> None:
        self._known: Dict[Tuple[int, ...], str] = {}

    def of(self, path: str, info: os.stat_result) -> str:
        stamp = (info.st_dev, info.st_ino, info.st_ctime_ns, info.st_size)
        if stamp not in self._known:
            self._known[stamp] = _digest(path, info)
        return self._known[stamp]


def _digest(path: str, info: os.stat_result) -> str:
    digest = hashlib.sha256()
    fd = os.open(path, os.O_RDONLY)
    try:
        position = 0
        while position < info.st_size:
            try:
                start = os.lseek(fd, position, os.SEEK_DATA)
                end = os.lseek(fd, start, os.SEEK_HOLE)
            except (AttributeError, OSError):
                if position and _is_hole(fd, position):
                    break
                start, end = position, info.st_size
            digest.update(b"%d-%d" % (start, end) if start else b"")
            os.lseek(fd, start, os.SEEK_SET)
            while start < end:
                block = os.read(fd, min(1 << 20, end - start))
                if not block:
                    return digest.hexdigest()
                digest.update(block)
                start += len(block)
            position = end
    finally:
        os.close(fd)
    return digest.hexdigest()


def _is_hole(fd: int, position: int) -> bool:
    try:
        os.lseek(fd, position, os.SEEK_DATA)
    except OSError as error:
        return error.errno == 6
    return False


@functools.lru_cache(maxsize=None)
def skipped(path: str) -> bool:
    return bool(SKIPPED.search(path))


@functools.lru_cache(maxsize=None)
def plain_name(path: str) -> str:
    """A name without what differs from one build to the next."""
    for pattern, word in _NAMES:
        path = pattern.sub(word, path)
    return path


def table(root: str, digests: Digests) -> Table:
    """``{name: (kind, mode, uid, gid, digest or target)}`` of everything below a directory, mounts included."""
    found: Table = {}
    pending: List[str] = [root]
    while pending:
        directory = pending.pop()
        try:
            entries = list(os.scandir(directory))
        except OSError:
            continue
        for entry in entries:
            relative = entry.path[len(root) + 1 :]
            if skipped(relative):
                continue
            info = entry.stat(follow_symlinks=False)
            mode = info.st_mode
            # Each job by itself: one of them must not hide how another ended.
            name = relative if HISTORY.match(relative) else plain_name(relative)
            about = (stat.S_IMODE(mode), info.st_uid, info.st_gid)
            if stat.S_ISDIR(mode):
                found[name] = ("directory", *about, "")
                pending.append(entry.path)
            elif stat.S_ISLNK(mode):
                found[name] = ("link", *about, plain_name(os.readlink(entry.path)))
            elif stat.S_ISREG(mode):
                found[name] = ("file", *about, digests.of(entry.path, info))
            else:
                found[name] = ("other", *about, "")
    return found


def differences(now: Table, first: Table, second: Table) -> List[str]:
    """What is not as after two undisturbed runs. Where these two differ in content, content says nothing."""
    now, first, second = ({k: row for k, row in x.items() if not HISTORY.match(k)} for x in (now, first, second))
    wrong = [f"{name}: is left" for name in sorted(now.keys() - first.keys() - second.keys())]
    wrong += [f"{name}: is missing" for name in sorted((first.keys() & second.keys()) - now.keys())]
    for name in sorted(now.keys() & first.keys() & second.keys()):
        if now[name] == first[name] or now[name] == second[name]:
            continue
        if now[name][:4] != first[name][:4]:
            wrong.append(f"{name}: {now[name][:4]} instead of {first[name][:4]}")
        elif first[name] == second[name]:
            wrong.append(f"{name}: has another content")
    return wrong


def plain_answer(value: Any, key: str = "") -> Any:
    """A module's answer without what differs from one run to the next."""
    if key in HELD:
        return "-"
    if isinstance(value, dict):
        return {name: plain_answer(item, name) for name, item in value.items() if name not in SAID}
    if isinstance(value, list):
        return [plain_answer(item) for item in value]
    # Digests first: ten digits in one of them are no time.
    return plain_name(_RANDOM.sub("-", value)) if isinstance(value, str) else value


def text_of(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
