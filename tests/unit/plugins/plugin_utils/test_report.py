# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The report's words and its page, without a browser; tests/report looks at it in one."""

from __future__ import annotations

import copy
import html.parser
import itertools
import re
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.plugin_utils import _report
from ansible_collections.freehyve.builder.plugins.plugin_utils._report import report
from ansible_collections.freehyve.builder.plugins.plugin_utils._report_disk import Dataset, pool_tree
from ansible_collections.freehyve.builder.plugins.plugin_utils._report_packages import (
    LONGEST_LOG_LINE,
    MOST_LOG_LINES,
    log_excerpt,
)
from ansible_collections.freehyve.builder.plugins.plugin_utils._report_time import MOST_BARS, builds, stages
from ansible_collections.freehyve.builder.plugins.plugin_utils._report_view import view_of
from tests.unit.build_records import NASTY, Record, earlier, example, failed, hostile, large, mangled, unchanged

VOID = {"meta", "link", "br", "wbr", "img", "input", "hr"}


class Page(html.parser.HTMLParser):
    """Elements and text of a page; an element that is not closed is an error."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"<{tag}> has an attribute twice"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_page_says_what_the_record_knows() -> None:
    page = Page(report(example(), earlier()))
    for text in (
        "freehyve 0.1.0",
        "in 35 min 6 s; 5 of 7 stages had work to do.",
        "2 ports failed and 1 port was not tried.",
        "devel/protobuf",
        "12 min 24 s",
        "Changes since 0.0.9",
        "2 added, 1 removed, 2 upgraded and 1 downgraded",
        "refreservation=32m",
        "install: src/iperf3.1: No such file or directory",
        "71377d59dead46b401191c7a2f6adb80e2ee405093802defc4de4200732acbe6  freehyve-0.1.0-amd64.qcow2.zst",
    ):
        assert text in page.text


def test_the_same_records_give_the_same_bytes() -> None:
    assert report(example(), earlier()) == report(copy.deepcopy(example()), earlier())


def test_nothing_is_loaded_from_elsewhere() -> None:
    for tag, attributes in Page(report(example(), earlier())).elements:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base", "form")
        assert "src" not in attributes
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        assert (attributes.get("href") or "#").startswith("#")
    for text in (path.read_text(encoding="utf-8") for path in _report.TEMPLATES.iterdir()):
        assert not re.search(r"url\(|@import|https?:|fetch\(|innerHTML", text)


def test_nothing_nasty_becomes_part_of_the_page() -> None:
    nice, nasty = Page(report(example(), earlier())), Page(report(hostile(), hostile()))
    assert {tag for tag, _attributes in nasty.elements} <= {tag for tag, _attributes in nice.elements}
    allowed = {name for _tag, attributes in nice.elements for name in attributes}
    assert {name for _tag, attributes in nasty.elements for name in attributes} <= allowed | {"id"}
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b-\u200f]", report(hostile()))
    assert sum(tag == "script" for tag, _attributes in nasty.elements) == 1
    assert "window.pwned" in nasty.text


@pytest.mark.parametrize("nasty", NASTY)
def test_every_value_is_escaped_wherever_it_stands(nasty: str) -> None:
    """One text in all places, so that no place depends on its neighbour."""

    def fill(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: fill(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [fill(item, key) for item in value]
        return nasty if isinstance(value, str) else value

    Page(report(fill(example()), fill(earlier())))


def test_any_member_may_be_missing_or_of_another_kind() -> None:
    for name, record in mangled():
        try:
            view_of(record, earlier())
            report(example(), record) if name.startswith(("packages", "inputs", "image")) else None
        except Exception as exc:
            raise AssertionError(f"{name} was replaced") from exc
    for empty in ({}, {"schema": 1}):
        Page(report(empty, empty))


@pytest.mark.parametrize(
    ("record", "word", "text"),
    [
        (example(), "Complete", "in 35 min 6 s; 5 of 7 stages had work to do."),
        (unchanged(), "Up to date", "after 7.2 s; nothing had to be made."),
        (failed(), "Failed", "in the stage Packages after 35 min 6 s."),
        ({**example(), "state": "partial"}, "Partial", "after 35 min 6 s; not in this run: some stages."),
        ({**failed(), "failure": {"stage": None, "message": "x"}}, "Failed", "after 35 min 6 s."),
    ],
    ids=["complete", "up to date", "failed", "partial", "failed somewhere"],
)
def test_the_verdict(record: Record, word: str, text: str) -> None:
    verdict = view_of(record)["verdict"]
    assert (verdict["word"], verdict["text"]) == (word, text)
    Page(report(record))


def test_stages_follow_one_another() -> None:
    found = stages(example())
    bars = [stage.extent for stage in found["items"]]
    assert all(bars)
    assert all(left.end <= right.x + 0.5 for left, right in itertools.pairwise(bars))
    assert [stage.state for stage in found["items"]][:3] == ["current", "current", "ran"]
    assert "Outlined: work of 1 min 20 s" in found["note"]
    reasons = found["items"][4].reasons
    assert len(set(reasons)) == len(reasons)


def test_many_reasons_are_summed_up() -> None:
    record = example()
    record["stages"][4]["reasons"] = [f"packages: p{n} changed" for n in range(500)]
    reasons = stages(record)["items"][4].reasons
    assert len(reasons) == 8
    assert reasons[-1] == "and 493 more"


def test_ports_that_failed_are_among_the_builds() -> None:
    found = builds(example())
    drawn = [port for lane in found["lanes"] for port in lane]
    assert len(drawn) == found["count"] == 48
    assert {port.origin for port in drawn if port.failed} == {"net/iperf3", "sysutils/broken"}
    assert len(found["lanes"]) == 4
    assert [port.rank for port in found["longest"]] == list(range(1, 13))
    assert found["longest"][0].origin == "devel/protobuf"


def test_builds_without_their_starts_are_listed_only() -> None:
    record = example()
    for port in record["ports"]["built"] + record["ports"]["failed"]:
        port["start"] = None
    found = builds(record)
    assert found["lanes"] == []
    assert len(found["longest"]) == 12
    assert "The longest builds" in report(record)


def test_very_many_ports() -> None:
    began = time.process_time()
    page = report(large())
    assert time.process_time() - began < 5
    assert page.count("<rect") < MOST_BARS + 200
    assert "1,002 are not drawn" in page


def test_the_tree_of_datasets() -> None:
    tree = pool_tree(example()["geometry"]["pool"])
    assert tree is not None

    def shape(node: Dataset) -> Any:
        return {child.name: shape(child) for child in node.children}

    assert shape(tree) == {
        "ROOT": {"0.1.0": {}},
        "persist": {"home": {}, "log": {}, "root": {}, "ssh": {}, "vms": {}},
        "ballast": {},
    }
    persist = tree.children[1]
    assert {child.name: child.mountpoint for child in persist.children} == {
        "home": "/home",
        "log": "/var/log",
        "root": "/root",
        "ssh": "/etc/ssh",
        "vms": "/persist/vms",
    }
    assert tree.children[2].mountpoint == "none"


def test_a_dataset_may_come_before_its_parent() -> None:
    datasets: list[Record] = [
        {"name": "a/b/c", "mountpoint": None},
        {"name": "a", "mountpoint": "/a"},
        {"name": "/".join("x" * 500)},
    ]
    datasets[1]["properties"] = {"refreservation": "33554432", "quota": "none", "canmount": "1024"}
    tree = pool_tree({"name": "pool", "datasets": datasets})
    assert tree is not None
    assert tree.children[0].mountpoint == "/a"
    assert tree.children[0].children[0].children[0].name == "c"
    properties = [("canmount", "1024"), ("quota", "none"), ("refreservation", "32 MiB")]
    assert tree.children[0].properties == properties


def test_a_log_is_cut_to_what_can_be_read() -> None:
    excerpt = log_excerpt([f"line {n}" for n in range(1000)] + ["x" * 9000])
    assert len(excerpt.splitlines()) == MOST_LOG_LINES
    assert len(excerpt.splitlines()[-1]) == LONGEST_LOG_LINE + 2
    assert log_excerpt("a\nb") == "a\nb"


def test_a_page_is_made_quickly() -> None:
    _report._environment.cache_clear()
    record, previous = example(), earlier()
    began = time.process_time()
    report(record, previous)
    assert time.process_time() - began < 0.5


def test_the_templates_are_where_a_tarball_has_them() -> None:
    names = {path.name for path in _report.TEMPLATES.iterdir()}
    assert names == {"report.css", "report.html.j2", "report.js"}
    assert Path(_report.__file__).parent in _report.TEMPLATES.parents
