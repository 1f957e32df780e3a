# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Says at the end of a run what became of each of several images."""

from __future__ import annotations

DOCUMENTATION = r"""
name: images
type: notification
short_description: What became of each of several images
version_added: 0.1.0
author: The freehyve.builder authors (@freehyve)
description:
  - Ends a build of several images with a table of one line each - its builder, whether it was built, is up to date or
    failed and where, and its report. An image that was left out because no builder at hand can build it stands there
    too. In check mode it says which would change.
  - Says nothing in any other run.
requirements:
  - Enable it with C(callbacks_enabled) in ansible.cfg; the one in a checkout of this collection does.
"""

import os
from typing import Any

from ansible.plugins.callback import CallbackBase

from ansible_collections.freehyve.builder.plugins.plugin_utils._images_table import Outcome, images_table

ASSIGN = "freehyve.builder.image_hosts"
WRITERS = ("freehyve.builder.build_record", "freehyve.builder.build_report")


class CallbackModule(CallbackBase):
    """Keeps what the tasks of images say."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "freehyve.builder.images"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._images: dict[str, Outcome] = {}
        self._left_out: list[str] = []
        self._check = False

    def v2_runner_on_ok(self, result: Any) -> None:
        action = result.task.action
        if action == ASSIGN:
            found = result.result.get("images")
            if found is None:
                return  # the second look, of which only the variables are wanted
            self._images = {host: Outcome(row["image"], row["builder"]) for host, row in found.items()}
            self._left_out = list(result.result.get("left_out") or [])
            self._check = bool(result.task.check_mode)
        elif action in WRITERS and result.result.get("path"):
            self._note(result, file=result.result["path"].removeprefix(f"{os.getcwd()}/"))

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            self._note(result, task=result.task.get_name(), problem=str(result.result.get("msg", "")))

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._note(result, task=result.task.get_name(), problem="the builder does not answer")

    def _note(self, result: Any, **news: str) -> None:
        found = self._images.get(result.host.get_name())
        if found is not None:
            found.note(**news)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        if not self._images:
            return
        for host, outcome in self._images.items():
            outcome.changed = bool(stats.changed.get(host))
        for line in images_table(list(self._images.values()), self._left_out, self._check):
            self._display.display(line)
