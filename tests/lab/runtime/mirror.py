# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The distribution mirror: one directory over HTTP, with ranges, one thread per request. Runs inside the lab."""

from __future__ import annotations

import os
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

_CHUNK = 1 << 16
_RANGE = re.compile(r"bytes=(\d*)-(\d*)\Z")


class Handler(BaseHTTPRequestHandler):
    """GET and HEAD of plain files; a directory gives a list of its names."""

    root = Path("/")
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        parts = [part for part in unquote(self.path.partition("?")[0]).split("/") if part not in ("", ".")]
        path = self.root.joinpath(*parts)
        if ".." in parts or not path.exists():
            self._page(404, "Not Found\n", body)
        elif path.is_dir():
            self._page(200, "".join(f"{name}\n" for name in sorted(os.listdir(path))), body)
        else:
            self._file(path, body)

    def _page(self, status: int, content: str, body: bool) -> None:
        data = content.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)

    def _file(self, path: Path, body: bool) -> None:
        with path.open("rb") as file:
            state = os.fstat(file.fileno())
            span = self._span(state.st_size)
            if span is None:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{state.st_size}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            first, end, partial = span
            self.send_response(206 if partial else 200)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(end - first))
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Last-Modified", self.date_time_string(int(state.st_mtime)))
            if partial:
                self.send_header("Content-Range", f"bytes {first}-{end - 1}/{state.st_size}")
            self.end_headers()
            file.seek(first)
            left = end - first if body else 0
            while left > 0:
                data = file.read(min(_CHUNK, left))
                if not data:
                    break
                self.wfile.write(data)
                left -= len(data)

    def _span(self, size: int) -> tuple[int, int, bool] | None:
        """(first, end, partial) of the wanted bytes, None when they lie outside the file."""
        found = _RANGE.match(self.headers.get("Range", ""))
        if not found or found[0] == "bytes=-":
            return 0, size, False
        if not found[1]:
            return max(0, size - int(found[2])), size, True
        first = int(found[1])
        end = min(int(found[2]) + 1, size) if found[2] else size
        return (first, end, True) if first < end else None

    def log_message(self, format: str, *args: object) -> None:
        sys.stderr.write(f"mirror: {format % args}\n")


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


def main() -> None:
    Handler.root = Path(sys.argv[1])
    Server(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()


if __name__ == "__main__":
    main()
