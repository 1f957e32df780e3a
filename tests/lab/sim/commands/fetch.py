# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""fetch(1): http, https and file URLs, resume, FreeBSD's words for failures."""

from __future__ import annotations

import errno
import os
import sys
import time
from typing import TYPE_CHECKING, BinaryIO

from ..base.options import Usage, complain, getopt

if TYPE_CHECKING:
    from email.message import Message

PATHS = ("/usr/bin/fetch",)
USAGE = """usage: fetch [-146AadFlMmnPpqRrsUv] [--allow-sslv3] [--ca-cert=file]
       [--ca-path=dir] [--cert=file] [--crl=file] [-i file] [--key=file]
       [-N file] [--no-passive] [--no-proxy=list] [--no-sslv3] [--no-tlsv1]
       [--no-verify-hostname] [--no-verify-peer] [-o file] [--referer=URL]
       [-S bytes] [-T seconds] [--user-agent=agent-string] [-w seconds]
       URL ...
       fetch [-146AadFlMmnPpqRrsUv] [--allow-sslv3] [--ca-cert=file]
       [--ca-path=dir] [--cert=file] [--crl=file] [-i file] [--key=file]
       [-N file] [--no-passive] [--no-proxy=list] [--no-sslv3] [--no-tlsv1]
       [--no-verify-hostname] [--no-verify-peer] [-o file] [--referer=URL]
       [-S bytes] [-T seconds] [--user-agent=agent-string] [-w seconds]
       -h host -f file [-c dir]
"""


class Failed(Exception):
    """What fetch says after the URL."""


def main(argv: list[str]) -> int:
    words = [argv[0]] + [word for word in argv[1:] if not word.startswith("--") or word == "--"]
    try:
        options, urls = getopt(words, "146AaB:bc:dFf:h:i:lMmN:nPpo:qRrS:sT:tUvw:")
        if not urls:
            raise Usage
    except Usage as error:
        return complain(error, USAGE, 1)
    letters = dict(options)
    code = 0
    for url in urls:
        try:
            Transfer(url, letters).run()
        except Failed as error:
            sys.stdout.flush()
            sys.stderr.write(f"fetch: {error}\n")
            code = 1
    return code


class Transfer:
    def __init__(self, url: str, letters: dict[str, str]) -> None:
        self.url = url
        self.letters = letters
        name = url.rpartition("/")[2] or "fetch.out"
        target = letters.get("o", name)
        self.target = os.path.join(target, name) if os.path.isdir(target) else target
        self.stdout = target == "-"
        self.offset = 0

    def run(self) -> None:
        began = time.monotonic()
        if "r" in self.letters and not self.stdout and os.path.exists(self.target):
            self.offset = os.path.getsize(self.target)
        stream, size, modified = self._open()
        with stream:
            if "s" in self.letters:
                print(size if size >= 0 else "Unknown")
                return
            if "S" in self.letters and size >= 0 and size != int(self.letters["S"]):
                raise Failed(f"{self.url}: size mismatch: expected {self.letters['S']}, actual {size}")
            if self._unchanged(size, modified):
                return
            done = self._copy(stream)
        if 0 <= size != done + self.offset:
            if "r" not in self.letters and "R" not in self.letters and not self.stdout:
                os.unlink(self.target)
            raise Failed(f"{self.target} appears to be truncated: {done + self.offset}/{size} bytes")
        if modified and not self.stdout:
            os.utime(self.target, (modified, modified))
        if "q" not in self.letters:
            self._report(done, time.monotonic() - began)

    def _unchanged(self, size: int, modified: float) -> bool:
        if self.stdout or not os.path.exists(self.target):
            return False
        state = os.stat(self.target)
        same = state.st_size == size and int(state.st_mtime) == int(modified)
        return (same and ("m" in self.letters or "r" in self.letters)) or (
            "r" in self.letters and state.st_size == size
        )

    def _copy(self, stream: BinaryIO) -> int:
        done = 0
        try:
            out = sys.stdout.buffer if self.stdout else _open_target(self.target, bool(self.offset))
        except OSError as error:
            raise Failed(f"{self.target}: open(): {os.strerror(error.errno or 0)}") from None
        try:
            while data := stream.read(1 << 16):
                out.write(data)
                done += len(data)
        except OSError as error:
            raise Failed(f"{self.url}: {os.strerror(error.errno or errno.EIO)}") from None
        finally:
            if not self.stdout:
                out.close()
        return done

    def _open(self) -> tuple[BinaryIO, int, float]:
        """(stream, whole size or -1, modification time or 0)."""
        scheme, colon, rest = self.url.partition("://")
        if self.url.startswith("file:"):
            return self._open_file(self.url[5:].removeprefix("//").removeprefix("localhost") if colon else rest)
        if scheme in ("http", "https") and colon:
            return self._open_http()
        raise Failed(f"{self.url}: No such file or directory" if not colon else f"{self.url}: Invalid URL scheme")

    def _open_file(self, path: str) -> tuple[BinaryIO, int, float]:
        try:
            if os.path.isdir(path):
                raise IsADirectoryError(errno.EISDIR, "")
            file = os.fdopen(os.open(path, os.O_RDONLY), "rb")
        except OSError as error:
            raise Failed(f"{self.url}: {os.strerror(error.errno or 0)}") from None
        state = os.fstat(file.fileno())
        file.seek(self.offset)
        return file, state.st_size, state.st_mtime

    def _open_http(self) -> tuple[BinaryIO, int, float]:
        import socket
        import urllib.error
        import urllib.request

        request = urllib.request.Request(self.url, headers={"User-Agent": "fetch libfetch/2.0"})
        if self.offset:
            request.add_header("Range", f"bytes={self.offset}-")
        try:
            answer = urllib.request.urlopen(request, timeout=float(self.letters.get("T", "120")))
        except urllib.error.HTTPError as error:
            if error.code == 416:
                raise Failed(f"{self.url}: Requested Range Not Satisfiable") from None
            raise Failed(f"{self.url}: {_STATUS.get(error.code, 'Unknown HTTP error')}") from None
        except urllib.error.URLError as error:
            reason = error.reason
            if isinstance(reason, socket.gaierror):
                raise Failed(f"{self.url}: Host does not resolve") from None
            text = (
                os.strerror(reason.errno or errno.EIO) if isinstance(reason, OSError) and reason.errno else str(reason)
            )
            raise Failed(f"{self.url}: {text}") from None
        if self.offset and answer.status != 206:
            self.offset = 0
        length = int(answer.headers.get("Content-Length") or -1)
        return answer, length + self.offset if length >= 0 else -1, _modified(answer.headers)

    def _report(self, done: int, seconds: float) -> None:
        """The one line that fetch leaves when its output is no terminal."""
        size, rate = done + self.offset, done / max(seconds, 0.001)
        sys.stderr.write(
            f"{self.target:<46.46} {_scaled(size, 'B'):>11} {_scaled(rate, 'Bps'):>8}    {int(seconds):02d}s\n"
        )


_STATUS = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    407: "Proxy Authentication Required",
    410: "Gone",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


def _open_target(path: str, append: bool) -> BinaryIO:
    flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else os.O_TRUNC)
    return os.fdopen(os.open(path, flags, 0o666), "ab" if append else "wb")


def _modified(headers: Message) -> float:
    from email.utils import parsedate_to_datetime

    text = headers.get("Last-Modified")
    try:
        return parsedate_to_datetime(text).timestamp() if text else 0.0
    except ValueError:
        return 0.0


def _scaled(value: float, unit: str) -> str:
    place = 0
    while value > 9999 and place < 5:
        value, place = value / 1024, place + 1
    return f"{int(value)} {' kMGTP'[place]}{unit}"
