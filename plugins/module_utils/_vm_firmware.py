# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""UEFI firmware for QEMU, found by the descriptors that distributions install (QEMU's docs/interop/firmware.json)."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from typing import Any, List, Mapping, Optional, Sequence

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner
from ansible_collections.freehyve.builder.plugins.module_utils._vm_host import how_to_get

_TARGETS = {"amd64": ("x86_64", "pc-q35"), "aarch64": ("aarch64", "virt")}
# A guest that the vendor did not sign for does not start under these.
_REFUSED = {"secure-boot", "requires-smm", "enrolled-keys"}
# FreeBSD's packages install no descriptors.
_PLAIN = {
    "amd64": (
        "/usr/local/share/edk2-qemu/QEMU_UEFI_CODE-x86_64.fd",
        "/usr/local/share/edk2-qemu/QEMU_UEFI_VARS-x86_64.fd",
    ),
    "aarch64": ("/usr/local/share/qemu/edk2-aarch64-code.fd", "/usr/local/share/qemu/edk2-arm-vars.fd"),
}


@dataclass(frozen=True)
class Firmware:
    """Code, and the template of the machine's own variables; formats as qemu-img calls them."""

    code: str
    code_format: str
    variables: str
    variables_format: str


def directories(qemu: str) -> List[str]:
    """Where descriptors lie: of the site, of this QEMU, of the system."""
    own = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(qemu))), "share", "qemu", "firmware")
    shared = os.path.join(os.path.dirname(os.path.dirname(qemu)), "share", "qemu", "firmware")
    places = ["/etc/qemu/firmware", own, shared, "/usr/local/share/qemu/firmware", "/usr/share/qemu/firmware"]
    return list(dict.fromkeys(places))


def suits(descriptor: Mapping[str, Any], arch: str) -> Optional[Firmware]:
    """The firmware that a descriptor tells of, when it is for such a machine."""
    name, board = _TARGETS[arch]
    mapping = descriptor.get("mapping", {})
    machines = [
        machine
        for target in descriptor.get("targets", [])
        if target.get("architecture") == name
        for machine in target.get("machines", [])
    ]
    if (
        "uefi" not in descriptor.get("interface-types", [])
        or mapping.get("device") != "flash"
        or _REFUSED & set(descriptor.get("features", []))
        or not any(machine.startswith(board) for machine in machines)
    ):
        return None
    code, template = mapping.get("executable"), mapping.get("nvram-template")
    if not code or not template:
        return None
    found = Firmware(code["filename"], code["format"], template["filename"], template["format"])
    return found if os.path.isfile(found.code) and os.path.isfile(found.variables) else None


def find(runner: Runner, qemu: str, arch: str, places: Optional[Sequence[str]] = None) -> Firmware:
    """The first firmware for a machine of ``arch``, in the order that descriptors' names give.

    :raises ToolError: none; names the package.
    """
    names = {}
    for place in reversed(list(places) if places is not None else directories(qemu)):
        with contextlib.suppress(OSError):
            names.update({name: place for name in os.listdir(place) if name.endswith(".json")})
    for name in sorted(names):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            with open(os.path.join(names[name], name), encoding="utf-8") as stream:
                found = suits(json.load(stream), arch)
            if found is not None:
                return found
    code, variables = _PLAIN[arch]
    if places is None and os.path.isfile(code) and os.path.isfile(variables):
        return Firmware(code, "raw", variables, "raw")
    raise ToolError(f"UEFI for {arch}: QEMU has no firmware here; {how_to_get(f'firmware of {arch}', runner)}")


__all__ = ["Firmware", "directories", "find", "suits"]
