# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""zstream(8): ``dump`` of the lab's own stream format, in the shape of the real one's."""

from __future__ import annotations

import json
import sys

from ..storage.errors import Fail, guarded
from ..storage.streams import MAGIC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

PATHS = ("/sbin/zstream", "/sbin/zstreamdump")
USAGE = """\
usage: zstream command args ...
Available commands are:

\tzstream dump [-vCd] FILE
\t... | zstream dump [-vCd]
\tzstream token resume_token
\tzstream redup [-v] FILE | ..."""


def _record(stream: BinaryIO) -> dict[str, Any] | None:
    raw = stream.read(8)
    if len(raw) < 8:
        return None
    body = stream.read(int.from_bytes(raw, "big"))
    record: dict[str, Any] = json.loads(body)
    return record


def _begin(kind: int, name: str, guid: int, origin: int, payload: int, features: int) -> None:
    print(
        f"BEGIN record\n\thdrtype = {kind}\n\tfeatures = {features:x}\n\tmagic = 2f5bacbac\n\tcreation_time = 0\n"
        f"\ttype = {0 if kind == 2 else 2}\n\tflags = {'0x0' if kind == 2 else '0x4'}\n\ttoguid = {guid:x}\n"
        f"\tfromguid = {origin:x}\n\ttoname = {name}\n\tpayloadlen = {payload}"
    )


def _nvlist(indent: str, items: dict[str, Any]) -> None:
    """An nvlist as nvlist_print(3) shows it."""
    print(f"{indent}nvlist version: 0")
    for key, value in items.items():
        if isinstance(value, dict):
            print(f"{indent}\t{key} = (embedded nvlist)")
            _nvlist(indent + "\t", value)
            print(f"{indent}\t(end {key})\n")
        else:
            print(f"{indent}\t{key} = {value}")


_CANMOUNT = {"off": "0x0", "on": "0x1", "noauto": "0x2"}


def _package(header: dict[str, Any]) -> None:
    items: dict[str, Any] = {}
    if header["fromsnap"]:
        items["fromsnap"] = header["fromsnap"]
    items["tosnap"] = header["tosnap"]
    if not header["recursive"]:
        items["not_recursive"] = "(boolean)"
    fss = {}
    for index, entry in enumerate(header["fss"]):
        props = {
            key: _CANMOUNT.get(value, value) if key == "canmount" else value for key, value in entry["props"].items()
        }
        snaps = {name: f"0x{int(guid):x}" for name, guid in entry["snaps"].items()}
        body = {"name": entry["name"], "parentfromsnap": "0x0", "props": props, "snaps": snaps}
        body["snapprops"] = {name: {} for name in snaps}
        fss[f"0x{(int(next(iter(entry['snaps'].values()))) ^ (0x9E3779B97F4A7C15 + index)) & (1 << 64) - 1:x}"] = body
    items["fss"] = fss
    _begin(2, header["name"], 0, 0, 520, 0)
    _nvlist("", items)
    print()


def dump(stream: BinaryIO) -> int:
    if stream.read(len(MAGIC)) != MAGIC:
        raise Fail("invalid stream (bad magic number)")
    header = _record(stream)
    if header is None:
        raise Fail("invalid stream (bad magic number)")
    total = 0
    if header["package"]:
        _package(header)
        print("END checksum = 0/0/0/0")
        total += 1
    while True:
        record = _record(stream)
        if record is None or record["type"] == "eof":
            break
        if record["type"] != "begin":
            continue
        _begin(1, record["name"], int(record["guid"]), int(record["fromguid"]), 0, 4)
        _skip_archive(stream)
        print("END checksum = 0/0/0/0")
        total += 1
    print(f"SUMMARY:\n\tTotal DRR_BEGIN records = {total} (0 bytes)\n\tTotal DRR_END records = {total} (0 bytes)")
    return 0


def _skip_archive(stream: BinaryIO) -> None:
    taken = 0
    while True:
        head = stream.read(512)
        taken += len(head)
        if len(head) < 512 or head == bytes(512):
            break
        field = head[124:136]
        size = int.from_bytes(field[1:], "big") if field[0] & 0x80 else int(field.split(b"\0", 1)[0] or b"0", 8)
        left = -(-size // 512) * 512
        taken += left
        while left:
            data = stream.read(min(left, 1 << 20))
            if not data:
                return
            left -= len(data)
    stream.read(10240 - taken % 10240 if taken % 10240 else 0)


def body(argv: list[str]) -> int:
    words = [word for word in argv[1:] if not word.startswith("-")]
    if argv[0].endswith("zstreamdump"):
        words.insert(0, "dump")
    if not words or words[0] != "dump":
        raise Fail(USAGE)
    if len(words) > 1:
        try:
            with open(words[1], "rb") as handle:
                return dump(handle)
        except FileNotFoundError:
            raise Fail(f"Error while opening file '{words[1]}': No such file or directory") from None
    if sys.stdin.isatty():
        raise Fail(
            "Error: The send stream is a binary format and can not be read from a\n"
            "terminal.  Standard input must be redirected."
        )
    return dump(sys.stdin.buffer)


def main(argv: list[str]) -> int:
    return guarded(body, argv)
