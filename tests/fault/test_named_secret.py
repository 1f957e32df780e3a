# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""By name: secrets that a build is given are nowhere to be seen afterwards, nor while it runs."""

from __future__ import annotations

import json
import secrets
import subprocess
import threading
from pathlib import Path

import pytest

from tests.builders import Builder
from tests.fault.remote import read
from tests.integration.build_site import Site

_SEARCH = """
import os, subprocess, sys
root, *words = sys.argv[1:]
words = [word.encode() for word in words]
for parent, directories, names in os.walk(root):
    for name in names:
        path = os.path.join(parent, name)
        if not os.path.isfile(path) or os.path.islink(path):
            continue
        with open(path, "rb") as stream:
            data = stream.read()
        if name.endswith(".zst"):
            data = subprocess.run(["zstd", "-q", "-d", "-c", path], stdout=subprocess.PIPE).stdout
        if any(word in data for word in words):
            print(path)
"""


def key_of(builder: Builder, path: str) -> list[str]:
    """A signing key on the builder; lines of it that nobody else may have."""
    builder.run(["openssl", "genrsa", "-out", path, "2048"])
    builder.run(["chmod", "600", path])
    return [line for line in read(builder, path).splitlines() if not line.startswith("-----")][2:5]


@pytest.mark.timeout(1800)
def test_neither_a_password_nor_a_key_is_seen_anywhere(builder: Builder, site: Site) -> None:
    canary = f"canary-{secrets.token_hex(8)}"
    key = f"/root/{secrets.token_hex(4)}.key"
    words = [canary, *key_of(builder, key)]
    variables = site.directory / "secret.yml"
    variables.write_text(
        json.dumps(
            {
                "ansible_become_password": canary,
                "freehyve_signing_key": key,
                "package_bulk_signing_key": key,
            }
        ),
        encoding="utf-8",
    )
    seen: list[str] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(1.0):
            here = subprocess.run(["ps", "-eww", "-o", "args="], capture_output=True, text=True, check=False).stdout
            there = builder.run(["ps", "-axww", "-o", "command="], check=False).stdout
            seen.append(here + there)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        run = site.build("-e", f"@{variables}", "-vvv")
    finally:
        done.set()
        watcher.join()
        builder.run(["rm", "-f", key])
    assert not any(word in run.output for word in words)
    assert not any(word in text for text in seen for word in words)
    python = ["/usr/local/bin/python3", "-", f"/{site.workspace}", *words]
    assert builder.run(python, input=_SEARCH).stdout == ""
    assert found_in(site.directory / "artifacts", words) == []


def found_in(directory: Path, words: list[str]) -> list[str]:
    """Files of the controller that hold one of the words, packed ones too."""
    found = []
    for path in sorted(item for item in directory.rglob("*") if item.is_file()):
        data = path.read_bytes()
        if path.suffix == ".zst":
            data = subprocess.run(["zstd", "-q", "-d", "-c", path], stdout=subprocess.PIPE, check=True).stdout
        if any(word.encode() in data for word in words):
            found.append(str(path))
    return found
