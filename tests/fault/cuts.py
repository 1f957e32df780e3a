# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The SSH connection is cut at every remote execution of a build by ansible-playbook.

Two ways. The line stays dead: run after run gets one execution further than the one before, and is cut there. It comes
back at once: in one run every execution is cut, and Ansible's next try goes through.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.builders import ROOT
from tests.integration.build_site import Site
from tests.integration.state import state_of
from tests.processes import kill_tree

from .comparison import Table, unequal

HERE = Path(__file__).resolve().parent
PATIENCE = 8  # refused tries; Ansible itself makes four for a task
MOST = 60  # executions; a build has fewer than half of it


@dataclass
class Cuts:
    """What was tried, and what went wrong."""

    executions: int = 0
    cut: int = 0
    wrong: list[str] = field(default_factory=list)


def until_refused(site: Site, environment: dict[str, str], directory: Path) -> subprocess.CompletedProcess[str]:
    """Run the playbook; kill it when it goes on asking a line that is dead, as it does for minutes while a job runs."""
    tool = Path(sys.executable).with_name("ansible-playbook")
    argv = [str(tool), "-i", str(site.builder.inventory), "build.yml", *site.settings()]
    env = {**os.environ, "ANSIBLE_NOCOLOR": "1", **site.builder.environment(), **environment}
    with (directory / "said").open("w+", encoding="utf-8") as said:
        run = subprocess.Popen(
            argv, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
        )
        while run.poll() is None:
            if len(list(directory.glob("refused.*"))) > PATIENCE:
                kill_tree(run.pid)
            time.sleep(0.2)
        said.seek(0)
        return subprocess.CompletedProcess(argv, run.wait(), said.read(), "")


def build(site: Site, at: str, dead: bool) -> tuple[subprocess.CompletedProcess[str], int, int]:
    """A build with cuts: how it ended, executions, and those that were cut while they ran."""
    with tempfile.TemporaryDirectory(prefix="freehyve-cut-") as directory:
        environment = {
            "ANSIBLE_SSH_EXECUTABLE": str(HERE / "cutting_ssh"),
            "ANSIBLE_SSH_RETRIES": "3",
            "FREEHYVE_CUT": directory,
            "FREEHYVE_CUT_AT": at,
            **({"FREEHYVE_CUT_DEAD": "1"} if dead else {}),
        }
        done = until_refused(site, environment, Path(directory))
        names = {path.name for path in Path(directory).iterdir()}
    return done, sum(name.isdigit() for name in names), sum(name.endswith(".cut") for name in names)


def dead_lines(site: Site, cuts: Cuts, say: Callable[[str], None]) -> None:
    """Cut at the first execution, then at the second … until a run has none left to cut."""
    for at in range(1, MOST):
        began = time.monotonic()
        done, executions, cut = build(site, str(at), dead=True)
        if executions < at:
            cuts.executions = executions
            if done.returncode:
                cuts.wrong.append(f"not cut any more: exit status {done.returncode}: {done.stdout[-1500:]}")
            return
        cuts.cut += cut
        if "Traceback" in done.stdout + done.stderr:
            cuts.wrong.append(f"cut for good at execution {at}: a traceback: {done.stdout[-800:]}{done.stderr[-400:]}")
        if done.returncode not in (0, -signal.SIGKILL) and "unreachable=1" not in done.stdout:
            cuts.wrong.append(f"cut for good at execution {at}: failed otherwise: {done.stdout[-800:]}")
        say(f"cut for good at execution {at}: exit status {done.returncode}, {time.monotonic() - began:.0f} s")
    cuts.wrong.append(f"more than {MOST} executions")


def leave_nothing(site: Site) -> None:
    """Forget the build; the next one is a first one."""
    if site.exists():
        site.builder.run(["zfs", "destroy", "-r", "-f", site.workspace])


def blips(site: Site, cuts: Cuts, say: Callable[[str], None]) -> None:
    """Every execution is cut once, and goes through at the second try."""
    done, executions, cut = build(site, "all", dead=False)
    cuts.cut += cut
    if done.returncode:
        cuts.wrong.append(f"every execution cut once: exit status {done.returncode}: {done.stdout[-1500:]}")
    say(f"every execution cut once: {executions} executions, {cut} cut while they ran, exit status {done.returncode}")


def run(site: Site, built: Table, look: Callable[[], Table], say: Callable[[str], None]) -> Cuts:
    """Both ways, each from nothing, and each must end in what an undisturbed build made.

    :param built: everything below the workspace after that; empty when it is to be made first.
    :param look: everything below the workspace, as it is now.
    """
    cuts = Cuts()
    if not built:  # the record is of another time
        site.build()
        built = look()
    for way in (dead_lines, blips):
        leave_nothing(site)
        clean = state_of(site.builder)
        way(site, cuts, say)
        now = state_of(site.builder)
        cuts.wrong += [
            f"{way.__name__}: left behind: {row}"
            for kind, rows in enumerate(now)
            for row in rows
            if row not in clean[kind] and site.workspace not in row
        ]
        cuts.wrong += [f"{way.__name__}: {text}" for text in unequal(built, [look()])]
    return cuts
