# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Every directory of targets/ is a module tried on a builder: a lab of its own, or FREEHYVE_TEST_BUILDER."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import Builder, open_builder

HERE = Path(__file__).resolve().parent
TARGETS = sorted(path.parent.parent.name for path in HERE.glob("targets/*/tasks/main.yml"))
STATE = (
    ("mdconfig", "-l"),
    ("zpool", "list", "-H", "-o", "name,guid,altroot"),
    ("zfs", "list", "-H", "-o", "name,mountpoint"),
    ("mount", "-p"),
)


@pytest.fixture(scope="session")
def builder() -> Iterator[Builder]:
    with open_builder() as found:
        yield found


def state_of(builder: Builder) -> list[list[str]]:
    """What a target must leave as it was: units, pools, datasets, mounts."""
    return [builder.run(argv).stdout.split("\n") for argv in STATE]


@pytest.mark.parametrize("target", TARGETS)
def test_target(builder: Builder, target: str) -> None:
    before = state_of(builder)
    done = builder.ansible(HERE / "target.yml", "-e", f"target={target}")
    assert "[WARNING]" not in done.stdout + done.stderr
    assert state_of(builder) == before
