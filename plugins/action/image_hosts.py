# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Gives each image of freehyve_images to a builder; the module of this name is the manual."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible.utils.vars import load_extra_vars

from ansible_collections.freehyve.builder.plugins.action.role_settings import options_of
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.plugin_utils._images import (
    NAMING,
    PREFIX,
    SETTINGS,
    Assigned,
    Assignment,
    Builder,
    assign,
    image_id,
    images_of,
    names_of,
)
from ansible_collections.freehyve.builder.plugins.plugin_utils._record_past import read_record

GROUP = "freehyve_image_hosts"
IMAGES = "freehyve_images"
# What belongs to the run or to the builder itself, beside what Ansible counts as such.
OWN = {"ansible_check_mode", "ansible_play_name", "environment", "omit", "vars", IMAGES}
# Role options that say what freehyve_ settings are when nobody sets them.
DEFAULTS = {
    "freehyve_name": "disk_image_name",
    "freehyve_version": "disk_image_version",
    "freehyve_release": "disk_image_release",
    "freehyve_arch": "disk_image_arch",
    "freehyve_workspace": "disk_image_workspace",
}

display = Display()


def defaults() -> dict[str, Any]:
    """Settings that nobody sets, as the roles' manuals say."""
    options = options_of("disk_image")
    return {setting: options[option]["default"] for setting, option in DEFAULTS.items()}


def record_name(image: str) -> str:
    """Results of all images of a version lie in one directory: what has the same name in all gets the image's."""
    return f"build-{re.sub(r'[^A-Za-z0-9._-]', '-', image)}.json"


def homes_of(images: Iterable[Mapping[str, Any]], away: Collection[str]) -> dict[str, str]:
    """Images that builders have which are not at hand, from the images' last records."""
    found: dict[str, str] = {}
    for wants in images:
        image = image_id(wants)
        artifacts = Path(str(wants.get("freehyve_artifacts") or "artifacts")).expanduser()
        record = read_record(artifacts / str(wants["freehyve_version"]) / record_name(image)) or {}
        home = (record.get("builder") or {}).get("name")
        if home in away and record.get("state") != "failed":
            found[image] = str(home)
    return found


def inherited(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Variables of a builder that its images' hosts have too: all of its inventory, none of the run.

    A variable whose template cannot be worked out here stays what its group says.
    """
    facts = variables.get("ansible_facts", {})
    found: dict[str, Any] = {}
    for name in variables:
        if name in C.INTERNAL_STATIC_VARS or name in OWN or name in facts or str(name).startswith("__"):
            continue
        try:
            found[str(name)] = variables[name]
        except AnsibleError:
            continue
    found.update({name: variables[name] for name in ("inventory_dir", "inventory_file") if name in variables})
    return found


def host_of(assigned: Assigned, builder: Builder, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of add_host for the host of an image."""
    known = inherited(variables)
    mine: dict[str, Any] = {
        **({} if set(NAMING) & set(known) else names_of(assigned, builder)),
        **{name: value for name, value in assigned.settings.items() if name.startswith(PREFIX)},
        "freehyve_image": assigned.image,
        "freehyve_image_builder": assigned.builder,
        "build_record_file": record_name(assigned.image),
    }
    mine.setdefault("result_fetch_exclude", [*known.get("result_fetch_exclude", ["work"]), "SHA256SUMS"])
    groups = [name for name in variables["group_names"] if name != "ungrouped"]
    address = {"ansible_host": assigned.builder}
    return {**address, **known, **mine, "name": assigned.host, "groups": [*groups, GROUP]}


def is_apart(host: Mapping[str, Any], hostvars: Mapping[str, Any]) -> bool:
    """Whether an image has another workspace than the one that is known of its builder."""
    seen = hostvars[host["freehyve_image_builder"]]["ansible_facts"]["freehyve_builder"]
    workspace = host["freehyve_workspace"]
    place = host.get("freehyve_workspace_path", f"/{workspace}")
    return (workspace, place) != (seen.get("workspace"), seen.get("workspace_path"))


class ActionModule(ActionBase):
    """On the controller only; looks at what the play knows of its hosts."""

    BYPASS_HOST_LOOP = True
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        known = task_vars or {}
        try:
            assignment, hosts = self._assign(known)
        except ToolError as exc:
            return {**result, "failed": True, **exc.as_result()}
        if self._task.args.get("variables"):
            # Nobody knows which of them are secrets.
            return {**result, "changed": False, "actions": [], "hosts": hosts, "_ansible_no_log": True}
        for line in assignment.left_out:
            display.display(f"{line}; left out of this run")
        for image in assignment.images:
            display.display(f"{image.image}: goes to {image.builder} ({image.why})")
        images = {one.host: {"image": one.image, "builder": one.builder, "why": one.why} for one in assignment.images}
        return {
            **result,
            "changed": False,
            "actions": [],
            "apart": [host["name"] for host in hosts if is_apart(host, known["hostvars"])],
            "images": images,
            "left_out": list(assignment.left_out),
        }

    def _assign(self, known: Mapping[str, Any]) -> tuple[Assignment, list[dict[str, Any]]]:
        hostvars, names = known["hostvars"], list(known["ansible_play_hosts"])
        images = images_of(self._images(hostvars, names))
        builders = [self._builder(name, hostvars[name]) for name in names]
        everybody = set(known["groups"].get("builder", names))
        away = everybody - set(names)
        homes = {} if not away else homes_of([builders[0].wants(image) for image in images], away)
        assignment = assign(images, builders, not away, homes)
        if not assignment.images:
            raise ToolError(assignment.left_out[0])
        by_name = {builder.name: builder for builder in builders}
        hosts = [host_of(one, by_name[one.builder], hostvars[one.builder]) for one in assignment.images]
        return assignment, hosts

    def _images(self, hostvars: Mapping[str, Any], names: list[str]) -> Any:
        first = hostvars[names[0]][IMAGES]
        for name in names[1:]:
            variables = hostvars[name]
            if IMAGES not in variables or variables[IMAGES] != first:
                raise ToolError(f"freehyve_images: {names[0]} and {name} have different ones; set it for their group")
        return first

    def _builder(self, name: str, variables: Mapping[str, Any]) -> Builder:
        own = {PREFIX + word: variables[PREFIX + word] for word in SETTINGS if PREFIX + word in variables}
        final = {word: own[word] for word in load_extra_vars(self._loader) if word in own}
        return Builder(name, variables["ansible_facts"]["freehyve_builder"], {**defaults(), **own}, final)
