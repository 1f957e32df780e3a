# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What poudriere says about a bulk run, read from the files of its log directory.

The files are the truth: ``poudriere bulk`` exits with failed + skipped modulo 256 (bulk.sh, ``exit $((nbfailed +
nbskipped))``) and the columns of ``poudriere status`` differ between releases. Formats: common.sh, ``bset`` and
``badd``; recorded under tests/fixtures/poudriere-logs.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, fields
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

PREFIX = ".poudriere."
PORT_FILES = ("built", "failed", "ignored", "queued", "skipped", "fetched")


@dataclass(frozen=True)
class Built:
    """A package that was built; ``elapsed`` in seconds."""

    origin: str
    pkgname: str
    elapsed: Optional[int]


@dataclass(frozen=True)
class Failed:
    """A port that could not be built: in which phase, and poudriere's guess at the kind of error."""

    origin: str
    pkgname: str
    phase: str
    errortype: str
    elapsed: Optional[int]


@dataclass(frozen=True)
class Reasoned:
    """A port that was ignored, or queued, and why."""

    origin: str
    pkgname: str
    reason: str


@dataclass(frozen=True)
class Skipped:
    """A port that was not tried because ``blocking`` (a package name) is not there."""

    origin: str
    pkgname: str
    blocking: str


@dataclass(frozen=True)
class Fetched:
    """A package that came from the upstream repository."""

    origin: str
    pkgname: str


@dataclass(frozen=True)
class Builder:
    """What one builder does now; the times are seconds of the builder's monotonic clock."""

    number: str
    phase: str
    origin: str
    pkgname: str
    started: Optional[int]
    phase_started: Optional[int]


@dataclass(frozen=True)
class Stats:
    """poudriere's counters; a counter whose file is not there is 0."""

    queued: int = 0
    tobuild: int = 0
    built: int = 0
    failed: int = 0
    ignored: int = 0
    inspected: int = 0
    skipped: int = 0
    fetched: int = 0

    @property
    def remaining(self) -> int:
        """Ports of the queue without an end."""
        return max(0, self.queued - self.built - self.failed - self.skipped - self.ignored - self.fetched)


@dataclass(frozen=True)
class BulkStatus:
    """One bulk run. ``status`` is the text of ``.poudriere.status``: ``word:`` or ``stopped:word:…``."""

    status: str
    stats: Stats
    complete_stats: bool
    built: Tuple[Built, ...]
    failed: Tuple[Failed, ...]
    ignored: Tuple[Reasoned, ...]
    queued: Tuple[Reasoned, ...]
    skipped: Tuple[Skipped, ...]
    fetched: Tuple[Fetched, ...]
    builders: Tuple[Builder, ...]

    @property
    def stopped(self) -> bool:
        return self.status.startswith("stopped:")

    @property
    def done(self) -> bool:
        """It went through to the end, which says nothing about single ports."""
        return self.status == "stopped:done:"

    @property
    def phase(self) -> str:
        """The word of the status, without ``stopped:``."""
        text = self.status[len("stopped:") :] if self.stopped else self.status
        return text.split(":", 1)[0]

    @property
    def trouble(self) -> Optional[str]:
        """Why the run as a whole is not good, or None. Ports that failed are not its matter."""
        if self.done:
            if not self.complete_stats:
                return "poudriere wrote no counters"
            if self.stats.failed > len(self.failed):
                return f"poudriere counted {self.stats.failed} failed ports but named {len(self.failed)}"
            return None
        crash = re.match(r"(?:stopped:)?crashed:(?:err:)?(.*)$", self.status, re.DOTALL)
        if crash:
            return f"poudriere crashed: {crash.group(1).strip(': ') or 'no reason given'}"
        signal = re.match(r"(?:stopped:)?(SIG[A-Z0-9]+):", self.status)
        if signal:
            return f"poudriere was stopped by {signal.group(1)}"
        if not self.status:
            return "poudriere wrote no status"
        return f"poudriere ended in '{self.phase}' without finishing"


def _number(text: str) -> Optional[int]:
    """An integer, also with a sign; None for anything else, also for the empty text of a file just made."""
    return int(text) if re.match(r"^-?\d+$", text.strip()) else None


def _rows(text: str, columns: int) -> List[List[str]]:
    """Space separated columns, the last one with all that remains.

    A last line without its newline is still being written and is left for the next look.
    """
    whole = text[: text.rfind("\n") + 1]
    rows = [line.split(" ", columns - 1) for line in whole.splitlines() if line.strip()]
    return [row + [""] * (columns - len(row)) for row in rows if len(row) >= 2]


def parse_built(text: str) -> Tuple[Built, ...]:
    """Rows of ``.poudriere.ports.built``."""
    return tuple(Built(o, p, _number(e)) for o, p, e in _rows(text, 3))


def parse_ports(text: str) -> List[Tuple[str, str]]:
    """Origin and package name of the rows of any ``.poudriere.ports.*``."""
    return [(row[0], row[1]) for row in _rows(text, 3)]


def _builder(number: str, text: str) -> Builder:
    # status:originspec:pkgname:monotonic_start_job:monotonic_start_phase
    parts = (text.strip().split(":") + [""] * 5)[:5]
    return Builder(number, parts[0], parts[1], parts[2], _number(parts[3]), _number(parts[4]))


def parse_status(files: Mapping[str, str]) -> BulkStatus:
    """Understand the files of a log directory.

    :param files: base name (``.poudriere.status`` …) to text; those that are not there are left out.
    """
    counters: Dict[str, int] = {}
    for field in fields(Stats):
        value = _number(files.get(PREFIX + "stats_" + field.name, ""))
        if value is not None:
            counters[field.name] = value
    rows: Dict[str, str] = {name: files.get(PREFIX + "ports." + name, "") for name in PORT_FILES}
    skipped = [Skipped(*row) for row in _rows(rows["skipped"], 3)]
    builders = []
    for name in sorted(files):
        match = re.match(r"^\.poudriere\.status\.(\d+)$", name)
        if match:
            builders.append(_builder(match.group(1), files[name]))
    return BulkStatus(
        status=files.get(PREFIX + "status", "").strip(),
        stats=Stats(**counters),
        complete_stats=all(name in counters for name in ("queued", "built", "failed", "skipped", "ignored")),
        built=parse_built(rows["built"]),
        failed=tuple(Failed(o, p, ph, et, _number(e)) for o, p, ph, et, e in _rows(rows["failed"], 5)),
        ignored=tuple(Reasoned(*row) for row in _rows(rows["ignored"], 3)),
        queued=tuple(Reasoned(*row) for row in _rows(rows["queued"], 3)),
        # poudriere names a port once for every port that blocks it; the first is enough to know why.
        skipped=tuple({(row.origin, row.pkgname): row for row in reversed(skipped)}.values())[::-1],
        fetched=tuple(Fetched(origin, pkgname) for origin, pkgname in parse_ports(rows["fetched"])),
        builders=tuple(builders),
    )


def read_status(log_dir: str) -> BulkStatus:
    """Read the small files of a log directory; one that vanishes or is not there yet is no error."""
    files: Dict[str, str] = {}
    try:
        names = os.listdir(log_dir)
    except OSError:
        names = []
    for name in names:
        wanted = name.startswith((PREFIX + "stats_", PREFIX + "ports.")) or re.match(
            r"^\.poudriere\.status(\.\d+)?$", name
        )
        if wanted:
            try:
                with open(os.path.join(log_dir, name), encoding="utf-8", errors="replace") as stream:
                    files[name] = stream.read()
            except OSError:
                continue
    return parse_status(files)


def is_allowed(allowed: Sequence[str], origin: str) -> bool:
    """Whether a port may be missing; an allowed origin without a flavor stands for all its flavors."""
    return origin in allowed or origin.split("@", 1)[0] in allowed


@dataclass(frozen=True)
class Verdict:
    """What keeps a finished run from being good, after what the site allows."""

    trouble: Optional[str]
    failed: Tuple[Failed, ...]
    skipped: Tuple[Skipped, ...]
    ignored: Tuple[Reasoned, ...]

    @property
    def good(self) -> bool:
        return self.trouble is None and not (self.failed or self.skipped or self.ignored)


def judge(status: BulkStatus, allow_failures: Sequence[str] = (), listed: Sequence[str] = ()) -> Verdict:
    """Hold a finished run against what the site allows.

    :param allow_failures: origins that may fail; ports skipped only because of them may be missing too.
    :param listed: origins that the lists ask for by name; one that poudriere ignores would be missing without a word.
    """
    excused = {row.pkgname for row in status.failed if is_allowed(allow_failures, row.origin)}
    excused |= {row.pkgname for row in status.ignored if is_allowed(allow_failures, row.origin)}
    skipped = list(status.skipped)
    while True:
        known = [row for row in skipped if row.blocking in excused or is_allowed(allow_failures, row.origin)]
        if not known:
            break
        excused |= {row.pkgname for row in known}
        skipped = [row for row in skipped if row not in known]
    return Verdict(
        trouble=status.trouble,
        failed=tuple(row for row in status.failed if row.pkgname not in excused),
        skipped=tuple(skipped),
        ignored=tuple(row for row in status.ignored if row.pkgname not in excused and is_listed(row.origin, listed)),
    )


def is_listed(origin: str, listed: Sequence[str]) -> bool:
    """Whether a list asks for a port by name, with or without its flavor."""
    bare = origin.split("@", 1)[0]
    return origin in listed or bare in listed or bare + "@all" in listed


def progress_line(status: BulkStatus) -> str:
    """The counters in words, without anything that changes by itself."""
    stats = status.stats
    if not stats.queued:
        return status.phase or "starting"
    words = [f"{stats.built + stats.fetched}/{stats.queued} built"]
    words += [f"{count} {name}" for name, count in _rest(stats) if count]
    return f"{status.phase}: " + ", ".join(words)


def _rest(stats: Stats) -> List[Tuple[str, int]]:
    return [("failed", stats.failed), ("skipped", stats.skipped), ("ignored", stats.ignored)]


__all__ = [
    "Builder",
    "Built",
    "BulkStatus",
    "Failed",
    "Fetched",
    "Reasoned",
    "Skipped",
    "Stats",
    "Verdict",
    "is_allowed",
    "is_listed",
    "judge",
    "parse_built",
    "parse_ports",
    "parse_status",
    "progress_line",
    "read_status",
]
