# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What the named cases do on a builder: modules by themselves, files, leases of owners that are dead."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.builders import ROOT, Builder


def module(builder: Builder, name: str, check: bool = True, /, **params: Any) -> dict[str, Any]:
    """Run one module of the collection on the builder; its result."""
    tool = Path(sys.executable).with_name("ansible")
    argv = [str(tool) if tool.exists() else "ansible", "-i", str(builder.inventory), "builder", "-m"]
    argv += [f"freehyve.builder.{name}", "-a", json.dumps(params)]
    done = subprocess.run(
        argv,
        cwd=ROOT,
        env={**os.environ, **builder.environment(), "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    text = done.stdout + done.stderr
    _head, arrow, rest = done.stdout.partition(" => ")
    assert arrow, text
    result: dict[str, Any] = json.loads(rest)
    failed = bool(re.search(r"\| FAILED!? => $", _head + arrow))
    assert not (check and failed), text
    return {**result, "failed": failed}


def write(builder: Builder, path: str, text: str) -> None:
    """A file on the builder."""
    builder.run(["mkdir", "-p", os.path.dirname(path)])
    builder.run(["dd", f"of={path}", "status=none"], input=text)


def read(builder: Builder, path: str) -> str:
    return builder.run(["cat", path]).stdout


def files(builder: Builder, path: str) -> list[str]:
    """Everything below a directory, relative to it; nothing when it is not there."""
    found = builder.run(["find", path, "-mindepth", "1"], check=False).stdout.splitlines()
    return sorted(os.path.relpath(line, path) for line in found)


def attach(builder: Builder, file: str) -> str:
    """Attach a file as somebody would who knows nothing of us; the unit."""
    return builder.run(["mdconfig", "-a", "-t", "vnode", "-f", file]).stdout.strip()


def units(builder: Builder) -> list[str]:
    return builder.run(["mdconfig", "-l"]).stdout.split()


def dead_lease(
    builder: Builder,
    leases: str,
    kind: str,
    identity: str,
    order: int = 1,
    details: Mapping[str, str] | None = None,
    job: str | None = None,
    **owner: Any,
) -> str:
    """The lease of an owner that is dead: nobody keeps it locked.

    :param job: directory of the job that it was entrusted to, and that holds it as long as it runs.
    """
    path = f"{leases}/{kind}-{hashlib.sha256(identity.encode()).hexdigest()[:24]}.json"
    known = {"pid": 1, "start": "", "boot": "", **owner}
    value = {"kind": kind, "identity": identity, "owner": known, "job": job, "made": 1, "order": order}
    write(builder, path, json.dumps({**value, "details": dict(details or {}), "entrusted": job is not None}))
    return path


def start_job(builder: Builder, directory: str, log: str = "") -> None:
    """A job that runs for minutes, or until it is asked to stop."""
    script = (
        f'trap : TERM; printf "%s %s\\n" "$$" "$(ps -o lstart= -p $$)" > {directory}/process; '
        f"sleep 300; echo $? > {directory}/rc"
    )
    write(builder, f"{directory}/log", log)
    write(builder, f"{directory}/job.json", '{"argv": [], "since": 1, "note": {"module": "zfs_stream"}}')
    write(builder, f"{directory}/run", f"#!/bin/sh\n{script}\n")
    builder.run(["daemon", "-f", "sh", f"{directory}/run"])


__all__ = ["attach", "dead_lease", "files", "module", "read", "start_job", "units", "write"]
