# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The files of one build below ``logs/bulk/<mastername>/<buildname>``: status, statistics, lists, JSON."""

from __future__ import annotations

import json
import os
import threading
from typing import Any

from .clock import Clock

LISTS = ("queued", "tobuild", "built", "failed", "ignored", "inspected", "skipped", "fetched")
#: Statistics that are counted from the lists while a build runs.
COUNTED = ("built", "failed", "ignored", "inspected", "skipped", "fetched")
#: The order of the lists in .data.json.
JSON_LISTS = ("tobuild", "failed", "built", "skipped", "ignored", "inspected", "fetched", "queued", "remaining")
FIELDS = {"built": ("elapsed",), "failed": ("phase", "errortype", "elapsed"), "skipped": ("depends",)}


class BuildStatus:
    """Writes and reads the files of one build.

    :param directory: the build's log directory.
    """

    def __init__(self, directory: str, clock: Clock) -> None:
        self.directory = directory
        self.clock = clock
        self._lock = threading.RLock()

    def path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def write(self, name: str, text: str) -> None:
        path = self.path(name)
        with open(f"{path}.new", "w", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(f"{path}.new", path)

    def _read(self, name: str) -> str:
        try:
            with open(self.path(name), encoding="utf-8", errors="replace") as stream:
                return stream.read()
        except OSError:
            return ""

    def set(self, key: str, value: object, builder: str = "") -> None:
        """Set a value; a status goes into its journal as well."""
        suffix = f".{builder}" if builder else ""
        with self._lock:
            self.write(f".poudriere.{key}{suffix}", f"{value}\n")
            if key == "status":
                with open(self.path(f".poudriere.status{suffix}.journal%"), "a", encoding="utf-8") as stream:
                    stream.write(f"{self.clock.epoch()}:{value}\n")

    def get(self, key: str, builder: str = "") -> str:
        return self._read(f".poudriere.{key}{'.' + builder if builder else ''}").rstrip("\n")

    def number(self, name: str) -> int:
        text = self.get(f"stats_{name}")
        return int(text) if text.isdigit() else 0

    def add(self, name: str, line: str) -> None:
        """Append a line to a list and count it."""
        with self._lock:
            with open(self.path(f".poudriere.ports.{name}"), "a", encoding="utf-8") as stream:
                stream.write(line + "\n")
            self.set(f"stats_{name}", len(self.rows(name)))

    def rows(self, name: str) -> list[str]:
        return self._read(f".poudriere.ports.{name}").splitlines()

    def note(self, name: str, text: str) -> None:
        """Write one of the files whose names end in ``%``: they are for people, not part of the JSON."""
        self.write(f".poudriere.{name}%", text)

    def create(self, values: dict[str, str]) -> None:
        """Start the files of a new build."""
        for inner in ("logs/built", "logs/errors", "logs/fetched", "logs/ignored"):
            os.makedirs(self.path(inner), exist_ok=True)
        for name in ("queued", "built", "failed", "ignored", "inspected", "skipped", "fetched"):
            self.set(f"stats_{name}", 0)
        for name in (".data.json", ".data.mini.json", *(f".poudriere.ports.{name}" for name in LISTS)):
            self.write(name, "")
        for key, value in values.items():
            self.set(key, value)

    def snapshot(self, elapsed: int) -> None:
        """Record the load of the machine."""
        loads = os.getloadavg()
        self.set("snap_loadavg", f"({100 * loads[0] / (os.cpu_count() or 1):2.0f}%) "
                                 + " ".join(f"{load:.2f}" for load in loads))
        self.set("snap_swapinfo", "")
        self.set("snap_elapsed", elapsed)
        self.set("snap_now", self.clock.monotonic())

    def write_json(self) -> None:
        """Write .data.json and .data.mini.json of this build, and the indexes above it."""
        with self._lock:
            full, mini = self.document(), self.document(mini=True)
            for name, document in ((".data.json", full), (".data.mini.json", mini)):
                self.write(name, json.dumps(document, separators=(",", ":")) + "\n")
        parent = os.path.dirname(self.directory)
        _write_index(parent)
        _write_top(os.path.dirname(parent))

    def document(self, mini: bool = False) -> dict[str, Any]:
        """Return the build as .data.json shows it; every value is text."""
        names = [name for name in sorted(os.listdir(self.directory))
                 if name.startswith(".poudriere.") and not name.endswith(("%", ".new"))]
        values = {name[len(".poudriere."):]: self._read(name).rstrip("\n") for name in names}
        found: dict[str, Any] = {}
        jobs = []
        for key, value in values.items():
            group, _dot, member = key.partition(".")
            if group == "builders" or (mini and (group == "ports" or key.startswith("snap_")
                                                 or (group == "status" and member))):
                continue
            if group == "ports":
                found.setdefault("ports", {})
            elif group == "status" and member:
                jobs.append(_job(member, value))
            elif key.startswith(("stats_", "snap_")):
                table, _underscore, name = key.partition("_")
                found.setdefault(table, {})[name] = value
            else:
                found[key] = value
        if "ports" in found:
            found["ports"] = {name: rows for name in JSON_LISTS if (rows := [_row(name, line)
                                                                             for line in self.rows(name)])}
            if not found["ports"]:
                del found["ports"]
        if jobs:
            found["jobs"] = jobs
        if not mini:
            found["skipped"] = _impact(self.rows("skipped"))
        return found


def _impact(rows: list[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in rows:
        name = row.split(" ")[2]
        counts[name] = counts.get(name, 0) + 1
    return counts


def _job(identity: str, value: str) -> dict[str, str]:
    parts = value.split(":")
    if len(parts) <= 2:
        return {"id": identity, "status": value}
    origin, _at, flavor = parts[1].partition("@")
    found = {"id": identity, "status": parts[0], "origin": origin}
    if flavor:
        found["flavor"] = flavor
    return {**found, "pkgname": parts[2], "started": parts[3], "elapsed": parts[4]}


def _row(name: str, line: str) -> dict[str, str]:
    parts = line.split(" ")
    if name == "remaining":
        return {"pkgname": parts[0], "status": " ".join(parts[1:])}
    origin, _at, flavor = parts[0].partition("@")
    found = {"origin": origin}
    if flavor:
        found["flavor"] = flavor
    found["pkgname"] = parts[1] if len(parts) > 1 else ""
    if name in ("ignored", "queued", "inspected"):
        found["reason"] = " ".join(parts[2:])
    found.update(zip(FIELDS.get(name, ()), parts[2:], strict=False))
    return found


def _replace(path: str, text: str) -> None:
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.replace(temporary, path)


def _mini(directory: str) -> str:
    try:
        with open(os.path.join(directory, ".data.mini.json"), encoding="utf-8") as stream:
            return stream.read().strip()
    except OSError:
        return ""


def _write_index(directory: str) -> None:
    """Write ``<mastername>/.data.json``: every build, and which is the latest."""
    builds = {name: _mini(os.path.join(directory, name)) for name in sorted(os.listdir(directory))
              if not os.path.islink(os.path.join(directory, name))}
    entries = [f'"{name}":{text}' for name, text in builds.items() if text]
    if entries:
        entries.append(f'"latest":"{[name for name, text in builds.items() if text][-1]}"')
    _replace(os.path.join(directory, ".data.json"), '{"builds":{\n' + ",".join(entries) + "\n}}\n")


def _write_top(directory: str) -> None:
    """Write ``bulk/.data.json``: the latest build of every master name."""
    entries = []
    for name in sorted(os.listdir(directory)):
        text = _mini(os.path.join(directory, name, "latest"))
        if text:
            latest = json.loads(text)
            keys = ("mastername", "jailname", "ptname", "setname", "started", "ended", "status")
            entries.append(json.dumps(name) + ":" + json.dumps(
                {"latest": latest, **{key: latest.get(key, "") for key in keys}}, separators=(",", ":")))
    _replace(os.path.join(directory, ".data.json"), '{"masternames":{\n' + ",".join(entries) + "\n}}\n")
