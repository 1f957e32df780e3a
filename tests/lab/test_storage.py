# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The simulated storage stack beyond what recordings show: images that come back, space that ends, crashes."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

LAB = Path(__file__).parent / "lab"


class Inside:
    """Runs commands in one lab."""

    def __init__(self, name: str) -> None:
        self.name = name

    def lab(self, *words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, str(LAB), *words]
        return subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)

    def run(self, command: str, rc: int = 0) -> str:
        """Output of a shell command; stdout and stderr together."""
        done = self.lab("exec", "--name", self.name, "--", "/bin/sh", "-c", f"exec 2>&1; {command}")
        assert done.returncode == rc, f"{command}\nrc {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def machine() -> Iterator[Inside]:
    inside = Inside(f"storage-{secrets.token_hex(4)}")
    started = inside.lab("start", "--name", inside.name)
    assert started.returncode == 0, started.stdout + started.stderr
    yield inside
    inside.lab("destroy", "--name", inside.name)


@pytest.fixture
def md(machine: Inside) -> Iterator[str]:
    """A 384 MiB md device, all pools on it gone afterwards."""
    machine.run("truncate -s 384m /tank/lab/disk.img")
    unit = machine.run("mdconfig -a -t vnode -f /tank/lab/disk.img").strip()
    yield unit
    machine.run("umount -f /mnt; for p in lab imported; do zpool destroy -f $p; done; true")
    machine.run(f"mdconfig -d -u {unit}; rm -f /tank/lab/*; true")


def make_pool(machine: Inside, md: str, options: str = "") -> None:
    machine.run(f"zpool create -o cachefile=none -R /tank/alt -m none {options} lab /dev/{md}")


def test_image_pool_survives_the_way_through_a_gpt_image(machine: Inside, md: str) -> None:
    make_pool(machine, md, "-o compatibility=openzfs-2.0-freebsd -o ashift=12")
    machine.run("zfs create -o mountpoint=/ -o canmount=noauto lab/be && zfs mount lab/be")
    machine.run("cd /tank/alt && mkdir -p etc/deep && echo hello > etc/deep/file && ln etc/deep/file etc/hard")
    machine.run("cd /tank/alt && ln -s deep/file etc/soft && chmod 4755 etc/deep/file && chown 5:7 etc/deep")
    machine.run("cd /tank/alt && touch -t 202001020304.05 etc/deep/file && truncate -s 8m sparse && mkdir " + "d" * 120)
    machine.run("zfs snapshot lab/be@v1 && zfs create -V 32m lab/swap && zpool set bootfs=lab/be lab")
    machine.run(
        "dd if=/dev/zero bs=512 count=1 2>/dev/null | tr '\\0' x | dd of=/dev/zvol/lab/swap conv=notrunc 2>/dev/null"
    )
    guid = machine.run("zpool get -H -o value guid lab")
    machine.run("zpool export lab")
    machine.run("mkimg -s gpt -p freebsd-boot/boot::512k -p freebsd-zfs/zfs0:=/tank/lab/disk.img -o /tank/lab/out.raw")
    image = machine.run("mdconfig -a -t vnode -f /tank/lab/out.raw").strip()
    assert "freebsd-zfs" in machine.run(f"gpart show {image}")
    machine.run(f"zpool import -d /dev/{image}p2 -R /tank/alt lab imported")
    try:
        assert machine.run("zpool get -H -o value guid imported") == guid
        assert (
            machine.run("zpool get -H -o value bootfs,compatibility imported") == "imported/be\nopenzfs-2.0-freebsd\n"
        )
        machine.run("zfs mount imported/be")
        listing = machine.run(
            "cd /tank/alt/etc && stat -f '%p %u %g %l %m' deep deep/file && readlink soft && cat hard"
        )
        assert listing == "40755 5 7 2 " + listing.split()[4] + "\n104755 0 0 2 1577934245\ndeep/file\nhello\n"
        assert machine.run("stat -f '%z %b' /tank/alt/sparse").startswith("8388608 ")
        assert "d" * 120 in machine.run("ls /tank/alt")
        assert machine.run("zfs list -H -o name -t all -r imported/be") == "imported/be\nimported/be@v1\n"
        assert machine.run("dd if=/dev/zvol/imported/swap bs=1 count=3 2>/dev/null") == "xxx"
    finally:
        machine.run("zpool export imported")
        machine.run(f"mdconfig -d -u {image}")


def test_writing_ends_when_the_pool_is_full(machine: Inside, md: str) -> None:
    make_pool(machine, md)
    machine.run("zfs create -o mountpoint=/data lab/data && zfs create -V 64m lab/vol")
    out = machine.run("dd if=/dev/zero of=/tank/alt/data/fill bs=1m count=600", rc=1)
    assert "No space left on device" in out
    size = int(machine.run("stat -f %z /tank/alt/data/fill"))
    assert 140 << 20 < size < 170 << 20
    assert machine.run("zfs snapshot lab/data@full", rc=0) == ""
    assert int(machine.run("zfs get -Hp -o value available lab")) < 1 << 20
    assert machine.run("zfs create -V 1g lab/more", rc=1) == "cannot create 'lab/more': out of space\n"


def test_a_stream_too_big_leaves_nothing(machine: Inside, md: str) -> None:
    machine.run("zfs create tank/big && dd if=/dev/random of=/tank/big/file bs=1m count=300 2>/dev/null")
    machine.run("zfs snapshot tank/big@s")
    make_pool(machine, md)
    out = machine.run("zfs send tank/big@s | zfs receive -u lab/big", rc=1)
    assert "cannot receive new filesystem stream: out of space" in out
    assert machine.run("zfs list -H -o name -r lab") == "lab\n"
    machine.run("zfs destroy -r tank/big")


def test_what_is_in_use_stays(machine: Inside, md: str) -> None:
    make_pool(machine, md)
    machine.run("zfs create -o mountpoint=/data lab/data")
    busy = "cannot unmount '/tank/alt/data': pool or dataset is busy\n"
    assert machine.run("cd /tank/alt/data; zfs unmount lab/data", rc=1) == busy
    assert machine.run("exec 9>/tank/alt/data/open; zfs destroy lab/data", rc=1) == busy
    assert machine.run(f"mdconfig -d -u {md}", rc=1) == "mdconfig: ioctl(/dev/mdctl): Device busy\n"
    assert machine.run("mount -t nullfs /tank/alt/data /mnt; cd /mnt; umount /mnt", rc=1).endswith(
        "failed: Device busy\n"
    )
    machine.run("umount /mnt")


def test_incremental_streams_carry_changes_and_only_those(machine: Inside, md: str) -> None:
    make_pool(machine, md)
    machine.run(
        "zfs create -o mountpoint=/a lab/a; cd /tank/alt/a; mkdir -p x/y; echo 1 > x/y/one; echo 2 > two; echo 3 > x/3"
    )
    machine.run(
        "zfs snapshot lab/a@1; cd /tank/alt/a; echo more >> x/y/one; rm two; mkdir new; echo n > new/n; chmod 600 x/3"
    )
    machine.run(
        "zfs snapshot lab/a@2; zfs send lab/a@1 | zfs receive -u lab/b; zfs send -i @1 lab/a@2 | zfs receive -u lab/b"
    )
    machine.run("zfs set mountpoint=/b lab/b; zfs mount lab/b || true")
    listing = "find . | sort; cat x/y/one new/n; stat -f %p x/3"
    assert machine.run(f"cd /tank/alt/b; {listing}") == machine.run(f"cd /tank/alt/a; {listing}")
    guids = machine.run("zfs get -H -o value guid lab/a@2 lab/b@2").split()
    assert guids[0] == guids[1]
    machine.run("echo local > /tank/alt/b/local; echo z > /tank/alt/a/z; zfs snapshot lab/a@3")
    refused = machine.run("zfs send -i @2 lab/a@3 | zfs receive -u lab/b", rc=1)
    assert (
        refused
        == "cannot receive incremental stream: destination lab/b has been modified\nsince most recent snapshot\n"
    )
    machine.run("zfs send -i @2 lab/a@3 | zfs receive -F lab/b")
    assert machine.run("ls /tank/alt/b") == "new\nx\nz\n"


def test_replication_keeps_tree_properties_and_clones(machine: Inside, md: str) -> None:
    make_pool(machine, md)
    machine.run(
        "zfs create -o compression=zstd -o site:owner=me lab/src && zfs create lab/src/child && zfs create lab/dst"
    )
    machine.run("zfs snapshot -r lab/src@a && zfs clone lab/src/child@a lab/src/clone && zfs snapshot -r lab/src@b")
    machine.run("zfs send -R lab/src@b | zfs receive -u lab/dst/copy")
    names = machine.run("zfs list -H -o name -t all -r lab/dst/copy").split()
    assert {"lab/dst/copy@a", "lab/dst/copy/child@a", "lab/dst/copy/child@b", "lab/dst/copy/clone@b"} <= set(names)
    rows = machine.run("zfs get -H -o property,value,source compression,site:owner lab/dst/copy")
    assert rows == "compression\tzstd\treceived\nsite:owner\tme\treceived\n"
    assert machine.run("zfs get -H -o value origin lab/dst/copy/clone") == "lab/dst/copy/child@a\n"


def test_rename_moves_mounts_and_rollback_spares_mount_points(machine: Inside, md: str) -> None:
    make_pool(machine, md)
    machine.run("zfs create -o mountpoint=/top lab/top && zfs create lab/top/in && echo 1 > /tank/alt/top/in/f")
    machine.run("zfs snapshot lab/top@s && touch /tank/alt/top/later && zfs rollback lab/top@s")
    assert machine.run("ls /tank/alt/top; cat /tank/alt/top/in/f") == "in\n1\n"
    machine.run("zfs rename lab/top/in lab/top/out")
    assert machine.run("cat /tank/alt/top/out/f; zfs list -H -o mountpoint lab/top/out") == "1\n/tank/alt/top/out\n"
    assert machine.run("ls /tank/alt/top") == "out\n"


def test_fat_comes_back_with_long_names_and_many_files(machine: Inside, md: str) -> None:
    machine.run(f"gpart create -s gpt {md} && gpart add -t efi -s 64m -l efi0 {md}")
    machine.run(f"newfs_msdos -F 32 -c 1 -L EFISYS /dev/{md}p1 && mount -t msdosfs /dev/{md}p1 /mnt")
    machine.run(
        "mkdir -p /mnt/EFI/BOOT && cp /boot/loader.efi /mnt/EFI/BOOT/bootx64.efi && echo x > '/mnt/A long name.text'"
    )
    machine.run(
        "mkdir /mnt/many; i=0; while [ $i -lt 150 ]; do echo $i > /mnt/many/some-file-$i.conf; i=$((i+1)); done"
    )
    assert "efi0" not in machine.run("ls /dev/gpt")
    machine.run("umount /mnt")
    assert "efi0" in machine.run("ls /dev/gpt")
    machine.run("mount -t msdosfs /dev/gpt/efi0 /mnt && cmp /boot/loader.efi /mnt/EFI/BOOT/bootx64.efi")
    assert machine.run("cat '/mnt/A long name.text' /mnt/many/some-file-149.conf; ls /mnt/many | wc -l").split() == [
        "x",
        "149",
        "150",
    ]
    machine.run("umount /mnt")


def test_table_survives_growth_and_detach(machine: Inside, md: str) -> None:
    machine.run(f"gpart create -s gpt {md} && gpart add -t freebsd-zfs -l a {md} && mdconfig -d -u {md}")
    machine.run(f"truncate -s 600m /tank/lab/disk.img && mdconfig -a -t vnode -f /tank/lab/disk.img -u {md}")
    assert "[CORRUPT]" in machine.run(f"gpart show {md}")
    refused = f"gpart: table '{md}' is corrupt: Operation not permitted\n"
    assert machine.run(f"gpart resize -i 1 {md}", rc=1) == refused
    machine.run(f"gpart recover {md} && gpart resize -i 1 {md}")
    assert "(600M)" in machine.run(f"gpart show {md}").splitlines()[1]


def test_pool_grows_with_its_partition(machine: Inside, md: str) -> None:
    make_pool(machine, md)
    before = int(machine.run("zpool get -Hp -o value size lab"))
    machine.run(f"zpool export lab && mdconfig -d -u {md} && truncate -s 768m /tank/lab/disk.img")
    machine.run(f"mdconfig -a -t vnode -f /tank/lab/disk.img -u {md} && zpool import -R /tank/alt lab")
    assert int(machine.run("zpool get -Hp -o value size lab")) == before
    assert machine.run("zpool get -Hp -o value expandsize lab").strip().isdigit()
    machine.run(f"zpool online -e lab {md}")
    assert int(machine.run("zpool get -Hp -o value size lab")) > before


def test_a_crash_leaves_what_was_synced(machine: Inside, md: str) -> None:
    make_pool(machine, md)
    machine.run(
        "zfs create tank/kept && echo k > /tank/kept/f && zfs create -o mountpoint=/d lab/d && echo 1 > /tank/alt/d/f"
    )
    machine.run("zfs snapshot lab/d@s")
    machine.lab("crash", "--name", machine.name)
    started = machine.lab("start", "--name", machine.name)
    assert started.returncode == 0, started.stdout + started.stderr
    assert machine.run("mdconfig -l; zpool list -H -o name; cat /tank/kept/f") == "tank\nzroot\nk\n"
    machine.run(f"mdconfig -a -t vnode -f /tank/lab/disk.img -u {md} && zpool import -R /tank/alt lab")
    assert machine.run("cat /tank/alt/d/f; zfs list -H -o name -t snapshot -r lab") == "1\nlab/d@s\n"
    machine.run("zfs destroy tank/kept")


def test_commands_are_quick(machine: Inside) -> None:
    """A generous bound: the aim is 80 ms on a machine with nothing else to do."""
    command = "for i in 1 2 3 4 5 6 7 8 9 10; do zfs list -Hp; zpool list -Hp; mdconfig -l; done >/dev/null"
    import time

    began = time.monotonic()
    machine.run(command)
    assert time.monotonic() - began < 9
