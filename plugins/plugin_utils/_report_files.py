# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Build records as files of the controller: reading one, and finding the one of the version before."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.plugin_utils._report import SCHEMA
from ansible_collections.freehyve.builder.plugins.plugin_utils._report_changes import version_key
from ansible_collections.freehyve.builder.plugins.plugin_utils._report_text import line, table


def read_record(path: Path) -> dict[str, Any]:
    """A build record.

    :raises ToolError: there is none, or it is of a format that this report does not know.
    """
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError as exc:
        raise ToolError(f"record '{path}': is not there; run the build first, it writes one") from exc
    except OSError as exc:
        raise ToolError(f"record '{path}': cannot be read ({exc.strerror}); check its permissions") from exc
    except (ValueError, RecursionError) as exc:
        raise ToolError(f"record '{path}': is not JSON; remove it and run the build again") from exc
    if not isinstance(found, dict):
        raise ToolError(f"record '{path}': is not a build record; name a build.json")
    if found.get("schema") != SCHEMA:
        raise ToolError(
            f"record '{path}': has format {line(found.get('schema'), 20) or 'unknown'}, this report reads {SCHEMA}; "
            "run the build again with this version of the collection"
        )
    return found


def _identity(record: Mapping[str, Any]) -> tuple[str, str]:
    image = table(record.get("image"))
    return line(image.get("name")), line(image.get("arch"))


def report_path(record: Path) -> Path:
    """Where the report of a record goes: report.html beside build.json."""
    name = f"report{record.stem[5:]}" if record.stem.startswith("build") else record.stem
    return record.with_name(f"{name}.html")


def earlier_records(artifacts: Path, version: str) -> Iterator[Path]:
    """Records of earlier versions, the latest first; a version has a directory of its name."""
    ours = version_key(version)
    try:
        names = [entry.name for entry in artifacts.iterdir() if entry.is_dir()]
    except OSError:
        return
    for _key, name in sorted(((version_key(name), name) for name in names), reverse=True):
        if version_key(name) < ours:
            yield from sorted(path for path in (artifacts / name).glob("*.json") if not path.match("*.cdx.json"))


def previous_record(artifacts: Path, record: Mapping[str, Any]) -> tuple[Path, dict[str, Any]] | None:
    """The record of the same image in its latest earlier version, None when there is none that can be read."""
    for path in earlier_records(artifacts, line(table(record.get("image")).get("version"))):
        try:
            found = read_record(path)
        except ToolError:
            continue  # what cannot be read cannot be compared with
        if _identity(found) == _identity(record):
            return path, found
    return None


__all__ = ["earlier_records", "previous_record", "read_record", "report_path"]
