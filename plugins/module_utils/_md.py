# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Memory disks: what mdconfig(8) lists, and attaching and detaching files.

A file may be attached to two units at once and mdconfig says nothing, so units are told apart by their backing file.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner, patiently

# GEOM looks at a device anew when its last writer closes it, which holds it open for a moment (g_access, geom_subr.c).
BUSY_SECONDS = 5.0
_UNIT = re.compile(r"md\d+")


@dataclass(frozen=True)
class MdUnit:
    """A row of ``mdconfig -l -v``: ``name`` as ``md0``, ``size`` as printed (``256M``), ``file`` of a vnode unit."""

    name: str
    type: str
    size: str
    file: Optional[str]

    @property
    def device(self) -> str:
        return f"/dev/{self.name}"


@dataclass(frozen=True)
class Geometry:
    """What GEOM knows of a unit and mdconfig does not print."""

    sector_size: Optional[int]
    readonly: Optional[bool]


def unit_name(unit: str) -> str:
    """``md5`` of ``5``, ``md5`` or ``/dev/md5``.

    :raises ToolError: none of these.
    """
    text = str(unit)
    text = text[len("/dev/") :] if text.startswith("/dev/") else text
    name = f"md{text}" if text.isdigit() else text
    if not _UNIT.fullmatch(name):
        raise ToolError(f"unit '{unit}': not a memory disk; write a number or a name such as md5")
    return name


def list_argv() -> List[str]:
    return ["mdconfig", "-l", "-v"]


def attach_argv(
    file: str, unit: Optional[str] = None, sector_size: Optional[int] = None, readonly: bool = False
) -> List[str]:
    argv = ["mdconfig", "-a", "-t", "vnode", "-f", file]
    if sector_size:
        argv += ["-S", str(sector_size)]
    if readonly:
        argv += ["-o", "readonly"]
    if unit is not None:
        argv += ["-u", unit_name(unit)[2:]]
    return argv


def detach_argv(unit: str, force: bool = False) -> List[str]:
    return ["mdconfig", "-d", "-u", unit_name(unit)] + (["-o", "force"] if force else [])


def geometry_argv() -> List[str]:
    return ["sysctl", "-n", "kern.geom.confxml"]


def parse_list(stdout: str) -> List[MdUnit]:
    """Rows of ``mdconfig -l -v``: TAB separated unit, type, size (padded), file or ``-``, label.

    13.2 leaves the label empty where 15.1 writes ``-``.
    """
    units = []
    for line in stdout.splitlines():
        fields = line.split("\t")
        if len(fields) < 3:
            continue
        file = fields[3].strip() if len(fields) > 3 else ""
        kept = file if file not in ("", "-") else None
        units.append(MdUnit(fields[0].strip(), fields[1].strip(), fields[2].strip(), kept))
    return units


def parse_geometry(xml: str) -> Dict[str, Geometry]:
    """Units of the MD class of ``kern.geom.confxml`` (md(4), g_md_dumpconf)."""
    # Here: who only lists, attaches and detaches units need not wait for it.
    from xml.etree import ElementTree

    try:
        mesh = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return {}
    found: Dict[str, Geometry] = {}
    for geom in mesh.iterfind("class[name='MD']/geom"):
        for provider in geom.iterfind("provider"):
            size, access = provider.findtext("sectorsize", ""), provider.findtext("config/access", "")
            found[provider.findtext("name", "")] = Geometry(
                int(size) if size.isdigit() else None, access == "read-only" if access else None
            )
    return found


def units(runner: Runner) -> List[MdUnit]:
    """All memory disks of the builder."""
    return parse_list(runner.run(list_argv(), failed="memory disks: listing failed").stdout)


def geometry(runner: Runner) -> Dict[str, Geometry]:
    """Sector size and access of every unit; empty where GEOM does not tell."""
    return parse_geometry(runner.run(geometry_argv(), ok=range(256)).stdout)


def of_file(found: Sequence[MdUnit], file: str) -> List[MdUnit]:
    """The units that a file backs; both paths resolved, for mdconfig stores what realpath(3) said."""
    wanted = os.path.realpath(file)
    return [unit for unit in found if unit.file is not None and os.path.realpath(unit.file) == wanted]


def attach(
    runner: Runner,
    file: str,
    unit: Optional[str] = None,
    sector_size: Optional[int] = None,
    readonly: bool = False,
) -> str:
    """Attach a file.

    :returns: the unit's name, ``md0``.
    """
    done = runner.run(attach_argv(file, unit, sector_size, readonly), failed=f"file '{file}': attaching failed")
    # mdconfig prints the unit only when it chose it.
    return unit_name(unit if unit is not None else done.stdout.strip())


def detach(
    runner: Runner, unit: str, file: Optional[str] = None, force: bool = False, patience: float = BUSY_SECONDS
) -> None:
    """Detach a unit.

    :param file: refuse unless this is the unit's backing file.
    :param patience: seconds to wait for one that is busy.
    :raises ToolError: another file, busy, or no such unit.
    """
    name = unit_name(unit)
    if file is not None and not any(found.name == name for found in of_file(units(runner), file)):
        raise ToolError(f"unit '{name}': refusing to detach, it is not backed by '{file}'; see mdconfig -l -v")
    patiently(lambda: _detach(runner, name, force), patience)


def _detach(runner: Runner, name: str, force: bool) -> None:
    runner.run(detach_argv(name, force), failed=f"unit '{name}': detaching failed")


__all__ = [
    "Geometry",
    "MdUnit",
    "attach",
    "attach_argv",
    "detach",
    "detach_argv",
    "geometry",
    "geometry_argv",
    "list_argv",
    "of_file",
    "parse_geometry",
    "parse_list",
    "unit_name",
    "units",
]
