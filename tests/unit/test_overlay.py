# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The overlay is data: it parses, holds no secret and no template, and lets nobody in without a key."""

from __future__ import annotations

import re
import stat
import subprocess
from pathlib import Path

import pytest

OVERLAY = Path(__file__).resolve().parents[2] / "overlay"
FILES = sorted(p for p in OVERLAY.rglob("*") if p.is_file())
SHELL = ["boot/loader.conf", "etc/rc.conf", "usr/local/etc/rc.d/freehyve_grow"]
GROW = OVERLAY / "usr/local/etc/rc.d/freehyve_grow"


def assignments(path: Path) -> dict[str, str]:
    """Variables of an rc.conf-like file."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        match = re.fullmatch(r'([A-Za-z0-9_.]+)="([^"]*)"', line)
        assert match or not line.strip() or line.startswith("#"), line
        if match:
            found[match.group(1)] = match.group(2)
    return found


def settings(path: Path) -> dict[str, str]:
    """Keywords of an sshd_config; the first value counts (sshd_config(5))."""
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            name, _blank, value = line.partition(" ")
            found.setdefault(name.lower(), value.strip())
    return found


@pytest.mark.parametrize("name", SHELL)
def test_shell_files_parse(name: str) -> None:
    assert subprocess.run(["sh", "-n", str(OVERLAY / name)], capture_output=True, check=False).returncode == 0


def test_everything_is_a_plain_file_that_root_may_own() -> None:
    for path in OVERLAY.rglob("*"):
        assert not path.is_symlink(), path
        assert path.is_dir() or path.is_file(), path
        assert not path.stat().st_mode & (stat.S_ISUID | stat.S_ISGID), path


def test_no_template_and_no_secret() -> None:
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert "{{" not in text and "{%" not in text, path
        assert "PRIVATE KEY" not in text and not re.search(r"\$[126]\$", text), path
        assert path.name not in ("master.passwd", "authorized_keys"), path


def test_root_gets_in_by_key_only() -> None:
    sshd = settings(OVERLAY / "etc/ssh/sshd_config")
    assert sshd["permitrootlogin"] == "prohibit-password"
    assert sshd["pubkeyauthentication"] == "yes"
    for name in ("passwordauthentication", "kbdinteractiveauthentication", "permitemptypasswords", "x11forwarding"):
        assert sshd[name] == "no", name


def test_rc_conf_enables_what_an_image_needs() -> None:
    rc = assignments(OVERLAY / "etc/rc.conf")
    for name in ("zfs_enable", "sshd_enable", "freehyve_grow_enable", "vm_enable"):
        assert rc[name] == "YES", name
    assert rc["sendmail_enable"] == "NONE"
    assert "hostname" not in rc and "vm_dir" not in rc


def test_loader_finds_root_and_shows_itself_on_both_consoles() -> None:
    loader = assignments(OVERLAY / "boot/loader.conf")
    assert loader["zfs_load"] == "YES"
    assert {"comconsole", "vidconsole", "efi"} <= set(loader["console"].split(","))


def test_firstboot_is_there_and_empty() -> None:
    assert (OVERLAY / "firstboot").read_bytes() == b""


def test_grow_is_a_first_boot_script_that_removes_itself() -> None:
    text = GROW.read_text(encoding="utf-8")
    assert GROW.stat().st_mode & stat.S_IXUSR
    assert re.search(r"^# KEYWORD: firstboot nojail$", text, re.MULTILINE)
    assert re.search(r"^# PROVIDE: freehyve_grow$", text, re.MULTILINE)
    assert "rm -f /usr/local/etc/rc.d/freehyve_grow" in text


def run_grow(tmp_path: Path, tools: dict[str, str]) -> tuple[str, list[str]]:
    """The script's start function with simulated tools; returns its output and the commands that change something."""
    log = tmp_path / "log"
    log.touch()
    for name, body in tools.items():
        tool = tmp_path / name
        tool.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        tool.chmod(0o755)
    # Everything up to the configuration: rc.subr is FreeBSD's.
    text = GROW.read_text(encoding="utf-8").replace(". /etc/rc.subr", 'warn() { echo "WARN: $*"; }')
    body = text[: text.index("load_rc_config")].replace("/usr/local/etc/rc.d/freehyve_grow", str(tmp_path / "self"))
    script = tmp_path / "grow.sh"
    script.write_text(body + "\nfreehyve_grow_start\n", encoding="utf-8")
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin", "LOG": str(log)}
    done = subprocess.run(["sh", str(script)], capture_output=True, text=True, env=environ, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, log.read_text(encoding="utf-8").splitlines()


BACKUP = "GPT 128\n1 freebsd-boot 2048 232 gptboot0\n2 efi 4096 66584 efiboot0\n4 freebsd-zfs 200704 845824 zfs0"
TOOLS = {
    "mount": r"printf 'freehyve/ROOT/0.1.0\t/\t\tzfs\trw 0 0\n'",
    "zpool": 'case "$1" in list) printf "freehyve\\t1\\n\\t/dev/vtbd0p4\\t1\\n" ;; *) echo "zpool $*" >>"$LOG" ;; esac',
    "gpart": f'case "$1" in backup) cat <<X\n{BACKUP}\nX\n;; *) echo "gpart $*" >>"$LOG" ;; esac',
    # A name behind it would be that of a provider (geom(8), find_geom): it knows no label by its own.
    "glabel": '[ "$*" = "status -s" ] && printf "gpt/efiboot0  N/A  vtbd0p2\\n    gpt/zfs0  N/A  vtbd0p4\\n"',
    "sysrc": 'echo "sysrc $*" >>"$LOG"',
}


@pytest.mark.parametrize("vdev", ["/dev/vtbd0p4", "/dev/gpt/zfs0"])
def test_grow_grows_the_last_partition_and_its_pool(tmp_path: Path, vdev: str) -> None:
    (tmp_path / "self").touch()
    tools = dict(TOOLS, zpool=TOOLS["zpool"].replace("/dev/vtbd0p4", vdev))
    out, did = run_grow(tmp_path, tools)
    assert did == [
        "gpart recover vtbd0",
        "gpart resize -i 4 vtbd0",
        f"zpool online -e freehyve {vdev}",
        "sysrc -x freehyve_grow_enable",
    ]
    assert "fills vtbd0" in out
    assert not (tmp_path / "self").exists()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"mount": r"printf '/dev/ada0p2\t/\t\tufs\trw 1 1\n'"}, "not ZFS"),
        ({"zpool": 'printf "p\\t1\\n\\t/dev/a0p1\\t1\\n\\t/dev/b0p1\\t1\\n"'}, "not lie on one device"),
        ({"zpool": 'printf "p\\t1\\n\\t/dev/vtbd0\\t1\\n"'}, "no partition"),
        ({"gpart": f'case "$1" in backup) cat <<X\n{BACKUP}\n5 freebsd-swap 2000000 8\nX\n;; esac'}, "not the last"),
    ],
)
def test_grow_leaves_alone_what_it_does_not_know(tmp_path: Path, change: dict[str, str], text: str) -> None:
    (tmp_path / "self").touch()
    out, did = run_grow(tmp_path, {**TOOLS, **change})
    assert f"WARN: {text}" in out or text in out
    assert not any(line.startswith(("zpool online", "gpart resize")) for line in did)
    assert (tmp_path / "self").exists()
