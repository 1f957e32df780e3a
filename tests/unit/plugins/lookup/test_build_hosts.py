# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Which hosts a build runs on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

from ansible_collections.freehyve.builder.plugins.action.image_hosts import GROUP
from ansible_collections.freehyve.builder.plugins.lookup.build_hosts import LookupModule


@pytest.fixture
def inventory(tmp_path: Path) -> InventoryManager:
    source = tmp_path / "hosts.yml"
    source.write_text("builder: {hosts: {one: , two: }}\n", encoding="utf-8")
    return InventoryManager(DataLoader(), sources=[str(source)])


def variables(inventory: InventoryManager) -> dict[str, Any]:
    loader = DataLoader()
    hostvars = HostVars(inventory, VariableManager(loader, inventory), loader)
    return {"groups": inventory.get_groups_dict(), "hostvars": hostvars}


def test_without_images_the_builders_build_and_the_limit_stays(inventory: InventoryManager) -> None:
    inventory.subset("two")
    assert LookupModule().run([], variables(inventory)) == ["builder"]
    assert [host.name for host in inventory.get_hosts("builder")] == ["two"]


def test_a_limit_that_names_a_builder_lets_its_images_through(inventory: InventoryManager) -> None:
    inventory.subset("two")
    for name in ("edge@two", "core@two"):
        inventory.add_dynamic_host({"host_name": name, "groups": ["builder", GROUP]}, {})
    (group,) = LookupModule().run([], variables(inventory))
    assert [host.name for host in inventory.get_hosts(group)] == ["edge@two", "core@two"]


def test_a_listing_knows_no_hosts_yet() -> None:
    assert LookupModule().run([], {}) == ["builder"]
