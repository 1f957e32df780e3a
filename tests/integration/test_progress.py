# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Progress of two bulk builds at once, one with a failing port: on a terminal, in a pipe, without the callback.

Both hosts of the inventory are the one builder; each has a poudriere set of its own.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.builders import ROOT, Builder
from tests.pty_run import Typescript, run_on_terminal
from tests.unit.terminal import Terminal

POUDRIERE = {
    "etcdir": "/usr/local/etc",
    "data": "/usr/local/poudriere/data",
    "jail": "base",
    "ports": "default",
    "good": ["sysutils/hello", "sysutils/world"],
    "broken": "sysutils/broken",
}
PLAY = """
- name: Two builds
  hosts: builder
  gather_facts: false
  strategy: free
  tasks:
    - name: Directory
      ansible.builtin.file: {path: "{{ place }}", state: directory, mode: "0755"}
    - name: A list
      ansible.builtin.copy: {dest: "{{ place }}/list", content: "{{ list | join('\\n') }}\\n", mode: "0644"}
    - name: Build the packages
      freehyve.builder.poudriere_bulk:
        jail: "{{ poudriere.jail }}"
        ports: "{{ poudriere.ports }}"
        set: "{{ set }}"
        etcdir: "{{ poudriere.etcdir }}"
        lists: ["{{ place }}/list"]
        jobs_dir: "{{ place }}/jobs"
        receipt: "{{ place }}/packages.json"
        poll: 1
"""
LIVE = re.compile(r"^(one|two) +bulk \S+ \d+:\d\d  ")
COUNTED = re.compile(r"\d/\d built, \d failed, \d skipped")


@dataclass
class Site:
    """Two hosts that are one builder; every run builds anew, in sets of its own."""

    builder: Builder
    directory: Path
    places: list[str]
    poudriere: dict[str, object]

    def argv(self) -> list[str]:
        run = secrets.token_hex(3)
        options = f"-o UserKnownHostsFile={self.builder.known_hosts} -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes"
        connection = {
            "ansible_host": self.builder.host,
            "ansible_port": self.builder.port,
            "ansible_user": self.builder.user,
            "ansible_ssh_private_key_file": str(self.builder.key),
            "ansible_ssh_common_args": options,
            "ansible_python_interpreter": "/usr/local/bin/python3",
            "poudriere": self.poudriere,
        }
        good = self.poudriere["good"]
        assert isinstance(good, list)
        hosts = {}
        for name in ("one", "two"):
            self.places.append(f"/var/tmp/fhprogress-{run}-{name}")
            wanted = [*good, self.poudriere["broken"]][: 3 if name == "one" else 2]
            hosts[name] = {"place": self.places[-1], "set": f"fhtest{run}{name}", "list": wanted}
        inventory = self.directory / f"{run}.yml"
        inventory.write_text(json.dumps({"builder": {"hosts": hosts, "vars": connection}}))
        play = self.directory / "play.yml"
        play.write_text(PLAY)
        tool = Path(sys.executable).with_name("ansible-playbook")
        return [str(tool) if tool.exists() else "ansible-playbook", "-i", str(inventory), str(play)]

    def environment(self, **more: str) -> dict[str, str]:
        decided = ("ANSIBLE_NOCOLOR", "CI", "NO_COLOR")
        inherited = {name: value for name, value in os.environ.items() if name not in decided}
        return {**inherited, **more}

    def on_terminal(self, columns: int = 100, **more: str) -> Typescript:
        return run_on_terminal(self.argv(), ROOT, self.environment(**more), columns)

    def in_a_pipe(self, **more: str) -> str:
        done = subprocess.run(
            self.argv(),
            cwd=ROOT,
            env=self.environment(**more),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 2, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def site(builder: Builder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    poudriere: dict[str, object] = dict(POUDRIERE)
    variables = os.environ.get("FREEHYVE_TEST_VARS")
    if variables:
        poudriere |= json.loads(Path(variables).read_text(encoding="utf-8")).get("freehyve_test_poudriere") or {}
    made = Site(builder, tmp_path_factory.mktemp("progress"), [], poudriere)
    yield made
    data = poudriere["data"]
    sets = [place.replace("/var/tmp/fhprogress-", "fhtest").replace("-", "") for place in made.places]
    masters = [f"{poudriere['jail']}-{poudriere['ports']}-{name}" for name in sets]
    paths = [*made.places]
    for master in masters:
        paths += [f"{data}/packages/{master}", f"{data}/logs/bulk/{master}"]
    builder.run(["rm", "-rf", *paths])


def seen(run: Typescript, columns: int) -> tuple[list[list[str]], Terminal]:
    """Every state of the screen, and the last one."""
    terminal = Terminal(columns)
    states = []
    for _at, text in run.pieces:
        terminal.feed(text)
        states.append(terminal.lines)
    return states, terminal


def check_failure(lines: list[str]) -> None:
    """Phase, kind of error and the end of the log of the broken port, once and together."""
    [first] = [number for number, line in enumerate(lines) if "sysutils/broken (broken-0.1) failed" in line]
    text = " ".join(" ".join(lines[first : first + 14]).split())
    assert "one: bulk " in lines[first]
    assert "in phase stage: stage" in text
    assert "boom *** Error code 1" in text


def test_a_terminal_shows_both_builders_and_is_left_clean(site: Site) -> None:
    run = site.on_terminal(140, NO_COLOR="1")
    states, terminal = seen(run, 140)
    assert run.rc == 2, run.text
    live = [[line for line in state if LIVE.match(line)] for state in states]
    assert max(map(len, live)) == 2, run.text
    assert any(COUNTED.search(line) for lines in live for line in lines)
    assert any(re.search(r"\| 0\d \S+ \S+ \d:\d\d", line) for lines in live for line in lines)
    assert all(len(line) <= 139 for lines in live for line in lines)
    assert live[-1] == []
    assert terminal.colours == 0
    left = [line for line in terminal.lines if line]
    assert [line for line in left if re.match(r"^(one|two)  +[^ :]", line)] == []
    assert "changed: [two]" in left
    assert any(line.startswith("fatal: [one]: FAILED!") for line in left)
    check_failure(left)


def test_a_narrow_terminal_never_wraps_a_live_line(site: Site) -> None:
    run = site.on_terminal(48)
    states, terminal = seen(run, 48)
    live = [line for state in states for line in state if LIVE.match(line)]
    assert live
    assert all(len(line) <= 47 for line in live)
    assert not any(LIVE.match(line) for line in terminal.lines)
    assert terminal.colours > 0


def test_a_pipe_gets_plain_lines(site: Site) -> None:
    text = site.in_a_pipe()
    assert "\x1b" not in text
    assert "\r" not in text
    lines = text.splitlines()
    for host in ("one", "two"):
        told = [line for line in lines if re.match(rf"^{host}: bulk \S+ \[\d+:\d\d\]: ", line)]
        # The first look and the end: nothing in between is older than half a minute.
        assert 2 <= len(told) <= 4, text
    check_failure(lines)


@pytest.fixture
def without(tmp_path: Path) -> dict[str, str]:
    """The configuration of the checkout, but for the callback."""
    text = (ROOT / "ansible.cfg").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("callbacks_enabled")]
    path = tmp_path / "ansible.cfg"
    path.write_text("\n".join(lines), encoding="utf-8")
    return {"ANSIBLE_CONFIG": str(path), "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections")}


def test_without_the_callback_a_terminal_gets_plain_lines(site: Site, without: dict[str, str]) -> None:
    run = site.on_terminal(200, NO_COLOR="1", **without)
    assert run.rc == 2, run.text
    assert "\x1b[" not in run.text
    lines = run.text.replace("\r\n", "\n").splitlines()
    assert [line for line in lines if re.match(r"^one: bulk \S+ \[\d+:\d\d\]: ", line)]
    check_failure(lines)
