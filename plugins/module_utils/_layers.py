# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Layers of an image: names, argument lists, and what a package repository offers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError

KEY_PROPERTY = "freehyve:key"
IMAGE_PROPERTY = "freehyve:image"
REPOSITORY = "freehyve"  # name of the temporary repository, for `pkg install -r`

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_COMPONENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]*")
_DATASET = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.: -]*(/[A-Za-z0-9_.:-]+)*")
_OSVERSION = re.compile(r"^#define\s+__FreeBSD_version\s+(\d{6,7})\b", re.MULTILINE)


def layer_name(name: str, key: str) -> str:
    """Last component of a layer's dataset."""
    return f"{name}-{key[:12]}"


def check_names(dataset: str, name: str, snapshot: str, child: Optional[str], parent: Optional[str]) -> None:
    """:raises ToolError: a name that zfs(8) would not take or that could mean something else."""
    if not _DATASET.fullmatch(dataset):
        raise ToolError(f"dataset '{dataset}': not a dataset name; write pool/name without '@'")
    if not _NAME.fullmatch(name):
        raise ToolError(f"layer '{name}': not a name; use small letters, digits and '_'")
    for what, value in (("snapshot", snapshot), ("child", child)):
        if value is not None and not _COMPONENT.fullmatch(value):
            raise ToolError(f"{what} '{value}': not a name for a dataset; use letters, digits, '.', '_' and '-'")
    if parent is not None and parent.count("@") != 1:
        raise ToolError(f"parent '{parent}': not a snapshot; write pool/name@snapshot")


def obsolete(family: Mapping[str, Mapping[str, str]], dataset: str, image: str, keep: str) -> List[str]:
    """Layers below ``dataset`` that an image no longer uses, in an order in which they can be destroyed.

    A layer goes when this image made it and nothing is a clone of it; whatever ``keep`` descends from stays.
    """
    left = dict(family)
    gone: List[str] = []
    needed: Set[str] = set()
    at: Optional[str] = keep
    while at is not None and at in left and at not in needed:
        needed.add(at)
        origin = left[at].get("origin", "-")
        at = None if origin == "-" else origin.split("@")[0]
    while True:
        parents = {facts.get("origin", "-").split("@")[0] for facts in left.values()}
        ready = sorted(
            name
            for name, facts in left.items()
            if name.startswith(dataset + "/")
            and facts.get(KEY_PROPERTY, "-") != "-"
            and facts.get(IMAGE_PROPERTY) == image
            and name not in parents
            and name not in needed
        )
        if not ready:
            return gone
        gone += ready
        for name in ready:
            del left[name]


def osversion_of(param_h: str) -> Optional[str]:
    """``__FreeBSD_version`` of a system, from its usr/include/sys/param.h."""
    match = _OSVERSION.search(param_h)
    return match.group(1) if match else None


def repository_conf(url: str) -> str:
    """A pkg repository file (UCL) with one unsigned local repository."""
    return f'{REPOSITORY}: {{ url: "{url}", enabled: yes, signature_type: "none", priority: 0 }}\n'


def pkg_argv(root: str, conf_dir: str, abi: str, osversion: Optional[str], *command: str) -> List[str]:
    """pkg(8) on another root: only our repository, no questions.

    The global ``--rootdir`` is spelt out, because ``-r`` after ``install`` means a repository.
    """
    argv = ["pkg", "--rootdir", root, "--repo-conf-dir", conf_dir]
    for option in (f"ABI={abi}", "ASSUME_ALWAYS_YES=yes", "IGNORE_OSVERSION=yes"):
        argv += ["-o", option]
    # Without it pkg guesses MM00000 from the ABI and says so.
    if osversion is not None:
        argv += ["-o", f"OSVERSION={osversion}"]
    return argv + list(command)


@dataclass(frozen=True)
class Package:
    """A package of a repository's catalogue; ``deps`` are names, sizes are bytes or None."""

    name: str
    version: str
    origin: str
    flavor: str
    digest: str
    deps: Tuple[str, ...]
    size: Optional[int] = None
    installed_size: Optional[int] = None
    licences: Tuple[str, ...] = ()
    licence_logic: str = ""

    @property
    def summary(self) -> str:
        return f"{self.version} {self.digest[:12]}"

    def facts(self) -> Dict[str, Any]:
        """What a receipt says of an installed package beside its name, version and origin."""
        return {
            "flavor": self.flavor,
            "size": self.size,
            "installed_size": self.installed_size,
            "sha256": self.digest,
            "licences": list(self.licences),
            "licence_logic": self.licence_logic,
            "deps": list(self.deps),
        }


def _package(data: Mapping[str, Any]) -> Package:
    annotations = data.get("annotations") or {}
    return Package(
        name=str(data["name"]),
        version=str(data.get("version", "")),
        origin=str(data.get("origin", "")),
        flavor=str(annotations.get("flavor", "")) if isinstance(annotations, dict) else "",
        digest=str(data.get("sum", "")),
        deps=tuple(sorted(data.get("deps") or {})),
        size=_size(data.get("pkgsize")),
        installed_size=_size(data.get("flatsize")),
        licences=tuple(str(name) for name in data.get("licenses") or ()),
        licence_logic=str(data.get("licenselogic") or ""),
    )


def _size(value: Any) -> Optional[int]:
    return value if isinstance(value, int) else None


def parse_catalogue(text: str) -> List[Package]:
    """Packages of a catalogue: the ``data`` of pkg 1.20 and newer (one object) or ``packagesite.yaml`` (one per line).

    :raises ToolError: neither.
    """
    try:
        lines = [json.loads(line) for line in text.splitlines() if line.strip()]
        if len(lines) == 1 and "packages" in lines[0]:
            lines = lines[0]["packages"]
        return [_package(item) for item in lines]
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise ToolError(f"package repository: its catalogue cannot be read: {exc}") from exc


def choose(catalogue: Sequence[Package], wanted: Sequence[str]) -> List[str]:
    """Names of the packages that a list of names and origins (``category/port[@flavor]``) asks for.

    An origin without flavor that has several packages means the one without flavor, else the first by name, as
    poudriere builds the first flavor by default.
    :raises ToolError: the repository does not have it.
    """
    chosen: List[str] = []
    for item in wanted:
        origin, _at, flavor = item.partition("@")
        if "/" in origin:
            found = [p for p in catalogue if p.origin == origin and (not flavor or p.flavor == flavor)]
            if not found and flavor:
                # A repository made without PKG_NO_VERSION_FOR_DEPS may lack the annotation: one package is no riddle.
                found = [p for p in catalogue if p.origin == origin]
                found = found if len(found) == 1 else []
        else:
            found = [p for p in catalogue if p.name == item]
        if not found:
            raise ToolError(
                f"package '{item}': the repository does not have it; build it first or take it off the list"
            )
        best = sorted(found, key=lambda p: (bool(p.flavor) and not flavor, p.name))[0]
        if best.name not in chosen:
            chosen.append(best.name)
    return chosen


def closure(catalogue: Sequence[Package], names: Sequence[str]) -> Dict[str, str]:
    """``{name: version and digest}`` of packages and all that they need: what an install really depends on."""
    by_name = {package.name: package for package in catalogue}
    found: Dict[str, str] = {}
    todo = list(names)
    while todo:
        name = todo.pop()
        package = by_name.get(name)
        if name in found or package is None:
            continue
        found[name] = package.summary
        todo += package.deps
    return found


def parse_installed(stdout: str) -> List[Dict[str, str]]:
    """Packages of ``pkg query '%n %v %o'``."""
    rows = [line.split(" ") for line in stdout.splitlines() if line.count(" ") == 2]
    return [{"name": name, "version": version, "origin": origin} for name, version, origin in rows]


__all__ = [
    "IMAGE_PROPERTY",
    "KEY_PROPERTY",
    "REPOSITORY",
    "Package",
    "check_names",
    "choose",
    "closure",
    "layer_name",
    "obsolete",
    "osversion_of",
    "parse_catalogue",
    "parse_installed",
    "pkg_argv",
    "repository_conf",
]
