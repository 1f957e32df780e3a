# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Several images as data, and which builder is to build which. Pure: everything that is known comes in."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError

PREFIX = "freehyve_"
# What an image may set, without the prefix: all settings that a build reads.
SETTINGS = (
    *("arch", "artifacts", "authorized_keys", "datasets", "dist_checksums", "hostname", "image_formats", "image_size"),
    *("mirror", "name", "overlay", "packages", "pool", "ports_method", "ports_source", "ports_version"),
    *("poudriere_etc", "release", "swap_size", "timezone", "version", "workspace", "workspace_path"),
)
WORDS = ("name", "version", "release", "arch")
PORTS = ("ports_method", "ports_source", "ports_version")
DEFAULT_LIST = "host_packages.txt"
TREE = "freehyve"
# Options of roles that name what poudriere makes; a site that sets one of them names all of them itself.
NAMING = (
    *("package_jail_name", "package_bulk_jail", "package_bulk_ports", "package_bulk_set", "package_bulk_receipt"),
    *("package_ports_name", "disk_image_mastername"),
)

# Branches of one version number, in the order in which FreeBSD goes through them.
_BRANCHES = ("CURRENT", "PRERELEASE", "ALPHA", "BETA", "RC", "RELEASE", "STABLE")
_RELEASE = re.compile(r"([0-9]+)\.([0-9]+)-([A-Z]+)([0-9]*)(?:-p[0-9]+)?")
# Kernels that run programs of another architecture by themselves; qemu-user is not counted on.
_ALSO_RUNS = {"amd64": ("i386",)}


@dataclass(frozen=True)
class Image:
    """One entry of the list: its settings with full names, and the builder that it asks for, if any."""

    number: int
    settings: Mapping[str, Any]
    builder: str | None = None


@dataclass(frozen=True)
class Builder:
    """A host, what is known of it (see builder_facts), and the settings that it has without any image."""

    name: str
    facts: Mapping[str, Any]
    settings: Mapping[str, Any]
    # Settings that nothing overrides: ansible-playbook -e.
    final: Mapping[str, Any] = field(default_factory=dict)

    def wants(self, image: Image) -> dict[str, Any]:
        """All settings of an image on this builder."""
        return {**self.settings, **image.settings, **self.final}


@dataclass(frozen=True)
class Assigned:
    """An image and its builder; ``why`` says in words what spoke for it."""

    image: str
    builder: str
    settings: dict[str, Any]
    why: str

    @property
    def host(self) -> str:
        """Name of the image's host in the inventory."""
        return f"{self.image}@{self.builder}"


@dataclass(frozen=True)
class Assignment:
    """``left_out`` holds a line for each image that none of the builders at hand can build."""

    images: tuple[Assigned, ...]
    left_out: tuple[str, ...] = ()


def images_of(value: Any) -> list[Image]:
    """The images that ``freehyve_images`` names.

    :raises ToolError: it is no list of images.
    """
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ToolError(f"freehyve_images: is {_kind(value)}, not a list; write a '-' before each image")
    if not value:
        raise ToolError("freehyve_images: is empty; name an image, or leave it out to build the one of the settings")
    return [_image(number, entry) for number, entry in enumerate(value, 1)]


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a dictionary"
    return f"'{value}'" if isinstance(value, str) else f"{value}"


def _image(number: int, entry: Any) -> Image:
    title = f"image {number} of freehyve_images"
    if not isinstance(entry, Mapping):
        raise ToolError(f"{title}: is {_kind(entry)}, not settings; write them as in 'name: edge'")
    settings: dict[str, Any] = {}
    builder = None
    for key, value in entry.items():
        short = str(key).removeprefix(PREFIX)
        if str(key) == "builder":
            builder = str(value)
            continue
        if short not in SETTINGS:
            raise ToolError(f"{title}: unknown setting '{key}'; {_hint(short)}")
        if PREFIX + short in settings:
            raise ToolError(f"{title}: '{short}' is given twice; remove '{key}'")
        if short in WORDS and not isinstance(value, str):
            raise ToolError(f"{title}: {short} {value} is no text; write it in quotes")
        settings[PREFIX + short] = value
    return Image(number, settings, builder)


def _hint(name: str) -> str:
    near = difflib.get_close_matches(name, [*SETTINGS, "builder"], 1)
    return f"did you mean {near[0]}?" if near else f"there are builder, {', '.join(SETTINGS)}"


def release_order(release: str) -> tuple[int, int, int, int] | None:
    """What sorts releases by age; None for what is no release. Patch levels do not count, a jail may have any."""
    match = _RELEASE.fullmatch(release)
    if match is None or match[3] not in _BRANCHES:
        return None
    return int(match[1]), int(match[2]), _BRANCHES.index(match[3]), int(match[4] or 0)


def image_id(wants: Mapping[str, Any]) -> str:
    """As the roles name an image, see disk_image."""
    name, version, arch = (str(wants[PREFIX + word]) for word in ("name", "version", "arch"))
    return f"{name}-{version}-{arch.replace('/', '-')}"


def unfit(builder: Builder, wants: Mapping[str, Any]) -> str | None:
    """Why a builder cannot build what is wanted; None when it can."""
    facts, name = builder.facts, builder.name
    if facts.get("system") != "FreeBSD":
        return f"{name} runs {facts.get('system')}, not FreeBSD"
    if facts.get("jailed"):
        return f"{name} is a jail"
    machine = str(facts.get("machine_arch"))
    arch = str(wants["freehyve_arch"]).rpartition("/")[2]
    if arch != machine and arch not in _ALSO_RUNS.get(machine, ()):
        return f"{name} is {machine}"
    # A jail must not be newer than the kernel that it runs on (jail(8), poudriere-jail(8)).
    kernel, wanted = release_order(str(facts.get("release"))), release_order(str(wants["freehyve_release"]))
    if kernel is not None and wanted is not None and wanted > kernel:
        return f"{name} runs {facts.get('release')}, older than {wants['freehyve_release']}"
    pool = str(wants["freehyve_workspace"]).partition("/")[0]
    if pool not in (facts.get("pools") or {}):
        return f"{name} has no pool '{pool}'"
    return None


def assign(
    images: Sequence[Image], builders: Sequence[Builder], complete: bool = True, homes: Mapping[str, str] | None = None
) -> Assignment:
    """Give each image to a builder.

    An image stays where it was built, because all that it needs is there; else it goes where its packages are, else to
    the builder with the fewest images for its processors, the first of them in the inventory's order. Those that can
    go to fewer builders choose first.

    :param complete: whether these are all builders of the inventory. When some did not answer or were left out by
        --limit, what only they could build is left out too.
    :param homes: by image, a builder that is not at hand and has the image: it is not made anew somewhere else.
    :raises ToolError: an image that no builder can build, or images that cannot be told apart.
    """
    fits: dict[int, list[Builder]] = {}
    left_out = []
    known = {builder.name for builder in builders}
    for image in images:
        _check_release(image, builders)
        home = (homes or {}).get(_title(image, builders))
        if home is not None and image.builder is None:
            fits[image.number] = []
            left_out.append(f"image '{_title(image, builders)}': was built on {home}, which is not in this run")
            continue
        if image.builder not in (None, *known) and not complete:
            fits[image.number] = []
            left_out.append(f"image '{_title(image, builders)}': asks for {image.builder}, which is not in this run")
            continue
        asked = [builder for builder in builders if image.builder in (None, builder.name)]
        problems = {builder.name: unfit(builder, builder.wants(image)) for builder in asked}
        fits[image.number] = [builder for builder in asked if problems[builder.name] is None]
        if fits[image.number]:
            continue
        line = f"image '{_title(image, builders)}': no builder can build it: "
        if image.builder is not None and image.builder not in known:
            line += f"it asks for {image.builder}, the builders are {', '.join(sorted(known))}"
        else:
            line += ", ".join(str(problem) for problem in problems.values())
        if complete:
            raise ToolError(f"{line}; add a builder to the inventory, or change the image")
        left_out.append(line)
    chosen = _choose([image for image in images if fits[image.number]], fits)
    _check_apart(chosen)
    return Assignment(tuple(chosen), tuple(left_out))


def _check_release(image: Image, builders: Sequence[Builder]) -> None:
    for builder in builders:
        release = str(builder.wants(image)["freehyve_release"])
        if release_order(release) is None:
            title = _title(image, builders)
            raise ToolError(f"image '{title}': release '{release}' has an unknown form; write it like 15.1-RELEASE")


def _title(image: Image, builders: Sequence[Builder]) -> str:
    return image_id(builders[0].wants(image))


def _choose(images: Sequence[Image], fits: Mapping[int, list[Builder]]) -> list[Assigned]:
    """The rules of :func:`assign`; the result is in the order of the list."""
    load: dict[str, int] = {}
    chosen: dict[int, Assigned] = {}

    def rank(image: Image, builder: Builder) -> tuple[bool, bool]:
        stages, wants = builder.facts.get("stages") or {}, builder.wants(image)
        there = {f"image-{image_id(wants)}", f"layer-base-{image_id(wants)}"} & set(stages)
        return not there, f"packages-{mastername_of(wants, builder.settings)}" not in stages

    def eagerness(image: Image) -> tuple[bool, int, int]:
        return min(rank(image, builder) for builder in fits[image.number])[0], len(fits[image.number]), image.number

    for image in sorted(images, key=eagerness):
        place = {builder.name: number for number, builder in enumerate(fits[image.number])}

        def cost(builder: Builder, image: Image = image, place: Mapping[str, int] = place) -> tuple[Any, ...]:
            share = (load.get(builder.name, 0) + 1) / max(1, int(builder.facts.get("cpus") or 1))
            return (*rank(image, builder), share, place[builder.name])

        best = min(fits[image.number], key=cost)
        load[best.name] = load.get(best.name, 0) + 1
        wants = best.wants(image)
        new, unpacked = rank(image, best)
        reasons = ["it was built there", "its packages are there", "the only one that can", "the fewest images"]
        why = reasons[0 if not new else 1 if not unpacked else 2 if len(fits[image.number]) == 1 else 3]
        chosen[image.number] = Assigned(image_id(wants), best.name, wants, why)
    return [chosen[image.number] for image in images]


def _check_apart(chosen: Sequence[Assigned]) -> None:
    """Images must not write to the same places.

    :raises ToolError: two that do.
    """
    for number, one in enumerate(chosen):
        for other in chosen[:number]:
            if one.image == other.image:
                raise ToolError(
                    f"image '{one.image}': is there twice in freehyve_images; "
                    f"name, version and architecture make an image's name, so change one of them"
                )
            for setting in _shared(one, other):
                if one.settings.get(setting) != other.settings.get(setting):
                    raise ToolError(
                        f"images '{other.image}' and '{one.image}': have different {setting}, which {one.builder} "
                        f"keeps once for both; set it once, or give one of them its own freehyve_workspace"
                    )


def _shared(one: Assigned, other: Assigned) -> Iterable[str]:
    """Settings that must be the same for two images, because what comes of them lies in one place."""

    def same(*names: str) -> bool:
        return all(one.settings.get(PREFIX + name) == other.settings.get(PREFIX + name) for name in names)

    if one.builder != other.builder or not same("workspace", "workspace_path"):
        return ()
    of_release = ("freehyve_mirror", "freehyve_dist_checksums") if same("release", "arch") else ()
    return ("freehyve_poudriere_etc", *of_release)


def set_of(wants: Mapping[str, Any]) -> str:
    """poudriere's set (-z) for an image's package lists; none for the default list.

    A set has a package repository of its own, so that images with other lists neither wait for each other's ports nor
    make each other's packages old. It is named by the lists: images with the same lists share it.
    """
    lists = _lists(wants)
    if lists == [DEFAULT_LIST]:
        return ""
    stems = [re.sub(r"[^A-Za-z0-9]+", "_", name.removesuffix(".txt")).strip("_") for name in lists]
    plain = len(lists) == 1 and f"{stems[0]}.txt" == lists[0]
    return stems[0] if plain else "_".join([*stems, _short(lists)])


def _lists(wants: Mapping[str, Any]) -> list[str]:
    given = wants.get("freehyve_packages", DEFAULT_LIST)
    return [given] if isinstance(given, str) else [str(item) for item in given]


def tree_of(wants: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """The ports tree of an image: the builder's own, or one of its own when it asks for other ports."""
    mine, usual = ([str(source.get(PREFIX + name)) for name in PORTS] for source in (wants, settings))
    if mine == usual:
        return TREE
    version = mine[2]
    plain = mine[:2] == usual[:2] and re.fullmatch(r"[A-Za-z0-9]+", version)
    return f"{TREE}_{version if plain else _short(mine)}"


def _short(words: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(words).encode("utf-8")).hexdigest()[:8]


def mastername_of(wants: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """What poudriere calls jail, tree and set together."""
    jail = "fh" + re.sub(r"[^A-Za-z0-9]", "", f"{wants['freehyve_release']}{wants['freehyve_arch']}")
    return "-".join(part for part in (jail, tree_of(wants, settings), set_of(wants)) if part)


def names_of(assigned: Assigned, builder: Builder) -> dict[str, str]:
    """Options of roles that keep the packages of one image from those of another."""
    tree = tree_of(assigned.settings, builder.settings)
    return {
        "package_ports_name": tree,
        "package_bulk_ports": tree,
        "package_bulk_set": set_of(assigned.settings),
        "disk_image_mastername": mastername_of(assigned.settings, builder.settings),
    }


__all__ = [
    "NAMING",
    "PREFIX",
    "SETTINGS",
    "Assigned",
    "Assignment",
    "Builder",
    "Image",
    "assign",
    "image_id",
    "images_of",
    "mastername_of",
    "names_of",
    "release_order",
    "set_of",
    "tree_of",
    "unfit",
]
