# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What roles make of the tags that a run asks for, and of those that it skips."""

from __future__ import annotations

from typing import Any

import pytest

from .roles import value_of


def tagged(run: list[str], skip: list[str]) -> dict[str, Any]:
    return {"ansible_run_tags": run, "ansible_skip_tags": skip, "ansible_check_mode": False}


@pytest.mark.parametrize(
    ("run", "skip", "pushes"),
    [
        (["all"], [], False),
        (["packages"], [], True),
        (["ports", "packages"], [], False),
        (["all"], ["jail"], False),
        (["all"], ["jail", "ports"], True),
        (["jail", "packages"], ["jail"], True),
    ],
)
def test_somebody_copies_the_poudriere_directory(run: list[str], skip: list[str], pushes: bool) -> None:
    assert value_of("package_bulk", "package_bulk_push", tagged(run, skip)) is pushes


@pytest.mark.parametrize(
    ("run", "skip", "may_be_missing"),
    [
        (["all"], [], {"jail", "ports"}),
        (["preflight"], [], {"jail", "ports"}),
        (["all"], ["packages", "jail"], {"ports"}),
        (["packages"], [], set()),
        (["jail", "packages"], [], {"jail"}),
        (["all"], ["ports"], {"jail"}),
    ],
)
def test_packages_need_what_no_stage_of_the_run_makes(
    run: list[str], skip: list[str], may_be_missing: set[str]
) -> None:
    assert set(value_of("package_bulk", "__package_bulk_before", tagged(run, skip))) == may_be_missing


@pytest.mark.parametrize(
    ("run", "skip", "expected"),
    [(["all"], [], {"image", "x"}), (["all"], ["image"], {"x"}), (["x"], [], {"x"}), (["dists"], [], set())],
)
@pytest.mark.parametrize(
    ("role", "name", "tag"),
    [("update_stream", "__update_stream_run", "update"), ("result_fetch", "__result_fetch_run", "fetch")],
)
def test_results_need_an_image_that_no_stage_of_the_run_makes(
    role: str, name: str, tag: str, run: list[str], skip: list[str], expected: set[str]
) -> None:
    asked = [tag if one == "x" else one for one in run]
    assert set(value_of(role, name, tagged(asked, skip))) == {tag if one == "x" else one for one in expected}
