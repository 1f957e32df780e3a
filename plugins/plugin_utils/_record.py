# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The build record: one dictionary, as docs/build.schema.json describes it, out of what a run knows.

Pure: the action plugin ``build_record`` brings the data and writes the files.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.freehyve.builder.plugins.module_utils._bulk_status import is_allowed
from ansible_collections.freehyve.builder.plugins.module_utils._keys import key_of
from ansible_collections.freehyve.builder.plugins.plugin_utils import _record_parts as parts
from ansible_collections.freehyve.builder.plugins.plugin_utils._record_clean import line_of
from ansible_collections.freehyve.builder.plugins.plugin_utils._record_past import SCHEMA, expected_seconds
from ansible_collections.freehyve.builder.plugins.plugin_utils._record_stages import Stage, failure_of, stages_of

Data = Mapping[str, Any]


@dataclass(frozen=True)
class Names:
    """The image, and the receipts on the builder that tell of it."""

    name: str
    version: str
    release: str
    arch: str
    mastername: str

    @property
    def image(self) -> str:
        return f"{self.name}-{self.version}-{self.arch.replace('/', '-')}"

    def receipt(self, stage: str) -> str:
        """Stem of the receipt of ``dists``, ``packages``, ``image``, ``stream`` or ``layer-<name>``."""
        if stage == "dists":
            return f"dists-{self.release}-{self.arch.replace('/', '-')}"
        return f"{stage}-{self.mastername if stage == 'packages' else self.image}"


@dataclass(frozen=True)
class Given:
    """What a run knows at its end.

    ``results`` are results of tasks by stage, ``facts`` are builder_facts', fresh if something was done; ``ports`` are
    the settings method, source and version; ``started`` and ``finished`` are seconds since the epoch.
    """

    names: Names
    builder: str
    facts: Data
    results: Mapping[str, Sequence[Any]]
    started: float
    finished: float
    run_tags: Sequence[str] = ()
    skip_tags: Sequence[str] = ()
    ports: Data = field(default_factory=dict)
    listed: Sequence[str] = ()
    allow_failures: Sequence[str] = ()
    controller: Mapping[str, str] = field(default_factory=dict)
    previous: Data | None = None

    def receipt(self, stage: str) -> Data:
        return parts.mapping(parts.mapping(self.facts.get("stages")).get(self.names.receipt(stage)))

    def result(self, stage: str) -> Data:
        """The last result of a stage that took part."""
        present = [one for one in self.results.get(stage) or () if isinstance(one, Mapping) and one]
        return next((one for one in reversed(present) if not one.get("skipped")), {})


def excuses(lists: Data, allow_failures: Sequence[str]) -> Callable[[Data], bool]:
    """Says of a row whether the port may be missing: the site allows it, or allows what it needs."""
    failed = [row for name in ("failed", "ignored") for row in parts.rows(lists.get(name))]
    excused = {row.get("pkgname") for row in failed if is_allowed(allow_failures, str(row.get("origin")))}
    left = parts.rows(lists.get("skipped"))
    while left:
        known = [
            row for row in left if row.get("blocking") in excused or is_allowed(allow_failures, str(row.get("origin")))
        ]
        if not known:
            break
        excused |= {row.get("pkgname") for row in known}
        left = [row for row in left if row not in known]
    return lambda row: row.get("pkgname") in excused


def stage_row(stage: Stage, given: Given, expected: Mapping[str, float]) -> dict[str, Any]:
    """A stage of the record. Its key and date come from its receipt, or where it has none, from its task."""
    receipt = given.receipt({"update": "stream"}.get(stage.name, stage.name))
    past = next((row for row in parts.rows((given.previous or {}).get("stages")) if row.get("name") == stage.name), {})
    key = parts.digest(receipt.get("key")) or parts.digest(given.result(stage.name).get("key"))
    worked = stage.ran and stage.seconds is not None
    return {
        "name": stage.name,
        "state": stage.state,
        "reasons": stage.reasons,
        "actions": [{"action": action, "reason": reason} for action, reason in stage.actions],
        "seconds": stage.seconds,
        "work_seconds": stage.seconds if worked else expected.get(stage.name),
        "key": key or (parts.digest(past.get("key")) if stage.state == "skipped" else None),
        "made": parts.size(receipt.get("made")),
    }


def bulk_of(given: Given, stage: Stage) -> tuple[Data, bool]:
    """poudriere's lists, and whether they are of this run: only a run that did something has them in its result."""
    found = [row["bulk"] for row in given.results.get("packages") or () if isinstance(row, Mapping) and row.get("bulk")]
    if stage.state in ("ran", "failed") and found:
        return parts.mapping(found[-1]), True
    return parts.results_of(given.receipt("packages")), False


def warnings_of(record: Data, results: Mapping[str, Sequence[Any]]) -> list[str]:
    """What a reader should know although nothing failed."""
    found: list[str] = []
    for row in record["inputs"]["dists"]["sets"]:
        if row["trust"] == "mirror":
            found.append(f"dist set '{row['name']}': only the mirror vouches for its digest; pin it to be sure")
    ports = record["ports"] or {}
    for row in ports.get("failed", []):
        if row["allowed"]:
            found.append(f"port '{row['origin']}': failed in {row['phase']}, and may; the image lacks it")
    for row in ports.get("skipped", []):
        if row["allowed"]:
            found.append(f"port '{row['origin']}': skipped, it needs {row['needs']}; the image lacks it")
    for row in ports.get("ignored", []):
        if row["allowed"]:
            found.append(f"port '{row['origin']}': ignored, {row['reason']}; the image lacks it")
    for rows in results.values():
        for result in rows:
            told = result.get("warnings") if isinstance(result, Mapping) else None
            found += [line_of(_message(one)) for one in told or []]
    return list(dict.fromkeys(found))


def _message(warning: Any) -> Any:
    return warning.get("msg", warning) if isinstance(warning, Mapping) else warning


def here(result: Data) -> dict[str, str]:
    """Digests of the files that fetching brought or found here, by name."""
    return {
        str(row.get("dest", "")).rpartition("/")[2]: row["sha256"]
        for row in parts.rows(result.get("files"))
        if parts.digest(row.get("sha256"))
    }


def record_of(given: Given) -> dict[str, Any]:
    """The record. What a stage that failed or was never reached left from earlier runs is not told of."""
    stages = {stage.name: stage for stage in stages_of(given.results, given.run_tags, given.skip_tags)}
    failure = failure_of(list(stages.values()))
    usable = {name: stage.usable for name, stage in stages.items()}
    image = given.receipt("image") if usable["image"] else {}
    packages = given.receipt("layer-packages") if usable["image"] and usable["packages"] else {}
    system = given.receipt("layer-system") if usable["image"] else {}
    stream = given.receipt("stream") if usable["update"] else {}
    before = parts.mapping(given.previous)
    lists, this_run = bulk_of(given, stages["packages"])
    expected = expected_seconds(before)
    names, facts = given.names, given.facts
    record: dict[str, Any] = {
        "schema": SCHEMA,
        "image": {
            "id": names.image,
            "name": names.name,
            "version": names.version,
            "release": names.release,
            "arch": names.arch,
        },
        "state": "done",
        "failure": failure,
        "run": {
            "started": int(given.started),
            "finished": int(given.finished),
            "seconds": round(max(0.0, given.finished - given.started), 3),
        },
        "builder": {
            "name": given.builder,
            **{name: parts.word(facts.get(name)) for name in ("system", "release", "arch")},
            **{name: parts.size(facts.get(name)) for name in ("osreldate", "cpus", "memory")},
        },
        "tools": {
            "controller": dict(given.controller),
            "builder": {
                "poudriere": parts.word(facts.get("poudriere_version")),
                "python": parts.word(facts.get("python")),
                "zfs": parts.word(facts.get("zfs_version")),
            },
        },
        "inputs": {
            "dists": parts.dists(given.receipt("dists")),
            "ports": parts.ports_tree(
                given.ports,
                given.result("ports"),
                given.receipt("packages"),
                parts.mapping(parts.mapping(before.get("inputs")).get("ports")),
            ),
            "packages": parts.package_inputs(given.receipt("packages"), given.result("packages"), given.listed),
            "overlay": parts.overlay(system),
            "settings": parts.settings(image, system),
        },
        "stages": [stage_row(stage, given, expected) for stage in stages.values()],
        "packages": parts.packages(packages, lists, parts.known_times(before)),
        "ports": parts.port_lists(lists, this_run, excuses(lists, given.allow_failures)) if lists else None,
        "geometry": parts.geometry(image),
        "artifacts": parts.artifacts(image, stream, here(given.result("fetch"))),
        "stream": parts.stream_of(stream),
        "sbom": None,
        "content": None,
        "warnings": [],
    }
    record["state"] = state_of(record)
    record["content"] = content_of(record)
    record["warnings"] = warnings_of(record, given.results)
    return record


def state_of(record: Data) -> str:
    if record["failure"] is not None:
        return "failed"
    whole = any(row["kind"] == "image" for row in record["artifacts"]) and record["stream"] is not None
    return "done" if whole else "partial"


def content_of(record: Data) -> str | None:
    """One digest of all that the image is made of; None without an image.

    Whoever builds the same has the same, whenever and on whatever builder: what a builder adds of its own, such as the
    place of poudriere's data, and the identities of what is made have no part in it.
    """
    if not any(row["kind"] == "image" for row in record["artifacts"]):
        return None
    inputs, place = record["inputs"], "poudriere.d/poudriere.conf"
    configuration = inputs["packages"]["configuration"]
    return key_of(
        {
            "image": record["image"],
            "dists": {row["name"]: row["sha256"] for row in inputs["dists"]["sets"]},
            "ports": {name: inputs["ports"][name] for name in ("commit", "patches")},
            "configuration": {path: digest for path, digest in configuration.items() if path != place},
            "packages": sorted([row["name"], row["version"], row["origin"]] for row in record["packages"]),
            "overlay": inputs["overlay"]["digest"],
            "settings": inputs["settings"],
            "geometry": record["geometry"],
        }
    )


def comparable(record: Data) -> dict[str, Any]:
    """A record without what may differ between two runs with the same inputs: times, what this very run did, and the
    digests and sizes of what is made, as pools and file systems bear identities and dates of their own."""
    rest = copy.deepcopy(dict(record))
    for name in ("run", "failure", "state", "sbom", "warnings"):
        rest.pop(name, None)
    # The key of packages has the date of a ports tree that is not ours; later ones stand on digests of packages.
    rest["stages"] = [{"name": row["name"], "key": row["key"]} for row in rest.get("stages", [])[:3]]
    _without(rest["inputs"]["packages"], ("key",))
    for row in rest.get("packages", []):
        _without(row, ("build_seconds", "source", "sha256", "size"))
    ports = rest.get("ports")
    if isinstance(ports, dict):
        _without(ports, ("this_run", "counts", "built", "fetched"))
        for row in [*ports["failed"], *ports["skipped"], *ports["ignored"]]:
            _without(row, ("start", "seconds", "log"))
    for row in rest.get("artifacts", []):
        _without(row, ("size", "sha256", "source_size", "source_sha256", "fetched"))
    if isinstance(rest.get("stream"), dict):
        _without(rest["stream"], ("size", "sha256"))
    return rest


def _without(row: dict[str, Any], names: Iterable[str]) -> None:
    for name in names:
        row.pop(name, None)


__all__ = ["Given", "Names", "comparable", "content_of", "excuses", "record_of", "state_of"]
