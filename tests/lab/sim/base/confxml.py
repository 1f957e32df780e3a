# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""kern.geom.confxml: classes DISK, MD and PART as sys/geom/geom_dump.c nests them, with what tools look up."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

from .. import state
from ..storage import geom


class Xml:
    """Indented lines; ids are made up but unique."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.depth = 0
        self.last = 0xFFFFF80003000000

    def new_id(self) -> str:
        self.last += 0x100
        return f"0x{self.last:x}"

    def open(self, tag: str, attributes: str = "") -> None:
        self.lines.append("  " * self.depth + f"<{tag}{attributes}>")
        self.depth += 1

    def close(self, tag: str) -> None:
        self.depth -= 1
        self.lines.append("  " * self.depth + f"</{tag}>")

    def value(self, tag: str, text: object) -> None:
        self.lines.append("  " * self.depth + f"<{tag}>{escape(str(text))}</{tag}>")


def render() -> str:
    """The whole document, for the disks, md units and partitions of now."""
    xml = Xml()
    with state.read() as s:
        opened = geom.users(s)
        every = geom.disks(s)
        xml.open("mesh")
        _class(xml, "DISK", [disk for disk in every.values() if not disk.name.startswith("md")], s, opened)
        _class(xml, "MD", [disk for disk in every.values() if disk.name.startswith("md")], s, opened)
        _part_class(xml, list(every.values()), opened)
        xml.close("mesh")
    return "\n".join(xml.lines)


def _class(xml: Xml, name: str, disks: list[geom.Disk], s: dict[str, Any], opened: dict[str, str]) -> None:
    xml.open("class", f' id="{xml.new_id()}"')
    xml.value("name", name)
    for disk in disks:
        xml.open("geom", f' id="{xml.new_id()}"')
        xml.value("name", disk.name)
        xml.value("rank", 1)
        config: dict[str, object] = {"fwheads": disk.heads, "fwsectors": disk.track}
        if name == "MD":
            config = _md_config(s["md"][disk.name[2:]], disk)
        _provider(xml, disk.name, disk.window.size, disk.window.sector, config, disk.name in opened)
        xml.close("geom")
    xml.close("class")


def _md_config(unit: dict[str, Any], disk: geom.Disk) -> dict[str, object]:
    """As g_md_dumpconf() of md(4) writes it."""
    config: dict[str, object] = {
        "unit": disk.name[2:],
        "sectorsize": unit["sector"],
        "fwheads": disk.heads,
        "fwsectors": disk.track,
        "length": unit["size"],
        "compression": "off",
        "access": "read-only" if unit["readonly"] else "read-write",
        "type": unit["type"],
    }
    if unit["type"] == "vnode":
        config["file"] = unit["file"]
    config["label"] = unit.get("label") or ""
    return config


def _part_class(xml: Xml, disks: list[geom.Disk], opened: dict[str, str]) -> None:
    xml.open("class", f' id="{xml.new_id()}"')
    xml.value("name", "PART")
    for disk in disks:
        table = disk.table()
        if table is None:
            continue
        xml.open("geom", f' id="{xml.new_id()}"')
        xml.value("name", disk.name)
        xml.value("rank", 2)
        for provider in geom.partitions(disk, table):
            part = provider.part
            if part is None:
                continue
            sector = disk.window.sector
            config: dict[str, object] = {
                "start": part.first,
                "end": part.first + part.sectors - 1,
                "index": part.index,
                "type": table.type_name(part),
                "rawtype": part.raw_type,
                "offset": part.first * sector,
                "length": part.sectors * sector,
                "label": part.label or "",
            }
            _provider(xml, provider.name, part.sectors * sector, sector, config, provider.name in opened)
        xml.close("geom")
    xml.close("class")


def _provider(xml: Xml, name: str, size: int, sector: int, config: dict[str, object], is_open: bool) -> None:
    xml.open("provider", f' id="{xml.new_id()}"')
    xml.value("mode", "r1w1e1" if is_open else "r0w0e0")
    xml.value("name", name)
    xml.value("mediasize", size)
    xml.value("sectorsize", sector)
    xml.value("stripesize", 0)
    xml.value("stripeoffset", 0)
    xml.open("config")
    for key, value in config.items():
        xml.value(key, value)
    xml.close("config")
    xml.close("provider")


__all__ = ["render"]
