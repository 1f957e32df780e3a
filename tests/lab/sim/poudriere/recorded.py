# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What poudriere had done on the recorded host before the recording began."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from ..freebsd import tree as world
from ..freebsd.archive import unpack
from .bulk_run import BulkRun, Plan
from .clock import FrozenClock
from .config import DEFAULT_ETC, Config
from .context import Context
from .output import Output
from .running import RunningJails

BASE = "/usr/local/poudriere"
PORTS = f"{BASE}/ports/default"
JAIL = f"{BASE}/jails/base"
HERE = os.path.dirname(os.path.abspath(__file__))
CONF = """\
ZPOOL=tank
ZROOTFS=/poudriere
FREEBSD_HOST=http://127.0.0.1:8080
RESOLV_CONF=/etc/resolv.conf
BASEFS=/usr/local/poudriere
USE_TMPFS=no
DISTFILES_CACHE=/usr/ports/distfiles
NOLINUX=yes
"""
SAMPLES = ("bulk.sh.sample", "pkgbuild.sh.sample")
#: Epochs of the recording: jail and tree made, then the starts of three builds.
JAIL_MADE, TREE_MADE = 1795382525, 1795382581
FIRST, SECOND, THIRD = 1795382620, 1795382678, 1795382756
#: git of the machine that runs the lab; linked as /usr/local/bin/git by whoever wants a builder with git.
GIT = "/usr/local/libexec/lab-git"
GIT_WANTED = "/usr/local/etc/lab-git"


def setup() -> None:
    """Make everything once, at the first start of a lab."""
    shift = min(0, int(time.time()) - 3600 - THIRD)
    _configuration()
    _ports_tree(TREE_MADE + shift)
    _jail(JAIL_MADE + shift)
    git()
    Path("/tmp/list").write_text("sysutils/hello\nsysutils/world\n", encoding="utf-8")
    wrong_pkg = {"ports-mgmt/pkg": {"LAB_FAIL_PHASE": "check-sanity", "LAB_FAIL_TEXT":
                                    "/!\\ ERRORS /!\\\n\nWITHOUT_NLS is unsupported, please use OPTIONS_UNSET=NLS,\n\n"
                                    "or\n\nports-mgmt_pkg_UNSET+=NLS\n\ninstead\n"}}
    wrong_world = {"sysutils/world": {"PORTVERSION": ""}}
    config = Config(DEFAULT_ETC, {"NO_ZFS": "yes"}, {})
    for start, overrides in ((FIRST, wrong_world), (SECOND, wrong_pkg), (THIRD, {})):
        _bulk(config, start + shift, overrides)


def boot() -> None:
    """No jail survives a restart."""
    RunningJails(Config(DEFAULT_ETC, {"NO_ZFS": "yes"}, {})).clear()


def _configuration() -> None:
    hooks = Path(DEFAULT_ETC, "poudriere.d/hooks")
    hooks.mkdir(parents=True, exist_ok=True)
    for name in SAMPLES:
        (hooks / name).write_text("#!/bin/sh\n# Called at the events of a build; see poudriere(8).\n", encoding="utf-8")
    Path(DEFAULT_ETC, "poudriere.conf").write_text(CONF, encoding="utf-8")
    for directory in ("/usr/ports/distfiles", "/usr/local/share/poudriere", "/var/run/poudriere",
                      f"{BASE}/data/packages/base-default", f"{BASE}/data/logs/bulk"):
        os.makedirs(directory, exist_ok=True)


def _records(kind: str, name: str, values: dict[str, object]) -> None:
    directory = Path(DEFAULT_ETC, "poudriere.d", kind, name)
    directory.mkdir(parents=True, exist_ok=True)
    for key, value in values.items():
        (directory / key).write_text(f"{value}\n", encoding="utf-8")


def _ports_tree(made: int) -> None:
    shutil.copytree(os.path.join(HERE, "tree"), PORTS, dirs_exist_ok=True)
    _records("ports", "default", {"created_fs": 0, "timestamp": made, "mnt": PORTS, "method": "null"})


def _jail(made: int) -> None:
    os.makedirs(JAIL, exist_ok=True)
    unpack(world.base(), Path(JAIL), ())
    _records("jails", "base", {"pkgbase": 0, "timestamp": made, "version": "13.2-RELEASE",
                               "fs": "tank/poudriere/jails/base", "method": "tar", "mnt": JAIL, "arch": "amd64"})
    if shutil.which("zfs"):
        subprocess.run(["zfs", "snapshot", "tank/poudriere/jails/base@clean"], capture_output=True, check=False)


def git() -> None:
    """A wrapper of the host's git that finds its helpers; the recorded host itself has no git."""
    real = next((path for path in ("/.host/usr/bin/git", "/.host/usr/local/bin/git") if os.path.exists(path)), None)
    if real is None:
        return
    found = subprocess.run([real, "--exec-path"], capture_output=True, text=True, check=False).stdout.strip()
    os.makedirs(os.path.dirname(GIT), exist_ok=True)
    Path(GIT).write_text("#!/bin/sh\nGIT_CONFIG_NOSYSTEM=1 GIT_TEMPLATE_DIR= "
                         f'exec {real} --exec-path=/.host{found} "$@"\n', encoding="utf-8")
    os.chmod(GIT, 0o755)
    if os.path.exists(GIT_WANTED) and not os.path.lexists("/usr/local/bin/git"):
        os.symlink(GIT, "/usr/local/bin/git")


def _bulk(config: Config, start: int, overrides: dict[str, dict[str, str]]) -> None:
    """Let a build have happened: in frozen time, without a word."""
    clock = FrozenClock(start)
    context = Context(config, Output("bulk.sh", clock, quiet=True), clock)
    BulkRun(context, Plan(jail="base", tree="default", files=["/tmp/list"], overrides=overrides)).run()
