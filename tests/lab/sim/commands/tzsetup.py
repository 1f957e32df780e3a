# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""tzsetup(8) without its menus."""

from __future__ import annotations

import os
import shutil
import sys

from ..base.options import Usage, complain, getopt

PATHS = ("/usr/sbin/tzsetup",)
USAGE = "usage: tzsetup [-nrs] [-C chroot_directory] [zoneinfo_file | zoneinfo_name]\n"


def main(argv: list[str]) -> int:
    try:
        options, words = getopt(argv, "C:nrs")
        letters = dict(options)
        if len(words) > 1:
            raise Usage
    except Usage as error:
        return complain(error, USAGE, 1)
    root = letters["C"] + "/" if "C" in letters else ""
    record = f"{root}/var/db/zoneinfo"
    if "r" in letters and not words:
        try:
            with open(record, encoding="utf-8") as file:
                words = [file.read().strip()]
        except OSError:
            sys.stderr.write(f"tzsetup: Could not open {record}: No such file or directory\n")
            return 1
    if not words:
        sys.stderr.write("tzsetup: the lab has no menus; name a zone\n")
        return 1
    zone = words[0]
    source = zone if zone.startswith("/") else f"{root}/usr/share/zoneinfo/{zone}"
    if not os.path.isfile(source):
        sys.stderr.write(f"Could not open {source}: No such file or directory\n")
        return 1
    if "n" in letters:
        return 0
    target = f"{root}/etc/localtime"
    if os.path.lexists(target):
        os.unlink(target)
    shutil.copyfile(source, target)
    os.chmod(target, 0o444)
    if not zone.startswith("/"):
        os.makedirs(os.path.dirname(record), exist_ok=True)
        with open(record, "w", encoding="utf-8") as file:
            file.write(zone + "\n")
    return 0
