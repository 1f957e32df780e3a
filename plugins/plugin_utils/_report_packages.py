# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The parts of the report about packages: what is in the image, what changed, and ports that are missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.freehyve.builder.plugins.plugin_utils._report_changes import change_counts, package_changes
from ansible_collections.freehyve.builder.plugins.plugin_utils._report_text import (
    clean,
    count,
    duration,
    enumerate_words,
    line,
    number,
    rows,
    size,
    table,
    words,
)

SIGNS = {"added": "+", "removed": "\u2212", "upgraded": "\u2191", "downgraded": "\u2193"}
MOST_LOG_LINES = 200
LONGEST_LOG_LINE = 2000  # characters


def packages(record: Mapping[str, Any], previous: Mapping[str, Any] | None) -> dict[str, Any]:
    """All packages of the image, and what changed since the previous version."""
    items = rows(record.get("packages"))
    changes = package_changes(record, previous) if previous else []
    by_name = {change.name: change for change in changes}
    sources = {"built": "built", "fetched": "fetched", "earlier": "built earlier"}
    shown = [
        {
            "name": line(item.get("name"), 120),
            "version": line(item.get("version"), 80),
            "origin": line(item.get("origin"), 120) + (f"@{line(item['flavor'], 40)}" if item.get("flavor") else ""),
            "requested": item.get("requested") is True,
            "size": size(item.get("installed_size")),
            "file_size": size(item.get("size")),
            "licences": f" {line(item.get('licence_logic')) or 'and'} ".join(words(item.get("licences"))),
            "source": sources.get(line(item.get("source")), line(item.get("source"))),
            "took": duration(item.get("build_seconds")),
            "change": by_name.get(line(item.get("name"))),
        }
        for item in items
    ]
    asked = sum(item.get("requested") is True for item in items)
    installed = size(sum(number(item.get("installed_size")) or 0.0 for item in items))
    counted = change_counts(record, previous) if previous else {}
    return {
        "items": shown,
        "requested": asked,
        "installed_size": installed,
        "all": f"{count(len(shown), 'package')}, {asked:,} listed, {installed} installed",
        "previous": line(table(previous.get("image")).get("version"), 80) if previous else "",
        "changes": changes,
        "counts": enumerate_words([f"{many:,} {kind}" for kind, many in counted.items() if many]),
        "signs": SIGNS,
    }


def ports(record: Mapping[str, Any]) -> dict[str, Any]:
    """The ports that are missing: failed with their logs, skipped, ignored."""
    found = table(record.get("ports"))
    failed = []
    skipped = rows(found.get("skipped"))
    blocked: dict[str, list[str]] = {}
    for item in skipped:
        blocked.setdefault(line(item.get("needs"), 120), []).append(line(item.get("pkgname"), 120))
    for item in rows(found.get("failed")):
        pkgname = line(item.get("pkgname"), 120)
        failed.append(
            {
                "origin": line(item.get("origin"), 120),
                "pkgname": pkgname,
                "phase": line(item.get("phase"), 60),
                "error": "" if item.get("error") == item.get("phase") else line(item.get("error"), 120),
                "took": duration(item.get("seconds")),
                "allowed": item.get("allowed") is True,
                "log": log_excerpt(item.get("log")),
                "blocks": blocked.get(pkgname, []),
            }
        )
    said = f"{count(len(failed), 'port')} failed" if failed else ""
    if skipped:
        verb = "was" if len(skipped) == 1 else "were"
        said += f"{' and ' if said else ''}{count(len(skipped), 'port')} {verb} not tried"
    return {
        "failed": failed,
        "any": bool(found),
        "allowed": all(item.get("allowed") is True for item in rows(found.get("failed")) + skipped),
        "missing": f"{said}{'' if found.get('this_run') is not False else ' in an earlier run'}.",
        "skipped": [
            {"origin": line(item.get("origin"), 120), "why": f"needs {line(item.get('needs'), 120)}"}
            for item in skipped
        ],
        "ignored": [
            {"origin": line(item.get("origin"), 120), "why": line(item.get("reason"))}
            for item in rows(found.get("ignored"))
        ],
    }


def log_excerpt(value: Any) -> str:
    """The last lines of a log, whole but for absurd lengths."""
    lines = value if isinstance(value, list) else clean(value).splitlines()
    shown = [clean(text).rstrip("\n") for text in lines[-MOST_LOG_LINES:] if not isinstance(text, dict | list)]
    return "\n".join(f"{text[:LONGEST_LOG_LINE]} …" if len(text) > LONGEST_LOG_LINE else text for text in shown)


__all__ = ["LONGEST_LOG_LINE", "MOST_LOG_LINES", "log_excerpt", "packages", "ports"]
