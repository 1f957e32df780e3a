# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""One builder for all integration tests of a run: a lab of their own, or FREEHYVE_TEST_BUILDER."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.builders import Builder, open_builder


@pytest.fixture(scope="session")
def builder() -> Iterator[Builder]:
    with open_builder() as found:
        if found.is_lab:
            # The recorded host had no git; a build host does.
            found.run(["ln", "-s", "/usr/local/libexec/lab-git", "/usr/local/bin/git"])
        yield found
