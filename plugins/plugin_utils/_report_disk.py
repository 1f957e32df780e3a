# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The part of the report about the image: its partitions to scale, its datasets as a tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.freehyve.builder.plugins.plugin_utils import _report_drawings as drawings
from ansible_collections.freehyve.builder.plugins.plugin_utils._report_text import (
    NOTHING,
    count,
    enumerate_words,
    line,
    number,
    rows,
    size,
    table,
)

KINDS = {
    "freebsd-boot": ("boot", "boot code"),
    "bios-boot": ("boot", "boot code"),
    "efi": ("efi", "EFI system partition"),
    "freebsd-swap": ("swap", ""),
    "freebsd-zfs": ("zfs", "ZFS pool"),
    "freebsd-ufs": ("zfs", "UFS"),
}
SIZES = ("quota", "recordsize", "refquota", "refreservation", "reservation", "volblocksize", "volsize")
DEEPEST = 12  # levels of the tree of datasets


@dataclass(frozen=True)
class Partition:
    """A partition in the drawing and in the table beside it."""

    number: int
    kind: str
    type: str
    about: str
    start: str
    size: str
    share: str
    extent: drawings.Bar

    @property
    def at(self) -> float:
        """Where its leader begins: at the middle of what is narrow, near the left edge of what is wide."""
        return self.extent.middle if self.extent.width < 4 else self.extent.x + 2

    @property
    def left(self) -> bool:
        """Whether its name stands left of the leader, because there is no room at its right."""
        return self.extent.x > 55


@dataclass(frozen=True)
class Dataset:
    """A node of the tree of datasets."""

    name: str
    about: str = ""
    mountpoint: str = ""
    properties: Sequence[tuple[str, str]] = ()
    children: list[Dataset] = field(default_factory=list)


def disk(record: Mapping[str, Any]) -> dict[str, Any]:
    """The disk drawn to scale, its partitions, and the pool as a tree."""
    geometry = table(record.get("geometry"))
    pool = table(geometry.get("pool"))
    shown = partitions(geometry)
    whole, scheme = size(geometry.get("size")), line(geometry.get("scheme"), 40).upper()
    widened = enumerate_words([str(part.number) for part in shown if part.extent.widened])
    exception = f", but for {widened}, which would not be seen" if widened else ""
    features = line(pool.get("compatibility"), 80) or "the newest OpenZFS"
    return {
        "any": bool(geometry),
        "note": f"{whole}, {scheme}. Drawn to scale{exception}.",
        "label": f"Disk of {whole} with {count(len(shown), 'partition')}: "
        + "; ".join(f"{part.number} {part.type} {part.size}" for part in shown),
        "partitions": shown,
        "pool": {
            "name": line(pool.get("name"), 60),
            "note": f"{size(pool.get('size'))}, features of {features}",
            "tree": pool_tree(pool),
        },
    }


def partitions(geometry: Mapping[str, Any]) -> list[Partition]:
    """The partitions by their places."""
    pool = line(table(geometry.get("pool")).get("name"), 60)
    placed = [
        (number(part.get("start")) or 0.0, number(part.get("size")) or 0.0, part)
        for part in rows(geometry.get("partitions"))
    ]
    placed.sort(key=lambda item: item[:2])
    extents = [(start, length) for start, length, _part in placed]
    total = max([number(geometry.get("size")) or 0.0, *(start + length for start, length in extents)])
    bars = drawings.strip(extents, total)
    shown = []
    for place, ((start, length, part), extent) in enumerate(zip(placed, bars, strict=True), 1):
        name = line(part.get("type"), 40)
        kind, about = KINDS.get(name, ("other", ""))
        if name == "freebsd-zfs" and pool:
            about = f"pool {pool}"
        share = 100 * length / total if total else 0.0
        shown.append(
            Partition(
                number=place,
                kind=kind,
                type=name,
                about=", ".join(text for text in (line(part.get("label"), 40), about) if text),
                start=size(start),
                size=size(length),
                share=f"{share:.2g} %" if share < 10 else f"{share:.0f} %",
                extent=extent,
            )
        )
    return shown


def pool_tree(pool: Mapping[str, Any]) -> Dataset | None:
    """The datasets as a tree below the pool's own; None without a pool."""
    if not pool.get("name"):
        return None
    root = Dataset(line(pool.get("name"), 60), "the pool")
    environment = line(pool.get("boot_environment"), 200)
    if environment:
        _add(root, environment, "boot environment", {"mountpoint": "/"})
    for item in rows(pool.get("datasets")):
        _add(root, line(item.get("name"), 200), "", item)
    return root


def _add(root: Dataset, path: str, about: str, item: Mapping[str, Any]) -> None:
    """Put a dataset into its place, and plain nodes above it where there are none yet."""
    node, mountpoint = root, ""
    steps = [step for step in path.split("/", DEEPEST - 1) if step] or [NOTHING]
    for step in steps[:-1]:
        node = _child(node, step) or _append(node, Dataset(step))
        # Inherited: the parent's with its own name, as zfsprops(7) says.
        mountpoint = node.mountpoint or (f"{mountpoint.rstrip('/')}/{step}" if mountpoint else "")
        mountpoint = mountpoint if mountpoint.startswith("/") else ""
    if item.get("mountpoint") is not None:
        mountpoint = line(item["mountpoint"], 200)
    elif mountpoint:
        mountpoint = f"{mountpoint.rstrip('/')}/{steps[-1]}"
    properties = [(line(key, 60), _value(key, value)) for key, value in sorted(table(item.get("properties")).items())]
    before = _child(node, steps[-1])
    made = Dataset(steps[-1], about, mountpoint, properties, before.children if before else [])
    if before:
        # Its children came first.
        node.children[node.children.index(before)] = made
    else:
        node.children.append(made)


def _value(name: str, value: Any) -> str:
    """A property's value; zfs(8) gives those that are sizes in bytes."""
    text = line(value, 120)
    return size(text) if name in SIZES and text.isdigit() else text


def _child(node: Dataset, name: str) -> Dataset | None:
    return next((child for child in node.children if child.name == name), None)


def _append(node: Dataset, child: Dataset) -> Dataset:
    node.children.append(child)
    return child


__all__ = ["Dataset", "Partition", "disk", "partitions", "pool_tree"]
