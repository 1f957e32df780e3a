# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Which ports a build is about: the lists, the renamed, the flavors, the dependencies."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from .context import Context
from .output import EX_USAGE, Failure
from .portstree import PKG_ORIGIN, Port, PortError, PortsTree


@dataclass
class Gathered:
    """The ports of a build in the order in which they were found.

    ``reasons`` says for each spec why it is there: ``listed``, or the first port that needs it.
    """

    ports: dict[str, Port] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def unignored(self) -> list[Port]:
        return [port for port in self.ports.values() if not port.ignore]

    def known(self) -> dict[str, Port]:
        """Return the ports by spec, and by origin when its default flavor is among them."""
        found = dict(self.ports)
        for port in self.ports.values():
            if port.flavors and port.flavor == port.flavors[0]:
                found.setdefault(port.origin, port)
        return found

    def lines(self, ports: list[Port]) -> str:
        """Return the file ``all_pkgs``."""
        return "".join(f"{port.pkgname} {port.spec} {self.reasons[port.spec]} {port.ignore}\n" for port in ports)


def check_lists(files: list[str], operands: list[str], everything: bool) -> None:
    """Check what read_packages_from_params() checks; raises Failure."""
    where = "read_packages_from_params"
    if not operands:
        if not files and not everything:
            raise Failure(EX_USAGE, "No packages specified", f"{where}:5")
        for path in [] if everything else files:
            if not os.access(path, os.R_OK):
                raise Failure(EX_USAGE, f"No such list of packages: {path}", f"{where}:9")
        return
    if everything:
        raise Failure(EX_USAGE, "command line arguments and -a cannot be used at the same time", f"{where}:14")
    if files:
        raise Failure(EX_USAGE, "command line arguments and list of ports cannot be used at the same time",
                      f"{where}:16")


def listed(files: list[str], operands: list[str], everything: bool, tree: PortsTree) -> list[str]:
    """Return the specs asked for, sorted, each once."""
    if everything:
        return tree.origins()
    words = []
    for path in files:
        with open(path, encoding="utf-8", errors="replace") as stream:
            words += [line.split()[0] for line in stream if line.strip() and not line.split()[0].startswith("#")]
    found = []
    for word in words + operands:
        word = word.removeprefix("/").removesuffix("/")
        if word:
            found.append(word)
    return sorted(set(found))


class Gatherer:
    """Looks ports up, starting from what is listed.

    :param all_flavors: whether a bare origin means every flavor.
    """

    def __init__(self, context: Context, tree: PortsTree, blacklist: set[str], all_flavors: bool) -> None:
        self.context = context
        self.tree = tree
        self.blacklist = blacklist
        self.all_flavors = all_flavors
        self.found = Gathered()

    def gather(self, specs: list[str]) -> Gathered:
        """Return everything that the listed specs need; raises Failure."""
        wanted = self._listed(specs)
        for spec in wanted:
            self._add(spec, "listed")
        waiting = [port for port in self.found.ports.values() if not port.ignore]
        while waiting:
            port = waiting.pop(0)
            for spec in self._needs(port):
                new = self._add(spec, port.spec)
                if new is not None and not new.ignore:
                    waiting.append(new)
        return self.found

    def _listed(self, specs: list[str]) -> list[str]:
        """Apply MOVED, refuse what does not exist, expand ``@all``."""
        moved, wrong, found = self.tree.moved(), False, []
        for spec in specs:
            origin, _at, flavor = spec.partition("@")
            new = ""
            if origin in moved:
                new, why = moved[origin]
                if not new:
                    self.context.out.error(f"MOVED: {origin} EXPIRED {why}")
                    wrong = True
                    continue
            target = new or origin
            if not self.tree.exists(target):
                note = f" (moved to nonexistent {new})" if new else ""
                self.context.out.error(f"Nonexistent origin listed: {spec}{note}")
                wrong = True
                continue
            if new:
                self.context.out.warn(f"MOVED: {spec} renamed to {new}")
            found += self._flavored(target, flavor)
        if wrong:
            raise Failure(1, "Fatal errors encountered gathering initial ports metadata", "gather_port_vars:125")
        return found

    def _flavored(self, origin: str, flavor: str) -> list[str]:
        if flavor == "all" or (self.all_flavors and not flavor):
            flavors = self._lookup(origin).flavors
            return [f"{origin}@{name}" for name in flavors] or [origin]
        if flavor in ("", "-"):
            return [origin]
        return [f"{origin}@{flavor}"]

    def _lookup(self, spec: str) -> Port:
        try:
            return self.tree.lookup(spec)
        except PortError as error:
            text = str(error)
            where = "gather_port_vars_port:96" if text.startswith("Invalid FLAVOR") else ""
            origin = spec.partition("@")[0]
            prefix = f"({spec}) " if where else f"({origin}) "
            self.context.out.error(prefix + (f"/usr/local/share/poudriere/{self.context.out.script}:{where}:{text}"
                                             if where else text))
            raise Failure(1, "Fatal errors encountered gathering ports metadata", "gather_port_vars:184") from error

    def _add(self, spec: str, reason: str) -> Port | None:
        """Look a spec up; return the port unless it was there before."""
        port = self._lookup(spec)
        if port.spec in self.found.ports:
            return None
        same = next((other for other in self.found.ports.values() if other.pkgname == port.pkgname), None)
        if same is not None:
            if same.origin == port.origin:
                return None
            self.context.out.error(f"Duplicated origin for {port.pkgname}: {port.spec} AND {same.spec}. "
                                   "Rerun with -v to see which ports are depending on these.")
            raise Failure(1, "Fatal errors encountered gathering ports metadata", "gather_port_vars:184")
        if not port.ignore and {port.origin, port.spec, f"{port.origin}@all"} & self.blacklist:
            port.ignore = "Blacklisted"
        self.found.ports[port.spec] = port
        self.found.reasons[port.spec] = reason
        return port

    def _needs(self, port: Port) -> list[str]:
        """Return the specs that a port needs, pkg first; raises Failure for what does not exist."""
        specs = [] if port.origin == PKG_ORIGIN else [PKG_ORIGIN]
        specs += [spec for _key, spec in [*port.build_depends, *port.run_depends]]
        wrong = False
        for spec in specs:
            origin = spec.partition("@")[0]
            if origin == port.origin and spec == port.spec:
                self.context.out.error(f"{port.spec} incorrectly depends on itself. Please contact maintainer of the "
                                       "port to fix this.")
                wrong = True
            elif not self.tree.exists(origin):
                moved = self.tree.moved().get(origin)
                note = ""
                if moved is not None:
                    note = f" (moved to {moved[0]})" if moved[0] else f" (port EXPIRED: {moved[1]})"
                self.context.out.error(f"{port.spec} depends on nonexistent origin {origin}{note}; Please contact "
                                       "maintainer of the port to fix this.")
                wrong = True
        if wrong:
            raise Failure(1, "Fatal errors encountered gathering ports metadata", "gather_port_vars:184")
        return specs
