# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The published schema of the build record: sound, closed, and true of the example that other tests build on."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

ROOT = Path(__file__).parents[2]
SCHEMA: dict[str, Any] = json.loads((ROOT / "docs/build.schema.json").read_text(encoding="utf-8"))
EXAMPLE: dict[str, Any] = json.loads((ROOT / "tests/fixtures/build.json").read_text(encoding="utf-8"))


def objects(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema of an object, with the way to it."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield path, schema
        for name, value in schema.items():
            yield from objects(value, f"{path}/{name}")
    elif isinstance(schema, list):
        for number, value in enumerate(schema):
            yield from objects(value, f"{path}/{number}")


def test_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_example_is_valid() -> None:
    jsonschema.validate(EXAMPLE, SCHEMA)


@pytest.mark.parametrize("found", [pytest.param(value, id=path or "/") for path, value in objects(SCHEMA)])
def test_objects_are_closed_and_complete(found: dict[str, Any]) -> None:
    """A misspelt member is an error, and no member is left out silently."""
    assert "additionalProperties" in found
    assert set(found.get("required", [])) == set(found.get("properties", {}))


@pytest.mark.parametrize("name", sorted(EXAMPLE))
def test_missing_member_is_refused(name: str) -> None:
    broken = copy.deepcopy(EXAMPLE)
    del broken[name]
    with pytest.raises(jsonschema.ValidationError, match=name):
        jsonschema.validate(broken, SCHEMA)


def test_unknown_member_is_refused() -> None:
    broken = copy.deepcopy(EXAMPLE)
    broken["packages"][0]["colour"] = "green"
    with pytest.raises(jsonschema.ValidationError, match="colour"):
        jsonschema.validate(broken, SCHEMA)
