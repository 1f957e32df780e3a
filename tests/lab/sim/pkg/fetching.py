# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Getting a file of a repository: file: URLs directly, http from the lab's own network only."""

from __future__ import annotations

import os
import shutil
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request

from .settings import Repository, warn


class FetchError(Exception):
    """A file could not be had; the text is what pkg prints."""


def _resolves(host: str) -> bool:
    """Return whether the lab knows the host: loopback, or a line of its own hosts file. Nothing else is asked."""
    if host in ("localhost", "::1") or host.startswith("127."):
        return True
    try:
        with open("/etc/hosts", encoding="utf-8", errors="replace") as stream:
            return any(host in line.partition("#")[0].split()[1:] for line in stream)
    except OSError:
        return False


def address(repository: Repository, name: str) -> str:
    """Return the URL of a file, as pkg names it: no ``pkg+``, host in lower case."""
    url = repository.url
    for prefix in ("pkg+", "PKG+"):
        url = url.removeprefix(prefix)
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.lower())) + "/" + name


def _trust(scheme: str) -> ssl.SSLContext | None:
    """The authorities of FreeBSD's base, as certctl(8) links them."""
    return ssl.create_default_context(capath="/etc/ssl/certs") if scheme == "https" else None


def fetch(repository: Repository, name: str, destination: str) -> None:
    """Copy a file of the repository; raises FetchError. The file's time is the server's."""
    url = address(repository, name)
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "file" or not parts.scheme:
        path = urllib.parse.unquote(parts.path)
        try:
            shutil.copyfile(path, destination)
            shutil.copystat(path, destination)
        except OSError as error:
            raise FetchError(f"{url}: {error.strerror}") from error
        return
    host = parts.hostname or ""
    if not _resolves(host):
        if repository.mirror_type == "srv":
            warn(f"SRV lookup failed for '_{parts.scheme}._tcp.{host}', falling back to {parts.scheme}://{host}")
        raise FetchError(f"{url}: Host does not resolve")
    trust = _trust(parts.scheme)
    try:
        with urllib.request.urlopen(url, timeout=30, context=trust) as answer, open(destination, "wb") as stream:
            shutil.copyfileobj(answer, stream)
            stamp = answer.headers.get("Last-Modified")
        if stamp:
            from email.utils import parsedate_to_datetime

            seconds = parsedate_to_datetime(stamp).timestamp()
            os.utime(destination, (seconds, seconds))
    except urllib.error.HTTPError as error:
        raise FetchError(f"{url}: {error.reason}") from error
    except (urllib.error.URLError, OSError) as error:
        cause = getattr(error, "reason", error)
        if isinstance(cause, ssl.SSLCertVerificationError):
            print(f"Certificate verification failed for /CN={host}", file=sys.stderr, flush=True)
            raise FetchError(f"{url}: Authentication error") from error
        raise FetchError(f"{url}: {getattr(cause, 'strerror', None) or cause}") from error
