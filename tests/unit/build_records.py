# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Build records for tests of the report: the example of the schema, and what becomes of it in bad hands."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

EXAMPLE = Path(__file__).resolve().parents[1] / "fixtures" / "build.json"
Record = dict[str, Any]

NASTY = (
    "</script><script>window.pwned=1</script>",
    '"><img src="http://127.0.0.1:9/x" onerror="window.pwned=1">',
    "' onmouseover='window.pwned=1' x='",
    "<svg/onload=window.pwned=1>",
    "{{ 7 * 7 }}{% for x in y %}",
    "</style><style>*{display:none}</style>",
    "<!-- ]]> &amp;lt; &#x3c;",
    "\x1b[31mred\x1b[0m\x1b]0;title\x07\x1b]8;;http://127.0.0.1:9/\x1b\\link\x9b2J\x00\x08",
    "\u202egnp.exe\u202c\u2066\u200f\u200b\ufeff",
    "A" * 5000,
    "\ud800 half a pair",
    "\u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u05e2\u05d1\u05e8\u05d9\u05ea",
    "line\r\nline\u2028line\tand\x0bmore",
    "javascript:window.pwned=1",
)
ABSURD = (10**400, -1, 1e308, float("nan"), float("inf"), 2**63, 0, 0.0000001, "12 apples", True, None)


def example() -> Record:
    found: Record = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    return found


def earlier() -> Record:
    """The same image one version before: some packages and inputs differ."""
    record = example()
    record["image"].update(version="0.0.9", id="freehyve-0.0.9-amd64", release="15.0-RELEASE")
    record["packages"] = [item for item in record["packages"] if item["name"] not in ("jq", "tmux")]
    versions = {"bash": "5.2.32_1", "curl": "8.9.1", "nano": "8.5"}
    for item in record["packages"]:
        item["version"] = versions.get(item["name"], item["version"])
    record["packages"].append(
        {**record["packages"][0], "name": "screen", "version": "4.9", "origin": "sysutils/screen"}
    )
    record["inputs"]["ports"]["commit"] = "8d1c22f0a9b4" + "0" * 28
    record["inputs"]["overlay"]["files"]["etc/rc.conf"] = "1" * 64
    record["inputs"]["settings"]["timezone"] = "Europe/Berlin"
    return record


def unchanged() -> Record:
    """A run that had nothing to do."""
    record = example()
    for stage in record["stages"]:
        stage.update(state="current", reasons=[], actions=[], seconds=0.4)
    record["run"].update(seconds=7.2)
    # A disk with the swap at its end, as some sites want it.
    swap = record["geometry"]["partitions"].pop(2)
    record["geometry"]["partitions"][2].update(start=36700160)
    record["geometry"]["partitions"].append({**swap, "start": record["geometry"]["size"] - swap["size"] - (1 << 20)})
    record["ports"].update(this_run=False)
    return record


def failed() -> Record:
    """A run that ended in the packages, with nothing made before it."""
    record = example()
    record.update(state="failed", geometry=None, stream=None, sbom=None, artifacts=[], packages=[])
    record["failure"] = {"stage": "packages", "message": "port lang/rust: failed in the phase build; see its log"}
    record["stages"][3].update(state="failed")
    for stage in record["stages"][4:]:
        stage.update(state="pending", reasons=[], actions=[], seconds=None, work_seconds=None, made=None, key=None)
    return record


def hostile() -> Record:
    """The example with something nasty in every text and something absurd in every number."""
    texts, numbers = itertools.cycle(NASTY), itertools.cycle(ABSURD)

    def spoil(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            named = key in ("digests", "files", "properties", "settings", "configuration", "patches", "controller")
            return {(next(texts) + name if named else name): spoil(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [spoil(item, key) for item in value]
        if isinstance(value, bool) or value is None or key in ("schema", "state", "type", "kind"):
            return value
        return next(texts) + value if isinstance(value, str) else next(numbers)

    record: Record = spoil(example())
    record["ports"]["failed"][0]["log"] = [text + "x" * 9000 for text in NASTY] * 2
    record["warnings"] = list(NASTY)
    return record


def large(ports: int = 3000) -> Record:
    """A build of very many ports."""
    record = example()
    record["ports"]["built"] = [
        {"origin": f"devel/port{n}", "pkgname": f"port{n}-1.{n}", "start": (n // 16) * 30, "seconds": 5 + n % 25}
        for n in range(ports)
    ]
    record["packages"] = [
        {**record["packages"][0], "name": f"port{n}", "origin": f"devel/port{n}", "version": f"1.{n}"}
        for n in range(ports)
    ]
    return record


def mangled() -> Iterator[tuple[str, Record]]:
    """The example with each of its members replaced by something else, with the name of what was replaced."""
    wrong: Iterator[Any] = itertools.cycle((None, "x", 7, -1.5, [], {}, [None], [[]], {"a": {"b": []}}, True))

    def places(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
        if path:
            yield path
        if isinstance(value, dict):
            for name, item in value.items():
                yield from places(item, (*path, name))
        elif isinstance(value, list) and value:
            yield from places(value[0], (*path, 0))

    original = example()
    for path in places(original, ()):
        spoilt = copy.deepcopy(original)
        node: Any = spoilt
        for step in path[:-1]:
            node = node[step]
        node[path[-1]] = next(wrong)
        yield "/".join(map(str, path)), spoilt


__all__ = ["ABSURD", "EXAMPLE", "NASTY", "earlier", "example", "failed", "hostile", "large", "mangled", "unchanged"]
