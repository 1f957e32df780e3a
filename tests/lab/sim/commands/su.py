# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""su(1) for root: there are no passwords to ask for."""

from __future__ import annotations

import os
import pwd
import sys

from ..base.options import Usage, complain, getopt

PATHS = ("/usr/bin/su",)


def main(argv: list[str]) -> int:
    words = [argv[0], *argv[1:]]
    login = "-" in words[1:2] or "-l" in words[1:2]
    if words[1:2] == ["-"]:
        words.pop(1)
    try:
        options, rest = getopt(words, "c:flms")
    except Usage as error:
        return complain(error, "usage: su [-] [-flms] [-c class] [login [args]]\n", 1)
    letters = {letter for letter, _ in options}
    name = rest[0] if rest else "root"
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        sys.stderr.write(f"su: unknown login: {name}\n")
        return 1
    if os.getuid() != 0:
        sys.stderr.write("su: Sorry\n")
        return 1
    os.initgroups(user.pw_name, user.pw_gid)
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    environment = dict(os.environ)
    keep = "m" in letters
    shell = os.environ.get("SHELL", "/bin/sh") if keep else user.pw_shell or "/bin/sh"
    if not keep:
        environment |= {"HOME": user.pw_dir, "SHELL": shell, "USER": user.pw_name}
    if login and os.path.isdir(user.pw_dir):
        os.chdir(user.pw_dir)
    base = shell.rpartition("/")[2]
    try:
        os.execve(shell, [f"-{base}" if login else base, *rest[1:]], environment)
    except OSError as error:
        sys.stderr.write(f"su: {shell}: {os.strerror(error.errno or 0)}\n")
        return 1
