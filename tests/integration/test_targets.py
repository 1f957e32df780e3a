# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Every directory of targets/ is a module tried on a builder: a lab of its own, or FREEHYVE_TEST_BUILDER."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.builders import Builder
from tests.integration.state import state_of

HERE = Path(__file__).resolve().parent
TARGETS = sorted(path.parent.parent.name for path in HERE.glob("targets/*/tasks/main.yml"))


@pytest.mark.parametrize("target", TARGETS)
def test_target(builder: Builder, target: str) -> None:
    before = state_of(builder)
    done = builder.ansible(HERE / "target.yml", "-e", f"target={target}")
    assert "[WARNING]" not in done.stdout + done.stderr
    assert state_of(builder) == before
