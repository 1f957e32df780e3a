# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The end of a build of several images."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.callback.images import ASSIGN, CallbackModule
from ansible_collections.freehyve.builder.plugins.plugin_utils._images_table import Outcome, images_table


def event(host: str, action: str = "x", task: str = "A task", check: bool = False, **result: Any) -> SimpleNamespace:
    return SimpleNamespace(
        host=SimpleNamespace(get_name=lambda: host),
        task=SimpleNamespace(action=action, get_name=lambda: task, check_mode=check),
        result=result,
    )


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return []


@pytest.fixture
def callback(said: list[str]) -> CallbackModule:
    return CallbackModule(display=SimpleNamespace(display=said.append, verbosity=0))


def assigned(*names: str, left_out: tuple[str, ...] = (), check: bool = False) -> SimpleNamespace:
    images = {f"{name}@one": {"image": name, "builder": "one", "why": ""} for name in names}
    return event("one", ASSIGN, check=check, images=images, left_out=list(left_out))


def test_a_build_of_one_image_ends_without_a_word(callback: CallbackModule, said: list[str]) -> None:
    callback.v2_runner_on_failed(event("one", msg="no"))
    callback.v2_playbook_on_stats(SimpleNamespace(changed={"one": 1}))
    assert said == []


def test_every_image_has_a_line_and_a_failure_its_task(callback: CallbackModule, said: list[str]) -> None:
    callback.v2_runner_on_ok(assigned("edge", "core", "far", left_out=("image 'arm': one is amd64",)))
    callback.v2_runner_on_ok(event("one", ASSIGN, censored="the output has been hidden"))
    callback.v2_runner_on_ok(
        event("edge@one", "freehyve.builder.build_report", path=os.path.abspath("artifacts/report.html"))
    )
    callback.v2_runner_on_failed(event("edge@one", msg="never mind"), ignore_errors=True)
    callback.v2_runner_on_ok(event("far@one", "freehyve.builder.build_record", path="/elsewhere/build.json"))
    callback.v2_runner_on_failed(event("core@one", task="Build the packages", msg="1 port failed"))
    callback.v2_runner_on_failed(event("core@one", task="Later", msg="so what"))
    callback.v2_runner_on_unreachable(event("far@one", task="Workspace"))
    callback.v2_playbook_on_stats(SimpleNamespace(changed={"edge@one": 3}))
    assert said == [
        "1 of 4 images are good, 2 failed, 1 left out",
        "  edge  one  changed  artifacts/report.html",
        "  core  one  failed",
        "    Build the packages: 1 port failed",
        "  far   one  failed   /elsewhere/build.json",
        "    Workspace: the builder does not answer",
        "  left out: image 'arm': one is amd64",
    ]


def test_a_check_run_says_what_would_be(callback: CallbackModule, said: list[str]) -> None:
    callback.v2_runner_on_ok(assigned("edge", "core", check=True))
    callback.v2_playbook_on_stats(SimpleNamespace(changed={"edge@one": 3}))
    assert said == ["2 images can be built", "  edge  one  would change", "  core  one  up to date"]


def test_good_images_are_counted() -> None:
    assert images_table([Outcome("edge", "one")], [])[0] == "1 image is good"
    assert images_table([Outcome("edge", "one", file="x.html"), Outcome("core", "two")], []) == [
        "2 images are good",
        "  edge  one  up to date  x.html",
        "  core  two  checked",
    ]
