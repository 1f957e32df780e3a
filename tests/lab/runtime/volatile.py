# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What may differ between a recording and its replay: each rule turns one volatile part into its shape.

A rule applies to both sides unless ``side`` says otherwise, and only to rows whose command matches ``when``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass

_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_NUMBER = re.compile(r"\d+(?:\.\d+)?[BKMGTP%x]?\Z")


@dataclass(frozen=True)
class Rule:
    """``pattern`` becomes ``shape``; ``why`` is what README.md prints."""

    name: str
    pattern: re.Pattern[str]
    shape: str | Callable[[re.Match[str]], str]
    why: str
    when: re.Pattern[str] = re.compile("")
    side: str = "both"


def _rule(
    name: str,
    pattern: str,
    shape: str | Callable[[re.Match[str]], str],
    why: str,
    *,
    when: str = "",
    side: str = "both",
) -> Rule:
    return Rule(name, re.compile(pattern, re.MULTILINE), shape, why, re.compile(when), side)


# Partition types look like time-based UUIDs too (see gpart(8), rawtype).
_TYPES = {
    "516e7cb4-6ecf-11d6-8ff8-00022d09712b",
    "516e7cb5-6ecf-11d6-8ff8-00022d09712b",
    "516e7cb6-6ecf-11d6-8ff8-00022d09712b",
    "516e7cb8-6ecf-11d6-8ff8-00022d09712b",
    "516e7cba-6ecf-11d6-8ff8-00022d09712b",
    "83bd6b9d-7f41-11dc-be0b-001560b84f0f",
    "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
}

RULES = (
    _rule(
        "acl-noise",
        r"^ls: .*: Invalid argument\n",
        "",
        "ls of the recording host could not read ACLs",
        when=r"\bls\b",
        side="recorded",
    ),
    _rule(
        "locale-noise",
        r"^tar: Failed to set default locale\n",
        "",
        "the recording host had no locales",
        side="recorded",
    ),
    _rule("sh-line", r"^((?:/bin/)?sh: )\d+: ", r"\1", "the lab's sh (dash) adds its line number", side="lab"),
    _rule(
        "timestamp",
        r"\b20\d\d-\d\d-\d\d[ _.]\d\d(?::\d\d(?::\d\d)?|h\d\dm\d\ds)",
        "<time>",
        "dates and names made of dates",
    ),
    _rule("ls-date", rf"\b{_MONTH} [ \d]\d (?:\d\d:\d\d| \d{{4}})(?= )", "<date>", "times of files", when=r"\bls\b"),
    _rule(
        "long-date",
        rf"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) {_MONTH} [ \d]\d (?:\d\d:\d\d:\d\d|\d\d:\d\d)(?: [A-Z]{{3}})? +\d{{4}}",
        "<date>",
        "start times, creation times",
    ),
    _rule("elapsed", r"^\[\d\d:\d\d:\d\d\]", "[<elapsed>]", "how long poudriere took", when="poudriere"),
    _rule("elapsed-time", r"(Time: |\[)\d\d:\d\d:\d\d\b", r"\1<elapsed>", "how long poudriere took", when="poudriere"),
    _rule(
        "build-time", r"(?<=\s)\d\d:\d\d:\d\d(?=\s+/)", "<elapsed>", "how long a build took", when="poudriere status"
    ),
    _rule(
        "freed",
        r"will free: \d+(?:\.\d+)? ?[KMG]?i?B?",
        "will free: <size>",
        "size of logs",
        when="poudriere (log|pkg|dist)clean",
    ),
    _rule(
        "real-epoch",
        r"\.real_\d{10}\b",
        ".real_<epoch>",
        "repository directories are named by time",
        when="poudriere|ls",
    ),
    _rule(
        "epoch-line",
        r"^1[789]\d{8}$",
        "<epoch>",
        "timestamps in state files",
        when=r"poudriere|\bcat\b|\bdate\b|\bstat\b",
    ),
    _rule("creation", r"(\bcreation\t)\d{10}\b", r"\1<epoch>", "creation times", when=r"\bz(fs|pool)\b"),
    _rule(
        "guid",
        r"\b(?!18446744073709551615\b|9223372036854775807\b)\d{16,20}\b",
        "<guid>",
        "pool, vdev and dataset GUIDs",
    ),
    _rule("guid-column", r"^(\t +)<guid>[ ]+(?=\S)", r"\1<guid> ", "a GUID pads its table", when="zpool"),
    _rule("guid-table", r"^(\t(?:NAME|\w+)) {2,}(?=\S)", r"\1 ", "a GUID pads its table", when=r"zpool status -\w*g"),
    _rule("hex-guid", r"\b0x[0-9a-f]{13,16}\b", "<guid>", "GUIDs in stream headers", when="zstream|zdb"),
    _rule(
        "stream-guid", r"\b((?:to|from)guid = )(?!0$)[0-9a-f]+", r"\1<guid>", "GUIDs in stream headers", when="zstream"
    ),
    _rule(
        "uuid",
        r"\b(?!(?:([0-9a-f]{2})\1{3})-)[0-9a-f]{8}-[0-9a-f]{4}-11[ef][0-9a-f]-[0-9a-f]{4}-[0-9a-f]{12}\b",
        lambda found: found[0] if found[0] in _TYPES else "<uuid>",
        "time-based UUIDs of partitions; types and mkimg -y's stay",
    ),
    _rule(
        "sha256",
        r"\b(?!e3b0c44298fc1c14)[0-9a-f]{64}\b",
        "<sha256>",
        "digests of random or dated content; the empty one stays",
    ),
    _rule(
        "sha512",
        r"\b(?!cf83e1357eefb8bd)[0-9a-f]{128}\b",
        "<sha512>",
        "digests of random or dated content; the empty one stays",
    ),
    _rule(
        "md5", r"\b(?!d41d8cd98f00b204)[0-9a-f]{32}\b", "<md5>", "digests of random or dated content", when=r"\bmd5\b"
    ),
    _rule(
        "packed-size",
        r"^(\s*(?:\d+ +)?[-l][rwxsStT-]{9}\+? +\d+ \S+ +\S+) +\d+ (.*\.(?:txz|zst|xz|gz|pkg|zfs))$",
        r"\1 <size> \2",
        "sizes of compressed or streamed data",
        when=r"\bls\b",
    ),
    _rule(
        "ls-padding",
        r"^([-dlcbps][rwxsStT-]{9}\+?) +(\d+) (\S+) +(\S+) +(?=\S+)",
        r"\1 \2 \3 \4 ",
        "column widths follow the widest size",
        when=r"\bls\b",
    ),
    _rule("ls-total", r"^total \d+$", "total <n>", "blocks after compression", when=r"\bls\b"),
    _rule("pid-word", r"\b(pid:? )\d+\b", r"\1<pid>", "process numbers"),
    _rule("pid-file", r"^\d{1,6}(?=rc=|$)", "<pid>", "process numbers", when=r"cat \S*pid\b|pgrep|\bpidof\b"),
    _rule(
        "rate",
        r"^(\S+) +(\d+ +[kMG]?B) +[\d.]+ [kMG]?Bps +(?:\d+[smh])+$",
        r"\1 \2 <rate>",
        "transfer rates",
        when="fetch",
    ),
    _rule(
        "dd-rate",
        r"transferred in [\d.]+ secs \(\d+ bytes/sec\)",
        "transferred in <seconds> secs (<rate> bytes/sec)",
        "transfer rates",
        when=r"\bdd\b",
    ),
    _rule(
        "dd-full",
        r"(No space left on device\n)\d+\+\d+ (records in\n)\d+\+\d+ (records out\n)\d+ ",
        r"\1<n> \2<n> \3<n> ",
        "how much fits depends on free space",
        when=r"\bdd\b",
    ),
    _rule(
        "space-property",
        r"\b(used|available|referenced|usedby\w+|written|logicalused|logicalreferenced|free|allocated|fragmentation|capacity|"
        r"compressratio|refcompressratio|createtxg|objsetid)([\t ]+)\d+(?:\.\d+)?[BKMGTP%x]?(?=[\t ]|$)",
        r"\1\2<n>",
        "space in use, and counters of the pool",
        when=r"\bz(fs|pool) get\b",
    ),
    _rule(
        "property-value",
        r"^\d+(?:\.\d+)?[BKMGTP%x]?$",
        "<n>",
        "space in use",
        when=r"\bz(fs|pool) get\b.* -[A-Za-z]*o ?value\b.*"
        r"\b(used|avail\w*|refer\w*|free|alloc\w*|frag\w*|cap\w*|written|createtxg|guid|creation)\b",
    ),
    _rule(
        "send-size",
        r"^((?:full|incremental|size)\t(?:.*\t)?)\d+$",
        r"\1<n>",
        "sizes of streams",
        when=r"\bzfs send\b.*-\w*[nvP]",
    ),
    _rule(
        "stream-size",
        r"\b(payloadlen|payload_size|creation_time|length|offset) = (?!0$)\d+",
        r"\1 = <n>",
        "sizes in streams",
        when="zstream",
    ),
    _rule(
        "be-space",
        r"([\t ])\d+(?:\.\d+)?[BKMG]?([\t ]+)(?=<time>)",
        r"\1<n>\2",
        "space of boot environments",
        when=r"\bbectl\b",
    ),
    _rule(
        "df",
        r"^(\S+) +\d+(?:\.\d+)?[BKMGT]?i? +-?\d+(?:\.\d+)?[BKMGT]?i? +-?\d+(?:\.\d+)?[BKMGT]?i? +\d+% +(?=/)",
        r"\1 <n> <n> <n> <n>% ",
        "free space",
        when=r"\bdf\b",
    ),
    _rule(
        "df-header",
        r"^(Filesystem) +(\S+) +Used +Avail +Capacity +",
        r"\1 \2 Used Avail Capacity ",
        "widths",
        when=r"\bdf\b",
    ),
    _rule("mktemp", r"(\.)[A-Za-z0-9_]{6,10}$", r"\1<random>", "names of temporary files", when=r"\bmktemp\b"),
    _rule("boottime", r"\{ sec = \d+, usec = \d+ \}", "{ sec = <n>, usec = <n> }", "boot time", when="sysctl"),
)

# Columns of zfs list and zpool list that follow the data in the pool.
_SPACE_COLUMNS = {
    "used",
    "avail",
    "available",
    "refer",
    "referenced",
    "alloc",
    "allocated",
    "free",
    "frag",
    "fragmentation",
    "cap",
    "capacity",
    "written",
    "usedbysnapshots",
    "usedbydataset",
    "usedbychildren",
    "compressratio",
    "ratio",
    "createtxg",
    "guid",
    "creation",
    "logicalused",
    "lused",
    "logicalreferenced",
    "lrefer",
}
_LIST_COLUMNS = {
    "zfs": "name used avail refer mountpoint",
    "zpool": "name size alloc free ckpoint expandsz frag cap dedup health altroot",
}
_HOST_POOLS = ("tank", "zroot")


def rules_table() -> str:
    """The rules as README.md shows them."""
    lines = ["| rule | where | why |", "|---|---|---|"]
    for rule in RULES:
        where = f"rows with `{rule.when.pattern}`" if rule.when.pattern else "every row"
        side = "" if rule.side == "both" else f", {rule.side} side only"
        lines.append(f"| {rule.name} | {(where + side).replace('|', chr(92) + '|')} | {rule.why} |")
    lines.append("| list columns | `zfs list`, `zpool list` | space, GUIDs and times, found by the columns' names |")
    lines.append("| find order | rows that are one `find` | directories of ZFS have no order |")
    return "\n".join(lines)


def normalise(text: str, command: str, side: str) -> str:
    """``text`` of one stream with every volatile part as its shape; ``side`` is 'recorded' or 'lab'."""
    for rule in RULES:
        if rule.side in ("both", side) and rule.when.search(command):
            text = rule.pattern.sub(rule.shape, text)
    if re.match(r"find [^|;&]*$", command):
        # Directories of ZFS have no order.
        text = "".join(sorted(text.splitlines(keepends=True)))
    listing = re.search(r"\b(zfs|zpool) list\b([^|;&<>]*)", command)
    return _normalise_list(text, listing[1], listing[2]) if listing else text


def _normalise_list(text: str, tool: str, arguments: str) -> str:
    """Space columns of ``zfs list`` and ``zpool list``, found by name; the sizes of pools made by the row stay."""
    columns = _list_columns(tool, arguments)
    return "".join(_normalise_list_line(line, columns) for line in text.splitlines(keepends=True))


def _list_columns(tool: str, arguments: str) -> list[str]:
    try:
        words = shlex.split(arguments)
    except ValueError:
        words = arguments.split()
    for place, word in enumerate(words):
        option = re.match(r"-[A-Za-z]*o(.*)\Z", word)
        if option:
            given = option[1] or (words[place + 1] if place + 1 < len(words) else "")
            return [name.lower() for name in given.split(",")]
    return _LIST_COLUMNS[tool].split()


def _normalise_list_line(line: str, columns: list[str]) -> str:
    tabbed = "\t" in line
    values = line.rstrip("\n").split("\t") if tabbed else line.split()
    if len(values) != len(columns):
        return line
    own = columns[0] == "name" and re.split(r"[/@#]", values[0])[0] in _HOST_POOLS
    shapes = [
        "<n>" if (name in _SPACE_COLUMNS or (own and name == "size")) and _NUMBER.match(value) else value
        for name, value in zip(columns, values, strict=True)
    ]
    if shapes == values and not tabbed and not (values and values[0] == "NAME"):
        return line
    return ("\t" if tabbed else " ").join(shapes) + "\n"


__all__ = ["RULES", "Rule", "normalise", "rules_table"]
