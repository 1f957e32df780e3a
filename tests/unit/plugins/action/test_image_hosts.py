# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""From the variables of a play to the hosts of its images."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleUndefinedVariable
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.template import Templar

from ansible_collections.freehyve.builder.plugins.action import image_hosts

FACTS = {
    "system": "FreeBSD",
    "workspace": "zroot/freehyve",
    "workspace_path": "/zroot/freehyve",
    "release": "14.3-RELEASE",
    "machine_arch": "amd64",
    "pools": {"zroot": {}},
    "cpus": 2,
}


class Variables(dict[str, Any]):
    """As hostvars give them: a value is worked out when it is asked for, and may fail then."""

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        if value == "{{ nonsense }}":
            raise AnsibleUndefinedVariable("'nonsense' is undefined")
        return value


def host(name: str, **more: Any) -> Variables:
    facts = {"freehyve_builder": FACTS}
    common = {"ansible_facts": facts, **facts, "group_names": ["builder", "ungrouped"], "inventory_hostname": name}
    return Variables({**common, "inventory_dir": "/site", "freehyve_release": "14.3-RELEASE", **more})


def run(hosts: dict[str, Variables], groups: list[str] | None = None, **args: Any) -> dict[str, Any]:
    loader, task = DataLoader(), Task()
    task.args, task._role = args, None
    known = {"hostvars": hosts, "ansible_play_hosts": list(hosts), "groups": {"builder": groups or list(hosts)}}
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    action = image_hosts.ActionModule(task, connection, PlayContext(), loader, Templar(loader, known), None)
    result: dict[str, Any] = action.run(task_vars=known)
    return result


@pytest.fixture(autouse=True)
def extra(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    found: dict[str, Any] = {}
    monkeypatch.setattr(image_hosts, "load_extra_vars", lambda _loader: found)
    return found


def test_the_host_of_an_image_has_what_its_builder_has_and_what_the_image_says() -> None:
    own = {"ansible_port": 2222, "site_proxy": "http://proxy", "odd": "{{ nonsense }}", "__private": 1}
    images = [{"name": "edge", "version": "2.0", "packages": "edge.txt", "image_size": "4g"}]
    (found,) = run({"one": host("one", freehyve_images=images, **own)}, variables=True)["hosts"]
    assert {name: found[name] for name in ("name", "groups", "ansible_host", "ansible_port", "site_proxy")} == {
        "name": "edge-2.0-amd64@one",
        "groups": ["builder", "freehyve_image_hosts"],
        "ansible_host": "one",
        "ansible_port": 2222,
        "site_proxy": "http://proxy",
    }
    assert (found["freehyve_image_size"], found["package_bulk_set"]) == ("4g", "edge")
    assert found["inventory_dir"] == "/site"
    assert found["result_fetch_exclude"] == ["work", "SHA256SUMS"]
    assert found["build_record_file"] == "build-edge-2.0-amd64.json"
    assert not {"odd", "__private", "freehyve_images", "freehyve_builder", "inventory_hostname"} & set(found)


def test_a_site_that_names_its_sets_itself_is_left_alone() -> None:
    images = [{"name": "edge", "packages": "edge.txt"}]
    (found,) = run({"one": host("one", freehyve_images=images, package_bulk_set="mine")}, variables=True)["hosts"]
    assert found["package_bulk_set"] == "mine"
    assert "disk_image_mastername" not in found


def test_what_the_command_line_gives_is_above_an_image(extra: dict[str, Any]) -> None:
    extra["freehyve_version"] = "9.9"
    images = [{"name": "edge", "version": "1.0"}]
    (found,) = run({"one": host("one", freehyve_images=images, freehyve_version="9.9")}, variables=True)["hosts"]
    assert found["name"] == "edge-9.9-amd64@one"


def test_variables_are_in_no_log() -> None:
    one = host("one", freehyve_images=[{"name": "edge"}], site_token="canary")
    assert run({"one": one}, variables=True)["_ansible_no_log"] is True
    shown = run({"one": one})
    assert "canary" not in repr(shown) and "_ansible_no_log" not in shown


def test_builders_that_disagree_are_told() -> None:
    result = run({"one": host("one", freehyve_images=[{"name": "edge"}]), "two": host("two", freehyve_images=[])})
    assert result["failed"] is True
    assert result["msg"] == "freehyve_images: one and two have different ones; set it for their group"


def test_an_image_of_a_builder_that_is_not_in_this_run_is_left_out(tmp_path: Path) -> None:
    record = tmp_path / "0.1.0" / "build-core-0.1.0-amd64.json"
    record.parent.mkdir()
    record.write_text(json.dumps({"schema": 1, "state": "done", "builder": {"name": "two"}}), encoding="utf-8")
    images = [{"name": "edge"}, {"name": "core"}]
    one = host("one", freehyve_images=images, freehyve_artifacts=str(tmp_path))
    result = run({"one": one}, groups=["one", "two"])
    assert list(result["images"]) == ["edge-0.1.0-amd64@one"]
    assert result["left_out"] == ["image 'core-0.1.0-amd64': was built on two, which is not in this run"]


def test_a_run_that_has_nothing_to_build_says_so() -> None:
    one = host("one", freehyve_images=[{"name": "edge", "arch": "arm64/aarch64"}])
    result = run({"one": one}, groups=["one", "two"])
    assert result["msg"] == "image 'edge-0.1.0-arm64-aarch64': no builder can build it: one is amd64"


def test_an_image_with_a_workspace_of_its_own_is_to_be_looked_at() -> None:
    images = [{"name": "edge"}, {"name": "core", "workspace": "zroot/core"}]
    assert run({"one": host("one", freehyve_images=images)})["apart"] == ["core-0.1.0-amd64@one"]
