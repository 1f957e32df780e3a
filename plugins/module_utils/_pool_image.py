# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The pool of an image: its datasets as data, the features that its loader can read, the space that it needs."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.freehyve.builder.plugins.module_utils import _properties, _zfs
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._geometry import MIB, round_up
from ansible_collections.freehyve.builder.plugins.module_utils._sizes import parse_size

BOOT_ENVIRONMENTS = "ROOT"
COMPATIBILITY_DIRECTORY = "/usr/share/zfs/compatibility.d"  # zpool-features(7)
# Feature sets that the loader of a release reads, best first. 13.x is proved: an image made so boots under BIOS and
# UEFI. 14 has OpenZFS 2.2, and the 15.1 loader's own list (stand/libsa/zfs/zfsimpl.c) covers 2.2 as well.
_SETS_13 = ("openzfs-2.0-freebsd",)
_SETS_LATER = ("openzfs-2.2-freebsd", "openzfs-2.2", "openzfs-2.1-freebsd", "openzfs-2.0-freebsd")

_RELEASE = re.compile(r"(\d+)\.(\d+)(-[A-Z0-9.-]+)?")
_LABELS = 4 * 256 << 10  # bytes: four vdev labels, and below the boot block's reserve
_BOOT_RESERVE = 3584 << 10  # bytes: VDEV_BOOT_SIZE


def choose_compatibility(wanted: str, release: str, available: Sequence[str]) -> Optional[str]:
    """The value of ``compatibility=``, None for all features.

    :param wanted: ``auto``, ``off``, or sets by name, separated by commas.
    :raises ToolError: this builder lacks the set.
    """
    if wanted == "off":
        return None
    if wanted != "auto":
        missing = [name for name in wanted.split(",") if name not in available]
        if missing:
            raise ToolError(
                f"compatibility '{missing[0]}': this builder has no such feature set; it has {', '.join(available)}"
            )
        return wanted
    match = _RELEASE.fullmatch(release)
    if match is None:
        raise ToolError(f"release '{release}': not a FreeBSD release; write it like 15.1-RELEASE")
    sets = _SETS_13 if int(match.group(1)) <= 13 else _SETS_LATER
    for name in sets:
        if name in available:
            return name
    raise ToolError(
        f"release '{release}': this builder has none of the feature sets its loader can read ({', '.join(sets)}); "
        f"name one of its own as compatibility"
    )


@dataclass(frozen=True)
class Spec:
    """A dataset of the image: ``name`` without the pool, properties as zfs(8) takes them, ``place`` its effective
    mount point, None when it is not mounted."""

    name: str
    properties: Dict[str, str] = field(default_factory=dict)
    place: Optional[str] = None


def _mountpoint(what: str, value: str) -> str:
    if value in ("none", "legacy"):
        return value
    if not value.startswith("/") or posixpath.normpath(value) != value or value.startswith("//"):
        raise ToolError(f"{what}: bad mount point '{value}'; write an absolute path without '..', 'none' or 'legacy'")
    if value == "/":
        raise ToolError(f"{what}: bad mount point '/', it belongs to the boot environment")
    return value


def specs(data: Sequence[Mapping[str, Any]]) -> List[Spec]:
    """Datasets in the order of their creation, parents that nobody named among them, unmounted.

    :raises ToolError: a name, property or mount point that zfs(8) would not take, or two datasets at one mount point.
    """
    given: Dict[str, Dict[str, str]] = {}
    for item in data:
        name = str(item["name"])
        what = f"dataset '{name}'"
        _zfs.check_name(f"pool/{name}")
        if name.split("/", 1)[0] == BOOT_ENVIRONMENTS:
            raise ToolError(f"{what}: '{BOOT_ENVIRONMENTS}' is for boot environments; choose another name")
        if name in given:
            raise ToolError(f"{what}: given twice")
        properties: Dict[str, str] = {}
        for key, value in (item.get("properties") or {}).items():
            properties[key] = _properties.check(what, key, value, _properties.dataset_rule(key))
        if item.get("mountpoint") is not None:
            properties["mountpoint"] = str(item["mountpoint"])
        if "mountpoint" in properties:
            properties["mountpoint"] = _mountpoint(what, properties["mountpoint"])
        given[name] = properties
    for name in list(given):
        parent = _zfs.parent_of(name)
        while parent is not None:
            given.setdefault(parent, {"canmount": "off"})
            parent = _zfs.parent_of(parent)
    return _ordered(_placed(given))


def _placed(given: Mapping[str, Dict[str, str]]) -> Dict[str, Spec]:
    """Effective mount points: a dataset without one of its own lies below its parent's."""
    points: Dict[str, str] = {}
    found: Dict[str, Spec] = {}
    for name in sorted(given, key=lambda n: n.count("/")):
        properties = given[name]
        parent = points.get(_zfs.parent_of(name) or "", "none")
        inherited = parent if parent in ("none", "legacy") else f"{parent}/{name.rsplit('/', 1)[-1]}"
        points[name] = properties.get("mountpoint", inherited)
        mounted = points[name].startswith("/") and properties.get("canmount", "on") == "on"
        found[name] = Spec(name, properties, points[name] if mounted else None)
    places: Dict[str, str] = {}
    for name, spec in sorted(found.items()):
        if spec.place is None:
            continue
        if spec.place in places:
            raise ToolError(f"dataset '{name}': mount point '{spec.place}' is also that of '{places[spec.place]}'")
        places[spec.place] = name
    return found


def _ordered(found: Mapping[str, Spec]) -> List[Spec]:
    """Parents before children, and outer mount points before inner ones, for creating mounts at once."""
    todo = dict(found)
    done: List[Spec] = []
    while todo:
        ready = [s for s in todo.values() if (_zfs.parent_of(s.name) or "") not in todo]
        first = min(ready, key=lambda s: (s.place or "", s.name))
        inner = [s.name for s in done if s.place and first.place and s.place.startswith(first.place + "/")]
        if inner:
            raise ToolError(
                f"dataset '{first.name}': mount point '{first.place}' would hide that of '{inner[0]}', "
                f"which must be made before; put the one below the other"
            )
        done.append(first)
        del todo[first.name]
    return done


def below_place(all_specs: Sequence[Spec], place: str) -> List[str]:
    """Mount points below one, relative to it: what is not copied into it because it has a dataset of its own."""
    return sorted(
        posixpath.relpath(s.place, place) for s in all_specs if s.place is not None and s.place.startswith(place + "/")
    )


def reserved(all_specs: Sequence[Spec]) -> int:
    """Bytes that reservations take."""
    total = 0
    for spec in all_specs:
        values = [spec.properties.get(key, "none") for key in ("reservation", "refreservation")]
        total += max((parse_size(v) for v in values if v not in ("none", "auto")), default=0)
    return total


def usable(size: int) -> int:
    """Bytes that datasets of a pool on a device of ``size`` can hold: less labels and slop (spa_get_slop_space)."""
    allocatable = max(0, size - _LABELS - _BOOT_RESERVE)
    slop = max(min(allocatable >> 5, 128 << 30), min(allocatable >> 1, 128 * MIB))
    return max(0, allocatable - slop)


def needed_size(content: int, reservations: int) -> int:
    """The least size of a device for a boot environment of ``content`` bytes and reservations, in whole MiB.

    Metadata is put at 5 % and 16 MiB.
    """
    want = content + content // 20 + reservations + 16 * MIB
    size = round_up(want + _LABELS + _BOOT_RESERVE, MIB)
    while usable(size) < want:
        size += max(MIB, round_up((want - usable(size)) // 2, MIB))
    return size


def copy_argvs(source: str, dest: str, without: Sequence[str]) -> Tuple[List[str], List[str]]:
    """Two ends of a pipe that copies a directory's content with owners, modes, flags, times and links."""
    # Without ``^`` a pattern of bsdtar(1) matches at any depth: ``./log`` would leave out ``cache/log`` too.
    excludes = [word for path in without for word in ("--exclude", f"^./{path}")]
    return ["tar", "-C", source, *excludes, "-cf", "-", "."], ["tar", "-C", dest, "-xpf", "-"]


__all__ = [
    "BOOT_ENVIRONMENTS",
    "COMPATIBILITY_DIRECTORY",
    "Spec",
    "below_place",
    "choose_compatibility",
    "copy_argvs",
    "needed_size",
    "reserved",
    "specs",
    "usable",
]
