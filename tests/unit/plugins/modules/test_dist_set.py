# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils._download import Client
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.modules import dist_set

RELEASE = "15.1-RELEASE"
BASE, KERNEL = b"base" * 50000, b"kernel" * 30000


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def manifest(**sets: bytes) -> bytes:
    return "".join(f'{n}.txz\t{sha(d)}\t1\t{n}\t"{n} set"\ton\n' for n, d in sets.items()).encode()


class FakeModule:
    """What run() needs of AnsibleModule."""

    def __init__(self, check: bool = False, **params: Any) -> None:
        self.params = {
            "release": RELEASE,
            "arch": "amd64",
            "sets": ["base", "kernel"],
            "checksums": {},
            "manifests_dir": "/nonexistent",
            "receipt": None,
            "refresh": False,
            **params,
        }
        self.check_mode = check
        self._diff = True
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


class Server(ThreadingHTTPServer):
    requests: list[tuple[str, str]]


class Handler(SimpleHTTPRequestHandler):
    server: Server

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        self.server.requests.append((self.command, self.path))

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Mirror:
    """A mirror with one release below /pub/FreeBSD."""

    def __init__(self, root: Path, release: str = RELEASE) -> None:
        branch = "releases" if release.endswith("RELEASE") else "snapshots"
        self.dir = root / "pub/FreeBSD" / branch / "amd64/amd64" / release
        self.dir.mkdir(parents=True)
        self.put(base=BASE, kernel=KERNEL)
        self.server = Server(("127.0.0.1", 0), partial(Handler, directory=str(root)))
        self.requests = self.server.requests = []
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def put(self, **sets: bytes) -> None:
        for name, data in sets.items():
            (self.dir / f"{name}.txz").write_bytes(data)
        (self.dir / "MANIFEST").write_bytes(manifest(**sets))

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    served = Mirror(tmp_path / "mirror")
    yield served
    served.stop()


@pytest.fixture
def call(mirror: Mirror, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    def run(check: bool = False, **params: Any) -> dict[str, Any]:
        module = FakeModule(check, **{"mirror": mirror.url, "dest": str(tmp_path / "dists"), **params})
        result = dist_set.run(module, Client(timeout=2, pause=0))
        result["warnings"] = module.warnings
        return result

    return run


def test_four_runs(call: Callable[..., dict[str, Any]], mirror: Mirror, tmp_path: Path) -> None:
    checked = call(check=True)
    assert checked["changed"] and checked["bytes"] == len(BASE) + len(KERNEL)
    assert not (tmp_path / "dists").exists()
    real = call()
    assert [a["action"] for a in real["actions"]] == ["download base", "download kernel", "write MANIFEST"]
    assert real["actions"] == checked["actions"] and real["bytes"] == checked["bytes"] and real["key"] == checked["key"]
    assert (tmp_path / "dists/base.txz").read_bytes() == BASE
    assert (tmp_path / "dists/MANIFEST").read_bytes() == manifest(base=BASE, kernel=KERNEL)
    mirror.requests.clear()
    for check in (False, True):
        again = call(check=check)
        assert not again["changed"] and again["actions"] == [] and again["key"] == real["key"]
        assert again["sets"] == real["sets"] and again["url"] == real["url"]
    assert mirror.requests == []


def test_the_receipt_says_what_later_stages_need(call: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    receipt = tmp_path / "stages" / "dists.json"
    result = call(receipt=str(receipt))
    value = json.loads(receipt.read_text())
    assert (value["stage"], value["id"]) == ("dists", "15.1-RELEASE-amd64")
    assert value["key"] == result["key"]
    assert value["results"]["sets"]["base"]["trust"] == "mirror"
    assert value["inputs"]["sets"] == {"base": sha(BASE), "kernel": sha(KERNEL)}


def test_a_touched_file_is_read_again_and_kept(
    call: Callable[..., dict[str, Any]], mirror: Mirror, tmp_path: Path
) -> None:
    call()
    os.utime(tmp_path / "dists/base.txz", (1, 1))
    mirror.requests.clear()
    assert not call()["changed"]
    assert mirror.requests == []
    assert json.loads((tmp_path / "dists/.dist_set.json").read_text())["results"]["sets"]["base"]["mtime_ns"] == 10**9


def test_a_spoilt_file_is_brought_again(call: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    call()
    (tmp_path / "dists/base.txz").write_bytes(b"x" * len(BASE))
    result = call()
    assert [a["action"] for a in result["actions"]] == ["download base"]
    assert (tmp_path / "dists/base.txz").read_bytes() == BASE


def test_a_file_without_receipt_is_verified_not_downloaded(
    call: Callable[..., dict[str, Any]], mirror: Mirror, tmp_path: Path
) -> None:
    (tmp_path / "dists").mkdir()
    (tmp_path / "dists/base.txz").write_bytes(BASE)
    result = call(sets=["base"])
    assert result["actions"][0] == {"action": "record base", "reason": "is there and verified"}
    assert not [r for r in mirror.requests if r[1].endswith(".txz")]


def test_a_snapshot_is_asked_for_and_renewed(tmp_path: Path) -> None:
    served = Mirror(tmp_path / "m", "16.0-CURRENT")
    try:
        params: dict[str, Any] = {"mirror": served.url, "dest": str(tmp_path / "d"), "release": "16.0-CURRENT"}
        assert dist_set.run(FakeModule(**params), Client(pause=0))["changed"]
        assert not dist_set.run(FakeModule(**params), Client(pause=0))["changed"]
        served.put(base=BASE + b"new", kernel=KERNEL)
        result = dist_set.run(FakeModule(**params), Client(pause=0))
        assert [a["action"] for a in result["actions"]] == ["download base"]
        assert result["actions"][0]["reason"].startswith("sha256: ")
    finally:
        served.stop()
    module = FakeModule(check=True, **params)
    assert not dist_set.run(module, Client(pause=0))["changed"]
    assert "going by the receipt" in module.warnings[0]
    with pytest.raises(ToolError, match=r"connection refused"):
        dist_set.run(FakeModule(**params), Client(pause=0))


def test_trust_is_pinned_then_copied_then_the_mirrors(call: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    copies = tmp_path / "MANIFESTS"
    copies.mkdir()
    (copies / f"amd64-amd64-{RELEASE}").write_bytes(manifest(base=BASE, kernel=KERNEL))
    result = call(manifests_dir=str(copies), checksums={"base": sha(BASE)})
    assert {n: s["trust"] for n, s in result["sets"].items()} == {"base": "pinned", "kernel": "release-manifests"}


def test_a_pin_that_agrees_is_recorded_without_a_download(call: Callable[..., dict[str, Any]], mirror: Mirror) -> None:
    call()
    mirror.requests.clear()
    result = call(checksums={"base": sha(BASE)})
    assert result["actions"] == [{"action": "record base", "reason": "trust: mirror -> pinned"}]
    assert mirror.requests == []
    assert not call(checksums={"base": sha(BASE)})["changed"]


def test_a_pin_that_disagrees_leaves_no_file(call: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"^dist set 'base': cannot accept .*: SHA-256 is .*, expected 0000"):
        call(checksums={"base": "0" * 64})
    assert not (tmp_path / "dists/base.txz").exists()
    assert not (tmp_path / "dists/base.txz.part").exists()


def test_a_directory_without_manifest_serves_pinned_sets(
    call: Callable[..., dict[str, Any]], mirror: Mirror, tmp_path: Path
) -> None:
    (mirror.dir / "MANIFEST").unlink()
    pins = {"base": sha(BASE), "kernel": sha(KERNEL)}
    result = call(checksums=pins)
    assert result["changed"] and (tmp_path / "dists/MANIFEST").exists()
    assert not call(checksums=pins)["changed"]


def test_a_plain_directory_of_the_builder_is_a_mirror(mirror: Mirror, tmp_path: Path) -> None:
    module = FakeModule(mirror=mirror.dir.as_uri(), dest=str(tmp_path / "d"))
    result = dist_set.run(module, Client())
    assert result["url"] == mirror.dir.as_uri()
    assert mirror.requests == []


def test_sets_of_an_earlier_call_stay_recorded(call: Callable[..., dict[str, Any]], mirror: Mirror) -> None:
    call(sets=["base"])
    call(sets=["kernel"])
    mirror.requests.clear()
    assert not call()["changed"]
    assert mirror.requests == []


@pytest.mark.parametrize(
    ("params", "cause"),
    [
        ({"release": "15.1"}, "release '15.1': unknown form"),
        ({"arch": "pdp11"}, "arch 'pdp11': unknown"),
        ({"sets": []}, "the list is empty"),
        ({"sets": ["base.txz"]}, "dist set 'base.txz': malformed name"),
        ({"checksums": {"base": "abc"}}, "dist set 'base': pinned checksum is malformed"),
        ({"mirror": "gopher://x"}, "mirror 'gopher://x': unknown scheme"),
        ({"sets": ["base", "lib32"]}, "dist set 'lib32': not in MANIFEST .*, which has base, kernel"),
        ({"release": "9.9-RELEASE"}, "dist sets of 9.9-RELEASE: no MANIFEST on the mirror, tried http"),
    ],
)
@pytest.mark.parametrize("check", [False, True])
def test_bad_input_is_one_line_and_changes_nothing(
    call: Callable[..., dict[str, Any]], tmp_path: Path, params: dict[str, Any], cause: str, check: bool
) -> None:
    with pytest.raises(ToolError, match=cause) as error:
        call(check=check, **params)
    assert "\n" not in error.value.message
    assert not (tmp_path / "dists").exists()


def test_an_html_page_is_not_a_manifest(call: Callable[..., dict[str, Any]], mirror: Mirror, tmp_path: Path) -> None:
    (mirror.dir / "MANIFEST").write_text("<!DOCTYPE html><title>Welcome to Hotel WiFi</title>")
    with pytest.raises(ToolError, match=r"an HTML page, not a MANIFEST"):
        call()
    assert not (tmp_path / "dists").exists()


def test_a_set_that_the_mirror_lost_is_named(call: Callable[..., dict[str, Any]], mirror: Mirror) -> None:
    (mirror.dir / "kernel.txz").unlink()
    with pytest.raises(ToolError, match=r"^dist set 'kernel': cannot fetch .*not there"):
        call()


def test_too_little_space_is_told_before_a_byte_moves(
    call: Callable[..., dict[str, Any]], mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dist_set, "free_bytes", lambda path: 1 << 20)
    with pytest.raises(ToolError, match=r"too little space, 65 MiB needed, 1 MiB there"):
        call()
    assert not [r for r in mirror.requests if r[0] == "GET" and r[1].endswith(".txz")]
    assert "too little space" in call(check=True)["warnings"][0]


def test_two_runs_do_not_write_to_one_directory(call: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "dists").mkdir()
    with dist_set.Lock(str(tmp_path / "dists")), pytest.raises(ToolError, match=r"another run is downloading them"):
        call()


def test_a_directory_in_place_of_a_set_is_refused(call: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "dists/base.txz").mkdir(parents=True)
    with pytest.raises(ToolError, match=r"is no regular file; remove it"):
        call()
