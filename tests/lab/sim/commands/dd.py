# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""dd(1) with FreeBSD's operands, suffixes and report."""

from __future__ import annotations

import errno
import os
import re
import sys
import time

PATHS = ("/bin/dd",)
_UNITS = {"": 1, "b": 512, "c": 1, "w": 4, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}
_CONVERSIONS = {
    "notrunc",
    "sync",
    "noerror",
    "sparse",
    "fsync",
    "fdatasync",
    "pareven",
    "parnone",
    "swab",
    "lcase",
    "ucase",
}
_OPERANDS = {
    "if",
    "of",
    "bs",
    "ibs",
    "obs",
    "cbs",
    "count",
    "skip",
    "iseek",
    "seek",
    "oseek",
    "conv",
    "status",
    "files",
    "fillchar",
    "speed",
    "iflag",
    "oflag",
}


class Wrong(Exception):
    """What dd says before it stops."""


def size(text: str, operand: str) -> int:
    """Product of numbers with suffixes: 2x1m."""
    total = 1
    for part in text.lower().split("x") if not text.lower().startswith("0x") else [text]:
        found = re.match(r"(\d+)([bcwkmgtp]?)\Z", part)
        if not found:
            raise Wrong(f"{operand}: illegal numeric value")
        total *= int(found[1]) * _UNITS[found[2]]
    return total


class Copy:
    def __init__(self, operands: dict[str, str]) -> None:
        self.operands = operands
        whole = size(operands["bs"], "bs") if "bs" in operands else 0
        self.input_block = whole or size(operands.get("ibs", "512"), "ibs")
        self.output_block = whole or size(operands.get("obs", "512"), "obs")
        self.same = bool(whole)
        self.count = size(operands["count"], "count") if "count" in operands else -1
        self.skip = size(operands.get("skip", operands.get("iseek", "0")), "skip")
        self.seek = size(operands.get("seek", operands.get("oseek", "0")), "seek")
        self.conversions = set(filter(None, operands.get("conv", "").split(",")))
        unknown = self.conversions - _CONVERSIONS
        if unknown:
            raise Wrong(f"unknown conversion {sorted(unknown)[0]}")
        self.records = {"in": [0, 0], "out": [0, 0]}
        self.bytes = 0
        self.pending = b""

    def open(self) -> None:
        source, target = self.operands.get("if"), self.operands.get("of")
        try:
            self.source = os.open(source, os.O_RDONLY) if source else 0
        except OSError as error:
            raise Wrong(f"{source}: {os.strerror(error.errno or 0)}") from None
        if not target:
            self.target = 1
            return
        truncate = 0 if "notrunc" in self.conversions or self.seek else os.O_TRUNC
        try:
            self.target = os.open(target, os.O_RDWR | os.O_CREAT | truncate, 0o666)
        except OSError as error:
            raise Wrong(f"{target}: {os.strerror(error.errno or 0)}") from None

    def run(self) -> None:
        if self.skip:
            try:
                os.lseek(self.source, self.skip * self.input_block, os.SEEK_SET)
            except OSError:
                self._read_exactly(self.skip * self.input_block)
        if self.seek:
            os.lseek(self.target, self.seek * self.output_block, os.SEEK_SET)
            if "notrunc" not in self.conversions and self.operands.get("of", "").startswith("/dev/") is False:
                os.ftruncate(self.target, self.seek * self.output_block)
        done = 0
        while self.count < 0 or done < self.count:
            data = os.read(self.source, self.input_block)
            if not data:
                break
            done += 1
            self.records["in"][0 if len(data) == self.input_block else 1] += 1
            if "sync" in self.conversions:
                data = data.ljust(self.input_block, b"\0")
            self._put(data)
        if self.pending:
            self._write(self.pending)
        if "sparse" in self.conversions and self.operands.get("of"):
            os.ftruncate(self.target, max(os.fstat(self.target).st_size, os.lseek(self.target, 0, os.SEEK_CUR)))
        if self.conversions & {"fsync", "fdatasync"}:
            os.fsync(self.target)

    def _read_exactly(self, left: int) -> None:
        while left > 0:
            data = os.read(self.source, min(left, 1 << 20))
            if not data:
                return
            left -= len(data)

    def _put(self, data: bytes) -> None:
        if self.same:
            self._write(data)
            return
        self.pending += data
        while len(self.pending) >= self.output_block:
            block, self.pending = self.pending[: self.output_block], self.pending[self.output_block :]
            self._write(block)

    def _write(self, block: bytes) -> None:
        if "sparse" in self.conversions and not block.strip(b"\0"):
            os.lseek(self.target, len(block), os.SEEK_CUR)
            written = len(block)
        else:
            written = 0
            while written < len(block):
                try:
                    step = os.write(self.target, block[written:])
                except OSError:
                    self.bytes += written
                    if written:
                        self.records["out"][1] += 1
                    raise
                written += step
        self.bytes += written
        self.records["out"][0 if len(block) == self.output_block else 1] += 1

    def report(self, seconds: float) -> None:
        if self.operands.get("status") == "none":
            return
        for way in ("in", "out"):
            sys.stderr.write(f"{self.records[way][0]}+{self.records[way][1]} records {way}\n")
        if self.operands.get("status") != "noxfer":
            rate = int(self.bytes / max(seconds, 1e-6))
            sys.stderr.write(f"{self.bytes} bytes transferred in {seconds:.6f} secs ({rate} bytes/sec)\n")


def main(argv: list[str]) -> int:
    operands: dict[str, str] = {}
    began = time.monotonic()
    try:
        for word in argv[1:]:
            name, assigned, value = word.partition("=")
            if name not in _OPERANDS or not assigned:
                raise Wrong(f"unknown operand {name}")
            if not value:
                raise Wrong(f"no value specified for {name}")
            operands[name] = value
        copy = Copy(operands)
        copy.open()
    except Wrong as error:
        sys.stderr.write(f"dd: {error}\n")
        return 1
    try:
        copy.run()
    except BrokenPipeError:
        os._exit(141)
    except OSError as error:
        name = (
            operands.get("of", "stdout")
            if error.errno in (errno.ENOSPC, errno.EFBIG, errno.EBADF)
            else operands.get("if", "stdin")
        )
        sys.stderr.write(f"dd: {name}: {os.strerror(error.errno or 0)}\n")
        copy.report(time.monotonic() - began)
        return 1
    copy.report(time.monotonic() - began)
    return 0
