# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What is wrong with the settings of an image, told on the controller before anything is changed."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible_collections.freehyve.builder.plugins.filter.disk_image_pool_size import pool_size
from ansible_collections.freehyve.builder.plugins.module_utils import _properties, _push, _zfs, _zpool
from ansible_collections.freehyve.builder.plugins.module_utils._archive import check_level
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._geometry import MIB
from ansible_collections.freehyve.builder.plugins.module_utils._mkimg import FORMATS
from ansible_collections.freehyve.builder.plugins.module_utils._pool_image import (
    choose_compatibility,
    needed_size,
    reserved,
    specs,
)
from ansible_collections.freehyve.builder.plugins.module_utils._sizes import human_size, parse_size
from ansible_collections.freehyve.builder.plugins.plugin_utils._record_stages import selected

DOCUMENTATION = r"""
name: disk_image_problems
author: The freehyve.builder authors (@freehyve)
version_added: 0.1.0
short_description: What is wrong with the settings of an image
description:
  - Checks the settings of the role C(disk_image), the overlay directory, and the facts of the builder.
  - Everything runs on the controller and nothing is changed.
positional: _input, builder
options:
  _input:
    description: The settings, as C(roles/disk_image/vars/main.yml) names them.
    type: dict
    required: true
  builder:
    description: Facts of the builder, as M(freehyve.builder.builder_facts) returns them.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Settings are good
  ansible.builtin.assert:
    that: (settings | freehyve.builder.disk_image_problems(ansible_facts.freehyve_builder)) | length == 0
"""

RETURN = r"""
_value:
  description: One line for each thing that is wrong; empty when nothing is.
  type: list
  elements: str
"""

TARGETS = {
    "amd64": ("amd64",),
    "arm": ("armv7",),
    "arm64": ("aarch64",),
    "i386": ("i386",),
    "riscv": ("riscv64",),
}
TOOLS = ("zfs", "zpool", "mdconfig", "mkimg", "newfs_msdos", "tar", "pkg", "pw")
_VERSION = re.compile(r"[0-9][A-Za-z0-9._-]*")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
_RELEASE = re.compile(
    r"[1-9][0-9]\.[0-9]+-(RELEASE|STABLE|CURRENT|PRERELEASE|ALPHA[0-9]+|BETA[0-9]+|RC[0-9]+)(-p[0-9]+)?"
)
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,253}[A-Za-z0-9])?")
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")
_KEY = re.compile(r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-\S+|sk-\S+) [A-Za-z0-9+/]+=*( .*)?")
_MEMORY_SLACK = 8  # percent that the kernel takes before hw.physmem is counted

Settings = Mapping[str, Any]


def _words(settings: Settings) -> Iterator[str]:
    """Names and words."""
    if not _NAME.fullmatch(str(settings["name"])):
        yield f"image name '{settings['name']}': malformed; use letters, digits, '.', '_' and '-'"
    if not _VERSION.fullmatch(str(settings["version"])):
        yield f"version '{settings['version']}': malformed; write it like 1.2.3"
    if not _RELEASE.fullmatch(str(settings["release"])):
        yield f"release '{settings['release']}': unknown form; write it like 15.1-RELEASE"
    target, _slash, machine = str(settings["arch"]).partition("/")
    if (machine or target) not in TARGETS.get(target, ()):
        known = ", ".join(sorted(t if t in m else f"{t}/{m[0]}" for t, m in TARGETS.items()))
        yield f"architecture '{settings['arch']}': unknown; use one of {known}"
    if not _HOST.fullmatch(str(settings["hostname"])):
        yield f"host name '{settings['hostname']}': malformed"
    if not _ZONE.fullmatch(str(settings["timezone"])):
        yield f"time zone '{settings['timezone']}': malformed; write it like Europe/Berlin"
    for key in settings["authorized_keys"]:
        if not _KEY.fullmatch(str(key).strip()) or "\n" in str(key).strip():
            yield f"authorized key '{str(key)[:20]}…': not a public key in one line"


def _disk(settings: Settings, builder: Settings) -> Iterator[str]:
    """Formats, sizes, pool and datasets."""
    formats = builder.get("mkimg_formats") or FORMATS
    if not settings["formats"]:
        yield "image formats: none given; name at least one, such as raw"
    for item in settings["formats"]:
        if item not in formats:
            yield f"image format '{item}': unknown; this builder's mkimg has {', '.join(sorted(formats))}"
    if len(set(settings["formats"])) != len(settings["formats"]):
        yield "image formats: one is given twice"
    sets = builder.get("zfs_compatibility") or []
    checks: list[Callable[[], object]] = [
        lambda: check_level(settings["compression"], 0 if settings["compression"] == "none" else settings["level"]),
        lambda: _zpool.check_name(settings["pool"]),
        lambda: _properties.check(
            f"pool '{settings['pool']}'",
            "compression",
            settings["pool_compression"],
            _properties.dataset_rule("compression"),
        ),
        lambda: choose_compatibility(settings["compatibility"], settings["release"], sets),
        lambda: _room(settings),
    ]
    for check in checks:
        try:
            check()
        except ToolError as exc:
            yield exc.message


def _room(settings: Settings) -> None:
    """Sizes, datasets, and whether the one has room for the other.

    :raises ToolError: they do not.
    """
    reservations = reserved(specs(settings["datasets"]))
    size = pool_size(settings)
    # What an empty boot environment would need: less is a mistake in the settings, whatever goes in.
    least = needed_size(MIB, reservations)
    if size < least:
        raise ToolError(
            f"image size '{settings['size']}': too small, the pool needs {human_size(least)} for its reservations "
            f"alone and gets {human_size(max(0, size))}"
        )


def _overlay(settings: Settings) -> Iterator[str]:
    """The overlay directory on the controller."""
    path = settings["overlay"]
    if not os.path.isdir(path):
        yield f"overlay '{path}': is not a directory on the controller"
        return
    try:
        _push.walk(path)
    except ToolError as exc:
        yield f"overlay: {exc.message}"


def _builder(settings: Settings, builder: Settings) -> Iterator[str]:
    """The host that is to make it."""
    host = builder.get("hostname") or "builder"
    if builder.get("system") != "FreeBSD":
        yield f"builder {host}: runs {builder.get('system')}, not FreeBSD; only FreeBSD can build this"
        return
    if not builder.get("root"):
        yield f"builder {host}: we are not root there; log in as root or set ansible_become"
    if builder.get("jailed"):
        yield f"builder {host}: is a jail, which cannot make pools; use the host itself or a virtual machine"
    if not builder.get("zfs_version"):
        yield f"builder {host}: has no ZFS; run kldload zfs there"
        return
    tools = builder.get("tools") or {}
    lacking = [name for name in TOOLS if name in tools and not tools[name]]
    if lacking:
        yield f"builder {host}: lacks {', '.join(lacking)}; install what is not there"
    pool = str(settings["workspace"]).split("/", 1)[0]
    pools = builder.get("pools") or {}
    try:
        _zfs.check_name(str(settings["workspace"]))
    except ToolError as exc:
        yield f"workspace: {exc.message}"
        return
    if pool not in pools:
        known = ", ".join(sorted(pools)) or "none"
        yield f"workspace '{settings['workspace']}': builder {host} has no pool '{pool}'; it has {known}"
        return
    space, memory = parse_size(settings["required_space"]), parse_size(settings["required_memory"])
    there = builder.get("workspace_available")
    there = pools[pool].get("free", 0) if there is None else there
    built = f"image-{_image(settings)}" in (builder.get("stages") or {})
    if there < space and not built:
        yield f"workspace '{settings['workspace']}': has {human_size(there)} free, needs {human_size(space)}"
    have = builder.get("memory") or 0
    if have * 100 < memory * (100 - _MEMORY_SLACK):
        yield f"builder {host}: has {human_size(have)} of memory, needs {human_size(memory)}"


def _image(settings: Settings) -> str:
    return f"{settings['name']}-{settings['version']}-{str(settings['arch']).replace('/', '-')}"


def _stages(settings: Settings, builder: Settings) -> Iterator[str]:
    """What the stages before must have left, unless they run now."""
    tags = settings["run_tags"], settings["skip_tags"]
    if not selected("image", *tags):
        return
    stages = builder.get("stages") or {}
    arch = str(settings["arch"]).replace("/", "-")
    for tag, stem in (
        ("dists", f"dists-{settings['release']}-{arch}"),
        ("packages", f"packages-{settings['mastername']}"),
    ):
        if stem not in stages and not selected(tag, *tags):
            yield f"stage '{tag}': not done on this builder ('{stem}'); run with --tags {tag} or without tags first"


def problems(settings: Settings, builder: Settings) -> list[str]:
    """All lines, the settings' own first."""
    # What templating made of the settings may be subclasses of the plain types; JSON has only those.
    plain, seen = json.loads(json.dumps(settings, default=str)), json.loads(json.dumps(builder, default=str))
    return [
        *_words(plain),
        *_disk(plain, seen),
        *_overlay(plain),
        *_builder(plain, seen),
        *_stages(plain, seen),
    ]


class FilterModule:
    """Ansible's way to find filters."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        return {"disk_image_problems": problems}
