# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import json

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._layers import (
    IMAGE_PROPERTY,
    KEY_PROPERTY,
    check_names,
    choose,
    closure,
    layer_name,
    obsolete,
    osversion_of,
    parse_catalogue,
    parse_installed,
    pkg_argv,
    repository_conf,
)
from tests.unit.transcripts import find

HELLO = {"name": "hello", "version": "1.0", "origin": "sysutils/hello", "sum": "a" * 64}
WORLD = {
    "name": "world",
    "version": "2.1",
    "origin": "sysutils/world",
    "sum": "b" * 64,
    "deps": {"hello": {"origin": "sysutils/hello", "version": "1.0"}},
}
PY39 = {"name": "py39-x", "origin": "devel/py-x", "sum": "c", "annotations": {"flavor": "py39"}}
PY311 = {"name": "py311-x", "origin": "devel/py-x", "sum": "d", "annotations": {"flavor": "py311"}}


def test_catalogues_of_both_kinds_are_read() -> None:
    lines = "".join(json.dumps(p) + "\n" for p in (HELLO, WORLD))
    data = json.dumps({"groups": [], "expired_packages": [], "packages": [HELLO, WORLD]})
    assert parse_catalogue(lines) == parse_catalogue(data)
    assert [p.name for p in parse_catalogue(json.dumps(HELLO))] == ["hello"]
    assert parse_catalogue(data)[1].deps == ("hello",)
    for broken in ("{", '{"packages": [{}]}', "[]"):
        with pytest.raises(ToolError, match="catalogue cannot be read"):
            parse_catalogue(broken)


def test_what_a_receipt_says_of_a_package() -> None:
    full = {**HELLO, "pkgsize": 461, "flatsize": 21, "licenses": ["MIT", "GPLv2"], "licenselogic": "or"}
    rows = parse_catalogue("\n".join(json.dumps(p) for p in ({**full, "annotations": {"flavor": "x"}}, WORLD)))
    assert rows[0].facts() == {
        "flavor": "x",
        "size": 461,
        "installed_size": 21,
        "sha256": "a" * 64,
        "licences": ["MIT", "GPLv2"],
        "licence_logic": "or",
        "deps": [],
    }
    bare = rows[1].facts()
    assert (bare["size"], bare["installed_size"], bare["licences"], bare["deps"]) == (None, None, [], ["hello"])


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (["sysutils/world"], ["world"]),
        (["hello", "sysutils/hello"], ["hello"]),
        (["devel/py-x@py311"], ["py311-x"]),
        (["devel/py-x"], ["py311-x"]),
        (["sysutils/hello@only"], ["hello"]),
    ],
)
def test_names_and_origins_find_their_packages(wanted: list[str], expected: list[str]) -> None:
    catalogue = parse_catalogue("\n".join(json.dumps(p) for p in (HELLO, WORLD, PY39, PY311)))
    assert choose(catalogue, wanted) == expected


@pytest.mark.parametrize("item", ["nosuchpkg", "sysutils/nosuch", "devel/py-x@py312"])
def test_a_package_that_is_not_there_is_refused(item: str) -> None:
    catalogue = parse_catalogue("\n".join(json.dumps(p) for p in (HELLO, PY39, PY311)))
    with pytest.raises(ToolError, match=f"package '{item}': the repository does not have it"):
        choose(catalogue, [item])


def test_an_install_depends_on_what_its_packages_need_and_on_nothing_else() -> None:
    catalogue = parse_catalogue("\n".join(json.dumps(p) for p in (HELLO, WORLD, PY39)))
    assert closure(catalogue, ["world"]) == {"world": f"2.1 {'b' * 12}", "hello": f"1.0 {'a' * 12}"}
    assert closure(catalogue, ["hello"]) == {"hello": f"1.0 {'a' * 12}"}


def test_recorded_query_is_parsed() -> None:
    text = find("13.2", "pkg", 'pkg -r /tank/lab/root query "%n %v %o %sb"').stdout
    rows = "".join(line.rsplit(" ", 1)[0] + "\n" for line in text.splitlines())
    assert parse_installed(rows) == [
        {"name": "hello", "version": "1.0", "origin": "sysutils/hello"},
        {"name": "world", "version": "2.1", "origin": "sysutils/world"},
    ]


def test_pkg_sees_one_root_and_one_repository() -> None:
    argv = pkg_argv("/r", "/c", "FreeBSD:15:amd64", "1501000", "install", "-y", "-r", "freehyve", "world")
    assert argv[:5] == ["pkg", "--rootdir", "/r", "--repo-conf-dir", "/c"]
    assert argv[-5:] == ["install", "-y", "-r", "freehyve", "world"]
    for option in ("ABI=FreeBSD:15:amd64", "OSVERSION=1501000", "IGNORE_OSVERSION=yes", "ASSUME_ALWAYS_YES=yes"):
        assert argv[argv.index(option) - 1] == "-o"
    assert 'url: "file:///w/x"' in repository_conf("file:///w/x")


def test_version_comes_from_param_h() -> None:
    assert osversion_of("#undef x\n#define __FreeBSD_version 1501000\t/* Master */\n") == "1501000"
    assert osversion_of("#define __FreeBSD_kernel__\n") is None


def test_names_that_zfs_would_not_take_are_refused() -> None:
    check_names("tank/fh/layers", "base", "ready", None, None)
    check_names("tank/fh/release", "release", "0.1.0", "x-0.1.0-amd64", "tank/a@b")
    for bad in (
        ("tank/a@b", "base", "ready", None, None),
        ("tank/a", "Base", "ready", None, None),
        ("tank/a", "base", "a@b", None, None),
        ("tank/a", "base", "ready", "a/b", None),
        ("tank/a", "base", "ready", None, "tank/a"),
    ):
        with pytest.raises(ToolError):
            check_names(*bad)
    assert layer_name("base", "0123456789abcdef") == "base-0123456789ab"


def family(**rows: tuple[str, str]) -> dict[str, dict[str, str]]:
    """Datasets with (origin, image)."""
    return {
        "w/" + name.replace("__", "/"): {"origin": origin, KEY_PROPERTY: "k", IMAGE_PROPERTY: image}
        for name, (origin, image) in rows.items()
    }


def test_layers_go_when_nothing_needs_them() -> None:
    found = family(
        layers__base1=("-", "i"),
        layers__packages1=("w/layers/base1@ready", "i"),
        layers__system1=("w/layers/packages1@ready", "i"),
        layers__system2=("w/layers/packages1@ready", "i"),
        layers__base0=("-", "i"),
        layers__packages0=("w/layers/base0@ready", "i"),
        layers__other=("-", "j"),
        release__r=("w/layers/system2@ready", "i"),
    )
    gone = obsolete(found, "w/layers", "i", "w/release/r")
    assert gone == ["w/layers/packages0", "w/layers/system1", "w/layers/base0"]


def test_a_layer_that_another_image_uses_stays() -> None:
    found = family(
        layers__base=("-", "i"), layers__system=("w/layers/base@ready", "j"), release__r=("w/layers/x@ready", "i")
    )
    assert obsolete(found, "w/layers", "i", "w/release/r") == []


def test_a_dataset_that_we_did_not_make_stays() -> None:
    found = {"w/layers/mine": {"origin": "-", KEY_PROPERTY: "-", IMAGE_PROPERTY: "-"}}
    assert obsolete(found, "w/layers", "-", "w/release/r") == []
