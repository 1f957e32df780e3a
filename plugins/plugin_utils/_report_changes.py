# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What differs between the records of two versions of an image: packages and inputs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.freehyve.builder.plugins.plugin_utils._report_text import clean, line, rows, table, words

_WORDS = re.compile(r"\d+|[a-z]+", re.IGNORECASE | re.ASCII)
_BEFORE_RELEASE = ("alpha", "a", "beta", "b", "current", "dev", "pre", "prerelease", "preview", "rc", "snapshot")
KINDS = ("added", "removed", "upgraded", "downgraded")
_END = (1, 0, "")
VersionKey = tuple[tuple[int, int, str], ...]


def version_key(version: Any) -> VersionKey:
    """Sorts versions as people do: 0.9 < 0.10-rc1 < 0.10 < 0.10.1, and what git describe says after its tag."""
    found: list[tuple[int, int, str]] = []
    for word in _WORDS.findall(clean(version)[:200]):
        if word.isdigit():
            found.append((3, int(word), ""))
        else:
            found.append((0 if word.lower() in _BEFORE_RELEASE else 2, 0, word.lower()))
    return (*found, _END)


def package_key(version: Any) -> tuple[int, VersionKey]:
    """Sorts versions of packages, whose last part behind a comma outweighs all others; see pkg-version(8)."""
    text, _comma, epoch = clean(version).partition(",")
    return (int(epoch) if epoch.isascii() and epoch.isdigit() and len(epoch) < 10 else 0, version_key(text))


@dataclass(frozen=True)
class Change:
    """One package that is not what it was; ``before`` or ``after`` is empty where there is none."""

    kind: str  # added, removed, upgraded, downgraded
    name: str
    origin: str
    before: str
    after: str


@dataclass(frozen=True)
class InputChange:
    """One input that is not what it was."""

    what: str
    before: str
    after: str


def package_changes(record: Mapping[str, Any], previous: Mapping[str, Any]) -> list[Change]:
    """Packages that were added, removed, upgraded or downgraded, in that order, by name."""
    now = {line(package.get("name")): package for package in rows(record.get("packages"))}
    old = {line(package.get("name")): package for package in rows(previous.get("packages"))}
    found: list[Change] = []
    for name in sorted({*now, *old}):
        before, after = (line(side[name].get("version"), 80) if name in side else "" for side in (old, now))
        origin = line((now.get(name) or old.get(name) or {}).get("origin"))
        if name not in old:
            found.append(Change("added", name, origin, "", after))
        elif name not in now:
            found.append(Change("removed", name, origin, before, ""))
        elif before != after:
            kind = "downgraded" if package_key(after) < package_key(before) else "upgraded"
            found.append(Change(kind, name, origin, before, after))
    return sorted(found, key=lambda change: (KINDS.index(change.kind), change.name))


def change_counts(record: Mapping[str, Any], previous: Mapping[str, Any]) -> dict[str, int]:
    """How many packages changed, by kind of change."""
    changes = package_changes(record, previous)
    return {kind: sum(change.kind == kind for change in changes) for kind in KINDS}


def input_changes(record: Mapping[str, Any], previous: Mapping[str, Any]) -> list[InputChange]:
    """Inputs that differ: release, sets, ports tree, package list, overlay, configuration, settings."""
    now, old = _flat(record), _flat(previous)
    return [
        InputChange(what, old.get(what, ""), now.get(what, ""))
        for what in [*now, *(what for what in old if what not in now)]
        if now.get(what, "") != old.get(what, "")
    ]


def _flat(record: Mapping[str, Any]) -> dict[str, str]:
    """The inputs of a record by a name that people know."""
    inputs, image = table(record.get("inputs")), table(record.get("image"))
    ports, packages = table(inputs.get("ports")), table(inputs.get("packages"))
    found: dict[str, Any] = {"FreeBSD release": image.get("release"), "architecture": image.get("arch")}
    for item in rows(table(inputs.get("dists")).get("sets")):
        found[f"set {line(item.get('name'))}"] = item.get("sha256")
    for name, what in (("source", "ports tree"), ("version", "ports branch"), ("commit", "ports commit")):
        found[what] = ports.get(name)
    for name, digest in table(ports.get("patches")).items():
        found[f"patch {line(name)}"] = digest
    for origin in words(packages.get("listed")):
        found[f"package list: {origin}"] = "listed"
    for name, digest in table(packages.get("configuration")).items():
        found[f"poudriere: {line(name)}"] = digest
    for name, digest in table(table(inputs.get("overlay")).get("files")).items():
        found[f"overlay: {line(name)}"] = digest
    for name, value in table(inputs.get("settings")).items():
        found[f"setting {line(name)}"] = ", ".join(words(value)) if isinstance(value, list) else value
    return {what: brief(value) for what, value in found.items() if value is not None}


def brief(value: Any) -> str:
    """A value, or the first digits of a digest."""
    text = line(value, 120)
    return text[:12] if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", text) else text


__all__ = [
    "KINDS",
    "Change",
    "InputChange",
    "brief",
    "change_counts",
    "input_changes",
    "package_changes",
    "package_key",
    "version_key",
]
