# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What the report shows of a build record (docs/build.schema.json), in the words and places in which it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.freehyve.builder.plugins.plugin_utils._report_changes import input_changes
from ansible_collections.freehyve.builder.plugins.plugin_utils._report_disk import disk
from ansible_collections.freehyve.builder.plugins.plugin_utils._report_packages import packages, ports
from ansible_collections.freehyve.builder.plugins.plugin_utils._report_text import (
    NOTHING,
    count,
    duration,
    enumerate_words,
    line,
    number,
    rows,
    size,
    table,
    when,
    whole,
    words,
)
from ansible_collections.freehyve.builder.plugins.plugin_utils._report_time import STAGES, builds, stages

COMPRESSIONS = {"none": "not compressed"}


def title(record: Mapping[str, Any]) -> dict[str, Any]:
    image = table(record.get("image"))
    return {
        "name": line(image.get("name"), 80) or "image",
        "version": line(image.get("version"), 80),
        "release": line(image.get("release"), 80),
        "arch": line(image.get("arch"), 40),
        "id": line(image.get("id"), 160),
    }


def files(record: Mapping[str, Any]) -> dict[str, Any]:
    """Files to fetch or to give away, with digests to copy."""
    stream = table(record.get("stream"))
    shown = [_file(item, stream) for item in rows(record.get("artifacts"))]
    bill = table(record.get("sbom"))
    if bill:
        about = ("software bill of materials", line(bill.get("format"), 40), count(bill.get("components"), "component"))
        shown.append(_file({**bill, "fetched": True}, {}, ", ".join(text for text in about if text)))
    sums = sorted((item["name"], item["sha256"]) for item in shown if item["sha256"])
    return {"items": shown, "sums": "".join(f"{digest}  {name}\n" for name, digest in sums)}


def _file(item: Mapping[str, Any], stream: Mapping[str, Any], about: str = "") -> dict[str, Any]:
    return {
        "name": line(item.get("file"), 200),
        "about": about or _about(item, stream),
        "sha256": line(item.get("sha256"), 80),
        "fetched": item.get("fetched") is True,
        "source_size": size(item.get("source_size")),
        "source_sha256": line(item.get("source_sha256"), 80),
    }


def _about(item: Mapping[str, Any], stream: Mapping[str, Any]) -> str:
    """What an artifact is, in a few words."""
    kind, compression = line(item.get("kind"), 40), line(item.get("compression"), 40)
    parts = [f"{line(item.get('format'), 40)} {kind}".strip()]
    if kind == "stream":
        parts = ["ZFS replication stream"]
        if item.get("file") == stream.get("file"):
            parts.append("incremental" if stream.get("incremental") is True else "full")
            parts.append(f"of {line(stream.get('boot_environment'), 120)}")
    parts += [COMPRESSIONS.get(compression, compression), size(item.get("size"))]
    return ", ".join(text for text in parts if text)


def inputs(record: Mapping[str, Any], previous: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the build was given."""
    found = table(record.get("inputs"))
    dists, tree = table(found.get("dists")), table(found.get("ports"))
    listed, overlay = table(found.get("packages")), table(found.get("overlay"))
    settings = table(found.get("settings"))
    tools = table(record.get("tools"))
    return {
        "changes": input_changes(record, previous) if previous else [],
        "url": line(dists.get("url")),
        "sets": [
            {
                "name": line(item.get("name"), 60),
                "size": size(item.get("size")),
                "trust": line(item.get("trust")) or "not known",
                "sha256": line(item.get("sha256"), 80),
            }
            for item in rows(dists.get("sets"))
        ],
        "tree": [
            (name, line(tree.get(key)))
            for name, key in (("Method", "method"), ("Source", "source"), ("Branch", "version"), ("Commit", "commit"))
            if tree.get(key)
        ],
        "patches": _digests(tree.get("patches")),
        "listed": words(listed.get("listed")),
        "configuration": _digests(listed.get("configuration")),
        "overlay": line(overlay.get("digest"), 80),
        "overlay_files": _digests(overlay.get("files")),
        "settings": [
            (line(name, 80), ", ".join(words(value)) if isinstance(value, list) else line(value) or NOTHING)
            for name, value in settings.items()
        ],
        "tools": [
            (place, [(line(name, 60), line(version, 80) or NOTHING) for name, version in table(tools.get(key)).items()])
            for place, key in (("Controller", "controller"), ("Builder", "builder"))
            if table(tools.get(key))
        ],
    }


def _digests(value: Any) -> list[tuple[str, str]]:
    return [(line(name, 200), line(digest, 80)) for name, digest in table(value).items()]


def builder(record: Mapping[str, Any]) -> str:
    """The builder in one line."""
    found = table(record.get("builder"))
    system = " ".join(line(found.get(key), 60) for key in ("system", "release", "arch") if found.get(key))
    parts = [system]
    if found.get("cpus") is not None:
        parts.append(count(found["cpus"], "CPU"))
    if found.get("memory") is not None:
        parts.append(size(found["memory"]))
    about = ", ".join(part for part in parts if part)
    return f"{line(found.get('name'), 120)} ({about})" if about else line(found.get("name"), 120) or NOTHING


def verdict(record: Mapping[str, Any]) -> dict[str, str]:
    """How the run ended: a tone (good, part or bad), a word, the rest of the sentence, and the error."""
    state, failure = record.get("state"), table(record.get("failure"))
    items = rows(record.get("stages"))
    took = duration(table(record.get("run")).get("seconds"))
    if state == "failed" or failure:
        stage = line(failure.get("stage"), 60)
        where = f"in the stage {STAGES.get(stage, stage)} after {took}." if stage else f"after {took}."
        return {"tone": "bad", "word": "Failed", "text": where, "detail": line(failure.get("message"), 1000)}
    if state == "partial":
        undone = [_stage_name(item) for item in items if item.get("state") in ("skipped", "pending")]
        text = f"after {took}; not in this run: {enumerate_words(undone) or 'some stages'}."
        return {"tone": "part", "word": "Partial", "text": text, "detail": ""}
    ran = sum(item.get("state") == "ran" for item in items)
    if not ran:
        return {"tone": "good", "word": "Up to date", "text": f"after {took}; nothing had to be made.", "detail": ""}
    text = f"in {took}; {ran} of {count(len(items), 'stage')} had work to do."
    return {"tone": "good", "word": "Complete", "text": text, "detail": ""}


def _stage_name(stage: Mapping[str, Any]) -> str:
    name = line(stage.get("name"), 60)
    return STAGES.get(name, name)


def facts(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The summary's list."""
    image, run, geometry = (table(record.get(name)) for name in ("image", "run", "geometry"))
    tree = table(table(record.get("inputs")).get("ports"))
    counts = table(table(record.get("ports")).get("counts"))
    found = [
        ("FreeBSD", f"{line(image.get('release'), 80)} for {line(image.get('arch'), 40)}"),
        ("Run", f"{when(run.get('started'))}, {duration(run.get('seconds'))}"),
        ("Builder", builder(record)),
    ]
    items = rows(record.get("packages"))
    if items:
        asked = sum(item.get("requested") is True for item in items)
        installed = size(sum(number(item.get("installed_size")) or 0.0 for item in items))
        found.append(("Packages", f"{len(items):,} in the image, {asked:,} of them listed; {installed} installed"))
    if counts:
        names = ("built", "fetched", "failed", "skipped", "ignored")
        said = [f"{whole(counts.get(name)):,} {name}" for name in names if whole(counts.get(name))]
        found.append(("Ports", ", ".join(said) or "nothing to build"))
    if tree.get("commit") or tree.get("version"):
        version, commit = line(tree.get("version"), 60), line(tree.get("commit"), 60)[:12]
        found.append(("Ports tree", " at ".join(text for text in (version, commit) if text)))
    if geometry:
        pool = line(table(geometry.get("pool")).get("name"), 60)
        about = (size(geometry.get("size")), line(geometry.get("scheme"), 40).upper(), f"pool {pool}" if pool else "")
        found.append(("Disk", ", ".join(text for text in about if text)))
    made = rows(record.get("artifacts"))
    if made:
        total = size(sum(number(item.get("size")) or 0.0 for item in made))
        found.append(("Files", f"{count(len(made), 'file')}, {total}"))
    return found


def view_of(record: Mapping[str, Any], previous: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Everything that the template shows."""
    return {
        "title": title(record),
        "finished": when(table(record.get("run")).get("finished")),
        "verdict": verdict(record),
        "facts": facts(record),
        "warnings": words(record.get("warnings")),
        "stages": stages(record),
        "builds": builds(record),
        "packages": packages(record, previous),
        "ports": ports(record),
        "disk": disk(record),
        "files": files(record),
        "inputs": inputs(record, previous),
    }


__all__ = ["view_of"]
