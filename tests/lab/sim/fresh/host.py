# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Takes from the recorded host what an installation of FreeBSD does not have."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from ..base import modules, rcconf
from ..poudriere import recorded

MARK = Path("/lab/fresh")
#: The installer's component "ports" unpacks the tree here.
PORTS = "/usr/ports"


def is_fresh() -> bool:
    return MARK.exists()


def strip() -> None:
    """No /usr/local, poudriere or kld_list; pool tank is there and empty, the ports tree where bsdinstall puts it."""
    subprocess.run(["zfs", "destroy", "-r", "tank/poudriere"], check=True)
    shutil.copytree(os.path.join(recorded.HERE, "tree"), PORTS, dirs_exist_ok=True)
    for path in (Path("/usr/local"), Path("/tmp"), Path("/var/run/poudriere"), Path("/tank")):
        _empty(path)
    rcconf.remove("/etc/rc.conf", "kld_list")


def _empty(directory: Path) -> None:
    for path in directory.iterdir() if directory.is_dir() else ():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def load_modules() -> None:
    """What loader.conf and kld_list load; the recorded host's are taken as given elsewhere."""
    loader = [
        name.removesuffix("_load")
        for name, value in rcconf.assignments("/boot/loader.conf").items()
        if name.endswith("_load") and value.upper() == "YES"
    ]
    modules.save(list(dict.fromkeys(loader + rcconf.effective().get("kld_list", "").split())))
