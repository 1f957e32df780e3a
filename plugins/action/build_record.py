# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Writes the record of a run and the image's bill of materials; the module of this name is its manual."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.release import __version__ as ansible_version
from ansible.utils.display import Display

from ansible_collections.freehyve.builder.plugins.module_utils._files import write_file
from ansible_collections.freehyve.builder.plugins.plugin_utils import _sbom
from ansible_collections.freehyve.builder.plugins.plugin_utils._plan_table import plan_table
from ansible_collections.freehyve.builder.plugins.plugin_utils._record import Given, Names, record_of
from ansible_collections.freehyve.builder.plugins.plugin_utils._record_age import process_age
from ansible_collections.freehyve.builder.plugins.plugin_utils._record_clean import Places, clean
from ansible_collections.freehyve.builder.plugins.plugin_utils._record_parts import mapping, results_of, rows
from ansible_collections.freehyve.builder.plugins.plugin_utils._record_past import RECORD, expected_seconds, last_record
from ansible_collections.freehyve.builder.plugins.plugin_utils._record_stages import stages_of
from ansible_collections.freehyve.builder.plugins.plugin_utils._record_text import summary
from ansible_collections.freehyve.builder.plugins.plugin_utils._remote_call import call

FACTS = "freehyve_builder"
GALAXY = Path(__file__).resolve().parents[2]

display = Display()

ARGUMENTS: dict[str, Any] = {
    "dest": {"type": "path", "required": True},
    "file": {"type": "str", "default": RECORD},
    "image": {
        "type": "dict",
        "required": True,
        "options": {name: {"type": "str", "required": True} for name in ("name", "version", "release", "arch")},
    },
    "mastername": {"type": "str", "required": True},
    "results": {"type": "dict", "required": True},
    "ports": {
        "type": "dict",
        "default": {},
        "options": {name: {"type": "str"} for name in ("method", "source", "version")},
    },
    "listed": {"type": "list", "elements": "str", "default": []},
    "allow_failures": {"type": "list", "elements": "str", "default": []},
}


def collection_version(root: Path = GALAXY) -> str:
    """Version of this collection: a checkout has galaxy.yml, an installed collection MANIFEST.json."""
    try:
        manifest = json.loads((root / "MANIFEST.json").read_text(encoding="utf-8"))
        return str(manifest["collection_info"]["version"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    try:
        lines = (root / "galaxy.yml").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown"
    found = (line.partition(":")[2].strip().strip("'\"") for line in lines if line.startswith("version:"))
    return next(found, "unknown")


def results_in(arguments: Mapping[str, Any]) -> dict[str, list[Any]]:
    return {str(stage): value for stage, value in arguments["results"].items() if isinstance(value, list)}


def tags_of(task_vars: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Tags that the run asks for, and those that it skips."""
    return list(task_vars.get("ansible_run_tags") or ()), list(task_vars.get("ansible_skip_tags") or ())


def past(arguments: Mapping[str, Any], dest: Path) -> dict[str, Any] | None:
    """The last record of this image."""
    return last_record(dest, arguments["file"], arguments["image"])


def builder_of(task_vars: Mapping[str, Any]) -> str:
    """Name of the builder; a host that stands for an image names its own."""
    return str(task_vars.get("freehyve_image_builder") or task_vars.get("inventory_hostname", "builder"))


def facts_of(task_vars: Mapping[str, Any]) -> Mapping[str, Any]:
    """What builder_facts found, or what a play made known of the host."""
    return mapping(mapping(task_vars.get("ansible_facts")).get(FACTS) or task_vars.get(FACTS))


def worked(results: Mapping[str, Any]) -> bool:
    """Whether the receipts on the builder may differ from those of the begin."""
    return any(stage.state in ("ran", "failed") for stage in stages_of(results))


def needs_of(receipt: Mapping[str, Any]) -> dict[str, list[str]]:
    """What each package of a layer needs."""
    packages = rows(results_of(receipt).get("packages"))
    return {str(row.get("name")): [str(need) for need in row.get("deps") or []] for row in packages}


def json_of(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8")


def places(dest: Path) -> Places:
    """Directories of the controller, and what stands for them in a record."""
    return Places({Path.home(): "~", os.getcwd(): ".", dest.parent: "artifacts", dest: "artifacts"})


def put(path: Path, data: bytes) -> bool:
    """Write a file unless it is there already; tells whether it wrote."""
    try:
        if path.read_bytes() == data:
            return False
    except OSError:
        pass
    write_file(str(path), data)
    return True


class ActionModule(ActionBase):
    """On the controller; asks the builder once when the run has changed something there."""

    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self.validate_argument_spec(ARGUMENTS)[1]
        dest = Path(os.path.abspath(os.path.expanduser(arguments["dest"])))
        if self._task.check_mode:
            lines = self._plan(arguments, dest, task_vars or {})
            return {**result, "changed": False, "actions": [], "msg": lines}
        given = self._given(arguments, dest, task_vars or {})
        path = dest / arguments["file"]
        record: dict[str, Any] = clean(record_of(given))
        places(dest).hide_in(record)
        try:
            self._write(record, given, path)
        except OSError as exc:
            cause = f"cannot be written: {exc.strerror or exc}"
            return {**result, "failed": True, "msg": f"record '{path}': {cause}; set freehyve_artifacts"}
        lines = [*summary(record, str(dest)), f"record: {path}"]
        host = (task_vars or {}).get("inventory_hostname", given.builder)
        for line in lines:
            display.display(f"{host}: {line}")
        # A record is a log of the run, no change of anything that a user asked for.
        return {
            **result,
            "changed": False,
            "actions": [],
            "path": str(path),
            "state": record["state"],
            "sbom": record["sbom"],
            "msg": lines,
        }

    def _plan(self, arguments: dict[str, Any], dest: Path, task_vars: dict[str, Any]) -> list[str]:
        """What the stages would do, and how long that took the last time."""
        host = task_vars.get("inventory_hostname", "builder")
        stages = stages_of(results_in(arguments), *tags_of(task_vars))
        lines = plan_table(f"{host}: plan", stages, expected_seconds(past(arguments, dest)))
        for line in lines:
            display.display(line)
        return lines

    def _write(self, record: dict[str, Any], given: Given, path: Path) -> None:
        """Both files; the record last, because it names the other."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if record["packages"] and record["inputs"]["dists"]["sets"]:
            record["sbom"] = self._sbom(record, given, path.parent)
        put(path, json_of(record))

    def _given(self, arguments: dict[str, Any], dest: Path, task_vars: dict[str, Any]) -> Given:
        facts = facts_of(task_vars)
        results = results_in(arguments)
        if worked(results):
            facts = self._fresh(facts, task_vars) or facts
        finished = time.time()
        age = process_age(os.getppid())
        run_tags, skip_tags = tags_of(task_vars)
        return Given(
            names=Names(mastername=arguments["mastername"], **arguments["image"]),
            builder=builder_of(task_vars),
            facts=facts,
            results=results,
            started=finished - age,
            finished=finished,
            run_tags=run_tags,
            skip_tags=skip_tags,
            ports=arguments["ports"],
            listed=arguments["listed"],
            allow_failures=arguments["allow_failures"],
            controller={
                "freehyve.builder": collection_version(),
                "ansible-core": ansible_version,
                "python": platform.python_version(),
            },
            previous=past(arguments, dest),
        )

    def _fresh(self, facts: Mapping[str, Any], task_vars: dict[str, Any]) -> Mapping[str, Any]:
        """The builder as it is now, its receipts above all; empty when it does not answer any more."""
        wanted = {name: facts[name] for name in ("workspace", "workspace_path") if facts.get(name)}
        if "workspace" not in wanted:
            return {}
        try:
            answer = call(self, "builder_facts", wanted, task_vars)
        except AnsibleConnectionFailure:
            return {}
        return facts_of(answer)

    def _sbom(self, record: dict[str, Any], given: Given, dest: Path) -> dict[str, Any]:
        layer = given.receipt("layer-packages")
        made = mapping(given.receipt("layer-system") or layer).get("made")
        bill = _sbom.sbom_of(
            record,
            needs_of(layer),
            made if isinstance(made, int) else None,
            str(given.controller.get("freehyve.builder", "")),
        )
        data = json_of(bill)
        name = f"{given.names.image}.cdx.json"
        put(dest / name, data)
        return {
            "file": name,
            "format": _sbom.FORMAT,
            "components": _sbom.count(bill),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
