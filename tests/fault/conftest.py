# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The builder of the named cases: a lab, or the one that FREEHYVE_TEST_BUILDER names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.builders import Builder, open_builder
from tests.integration.build_site import Site, open_site


@pytest.fixture(scope="session")
def builder() -> Iterator[Builder]:
    with open_builder() as found:
        if found.is_lab:
            # The recorded host had no git; a build host does.
            found.run(["ln", "-s", "/usr/local/libexec/lab-git", "/usr/local/bin/git"])
        yield found


@pytest.fixture(scope="module")
def site(builder: Builder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_site(builder, tmp_path_factory.mktemp("site")) as found:
        yield found
