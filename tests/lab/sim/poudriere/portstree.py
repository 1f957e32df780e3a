# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Made-up ports: directories ``category/port`` with a Makefile of the usual variables and a few of the lab's own.

The usual ones are PORTNAME, PORTVERSION (or DISTVERSION), PORTREVISION, PORTEPOCH, CATEGORIES, MAINTAINER, COMMENT,
WWW, LICENSE, PKGNAMEPREFIX, PKGNAMESUFFIX, FLAVORS (first the default; ``<flavor>_VARIABLE`` wins), ``*_DEPENDS``
(``key:category/port[@flavor]``), OPTIONS_DEFINE, OPTIONS_DEFAULT (``<OPTION>_RUN_DEPENDS``), IGNORE, BROKEN, FORBIDDEN,
NO_ARCH, USERS, GROUPS, PLIST_FILES and a ``pkg-plist`` beside it, lines ``[@(owner,group,mode)] path``.
A file's content is ``files/<path>`` of the port when it is there, else a line that names the port.

LAB_SECONDS: how long the build takes on a real host. LAB_FAIL_PHASE: the phase that fails (``build``, ``stage`` …,
``build/runaway``, ``build/timeout``). LAB_FAIL_TEXT: what the failing phase prints before make's own words.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Callable

from . import makefile

DEPENDENCIES = {"build": ("EXTRACT_DEPENDS", "PATCH_DEPENDS", "FETCH_DEPENDS", "BUILD_DEPENDS", "LIB_DEPENDS"),
                "run": ("LIB_DEPENDS", "RUN_DEPENDS")}
PKG_ORIGIN = "ports-mgmt/pkg"
PREFIX = "/usr/local"
#: A variable's expanded text by name.
Value = Callable[[str], str]


class PortError(Exception):
    """The port cannot be looked up; the text is poudriere's."""


@dataclass
class Port:
    """One port in one flavor.

    :param spec: origin, with ``@flavor`` for a port that has flavors.
    """

    origin: str
    flavor: str
    spec: str
    directory: str
    name: str
    version: str
    flavors: list[str]
    values: dict[str, str]
    ignore: str = ""
    options: dict[str, bool] = field(default_factory=dict)
    build_depends: list[tuple[str, str]] = field(default_factory=list)
    run_depends: list[tuple[str, str]] = field(default_factory=list)

    @property
    def pkgname(self) -> str:
        return f"{self.name}-{self.version}"

    @property
    def no_arch(self) -> bool:
        return bool(self.values.get("NO_ARCH"))

    @property
    def option_string(self) -> str:
        return " ".join(("+" if chosen else "-") + name for name, chosen in sorted(self.options.items()))

    def get(self, name: str, default: str = "") -> str:
        return makefile.expand(self.values, self.values.get(name, default))


@dataclass
class PortsTree:
    """A ports tree with the make.conf and the options that a build lays over it.

    :param overrides: variables forced on single origins, for builds said to have happened.
    """

    directory: str
    makeconf: dict[str, str] = field(default_factory=dict)
    options_directory: str | None = None
    overrides: dict[str, dict[str, str]] = field(default_factory=dict)

    def exists(self, origin: str) -> bool:
        return bool(re.fullmatch(r"[^/]+/[^/]+", origin)) and os.path.isfile(
            os.path.join(self.directory, origin, "Makefile"))

    def origins(self) -> list[str]:
        """Return every port: those the category Makefiles list, or all directories when there are none."""
        found = []
        for category in sorted(os.listdir(self.directory)):
            path = os.path.join(self.directory, category)
            if os.path.isdir(path) and not category.startswith("."):
                found += [f"{category}/{port}" for port in sorted(os.listdir(path))
                          if self.exists(f"{category}/{port}")]
        return found

    def moved(self) -> dict[str, tuple[str, str]]:
        """Return the MOVED file: old origin to new origin and reason."""
        try:
            with open(os.path.join(self.directory, "MOVED"), encoding="utf-8") as stream:
                rows = [line.rstrip("\n").split("|") for line in stream if line.strip() and not line.startswith("#")]
        except OSError:
            return {}
        return {row[0]: (row[1], row[3]) for row in rows if len(row) >= 4}

    def lookup(self, spec: str) -> Port:
        """Return a port in a flavor; raises PortError."""
        origin, _at, flavor = spec.partition("@")
        if not self.exists(origin):
            raise PortError(f"Error looking up dependencies for {spec}")
        directory = os.path.join(self.directory, origin)
        with open(os.path.join(directory, "Makefile"), encoding="utf-8") as stream:
            values = makefile.parse(stream.read(), {"PREFIX": PREFIX, "LOCALBASE": PREFIX, **self.makeconf})
        values.update(self.overrides.get(origin, {}))
        flavors = values.get("FLAVORS", "").split()
        if flavor and flavor not in flavors:
            raise PortError(f"Invalid FLAVOR '{flavor}' for {origin}" if flavors else
                            f"gather_port_vars_port: {spec} had FLAVOR={flavor} but port provided no flavors?")
        flavor = flavor or (flavors[0] if flavors else "")
        for key in [name for name in values if flavor and name.startswith(flavor + "_")]:
            values[key[len(flavor) + 1:]] = values[key]
        values["FLAVOR"] = flavor
        category = values.get("CATEGORIES", origin.partition("/")[0]).split()[0]
        if category != origin.partition("/")[0]:
            raise PortError(f"{origin} has incorrect CATEGORIES, first should be '{origin.partition('/')[0]}'.  "
                            "Please contact maintainer of the port to fix this.")
        return self._port(origin, flavor, flavors, directory, values)

    def _port(self, origin: str, flavor: str, flavors: list[str], directory: str, values: dict[str, str]) -> Port:
        def value(name: str) -> str:
            return makefile.expand(values, values.get(name, ""))

        values.setdefault("PORTVERSION", values.get("DISTVERSION", ""))
        version = value("PORTVERSION")
        if not value("PORTNAME") or not version:
            raise PortError(f"Error looking up dependencies for {origin}")
        if value("PORTREVISION") not in ("", "0"):
            version += f"_{value('PORTREVISION')}"
        if value("PORTEPOCH") not in ("", "0"):
            version += f",{value('PORTEPOCH')}"
        name = value("PKGNAMEPREFIX") + value("PORTNAME") + value("PKGNAMESUFFIX")
        spec = f"{origin}@{flavor}" if flavor else origin
        port = Port(origin, flavor, spec, directory, name, version, flavors, values)
        port.options = self._options(origin, values)
        port.ignore = _ignore(value)
        for option in [name for name, chosen in port.options.items() if chosen]:
            for kinds in DEPENDENCIES.values():
                for variable in kinds:
                    if f"{option}_{variable}" in values:
                        values[variable] = f"{values.get(variable, '')} {values[f'{option}_{variable}']}".strip()
        port.build_depends = _depends(value, "build")
        port.run_depends = _depends(value, "run")
        return port

    def _options(self, origin: str, values: dict[str, str]) -> dict[str, bool]:
        defined = values.get("OPTIONS_DEFINE", "").split()
        chosen = set(values.get("OPTIONS_DEFAULT", "").split())
        prefix = origin.replace("/", "_")
        for name in ("OPTIONS", prefix):
            chosen |= set(values.get(f"{name}_SET", "").split())
            chosen -= set(values.get(f"{name}_UNSET", "").split())
        if self.options_directory:
            try:
                with open(os.path.join(self.options_directory, prefix, "options"), encoding="utf-8") as stream:
                    saved = makefile.parse(stream.read())
            except OSError:
                saved = {}
            chosen |= set(saved.get("OPTIONS_FILE_SET", "").split())
            chosen -= set(saved.get("OPTIONS_FILE_UNSET", "").split())
        return {name: name in chosen for name in sorted(set(defined))}


def _ignore(value: Value) -> str:
    if value("FORBIDDEN"):
        return f"is forbidden: {value('FORBIDDEN')}"
    if value("BROKEN") and not value("TRYBROKEN"):
        return f"is marked as broken: {value('BROKEN')}"
    return value("IGNORE")


def _depends(value: Value, kind: str) -> list[tuple[str, str]]:
    """Return ``(key, spec)`` in the order of the variables, each spec once."""
    found: dict[str, str] = {}
    for variable in DEPENDENCIES[kind]:
        for word in value(variable).split():
            key, _colon, spec = word.partition(":")
            spec = re.sub(r"^.*/ports/", "", spec.partition(":")[0])
            if spec:
                found.setdefault(spec, key)
    return [(key, spec) for spec, key in found.items()]
