# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Distribution sets: on the lab's mirror, and as /tmp/dists, where the recorded jail came from."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ..freebsd.archive import cached
from ..freebsd.entries import RELEASE

_MIRROR = Path("/lab/mirror")
_TEXTS = {"BUILDDATE": "20230407\n", "GITBRANCH": "releng/13.2\n", "REVISION": "0123456789ab\n"}


def setup() -> None:
    sets = cached(Path("/lab/cache"))
    release = _MIRROR / "releases/amd64/amd64" / RELEASE
    release.mkdir(parents=True, exist_ok=True)
    for file in sets.iterdir():
        shutil.copyfile(file, release / file.name)
    for name, content in _TEXTS.items():
        (release / name).write_text(content, encoding="utf-8")
    # As on the real servers: releases/amd64/13.2-RELEASE leads to the same place, and mirrors have /pub/FreeBSD.
    _link(_MIRROR / "releases/amd64" / RELEASE, f"amd64/{RELEASE}")
    (_MIRROR / "pub").mkdir(exist_ok=True)
    _link(_MIRROR / "pub/FreeBSD", "..")
    dists = Path("/tmp/dists")
    dists.mkdir(exist_ok=True)
    for name in ("base.txz", "kernel.txz", "MANIFEST"):
        shutil.copyfile(sets / name, dists / name)


def _link(path: Path, target: str) -> None:
    if not os.path.lexists(path):
        path.symlink_to(target)
