# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Downloads with the standard library: resumed, hashed while written, whole under their final name or not there.

``fetch`` of FreeBSD's base cannot hash what it writes and reports no reason that a program can tell from another.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import re
import socket
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, Callable, List, Optional, Tuple
from urllib.parse import unquote, urlsplit

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._files import CHUNK, replace_file

# Where FreeBSD keeps CA certificates; a python from packages looks for them elsewhere at times.
CA_FILES = (
    "/etc/ssl/cert.pem",
    "/usr/local/etc/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
    "/usr/local/openssl/cert.pem",
)
CA_DIRECTORIES = ("/etc/ssl/certs",)
SMALL = 1 << 20  # bytes that a document such as MANIFEST may have
LARGEST = 64 << 30  # bytes that a body of unannounced length may have
ATTEMPTS = 4  # failures in a row without a byte gained between them
ROUNDS = 50  # attempts in all
_TRANSIENT = (
    ConnectionResetError,
    ConnectionAbortedError,
    BrokenPipeError,
    socket.timeout,  # another class than TimeoutError before Python 3.10
    TimeoutError,
    ssl.SSLEOFError,
    http.client.HTTPException,
)
_CONTENT_RANGE = re.compile(r"^bytes ([0-9]+)-([0-9]+)/([0-9]+|\*)$")


Watch = Callable[[str, int], None]


def unwatched(_path: str, _count: int) -> None:
    """The watch of a download that nobody looks at."""


class NotFound(ToolError):
    """The mirror answers, and has no such file."""


class _Transient(Exception):
    """Worth another attempt: reset, timeout, 5xx, a body that ended early."""


@dataclass(frozen=True)
class Fetched:
    """What a download was: size of the file, bytes that came over the wire, offset it went on from."""

    size: int
    received: int
    resumed_from: int


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to anything that is not."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        scheme = urlsplit(newurl).scheme
        if scheme not in ("http", "https"):
            raise ToolError(f"cannot fetch '{req.full_url}': refusing a redirect to '{newurl}'")
        if req.type == "https" and scheme != "https":
            raise ToolError(
                f"cannot fetch '{req.full_url}': refusing a redirect from https to http ('{newurl}'); check the mirror"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def tls_context() -> ssl.SSLContext:
    """A verifying context with the host's CA certificates.

    :raises ToolError: the host has none.
    """
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    if (paths.cafile or paths.capath) and (context.cert_store_stats()["x509_ca"] or _has_entries(paths.capath)):
        return context
    for path in CA_FILES:
        if os.path.isfile(path):
            context.load_verify_locations(cafile=path)
            return context
    for path in CA_DIRECTORIES:
        if _has_entries(path):
            context.load_verify_locations(capath=path)
            return context
    raise ToolError(
        "TLS: the builder has no CA certificates, https cannot be verified; install the package ca_root_nss "
        "or run 'certctl rehash', or use an http:// or file:// mirror with pinned checksums"
    )


def _has_entries(path: Optional[str]) -> bool:
    try:
        return bool(path and os.listdir(path))
    except OSError:
        return False


def _scheme(url: str) -> str:
    return urlsplit(url).scheme


def local_path(url: str) -> str:
    """Path that a file:// URL names."""
    return unquote(urlsplit(url).path)


def _cause(exc: BaseException) -> str:
    """Why a connection failed, in a few words."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"TLS certificate not accepted: {exc.verify_message}"
    if isinstance(exc, socket.gaierror):
        return "host name does not resolve"
    if isinstance(exc, (socket.timeout, TimeoutError)):
        return "no answer in time"
    if isinstance(exc, ConnectionRefusedError):
        return "connection refused"
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror.lower()
    return str(exc) or type(exc).__name__


def _is_transient(exc: BaseException) -> bool:
    if isinstance(exc, socket.gaierror):
        return exc.errno == socket.EAI_AGAIN
    return isinstance(exc, _TRANSIENT)


class Client:
    """Reads files of a mirror over http, https or from a directory.

    :param timeout: seconds without a byte after which a connection counts as dead.
    :param pause: seconds before the second attempt; doubled before each further one, up to 30.
    """

    def __init__(self, timeout: float = 60.0, pause: float = 1.0, sleep: Callable[[float], None] = time.sleep) -> None:
        self.timeout = timeout
        self._pause = pause
        self._sleep = sleep
        self._opener: Optional[urllib.request.OpenerDirector] = None

    def prepare(self, url: str) -> urllib.request.OpenerDirector:
        """Find the CA certificates: once, before threads share this client.

        :raises ToolError: ``url`` needs them and there are none; a plain mirror may still send us to an https one.
        """
        if self._opener is None:
            handlers: List[Any] = [_NoDowngrade()]
            try:
                handlers.append(urllib.request.HTTPSHandler(context=tls_context()))
            except ToolError:
                if _scheme(url) == "https":
                    raise
            self._opener = urllib.request.build_opener(*handlers)
            self._opener.addheaders = [("User-Agent", "freehyve.builder"), ("Accept-Encoding", "identity")]
        return self._opener

    def _open(self, url: str, method: str = "GET", offset: int = 0) -> Any:
        opener = self.prepare(url)
        request = urllib.request.Request(url, method=method)
        if offset:
            request.add_header("Range", f"bytes={offset}-")
        try:
            return opener.open(request, timeout=self.timeout)
        except urllib.error.HTTPError as exc:
            exc.close()
            if exc.code in (404, 410):
                raise NotFound(f"cannot fetch '{url}': not there (HTTP {exc.code})") from exc
            if exc.code >= 500 or exc.code in (408, 429):
                raise _Transient(f"HTTP {exc.code} {exc.reason}") from exc
            if exc.code == 416:
                raise
            raise ToolError(f"cannot fetch '{url}': HTTP {exc.code} {exc.reason}; check the mirror's URL") from exc
        except urllib.error.URLError as exc:
            reason = exc.reason if isinstance(exc.reason, BaseException) else exc
            raise self._failure(url, reason) from exc
        except (OSError, http.client.HTTPException) as exc:
            raise self._failure(url, exc) from exc

    def _failure(self, url: str, exc: BaseException) -> Exception:
        if _is_transient(exc):
            return _Transient(_cause(exc))
        return ToolError(f"cannot fetch '{url}': {_cause(exc)}; check the mirror's URL and the builder's network")

    def _again(self, failures: int) -> None:
        self._sleep(min(self._pause * 2 ** (failures - 1), 30.0))

    def read(self, url: str) -> bytes:
        """A small document.

        :raises NotFound: the mirror has no such file.
        :raises ToolError: anything else, one line.
        """
        if _scheme(url) == "file":
            with _open_local(url) as stream:
                return _bounded(stream, url)
        failures = 0
        while True:
            try:
                with self._open(url) as response:
                    try:
                        return _bounded(response, url)
                    except (OSError, http.client.HTTPException) as exc:
                        raise self._failure(url, exc) from exc
            except _Transient as exc:
                failures += 1
                if failures >= ATTEMPTS:
                    raise ToolError(f"cannot fetch '{url}': {exc}, {failures} times; try again later") from exc
                self._again(failures)

    def size(self, url: str) -> Optional[int]:
        """Size in bytes, None when the mirror does not tell.

        :raises NotFound: the mirror has no such file.
        """
        if _scheme(url) == "file":
            with _open_local(url) as stream:
                return os.fstat(stream.fileno()).st_size
        try:
            with self._open(url, "HEAD") as response:
                return _length(response)
        except NotFound:
            raise
        except (_Transient, ToolError, urllib.error.HTTPError):
            return None

    def download(
        self, url: str, path: str, sha256: str, size: Optional[int] = None, watch: Watch = unwatched
    ) -> Fetched:
        """Bring ``url`` to ``path`` by way of ``<path>.part``.

        A part that is there is hashed and continued when the server honours that. A body that ends early leaves its
        part for the next run; one with the wrong digest leaves nothing.

        :param sha256: what the file must have.
        :param size: bytes that the mirror announced, when it did.
        :param watch: is told the path of the part and how many bytes it has, for every block.
        :raises NotFound: the mirror has no such file.
        :raises ToolError: anything else, one line.
        """
        part = path + ".part"
        failures, best, received, fresh = 0, _size_of(part), 0, False
        for _round in range(ROUNDS):
            try:
                digest, resumed_from, got = self._attempt(url, part, size, watch)
            except _Transient as exc:
                now = _size_of(part)
                received += max(0, now - best)
                failures = 1 if now > best else failures + 1
                best = max(best, now)
                if failures >= ATTEMPTS:
                    raise ToolError(
                        f"cannot fetch '{url}': {exc}, {failures} times in a row; run again to resume"
                    ) from exc
                self._again(failures)
                continue
            received += got
            if digest == sha256:
                length = _size_of(part)
                replace_file(part, path)
                return Fetched(length, received, resumed_from)
            os.unlink(part)
            if not resumed_from or fresh:
                raise ToolError(
                    f"cannot accept '{url}': SHA-256 is {digest}, expected {sha256}; the file was thrown away: "
                    "check the mirror, or the pinned checksum"
                )
            fresh = True  # the part may have belonged to another file
        raise ToolError(f"cannot fetch '{url}': interrupted {ROUNDS} times; run again to resume")

    def _attempt(self, url: str, part: str, size: Optional[int], watch: Watch) -> Tuple[str, int, int]:
        """One request. Returns SHA-256 of the whole part, the offset it went on from, bytes received."""
        if _scheme(url) == "file":
            with _open_local(url) as stream:
                digest = hashlib.sha256()
                got = self._write(stream, part, "wb", digest, url, LARGEST, partial(watch, part))
                return digest.hexdigest(), 0, got
        have, digest = _size_of(part), hashlib.sha256()
        if have:
            with open(part, "rb") as existing:
                for block in iter(lambda: existing.read(CHUNK), b""):
                    digest.update(block)
        try:
            response = self._open(url, offset=have)
        except urllib.error.HTTPError as exc:  # 416: the part is as long as the file, or longer
            if not have:
                raise ToolError(f"cannot fetch '{url}': HTTP {exc.code} {exc.reason}; check the mirror") from exc
            return digest.hexdigest(), have, 0
        with response:
            total = _length(response)
            if have and response.status == 206:
                match = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
                if not match or int(match.group(1)) != have:
                    os.unlink(part)
                    raise _Transient("the mirror answers with another range than the one asked for")
                total = int(match.group(3)) if match.group(3) != "*" else None if total is None else have + total
            elif have:
                have, digest = 0, hashlib.sha256()
            if size is not None and total is not None and total > size:
                _unlink(part)
                raise ToolError(f"cannot accept '{url}': oversized, {total} bytes where {size} were announced")
            limit = total if total is not None else size if size is not None else LARGEST

            def count(got: int, before: int = have) -> None:
                watch(part, before + got)

            got = self._write(response, part, "ab" if have else "wb", digest, url, limit - have, count)
            wanted = total if total is not None else size
            if wanted is not None and have + got < wanted:
                raise _Transient(f"truncated, {have + got} of {wanted} bytes came")
            return digest.hexdigest(), have, got

    def _write(
        self, source: Any, part: str, mode: str, digest: Any, url: str, limit: int, count: Callable[[int], None]
    ) -> int:
        """Copy a body, hashing it; never more than ``limit`` bytes."""
        got = 0
        try:
            with open(part, mode) as sink:
                while True:
                    try:
                        block = source.read(min(CHUNK, limit - got + 1))
                    except (OSError, http.client.HTTPException) as exc:
                        raise self._failure(url, exc) from exc
                    if not block:
                        return got
                    got += len(block)
                    if got > limit:
                        raise ToolError(f"cannot accept '{url}': oversized, more bytes than were announced")
                    digest.update(block)
                    sink.write(block)
                    count(got)
        except ToolError as exc:
            if "oversized" in exc.message:
                _unlink(part)
            raise
        except OSError as exc:
            if exc.errno in (errno.ENOSPC, errno.EDQUOT):
                raise ToolError(f"cannot fetch '{url}': no space left for '{part}'; make room and run again") from exc
            raise ToolError(f"cannot fetch '{url}': cannot write '{part}': {exc.strerror}") from exc


def _open_local(url: str) -> BinaryIO:
    path = local_path(url)
    try:
        return open(path, "rb")
    except FileNotFoundError as exc:
        raise NotFound(f"cannot read '{url}': no such file on the builder") from exc
    except OSError as exc:
        raise ToolError(f"cannot read '{url}': {exc.strerror}") from exc


def _bounded(stream: Any, url: str) -> bytes:
    data: bytes = stream.read(SMALL + 1)
    if len(data) > SMALL:
        raise ToolError(f"cannot accept '{url}': oversized, more than {SMALL} bytes; not a MANIFEST")
    return data


def _length(response: Any) -> Optional[int]:
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isdigit() else None


def _size_of(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _unlink(path: str) -> None:
    if os.path.exists(path):
        os.unlink(path)


__all__ = ["Client", "Fetched", "NotFound", "local_path", "tls_context"]
