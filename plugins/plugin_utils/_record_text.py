# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""A record in a few lines, for the end of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.freehyve.builder.plugins.plugin_utils._progress_text import human

ENDS = ("built", "fetched", "failed", "skipped", "ignored")


def human_seconds(seconds: float) -> str:
    """`0.6 s`, `4 min 02 s`, `1 h 03 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def stage_words(row: Mapping[str, Any]) -> str:
    """`packages 29 min 12 s`, `dists up to date`, `image FAILED after 12.0 s`."""
    name, seconds = row["name"], row["seconds"]
    if row["state"] == "current":
        return f"{name} up to date"
    if row["state"] == "failed":
        return f"{name} FAILED" + ("" if seconds is None else f" after {human_seconds(seconds)}")
    if row["state"] == "ran":
        return name if seconds is None else f"{name} {human_seconds(seconds)}"
    return f"{name} {'not asked for' if row['state'] == 'skipped' else 'not reached'}"


def summary(record: Mapping[str, Any], directory: str) -> list[str]:
    """Lines: how it ended, the stages, the ports that are missing, the files with sizes and digests."""
    head = f"{record['image']['id']}: {record['state']} on {record['builder']['name']}"
    lines = [f"{head} in {human_seconds(record['run']['seconds'])}"]
    if record["failure"]:
        lines.append(f"failed in {record['failure']['stage']}: {record['failure']['message']}")
    lines.append("stages: " + ", ".join(stage_words(row) for row in record["stages"]))
    ports = record["ports"]
    if ports:
        counts = ", ".join(f"{ports['counts'][name]} {name}" for name in ENDS if ports["counts"][name])
        if ports["this_run"] and counts:
            lines.append(f"ports: {counts}")
        for row in ports["failed"]:
            lines.append(f"port {row['origin']}: failed in {row['phase']} ({row['error']})")
    if record["packages"]:
        lines.append(f"packages: {len(record['packages'])} in the image")
    for row in record["artifacts"]:
        place = f"{directory}/{row['file']}" if row["fetched"] else f"{row['file']} (on the builder)"
        lines.append(f"{place}: {human(row['size'])}, sha256 {row['sha256']}")
    lines += [f"warning: {text}" for text in record["warnings"]]
    return lines


__all__ = ["human_seconds", "stage_words", "summary"]
