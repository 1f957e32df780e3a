# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Bad input: one clear line, before anything is changed. All cases in one run of Ansible."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.builders import ROOT, Builder
from tests.integration.state import state_of

Vars = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A role's preflight with these variables, and with these facts of the builder, fails with this line."""

    name: str
    role: str
    expected: str
    variables: Vars = field(default_factory=dict)
    facts: Vars = field(default_factory=dict)


TWO_AT_ONE_PLACE = [{"name": "a", "mountpoint": "/home"}, {"name": "b", "mountpoint": "/home"}]


def image(name: str, expected: str, **variables: Any) -> Case:
    return Case(name, "disk_image", expected, {f"disk_image_{key}": value for key, value in variables.items()})


def host(name: str, expected: str, **facts: Any) -> Case:
    return Case(name, "disk_image", expected, {}, facts)


CASES = (
    Case("release", "dist_sets", "release '15': unknown form", {"dist_sets_release": "15"}),
    Case("arch", "dist_sets", "'vax'", {"dist_sets_arch": "vax"}),
    image("version", "version 'latest!': malformed", version="latest!"),
    image("arch of an image", "architecture 'vax': unknown; use one of", arch="vax"),
    image("pool of the workspace", "has no pool 'nosuch'; it has", workspace="nosuch/freehyve"),
    host("not FreeBSD", "runs Linux, not FreeBSD", system="Linux"),
    host("a jail", "is a jail, which cannot make pools", jailed=True),
    host("no ZFS", "has no ZFS; run kldload zfs", zfs_version=None),
    host("no tool", "lacks mkimg", tools={"mkimg": None}),
    host("not root", "we are not root there; log in as root or set ansible_become", root=False),
    host("memory", "has 64m of memory, needs 1g", memory=64 << 20),
    host("space", "has 1m free, needs", workspace_available=1 << 20, stages={}),
    image("format", "image format 'iso': unknown; this builder's mkimg has", formats=["iso"]),
    image("property", "bogus", datasets=[{"name": "a", "properties": {"bogus": "1"}}]),
    image("mount point", "bad mount point 'rel'", datasets=[{"name": "a", "mountpoint": "rel"}]),
    image("mount points", "mount point '/home' is also that of", datasets=TWO_AT_ONE_PLACE),
    image("image size", "too small", size="100m"),
    image("overlay", "is not a directory on the controller", overlay="/nonexistent/overlay"),
    Case("no list", "package_bulk", "nosuch.txt", {"package_bulk_lists": ["nosuch.txt"]}),
    Case("no poudriere", "package_bulk", "poudriere is not installed", {}, {"tools": {"poudriere": None}}),
    Case("artifacts", "result_fetch", "/etc/passwd", {"result_fetch_dest": "/etc/passwd/here"}),
)


def overlay_cases(scratch: Path) -> list[Case]:
    """Directories that only the file system can make wrong."""
    outside = scratch / "outside"
    outside.mkdir()
    (outside / "link").symlink_to("../../../../etc/passwd")
    lists = scratch / "poudriere"
    lists.mkdir()
    (lists / "empty.txt").write_text("# nothing\n\n", encoding="utf-8")
    (lists / "bad.txt").write_text("sysutils/tmux\nnot an origin\n", encoding="utf-8")
    source = {"package_bulk_source": str(lists)}
    return [
        image("overlay with a link that leaves it", "link", overlay=str(outside)),
        Case("empty list", "package_bulk", "empty.txt", {**source, "package_bulk_lists": ["empty.txt"]}),
        Case("bad origin", "package_bulk", "bad.txt.*2", {**source, "package_bulk_lists": ["bad.txt"]}),
    ]


def play(cases: list[Case]) -> list[dict[str, Any]]:
    """A playbook that tries each case and keeps what it says."""
    tasks: list[dict[str, Any]] = [
        {"name": "Look", "freehyve.builder.builder_facts": {"workspace": "{{ freehyve_workspace }}"}},
        {"name": "Keep", "ansible.builtin.set_fact": {"seen": "{{ ansible_facts.freehyve_builder }}", "said": {}}},
    ]
    for case in cases:
        facts = {"freehyve_builder": "{{ seen | combine(changed_facts, recursive=true) }}", "cacheable": True}
        role = {"name": f"freehyve.builder.{case.role}", "tasks_from": "preflight"}
        message = "{{ ansible_failed_result.msg | default('') }}"
        keep = "{{ said | combine({case_name: ansible_failed_result.msg | string}) }}"
        tasks.append(
            {
                "name": case.name,
                "vars": {"case_name": case.name, "changed_facts": case.facts, **case.variables},
                "block": [
                    {"name": "Change", "ansible.builtin.set_fact": facts},
                    {"name": "Try", "ansible.builtin.include_role": role},
                ],
                "rescue": [{"name": message, "ansible.builtin.set_fact": {"said": keep}}],
            }
        )
    tasks.append(
        {"name": "Report", "ansible.builtin.copy": {"content": "{{ said | to_json }}", "dest": "{{ report }}"}}
    )
    tasks[-1] |= {"delegate_to": "localhost", "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}}
    content = {"package_bulk_source": str(ROOT / "poudriere"), "disk_image_overlay": str(ROOT / "overlay")}
    return [{"name": "Bad input", "hosts": "builder", "gather_facts": False, "vars": content, "tasks": tasks}]


@pytest.fixture(scope="module")
def said(builder: Builder, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What every case said; on the way, that nothing was changed."""
    scratch = tmp_path_factory.mktemp("preflight")
    playbook, report = scratch / "play.yml", scratch / "report.json"
    playbook.write_text(json.dumps(play([*CASES, *overlay_cases(scratch)])), encoding="utf-8")
    before = state_of(builder)
    builder.ansible(playbook, "-e", f"report={report}")
    assert state_of(builder) == before
    found: dict[str, str] = json.loads(report.read_text(encoding="utf-8"))
    return found


NAMES = [*(case.name for case in CASES), "overlay with a link that leaves it", "empty list", "bad origin"]
EXPECTED = {case.name: case.expected for case in CASES} | {
    "overlay with a link that leaves it": "link",
    "empty list": r"empty\.txt",
    "bad origin": r"bad\.txt.*2",
}


@pytest.mark.parametrize("name", NAMES)
def test_bad_input_is_one_clear_line(said: dict[str, str], name: str) -> None:
    assert name in said, "was accepted"
    assert "\n" not in said[name].strip()
    assert re.search(EXPECTED[name], said[name]), said[name]
