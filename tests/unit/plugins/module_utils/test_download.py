# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import hashlib
import io
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _download
from ansible_collections.freehyve.builder.plugins.module_utils._download import Client, NotFound
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._files import CHUNK

BODY = bytes(range(256)) * 5000
SHA = hashlib.sha256(BODY).hexdigest()
Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Plays the script of its server: one answer a request, the last one for ever."""

    server: Mirror

    def do_GET(self) -> None:
        self.server.seen.append((self.command, self.path, self.headers.get("Range")))
        script = self.server.script
        (script.pop(0) if len(script) > 1 else script[0])(self)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def offset(self) -> int:
        value = self.headers.get("Range", "bytes=0-")
        return int(value[len("bytes=") :].split("-")[0])


class Mirror(ThreadingHTTPServer):
    script: list[Answer]
    seen: list[tuple[str, str, str | None]]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/base.txz"


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    server = Mirror(("127.0.0.1", 0), Handler)
    server.script, server.seen = [ranged], []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def client() -> Client:
    return Client(timeout=2, pause=0, sleep=lambda _seconds: None)


def whole(h: Handler, body: bytes = BODY) -> None:
    h.send_response(200)
    h.send_header("Content-Length", str(len(body)))
    h.end_headers()
    if h.command == "GET":
        h.wfile.write(body)


def ranged(h: Handler) -> None:
    start = h.offset()
    if not start:
        whole(h)
    elif start >= len(BODY):
        h.send_error(416)
    else:
        h.send_response(206)
        h.send_header("Content-Range", f"bytes {start}-{len(BODY) - 1}/{len(BODY)}")
        h.send_header("Content-Length", str(len(BODY) - start))
        h.end_headers()
        h.wfile.write(BODY[start:])


def truncated(h: Handler) -> None:
    start = h.offset()
    h.send_response(206 if start else 200)
    h.send_header("Content-Range", f"bytes {start}-{len(BODY) - 1}/{len(BODY)}")
    h.send_header("Content-Length", str(len(BODY) - start))
    h.end_headers()
    h.wfile.write(BODY[start : start + 1000])


def stuck(h: Handler) -> None:
    """Never a byte more than the first 1000."""
    h.send_response(200)
    h.send_header("Content-Length", str(len(BODY)))
    h.end_headers()
    h.wfile.write(BODY[:1000])


def wrong_range(h: Handler) -> None:
    if h.offset():
        h.send_response(206)
        h.send_header("Content-Range", f"bytes 0-{len(BODY) - 1}/{len(BODY)}")
        h.send_header("Content-Length", str(len(BODY)))
        h.end_headers()
        h.wfile.write(BODY)
    else:
        whole(h)


def unannounced(h: Handler) -> None:
    h.send_response(200)
    h.end_headers()
    h.wfile.write(BODY + b"more")


def reset(h: Handler) -> None:
    """Closing with SO_LINGER 0 sends RST instead of FIN."""
    h.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    h.rfile.close()
    h.connection.close()
    h.wfile = io.BytesIO()


def status(code: int) -> Answer:
    return lambda h: h.send_error(code)


def redirect(to: str) -> Answer:
    def answer(h: Handler) -> None:
        h.send_response(302)
        h.send_header("Location", to)
        h.send_header("Content-Length", "0")
        h.end_headers()

    return answer


def test_a_whole_file_is_hashed_and_renamed(mirror: Mirror, client: Client, tmp_path: Path) -> None:
    fetched = client.download(mirror.url, str(tmp_path / "base.txz"), SHA)
    assert (fetched.size, fetched.received, fetched.resumed_from) == (len(BODY), len(BODY), 0)
    assert (tmp_path / "base.txz").read_bytes() == BODY
    assert [p.name for p in tmp_path.iterdir()] == ["base.txz"]


def test_a_part_is_continued(mirror: Mirror, client: Client, tmp_path: Path) -> None:
    (tmp_path / "base.txz.part").write_bytes(BODY[:70000])
    fetched = client.download(mirror.url, str(tmp_path / "base.txz"), SHA)
    assert (fetched.received, fetched.resumed_from) == (len(BODY) - 70000, 70000)
    assert mirror.seen == [("GET", "/base.txz", "bytes=70000-")]


def test_a_server_without_ranges_sends_all_again(mirror: Mirror, client: Client, tmp_path: Path) -> None:
    mirror.script = [whole]
    (tmp_path / "base.txz.part").write_bytes(BODY[:70000])
    fetched = client.download(mirror.url, str(tmp_path / "base.txz"), SHA)
    assert fetched.resumed_from == 0
    assert (tmp_path / "base.txz").read_bytes() == BODY


def test_a_range_that_nobody_asked_for_is_not_appended(mirror: Mirror, client: Client, tmp_path: Path) -> None:
    mirror.script = [wrong_range]
    (tmp_path / "base.txz.part").write_bytes(BODY[:70000])
    client.download(mirror.url, str(tmp_path / "base.txz"), SHA)
    assert (tmp_path / "base.txz").read_bytes() == BODY


def test_a_part_of_another_file_is_thrown_away_once(mirror: Mirror, client: Client, tmp_path: Path) -> None:
    (tmp_path / "base.txz.part").write_bytes(b"x" * 70000)
    client.download(mirror.url, str(tmp_path / "base.txz"), SHA)
    assert (tmp_path / "base.txz").read_bytes() == BODY


def test_a_complete_part_needs_no_byte_more(mirror: Mirror, client: Client, tmp_path: Path) -> None:
    (tmp_path / "base.txz.part").write_bytes(BODY)
    assert client.download(mirror.url, str(tmp_path / "base.txz"), SHA).received == 0


def test_a_body_that_ends_early_is_resumed(mirror: Mirror, client: Client, tmp_path: Path) -> None:
    mirror.script = [truncated, truncated, ranged]
    client.download(mirror.url, str(tmp_path / "base.txz"), SHA)
    assert [asked for _method, _path, asked in mirror.seen] == [None, "bytes=1000-", "bytes=2000-"]


def test_a_body_that_always_ends_early_keeps_its_part(mirror: Mirror, client: Client, tmp_path: Path) -> None:
    mirror.script = [stuck]
    with pytest.raises(ToolError, match=r"truncated, 1000 of 1280000 bytes came.*run again to resume"):
        client.download(mirror.url, str(tmp_path / "base.txz"), SHA)
    assert [p.name for p in tmp_path.iterdir()] == ["base.txz.part"]
    assert len(mirror.seen) <= _download.ATTEMPTS + 1


def test_a_wrong_hash_leaves_nothing(mirror: Mirror, client: Client, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=f"SHA-256 is {SHA}, expected {'0' * 64}"):
        client.download(mirror.url, str(tmp_path / "base.txz"), "0" * 64)
    assert not list(tmp_path.iterdir())


def test_an_oversized_body_is_cut_off(mirror: Mirror, client: Client, tmp_path: Path) -> None:
    mirror.script = [unannounced]
    with pytest.raises(ToolError, match="oversized"):
        client.download(mirror.url, str(tmp_path / "base.txz"), SHA, size=len(BODY))
    mirror.script = [whole]
    with pytest.raises(ToolError, match="oversized, 1280000 bytes where 10 were announced"):
        client.download(mirror.url, str(tmp_path / "base.txz"), SHA, size=10)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fault", [status(500), status(503), reset])
def test_a_transient_fault_is_tried_again(mirror: Mirror, client: Client, tmp_path: Path, fault: Answer) -> None:
    mirror.script = [fault, fault, ranged]
    client.download(mirror.url, str(tmp_path / "base.txz"), SHA)
    assert len(mirror.seen) == 3


def test_attempts_are_bounded(mirror: Mirror, client: Client, tmp_path: Path) -> None:
    mirror.script = [status(502)]
    with pytest.raises(ToolError, match="HTTP 502 Bad Gateway, 4 times in a row"):
        client.download(mirror.url, str(tmp_path / "base.txz"), SHA)
    with pytest.raises(ToolError, match="HTTP 502 Bad Gateway, 4 times"):
        client.read(mirror.url)


def test_a_missing_file_is_told_at_once(mirror: Mirror, client: Client, tmp_path: Path) -> None:
    mirror.script = [status(404)]
    with pytest.raises(NotFound, match="not there"):
        client.download(mirror.url, str(tmp_path / "base.txz"), SHA)
    assert len(mirror.seen) == 1
    with pytest.raises(NotFound):
        client.size(mirror.url)


def test_a_refusal_is_told_at_once(mirror: Mirror, client: Client) -> None:
    mirror.script = [status(403)]
    with pytest.raises(ToolError, match="HTTP 403"):
        client.read(mirror.url)
    assert len(mirror.seen) == 1


def test_a_closed_port_is_one_clear_line(client: Client, tmp_path: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}/MANIFEST"
    with pytest.raises(ToolError, match="connection refused; check the mirror's URL"):
        client.read(url)


def test_a_silent_server_times_out(mirror: Mirror, tmp_path: Path) -> None:
    mirror.script = [lambda h: time.sleep(0.5)]
    with pytest.raises(ToolError, match="no answer in time"):
        Client(timeout=0.05, pause=0).read(mirror.url)


def test_a_redirect_is_followed(mirror: Mirror, client: Client) -> None:
    mirror.script = [redirect("/elsewhere"), lambda h: whole(h, b"found")]
    assert client.read(mirror.url) == b"found"


def test_a_redirect_to_a_file_is_refused(mirror: Mirror, client: Client) -> None:
    mirror.script = [redirect("file:///etc/passwd")]
    with pytest.raises(ToolError, match=r"refusing a redirect|HTTP 302"):
        client.read(mirror.url)


def test_a_redirect_from_https_to_http_is_refused() -> None:
    request = urllib.request.Request("https://m.example/base.txz")
    with pytest.raises(ToolError, match="refusing a redirect from https to http"):
        _download._NoDowngrade().redirect_request(request, None, 302, "Found", {}, "http://m.example/base.txz")


def test_a_redirect_from_https_to_https_is_followed() -> None:
    request = urllib.request.Request("https://m.example/base.txz")
    new = _download._NoDowngrade().redirect_request(request, None, 302, "Found", {}, "https://n.example/base.txz")
    assert new.full_url == "https://n.example/base.txz"


def test_plain_http_behind_an_https_url_is_one_line(mirror: Mirror, client: Client) -> None:
    with pytest.raises(ToolError) as error:
        client.read(mirror.url.replace("http:", "https:"))
    assert "\n" not in error.value.message


def test_sizes_are_asked_and_may_be_unknown(mirror: Mirror, client: Client) -> None:
    assert client.size(mirror.url) == len(BODY)
    mirror.script = [status(405)]
    assert client.size(mirror.url) is None


def test_a_document_has_a_limit(mirror: Mirror, client: Client) -> None:
    mirror.script = [lambda h: whole(h, b"x" * (_download.SMALL + 1))]
    with pytest.raises(ToolError, match="oversized"):
        client.read(mirror.url)


def test_a_proxy_of_the_environment_is_used(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", mirror.url.rsplit("/", 1)[0])
    monkeypatch.delenv("no_proxy", raising=False)
    mirror.script = [lambda h: whole(h, b"through")]
    assert Client(timeout=2).read("http://mirror.invalid/MANIFEST") == b"through"
    assert mirror.seen[0][1] == "http://mirror.invalid/MANIFEST"


def test_a_directory_of_the_builder_is_a_mirror_too(client: Client, tmp_path: Path) -> None:
    source = tmp_path / "a b" / "base.txz"
    source.parent.mkdir()
    source.write_bytes(BODY)
    url = source.as_uri()
    assert client.size(url) == len(BODY)
    client.download(url, str(tmp_path / "base.txz"), SHA)
    assert (tmp_path / "base.txz").read_bytes() == BODY
    with pytest.raises(NotFound, match="no such file on the builder"):
        client.read(url + "x")


def test_a_full_disk_is_one_line(mirror: Mirror, client: Client, tmp_path: Path) -> None:
    (tmp_path / "base.txz.part").symlink_to("/dev/full")
    with pytest.raises(ToolError, match="no space left"):
        client.download(mirror.url, str(tmp_path / "base.txz"), SHA)


def test_a_host_without_certificates_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nothing = str(tmp_path / "none")
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: SimpleNamespace(cafile=None, capath=None))
    monkeypatch.setattr(_download, "CA_FILES", (nothing,))
    monkeypatch.setattr(_download, "CA_DIRECTORIES", (nothing,))
    with pytest.raises(ToolError, match="install the package ca_root_nss"):
        Client().prepare("https://m.example")
    Client().prepare("http://m.example")


def test_whoever_watches_is_told_of_every_block(tmp_path: Path) -> None:
    source, chunk = tmp_path / "base.txz", CHUNK
    told: list[tuple[str, int]] = []
    source.write_bytes(b"x" * (chunk + 5))
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    target = str(tmp_path / "here.txz")
    Client().download(source.as_uri(), target, digest, watch=lambda path, count: told.append((path, count)))
    assert told == [(target + ".part", chunk), (target + ".part", chunk + 5)]
