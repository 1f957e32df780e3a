# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""How large the pool of a disk image is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.freehyve.builder.plugins.module_utils._geometry import MIB, pool_partition_size
from ansible_collections.freehyve.builder.plugins.module_utils._sizes import parse_size

DOCUMENTATION = r"""
name: disk_image_pool_size
author: The freehyve.builder authors (@freehyve)
version_added: 0.1.0
short_description: How large the pool of a disk image is
description:
  - The bytes that are left for the last partition of a disk, after boot code, EFI partition, swap and tables.
options:
  _input:
    description: Settings with C(size), C(swap_size), C(esp_size).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show it
  ansible.builtin.debug:
    msg: "{{ {'size': '8g', 'swap_size': '1g', 'esp_size': '33292k'} | freehyve.builder.disk_image_pool_size }}"
"""

RETURN = r"""
_value:
  description: Size in bytes, a multiple of 1 MiB.
  type: int
"""


def pool_size(settings: Mapping[str, Any]) -> int:
    """Bytes of the last partition; boot code takes the first aligned MiB."""
    before = [MIB, parse_size(settings["esp_size"], "EFI partition size")]
    swap = parse_size(settings["swap_size"], "swap size")
    if swap:
        before.append(swap)
    return pool_partition_size(parse_size(settings["size"], "image size"), before)


class FilterModule:
    """Ansible's way to find filters."""

    def filters(self) -> dict[str, Callable[..., int]]:
        return {"disk_image_pool_size": pool_size}
