# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Parts of a record out of what stages left behind: their receipts on the builder, and poudriere's lists."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._sizes import parse_size
from ansible_collections.freehyve.builder.plugins.plugin_utils._record_clean import line_of, log_of

Data = Mapping[str, Any]

_SHA256 = re.compile(r"[0-9a-f]{64}")
LOGIC = ("single", "and", "or")
_COMPRESSIONS = {".zst": "zstd", ".xz": "xz"}
# Inputs of an image that say what it is made of; the record has them elsewhere, or they are digests of it.
_NOT_SETTINGS = ("pool content", "pool datasets", "pool name", "pool boot environment", "pool properties", "arch")


def mapping(value: Any) -> Data:
    return value if isinstance(value, Mapping) else {}


def rows(value: Any) -> list[Data]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, Sequence) else []


def results_of(receipt: Any) -> Data:
    return mapping(mapping(receipt).get("results"))


def inputs_of(receipt: Any) -> Data:
    return mapping(mapping(receipt).get("inputs"))


def digest(value: Any) -> str | None:
    """A SHA-256, or None for anything else."""
    return value if isinstance(value, str) and _SHA256.fullmatch(value) else None


def size(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def number(value: Any) -> int | float | None:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0
    return value if good else None


def word(value: Any) -> str | None:
    return line_of(value) if value not in (None, "") else None


def digests(value: Any) -> dict[str, str]:
    return {str(name): found for name, found in mapping(value).items() if digest(found)}


def pkgname(row: Data) -> str:
    return f"{row.get('name')}-{row.get('version')}"


# Inputs.


def dists(receipt: Any) -> dict[str, Any]:
    results = results_of(receipt)
    return {
        "key": digest(mapping(receipt).get("key")),
        "url": word(results.get("url")),
        "sets": [
            {
                "name": str(name),
                "sha256": digest(row.get("sha256")),
                "size": size(row.get("size")),
                "trust": word(row.get("trust")),
            }
            for name, row in sorted(mapping(results.get("sets")).items())
            if isinstance(row, Mapping) and digest(row.get("sha256"))
        ],
    }


def ports_tree(asked: Data, result: Data, packages: Any, before: Data) -> dict[str, Any]:
    """The ports tree: as its task said; when that did not run, as the packages remember it, with what was known."""
    inputs = mapping(result.get("inputs"))
    remembered = mapping(inputs_of(packages).get("ports"))
    commit = word(result.get("commit") or remembered.get("commit"))
    known = before if commit and before.get("commit") == commit else {}
    null = asked.get("method") == "null"
    return {
        "key": digest(result.get("key")) or known.get("key"),
        "method": word(asked.get("method") or remembered.get("method")),
        "source": None if null else word(asked.get("source")),
        "version": None if null else word(asked.get("version")),
        "commit": commit,
        "patches": digests(inputs.get("patches")) or dict(mapping(known.get("patches"))),
    }


def package_inputs(receipt: Any, result: Data, listed: Sequence[str]) -> dict[str, Any]:
    """What poudriere was asked for. A run that failed left no receipt: its result has the key and maybe the inputs."""
    inputs = mapping(result.get("inputs")) or inputs_of(receipt)
    return {
        "key": digest(result.get("key") or mapping(receipt).get("key")),
        "listed": sorted({line_of(origin) for origin in listed or inputs.get("origins") or []}),
        "configuration": digests(inputs.get("configuration")),
    }


def overlay(receipt: Any) -> dict[str, Any]:
    inputs = inputs_of(receipt)
    files = mapping(inputs.get("overlay"))
    return {
        "digest": digest(inputs.get("overlay as a whole")),
        "files": {str(path): str(value) for path, value in sorted(files.items())},
    }


def settings(image: Any, system: Any) -> dict[str, Any]:
    """Settings that are part of the image. Files that came from settings, and keys, show as digests only."""
    found: dict[str, Any] = {}
    for name, value in inputs_of(image).items():
        if name not in _NOT_SETTINGS and (value is None or isinstance(value, (str, int, bool, list))):
            found[str(name)] = value
    inputs = inputs_of(system)
    if inputs.get("timezone"):
        found["timezone"] = str(inputs["timezone"])
    for path, value in mapping(inputs.get("files")).items():
        found[f"file {path}"] = str(value)
    return found


# Packages.


def port_lists(lists: Data, this_run: bool, excused: Any) -> dict[str, Any]:
    """poudriere's lists. ``excused`` says of an origin and a package name whether it may be missing."""
    ends = [row["ended"] - (number(row.get("elapsed")) or 0) for row in _timed(lists)]
    begun = min(ends) if ends else None
    names = {"built": "built", "failed": "failed", "skipped": "skipped", "ignored": "ignored", "fetched": "fetched"}
    return {
        "this_run": this_run,
        "counts": {name: len(rows(lists.get(source))) for name, source in names.items()},
        "built": sorted(
            (
                {**_port(row), "start": _start(row, begun), "seconds": number(row.get("elapsed"))}
                for row in rows(lists.get("built"))
            ),
            key=lambda row: (row["start"] or 0, row["pkgname"]),
        ),
        "failed": [
            {
                **_port(row),
                "phase": line_of(row.get("phase", "")),
                "error": line_of(row.get("errortype") or "unknown"),
                "start": _start(row, begun),
                "seconds": number(row.get("elapsed")),
                "allowed": excused(row),
                "log": log_of(row.get("tail")),
            }
            for row in rows(lists.get("failed"))
        ],
        "skipped": [
            {**_port(row), "needs": line_of(row.get("blocking", "")), "allowed": excused(row)}
            for row in rows(lists.get("skipped"))
        ],
        "ignored": [
            {**_port(row), "reason": line_of(row.get("reason", "")), "allowed": excused(row)}
            for row in rows(lists.get("ignored"))
        ],
        "fetched": sorted((_port(row) for row in rows(lists.get("fetched"))), key=lambda row: row["pkgname"]),
    }


def _timed(lists: Data) -> list[Data]:
    ended = [*rows(lists.get("built")), *rows(lists.get("failed"))]
    return [row for row in ended if number(row.get("ended")) is not None]


def _port(row: Data) -> dict[str, Any]:
    return {"origin": line_of(row.get("origin", "")), "pkgname": line_of(row.get("pkgname", ""))}


def _start(row: Data, begun: float | None) -> float | None:
    ended = number(row.get("ended"))
    if ended is None or begun is None:
        return None
    return max(0, ended - (number(row.get("elapsed")) or 0) - begun)


def packages(layer: Any, bulk: Data, earlier: Mapping[str, float]) -> list[dict[str, Any]]:
    """The packages of the image. ``earlier`` has build times of packages by name and version, from earlier runs."""
    built = {row.get("pkgname"): number(row.get("elapsed")) for row in rows(bulk.get("built"))}
    fetched = {row.get("pkgname") for row in rows(bulk.get("fetched"))}
    past = mapping(bulk.get("seconds"))
    listed = set(inputs_of(layer).get("install") or ())
    found = []
    for row in rows(results_of(layer).get("packages")):
        name = pkgname(row)
        seconds = next((t for t in (built.get(name), past.get(name), earlier.get(name)) if number(t) is not None), None)
        source = "built" if name in built else "fetched" if name in fetched else "earlier"
        licences = row.get("licences")
        found.append(
            {
                "name": line_of(row.get("name", "")),
                "version": line_of(row.get("version", "")),
                "origin": line_of(row.get("origin", "")),
                "flavor": word(row.get("flavor")),
                "requested": row.get("name") in listed,
                "size": size(row.get("size")),
                "installed_size": size(row.get("installed_size")),
                "sha256": digest(row.get("sha256")),
                "licences": [line_of(one) for one in licences] if isinstance(licences, list) else [],
                "licence_logic": row["licence_logic"] if row.get("licence_logic") in LOGIC else None,
                "source": source,
                "build_seconds": None if source == "fetched" else seconds,
            }
        )
    return sorted(found, key=lambda row: row["name"])


def known_times(record: Any) -> dict[str, float]:
    """Build times that an earlier record knows, by package name and version."""
    times: dict[str, float] = {}
    for row in rows(mapping(record).get("packages")):
        if number(row.get("build_seconds")) is not None:
            times[pkgname(row)] = row["build_seconds"]
    for row in rows(mapping(mapping(record).get("ports")).get("built")):
        if number(row.get("seconds")) is not None:
            times[str(row.get("pkgname"))] = row["seconds"]
    return times


# The image.


def geometry(image: Any) -> dict[str, Any] | None:
    """Partitions and datasets; None when the receipt is one that does not tell of them."""
    inputs, results = inputs_of(image), results_of(image)
    parts = [
        {
            "type": line_of(row.get("type", "")),
            "label": line_of(row.get("label") or ""),
            "start": row["start"],
            "size": row["size"],
        }
        for row in rows(results.get("partitions"))
        if size(row.get("start")) is not None and size(row.get("size")) is not None
    ]
    whole = _capacity(inputs.get("disk size"), parts)
    if not parts or whole is None:
        return None
    compatibility = inputs.get("pool compatibility")
    environment = word(inputs.get("pool boot environment"))
    return {
        "scheme": line_of(results.get("scheme") or "gpt"),
        "size": whole,
        "partitions": sorted(parts, key=lambda row: (row["start"], row["size"])),
        "pool": {
            "name": line_of(inputs.get("pool name") or results.get("pool") or ""),
            "size": size(inputs.get("pool size")),
            "compatibility": None if compatibility in (None, "", "off") else line_of(compatibility),
            "boot_environment": f"ROOT/{environment}" if environment else None,
            "datasets": [
                _dataset(str(name), mapping(properties))
                for name, properties in mapping(inputs.get("pool datasets")).items()
            ],
        },
    }


def _capacity(asked: Any, parts: Sequence[Data]) -> int | None:
    try:
        return parse_size(str(asked), "disk size")
    except ToolError:
        return max((part["start"] + part["size"] for part in parts), default=None)


def _dataset(name: str, properties: Data) -> dict[str, Any]:
    rest = {str(key): line_of(value) for key, value in sorted(properties.items()) if key != "mountpoint"}
    return {"name": name, "mountpoint": word(properties.get("mountpoint")), "properties": rest}


def artifacts(image: Any, stream: Any, here: Mapping[str, str]) -> list[dict[str, Any]]:
    """Images and stream by file name. ``here`` has digests of the files that the run has on this side, verified."""
    found = []
    for path, facts in mapping(results_of(image).get("files")).items():
        found.append(_artifact(str(path), "image", mapping(facts), here))
    results = results_of(stream)
    if results.get("path"):
        found.append(_artifact(str(results["path"]), "stream", results, here))
    return sorted((row for row in found if row is not None), key=lambda row: row["file"])


def _artifact(path: str, kind: str, facts: Data, here: Mapping[str, str]) -> dict[str, Any] | None:
    name = os.path.basename(path)
    stem, suffix = os.path.splitext(name)
    compression = _COMPRESSIONS.get(suffix)
    if digest(facts.get("sha256")) is None or size(facts.get("size")) is None:
        return None
    bare = stem if compression else name
    return {
        "file": line_of(name),
        "kind": kind,
        "format": "zfs" if kind == "stream" else os.path.splitext(bare)[1].lstrip(".") or "raw",
        "compression": compression or "none",
        "size": facts["size"],
        "sha256": facts["sha256"],
        "source_size": size(facts.get("source_size")),
        "source_sha256": digest(facts.get("source_sha256")),
        "fetched": here.get(name) == facts["sha256"],
    }


def stream_of(receipt: Any) -> dict[str, Any] | None:
    results = results_of(receipt)
    if digest(results.get("sha256")) is None or size(results.get("size")) is None or not results.get("path"):
        return None
    return {
        "file": line_of(os.path.basename(str(results["path"]))),
        "boot_environment": line_of(str(results.get("toname") or "").rpartition("@")[2]),
        "incremental": results.get("from_guid") is not None,
        "size": results["size"],
        "sha256": results["sha256"],
    }


__all__ = [
    "artifacts",
    "digest",
    "dists",
    "geometry",
    "known_times",
    "mapping",
    "overlay",
    "package_inputs",
    "packages",
    "port_lists",
    "ports_tree",
    "results_of",
    "rows",
    "settings",
    "size",
    "stream_of",
    "word",
]
