# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Images as data, which builder can build which, and which one does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.plugin_utils._images import (
    SETTINGS,
    Assignment,
    Builder,
    Image,
    assign,
    image_id,
    images_of,
    mastername_of,
    names_of,
    release_order,
    set_of,
    tree_of,
    unfit,
)

ROOT = Path(__file__).resolve().parents[4]
SITE = {
    "freehyve_name": "freehyve",
    "freehyve_version": "0.1.0",
    "freehyve_release": "14.3-RELEASE",
    "freehyve_arch": "amd64",
    "freehyve_workspace": "zroot/freehyve",
}
# What a build reads of the site, but of no image: it is about the run, the builder, or the results of a run.
NO_IMAGE = {"builder", "ccache", "image", "image_hosts", "images", "job_poll", "job_timeout", "poll"}


def builder(
    name: str = "one", *, settings: dict[str, Any] | None = None, final: dict[str, Any] | None = None, **facts: Any
) -> Builder:
    known = {
        "system": "FreeBSD",
        "release": "15.0-RELEASE-p2",
        "machine_arch": "amd64",
        "jailed": False,
        "pools": {"zroot": {}},
        "cpus": 4,
        "stages": {},
    }
    return Builder(name, {**known, **facts}, {**SITE, **(settings or {})}, final or {})


def images(*entries: dict[str, Any]) -> list[Image]:
    return images_of(list(entries))


def edges(count: int) -> list[Image]:
    return images(*({"name": f"edge{number}"} for number in range(count)))


def where(found: Assignment) -> list[str]:
    return [image.builder for image in found.images]


def refused(entries: Any, *builders: Builder) -> str:
    with pytest.raises(ToolError) as caught:
        assign(images_of(entries), builders or [builder()])
    assert "\n" not in caught.value.message
    return caught.value.message


def test_an_image_takes_settings_with_and_without_the_prefix() -> None:
    (image,) = images({"name": "edge", "freehyve_version": "2.0", "builder": "two"})
    assert image == Image(1, {"freehyve_name": "edge", "freehyve_version": "2.0"}, "two")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("edge", "freehyve_images: is 'edge', not a list; write a '-' before each image"),
        ({"name": "edge"}, "freehyve_images: is a dictionary, not a list; write a '-' before each image"),
        (None, "freehyve_images: is nothing, not a list; write a '-' before each image"),
        ([], "freehyve_images: is empty; name an image, or leave it out to build the one of the settings"),
        (["edge"], "image 1 of freehyve_images: is 'edge', not settings; write them as in 'name: edge'"),
        ([{"nmae": "x"}], "image 1 of freehyve_images: unknown setting 'nmae'; did you mean name?"),
        ([{}, {"qqqq": 1}], "image 2 of freehyve_images: unknown setting 'qqqq'; there are builder, arch, "),
        (
            [{"name": "a", "freehyve_name": "b"}],
            "image 1 of freehyve_images: 'name' is given twice; remove 'freehyve_name'",
        ),
        ([{"version": 1.1}], "image 1 of freehyve_images: version 1.1 is no text; write it in quotes"),
        (
            [{"release": "15"}],
            "image 'freehyve-0.1.0-amd64': release '15' has an unknown form; write it like 15.1-RELEASE",
        ),
        (
            [{"packages": "a.txt"}, {"packages": "b.txt"}],
            "image 'freehyve-0.1.0-amd64': is there twice in freehyve_images; name, version and architecture make ",
        ),
        (
            [{"name": "a"}, {"name": "b", "poudriere_etc": "/other"}],
            "images 'a-0.1.0-amd64' and 'b-0.1.0-amd64': have different freehyve_poudriere_etc, which one keeps once ",
        ),
        (
            [{"name": "a"}, {"name": "b", "mirror": "http://mirror.example"}],
            "images 'a-0.1.0-amd64' and 'b-0.1.0-amd64': have different freehyve_mirror, which one keeps once ",
        ),
        (
            [{"builder": "nine"}],
            "image 'freehyve-0.1.0-amd64': no builder can build it: it asks for nine, the builders are one; ",
        ),
    ],
)
def test_a_mistake_is_one_line(value: Any, expected: str) -> None:
    assert refused(value).startswith(expected)


def test_an_image_that_nobody_can_build_says_why_for_each_builder() -> None:
    old, arm = builder("old", release="13.2-RELEASE"), builder("arm", machine_arch="aarch64")
    assert refused([{"name": "edge"}], old, arm) == (
        "image 'edge-0.1.0-amd64': no builder can build it: old runs 13.2-RELEASE, older than 14.3-RELEASE, "
        "arm is aarch64; add a builder to the inventory, or change the image"
    )


def test_without_all_builders_such_an_image_is_left_out() -> None:
    entries = images({"name": "edge"}, {"name": "arm", "arch": "arm64/aarch64"})
    found = assign(entries, [builder()], complete=False)
    assert where(found) == ["one"]
    assert found.left_out == ("image 'arm-0.1.0-arm64-aarch64': no builder can build it: one is amd64",)


def test_an_image_that_asks_for_a_builder_which_is_away_is_left_out() -> None:
    found = assign(images({"name": "edge"}, {"name": "core", "builder": "two"}), [builder()], complete=False)
    assert found.left_out == ("image 'core-0.1.0-amd64': asks for two, which is not in this run",)


@pytest.mark.parametrize(
    ("wanted", "kernel", "fits"),
    [
        ("15.0-RELEASE", "15.0-RELEASE", True),
        ("15.0-RELEASE-p3", "15.0-RELEASE", True),
        ("14.3-RELEASE", "15.0-RELEASE-p2", True),
        ("15.0-RELEASE", "15.0-STABLE", True),
        ("15.0-RC2", "15.0-RC1", False),
        ("15.0-RELEASE", "15.0-BETA3", False),
        ("15.0-STABLE", "15.0-RELEASE", False),
        ("15.1-RELEASE", "15.0-RELEASE", False),
        ("16.0-CURRENT", "15.1-STABLE", False),
        ("9.3-RELEASE", "13.2-RELEASE", True),
    ],
)
def test_a_jail_is_not_newer_than_its_kernel(wanted: str, kernel: str, fits: bool) -> None:
    host = builder(release=kernel)
    assert (unfit(host, {**SITE, "freehyve_release": wanted}) is None) == fits


@pytest.mark.parametrize(
    ("arch", "machine", "fits"),
    [
        ("amd64", "amd64", True),
        ("amd64/amd64", "amd64", True),
        ("i386", "amd64", True),
        ("arm64/aarch64", "aarch64", True),
        ("arm64/aarch64", "amd64", False),
        ("arm/armv7", "aarch64", False),
        ("amd64", "i386", False),
    ],
)
def test_the_architecture_is_one_that_the_kernel_runs(arch: str, machine: str, fits: bool) -> None:
    assert (unfit(builder(machine_arch=machine), {**SITE, "freehyve_arch": arch}) is None) == fits


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"system": "Linux"}, "one runs Linux, not FreeBSD"),
        ({"jailed": True}, "one is a jail"),
        ({"pools": {"tank": {}}}, "one has no pool 'zroot'"),
    ],
)
def test_a_host_that_builds_nothing_says_why(facts: dict[str, Any], expected: str) -> None:
    assert unfit(builder(**facts), SITE) == expected


def test_images_are_spread_over_builders_by_their_processors() -> None:
    small, large = builder("small", cpus=4), builder("large", cpus=12)
    assert where(assign(edges(2), [builder("a"), builder("b")])) == ["a", "b"]
    assert sorted(where(assign(edges(8), [small, large]))) == ["large"] * 6 + ["small"] * 2


def test_an_image_that_can_go_to_one_builder_only_goes_first() -> None:
    entries = images({"name": "any"}, {"name": "new", "release": "15.0-RELEASE"})
    found = assign(entries, [builder("new"), builder("old", release="14.3-RELEASE")])
    assert where(found) == ["old", "new"]
    assert [image.why for image in found.images] == ["the fewest images", "the only one that can"]


def test_an_image_stays_where_it_was_built_whatever_else_is_built() -> None:
    two = builder("two", stages={"image-edge1-0.1.0-amd64": {}})
    found = assign(edges(4), [builder("one"), two])
    assert where(found)[1] == "two"
    assert found.images[1].why == "it was built there"


def test_a_new_version_goes_where_its_packages_are() -> None:
    entries = images({"name": "edge", "version": "2.0", "packages": "edge.txt"})
    two = builder("two", stages={"packages-fh143RELEASEamd64-freehyve-edge": {}})
    found = assign(entries, [builder("one"), two])
    assert (where(found), found.images[0].why) == (["two"], "its packages are there")


def test_what_is_given_on_the_command_line_wins() -> None:
    host = builder(final={"freehyve_version": "9.9"})
    found = assign(images({"name": "edge", "version": "1.0"}), [host])
    assert found.images[0].image == "edge-9.9-amd64"


def test_a_builder_has_settings_of_its_own() -> None:
    arm = builder("arm", machine_arch="aarch64", settings={"freehyve_arch": "arm64/aarch64"})
    assert where(assign(images({"name": "edge", "builder": "arm"}), [builder(), arm])) == ["arm"]


@given(
    st.lists(st.sampled_from(["13.2-RELEASE", "14.3-RELEASE", "15.0-RELEASE"]), min_size=1, max_size=8),
    st.lists(st.sampled_from(["13.2-RELEASE", "14.3-RELEASE", "15.0-RELEASE"]), max_size=4),
)
def test_every_image_goes_to_one_that_can_build_it(releases: list[str], kernels: list[str]) -> None:
    hosts = [builder(f"b{number}", release=kernel) for number, kernel in enumerate([*kernels, "15.0-RELEASE"])]
    entries = images(*({"name": f"i{number}", "release": release} for number, release in enumerate(releases)))
    found = assign(entries, hosts)
    by_name = {host.name: host for host in hosts}
    assert all(unfit(by_name[image.builder], image.settings) is None for image in found.images)
    assert [image.image for image in found.images] == [image_id(hosts[0].wants(entry)) for entry in entries]
    assert found == assign(entries, hosts)


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        (None, ""),
        ("host_packages.txt", ""),
        ("edge.txt", "edge"),
        (["edge.txt"], "edge"),
    ],
)
def test_the_set_is_named_by_the_list(lists: Any, expected: str) -> None:
    assert set_of({} if lists is None else {"freehyve_packages": lists}) == expected


def test_other_lists_never_share_a_set() -> None:
    lists = ["a_b.txt", ["a.txt", "b.txt"], ["b.txt", "a.txt"], "a/b.txt", "a-b.txt", "a b.txt", "host_packages.txt"]
    names = [set_of({"freehyve_packages": item}) for item in lists]
    assert len(set(names)) == len(lists)
    assert all(re.fullmatch(r"[A-Za-z0-9_]*", name) for name in names)


def test_other_ports_have_a_tree_of_their_own() -> None:
    usual = {"freehyve_ports_version": "2026Q4"}
    assert tree_of(usual, usual) == "freehyve"
    assert tree_of({"freehyve_ports_version": "2026Q3"}, usual) == "freehyve_2026Q3"
    assert re.fullmatch(r"freehyve_[0-9a-f]{8}", tree_of({"freehyve_ports_version": "releng/14"}, usual))


def test_the_names_of_the_roles_agree() -> None:
    host = builder()
    (image,) = assign(images({"packages": "edge.txt", "ports_version": "2026Q3"}), [host]).images
    assert names_of(image, host) == {
        "package_ports_name": "freehyve_2026Q3",
        "package_bulk_ports": "freehyve_2026Q3",
        "package_bulk_set": "edge",
        "disk_image_mastername": "fh143RELEASEamd64-freehyve_2026Q3-edge",
    }
    assert mastername_of(SITE, SITE) == "fh143RELEASEamd64-freehyve"


def test_what_is_no_release_has_no_order() -> None:
    assert release_order("15") is None
    assert release_order("15.0-MAIN") is None


def test_all_settings_that_a_build_reads_are_known() -> None:
    roles = ("dist_sets", "package_jail", "package_ports", "package_bulk", "disk_image", "update_stream")
    files = [ROOT / "playbooks" / "build.yml"]
    for role in (*roles, "result_fetch"):
        files += sorted((ROOT / "roles" / role).glob("[dv]*/main.yml"))
    read = {name for path in files for name in re.findall(r"\bfreehyve_([a-z_]+)", path.read_text(encoding="utf-8"))}
    assert read - NO_IMAGE == set(SETTINGS)
