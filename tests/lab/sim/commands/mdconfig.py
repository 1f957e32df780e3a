# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""mdconfig(8): attach files and memory as disks."""

from __future__ import annotations

import os
import sys

from .. import state
from ..storage import geom, units
from ..storage.errors import Fail, guarded, strerror
from ..storage.options import OptionError, getopt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PATHS = ("/sbin/mdconfig",)

USAGE = """\
usage: mdconfig -a -t type [-n] [-o [no]option] ... [-f file]
                [-s size] [-S sectorsize] [-u unit] [-L label]
                [-x sectors/track] [-y heads/cylinder]
       mdconfig -d -u unit [-o [no]force]
       mdconfig -r -u unit -s size [-o [no]force]
       mdconfig -l [-v] [-n] [-f file] [-u unit]
       mdconfig file
\t\ttype = {malloc, vnode, swap}
\t\toption = {cache, cluster, compress, force,
\t\t          readonly, reserve, ro, verify}
\t\tsize = %d (512 byte blocks), %db (B),
\t\t       %dk (kB), %dm (MB), %dg (GB),\x20
\t\t       %dt (TB), or %dp (PB)"""
OPTIONS = ("async", "cache", "cluster", "compress", "force", "readonly", "reserve", "ro", "verify")


class Request:
    """The command line, parsed."""

    def __init__(self) -> None:
        self.action = ""
        self.kind = ""
        self.file = ""
        self.size = 0
        self.sector = 512
        self.unit = -1
        self.label = ""
        self.bare = False
        self.verbose = False
        self.readonly = False
        self.force = False
        self.heads = 0
        self.track = 0


def usage() -> Fail:
    return Fail(USAGE)


def device_error(number: int) -> Fail:
    return Fail(f"mdconfig: ioctl(/dev/mdctl): {strerror(number)}")


def parse(argv: list[str]) -> Request:
    try:
        options, operands = getopt(argv[1:], "ab:df:lno:rs:S:t:u:vx:y:L:")
    except OptionError as error:
        text = (
            f"mdconfig: option requires an argument -- {error.letter}\n"
            if error.missing
            else f"mdconfig: illegal option -- {error.letter}\n"
        )
        raise Fail(("" if error.letter == "g" else text) + USAGE) from None
    request = Request()
    for letter, value in options:
        _option(request, letter, value)
    if not request.action:
        if request.file or request.kind or request.size:
            request.action = "attach"
        elif len(operands) == 1:
            request.action, request.file = "attach", operands[0]
        else:
            raise usage()
    if request.action == "attach" and not request.kind:
        if request.file:
            request.kind = "vnode"
        elif request.size:
            request.kind = "swap"
        elif len(operands) == 1:
            request.kind, request.file = "vnode", operands[0]
        else:
            raise usage()
    return request


def _option(request: Request, letter: str, value: str) -> None:
    if letter in "adlr":
        if request.action:
            raise usage()
        request.action = {"a": "attach", "d": "detach", "l": "list", "r": "resize"}[letter]
    elif letter == "t":
        if value == "preload":
            raise Fail("mdconfig: Illegal type, preload")
        if value not in ("malloc", "vnode", "swap", "null"):
            raise Fail(f"mdconfig: unknown type: {value}")
        request.kind = value
    elif letter == "f":
        request.file = value
    elif letter == "o":
        name = value[2:] if value.startswith("no") else value
        if name not in OPTIONS:
            raise Fail(f"mdconfig: unknown option: {value}")
        on = not value.startswith("no")
        if name in ("readonly", "ro"):
            request.readonly = on
        elif name == "force":
            request.force = on
    elif letter == "S":
        request.sector = int(value) if value.isdigit() else 0
    elif letter == "s":
        try:
            request.size = units.expand(value, 512)
        except ValueError:
            raise Fail("mdconfig: invalid size: " + value) from None
    elif letter == "u":
        text = geom.strip(value).removeprefix("md")
        if not text.isdigit():
            raise Fail(f"mdconfig: bad unit: {text}")
        request.unit = int(text)
    elif letter == "n":
        request.bare = True
    elif letter == "v":
        request.verbose = True
    elif letter == "L":
        request.label = value
    elif letter == "x":
        request.track = int(value) if value.isdigit() else 0
    elif letter == "y":
        request.heads = int(value) if value.isdigit() else 0


def attach(request: Request) -> int:
    path = ""
    size = request.size
    if request.kind == "vnode":
        if not request.file:
            raise Fail("mdconfig: must specify -f for -t vnode")
        path = os.path.realpath(request.file)
        if not os.path.exists(path):
            raise Fail("mdconfig: realpath: No such file or directory")
        if not os.path.isfile(path):
            raise Fail(f"mdconfig: {path} is not a regular file")
        size = size or os.stat(path).st_size
    elif not size:
        raise Fail("mdconfig: must specify -s for -t malloc or -t swap")
    size -= size % request.sector if request.sector else 0
    if request.sector < 512 or request.sector & (request.sector - 1) or size <= 0:
        raise device_error(22)
    with state.edit() as s:
        table = s.setdefault("md", {})
        unit = request.unit
        if unit < 0:
            unit = 0
            while str(unit) in table:
                unit += 1
        elif str(unit) in table:
            raise device_error(16)
        if request.kind != "vnode":
            path = f"{state.DIRECTORY}/md/{unit}.img"
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as handle:
                handle.truncate(size)
        table[str(unit)] = {
            "type": request.kind,
            "file": path,
            "size": size,
            "sector": request.sector,
            "readonly": request.readonly,
            "label": request.label,
            "heads": request.heads,
            "track": request.track,
        }
        geom.retaste(s, f"md{unit}")
    if request.unit < 0:
        print(unit if request.bare else f"md{unit}")
    return 0


def detach(request: Request) -> int:
    if request.unit < 0:
        raise usage()
    with state.edit() as s:
        md = s.get("md", {}).get(str(request.unit))
        if md is None:
            raise device_error(2)
        if geom.is_open(s, f"md{request.unit}") and not request.force:
            raise device_error(16)
        del s["md"][str(request.unit)]
        geom.retaste(s, f"md{request.unit}")
        if md["type"] != "vnode":
            os.unlink(md["file"])
    return 0


def resize(request: Request) -> int:
    if request.unit < 0 or not request.size:
        raise usage()
    with state.edit() as s:
        md = s.get("md", {}).get(str(request.unit))
        if md is None:
            raise device_error(2)
        if request.size < md["size"] and not request.force:
            raise device_error(16)
        md["size"] = request.size - request.size % md["sector"]
        if md["type"] != "vnode":
            os.truncate(md["file"], md["size"])
        geom.retaste(s, f"md{request.unit}")
    return 0


def show(request: Request) -> int:
    with state.read() as s:
        units_of: dict[str, Any] = s.get("md", {})
    wanted = sorted(units_of, key=int)
    if request.unit >= 0:
        wanted = [unit for unit in wanted if int(unit) == request.unit]
    path = os.path.realpath(request.file) if request.file else ""
    if path:
        wanted = [unit for unit in wanted if units_of[unit]["type"] == "vnode" and units_of[unit]["file"] == path]
    long = request.verbose or request.unit >= 0
    for unit in wanted:
        md = units_of[unit]
        sys.stdout.write(unit if request.bare else f"md{unit}")
        if long:
            file = md["file"] if md["type"] == "vnode" else "-"
            sys.stdout.write(f"\t{md['type']}\t{units.humanize(md['size'], 6):>6}\t{file}\t{md['label']}\n")
        else:
            sys.stdout.write(" ")
    if wanted and not long:
        sys.stdout.write("\n")
    return 255 if not wanted and (request.unit >= 0 or path) else 0


def body(argv: list[str]) -> int:
    request = parse(argv)
    return {"attach": attach, "detach": detach, "list": show, "resize": resize}[request.action](request)


def main(argv: list[str]) -> int:
    return guarded(body, argv)
