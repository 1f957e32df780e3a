# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""A row of layers: what each is asked for, and what comes of all. What a layer does is tested with layer."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils._context import Context
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner
from ansible_collections.freehyve.builder.plugins.modules import layer, layers


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Context]:
    """The contexts that layer was called with; it changes the layers named ``new…``."""
    seen: list[Context] = []

    def guarded(context: Context, _runner: Runner) -> dict[str, Any]:
        seen.append(context)
        name = context.params["name"]
        dataset = f"{context.params['dataset']}/{name}"
        made = {"changed": name.startswith("new"), "actions": [], "dataset": dataset, "key": f"key of {name}"}
        made["snapshot"] = f"{dataset}@{context.params['snapshot']}"
        if made["changed"]:
            made.update(actions=[{"action": f"make {dataset}", "reason": "wanted"}], diff={"before": "", "after": name})
        if name == "packages":
            made["packages"] = [{"name": "pkg"}]
        return made

    monkeypatch.setattr(layer, "guarded", guarded)
    return seen


def run(*specs: dict[str, Any], check_mode: bool = False) -> dict[str, Any]:
    params = {"dataset": "tank/layers", "image": "i", "leases": "/leases", "layers": list(specs)}
    return layers.body(Context(params, check_mode), Runner())


def spec(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "receipt": f"/stages/{name}.json", **more}


def test_each_layer_is_a_clone_of_the_one_before(asked: list[Context]) -> None:
    result = run(spec("base"), spec("packages"), spec("newer", dataset="tank/release", snapshot="0.1.0"))
    parents = [context.params["parent"] for context in asked]
    assert parents == [None, "tank/layers/base@ready", "tank/layers/packages@ready"]
    assert result["snapshot"] == "tank/release/newer@0.1.0" and result["key"] == "key of newer"
    assert result["packages"] == [{"name": "pkg"}]
    assert result["actions"] == [{"action": "make tank/release/newer", "reason": "wanted"}]
    assert result["diff"] == [{"before": "", "after": "newer"}]
    assert [item["changed"] for item in result["layers"]] == [False, False, True] and result["changed"]


def test_nothing_changes_when_no_layer_does(asked: list[Context]) -> None:
    result = run(spec("base"), spec("system"), check_mode=True)
    assert not result["changed"] and result["actions"] == [] and result["diff"] == []
    assert all(context.check_mode for context in asked)


def test_a_layer_is_told_from_the_others_when_its_options_are_wrong(asked: list[Context]) -> None:
    with pytest.raises(ToolError, match=r"^layer 'system': unsupported parameters: colour"):
        run(spec("base"), spec("system", colour="red"))
    assert len(asked) == 1


def test_a_row_of_no_layers_is_refused() -> None:
    with pytest.raises(ToolError, match="name at least one"):
        run()
