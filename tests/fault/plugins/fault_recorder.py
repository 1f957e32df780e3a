# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Callback that writes down every module call of a playbook run: name, parameters, answer; a JSON line each.

Callbacks are loaded before the workers are forked, so what is wrapped here is wrapped in all of them.
"""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: fault_recorder
type: notification
short_description: Record module calls for tests/fault
description: Writes the module calls of a run to the file that FREEHYVE_FAULT_RECORD names.
"""


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "fault_recorder"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        path = os.environ["FREEHYVE_FAULT_RECORD"]
        original = ActionBase._execute_module

        def recording(action: Any, module_name: Any = None, module_args: Any = None, *args: Any, **more: Any) -> Any:
            answer = original(action, module_name, module_args, *args, **more)
            row = {
                "module": module_name or action._task.action,
                "task": action._task.get_name(),
                "args": _plain(module_args if module_args is not None else action._task.args),
                "check": bool(action._task.check_mode),
                "answer": _plain(answer),
            }
            with open(path, "a", encoding="utf-8") as stream:
                stream.write(json.dumps(row) + "\n")
            return answer

        ActionBase._execute_module = recording
