# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""By name: what is brought in is not what it was, or not what it should be."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest

from tests.builders import Builder
from tests.fault.remote import files, module, read, write
from tests.integration.state import state_of

RELEASE = "13.2-RELEASE"


@pytest.fixture
def place(builder: Builder) -> Iterator[str]:
    """A workspace without a build; its dataset."""
    name = f"{builder.run(['zpool', 'list', '-H', '-o', 'name']).stdout.split()[0]}/fhinputs"
    module(builder, "workspace", name=name, path=f"/{name}")
    yield name
    builder.run(["zfs", "destroy", "-r", "-f", name])
    builder.run(["rmdir", f"/{name}"], check=False)


def put(builder: Builder, path: str, data: bytes) -> str:
    """Bytes on the builder; their digest."""
    builder.run(["mkdir", "-p", path.rsplit("/", 1)[0]])
    builder.run(["/usr/local/bin/python3", "-c", DECODE, path], input=base64.b64encode(data).decode())
    return hashlib.sha256(data).hexdigest()


DECODE = "import base64,sys; open(sys.argv[1],'wb').write(base64.b64decode(sys.stdin.read()))"


def archive(*members: tuple[str, dict[str, object]]) -> bytes:
    """A tar archive of members as tarfile's TarInfo has them; ``data`` is a file's content."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:xz") as stream:
        for name, facts in members:
            info = tarfile.TarInfo(name)
            data = str(facts.pop("data", "")).encode()
            for key, value in facts.items():
                setattr(info, key, value)
            info.size = len(data)
            stream.addfile(info, io.BytesIO(data))
    return made.getvalue()


def manifest(**digests: str) -> str:
    return "".join(f'{name}.txz\t{digest}\t1\t{name}\t"a set"\ton\n' for name, digest in digests.items())


def test_a_set_that_changes_between_manifest_and_download(builder: Builder, place: str) -> None:
    """The mirror is renewed after its MANIFEST was read: nothing of the new file may stay, and the next run is well."""
    mirror, dest = f"/{place}/mirror", f"/{place}/dists/13.2-RELEASE-amd64"
    wanted = {"release": RELEASE, "sets": ["base"], "mirror": f"file://{mirror}", "dest": dest}
    wanted |= {"manifests_dir": "/nonexistent", "receipt": f"/{place}/stages/dists.json"}
    promised = hashlib.sha256(b"the old set").hexdigest()
    digest = put(builder, f"{mirror}/base.txz", b"the new set")
    write(builder, f"{mirror}/MANIFEST", manifest(base=promised))
    result = module(builder, "dist_set", False, **wanted)
    assert result["failed"]
    assert "base" in result["msg"]
    assert "\n" not in result["msg"]
    assert "base.txz" not in files(builder, dest)
    assert files(builder, f"/{place}/stages") == []
    write(builder, f"{mirror}/MANIFEST", manifest(base=digest))
    assert module(builder, "dist_set", **wanted)["changed"]
    assert read(builder, f"{dest}/base.txz") == "the new set"


HOSTILE: dict[str, tuple[tuple[str, dict[str, object]], ...]] = {
    "dot-dot": (("../../../fhevil", {"data": "x"}),),
    "absolute": (("/fhevil", {"data": "x"}),),
    "link out": (("out", {"type": tarfile.SYMTYPE, "linkname": "/"}), ("out/fhevil", {"data": "x"})),
    "link up": (("out", {"type": tarfile.SYMTYPE, "linkname": "../../.."}), ("out/fhevil", {"data": "x"})),
    "hard link out": (("passwd", {"type": tarfile.LNKTYPE, "linkname": "/etc/passwd"}),),
    "hard link up": (("passwd", {"type": tarfile.LNKTYPE, "linkname": "../../../../etc/passwd"}),),
}


def base_layer(builder: Builder, place: str, data: bytes, check: bool = True) -> dict[str, Any]:
    """A layer with the content of one distribution set."""
    digest = put(builder, f"/{place}/base.txz", data)
    return module(
        builder,
        "layer",
        check,
        dataset=f"{place}/layers",
        name="base",
        image="evil",
        archives=[{"path": f"/{place}/base.txz", "sha256": digest}],
        leases=f"/{place}/leases",
        receipt=f"/{place}/stages/layer.json",
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_an_archive_that_reaches_out_of_its_layer(builder: Builder, place: str, name: str) -> None:
    """Whether tar refuses or tames it, nothing outside of the layer is made or linked to."""
    members = tuple((path, dict(facts)) for path, facts in HOSTILE[name])
    passwd = builder.run(["stat", "-f", "%l", "/etc/passwd"]).stdout
    result = base_layer(builder, place, archive(*members), check=False)
    outside = [
        "/fhevil",
        "/tmp/fhevil",
        f"/{place}/fhevil",
        f"/{place.split('/')[0]}/fhevil",
        f"/{place}/layers/fhevil",
    ]
    there = builder.run(["ls", "-d", *outside], check=False).stdout
    assert there == "", result
    assert builder.run(["stat", "-f", "%l", "/etc/passwd"]).stdout == passwd
    if result.get("failed"):
        assert builder.run(["zfs", "list", "-H", "-o", "name", "-r", f"{place}/layers"]).stdout.split() == [
            f"{place}/layers"
        ]
    assert files(builder, f"/{place}/leases") == [".lock"]


@pytest.mark.parametrize("kind", ["FIFOTYPE", "CHRTYPE", "BLKTYPE"])
def test_a_set_that_brings_a_device_or_a_fifo_is_refused(builder: Builder, place: str, kind: str) -> None:
    special = {"type": getattr(tarfile, kind), "mode": 0o666, "devmajor": 1, "devminor": 3}
    data = archive(("etc", {"type": tarfile.DIRTYPE, "mode": 0o755}), ("etc/special", special))
    result = base_layer(builder, place, data, False)
    assert result["failed"]
    assert result["msg"].startswith("archives: refusing 'etc/special', a device, FIFO or socket")
    assert "\n" not in result["msg"]
    assert builder.run(["zfs", "list", "-H", "-o", "name", "-r", f"{place}/layers"]).stdout == f"{place}/layers\n"
    assert files(builder, f"/{place}/leases") == [".lock"]


def test_the_set_uid_programs_of_a_set_stay_what_they_are_and_give_nobody_anything_on_the_builder(
    builder: Builder, place: str
) -> None:
    """base.txz has su(1), passwd(1) and their like: the image needs them, the builder's users must not have them."""
    root = {"type": tarfile.DIRTYPE, "mode": 0o755}
    programs = {"usr/bin/su": 0o4555, "usr/bin/at": 0o6555, "usr/bin/write": 0o2555}
    members = [(path, {"data": "#!/bin/sh\n", "mode": mode}) for path, mode in programs.items()]
    made = base_layer(builder, place, archive(("usr", root), ("usr/bin", dict(root)), *members))
    place_of = made["mountpoint"]
    modes = builder.run(["stat", "-f", "%Mp%Lp", *(f"{place_of}/{path}" for path in programs)]).stdout.split()
    assert modes == ["4555", "6555", "2555"]
    (options,) = [
        row[3].split(",")
        for row in map(str.split, builder.run(["mount", "-p"]).stdout.splitlines())
        if row[1] == place_of
    ]
    assert "nosuid" in options


def test_an_overlay_brings_neither_set_uid_nor_what_points_out(
    builder: Builder, place: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """An overlay's modes are normalised, and a link in it is never followed when something is laid over it."""
    source = tmp_path_factory.mktemp("overlay")
    (source / "bin").mkdir()
    (source / "bin" / "tool").write_text("#!/bin/sh\n", encoding="utf-8")
    (source / "bin" / "tool").chmod(0o6755)
    module(builder, "push_tree", src=str(source), dest=f"/{place}/overlay")
    assert builder.run(["stat", "-f", "%Mp%Lp", f"/{place}/overlay/bin/tool"]).stdout.strip() == "0755"
    # The layer below has a link where the overlay has a directory.
    digest = put(
        builder,
        f"/{place}/base.txz",
        archive(("bin", {"type": tarfile.SYMTYPE, "linkname": "/fhbin"}), ("fhbin", {"type": tarfile.DIRTYPE})),
    )
    pushed = module(builder, "push_tree", src=str(source), dest=f"/{place}/overlay")
    made = module(
        builder,
        "layer",
        dataset=f"{place}/layers",
        name="base",
        image="evil",
        archives=[{"path": f"/{place}/base.txz", "sha256": digest}],
        tree={
            "name": "overlay",
            "path": f"/{place}/overlay",
            "files": pushed["files"],
            "digest": pushed["digest"],
        },
        leases=f"/{place}/leases",
        receipt=f"/{place}/stages/layer.json",
    )
    assert builder.run(["ls", "-d", "/fhbin"], check=False).returncode != 0
    root = f"/{made['dataset']}"
    assert "fhbin/tool" in files(builder, root)


def test_a_workspace_of_this_file_leaves_nothing(builder: Builder) -> None:
    before = state_of(builder)
    assert not any("fhinputs" in line for lines in before for line in lines)
