# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""su(1): root becomes anybody; members of wheel become root with root's password, if it has one."""

from __future__ import annotations

import getpass
import os
import pwd
import sys

from ..base import escalation
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
        return _ask(user, rest[1:], login)
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


def _ask(user: pwd.struct_passwd, words: list[str], login: bool) -> int:
    try:
        rule = escalation.become(escalation.QUESTION, user.pw_name, [])
    except OSError:  # no elevator: not a fresh lab
        rule = escalation.REFUSED
    given = ""
    if rule == escalation.PASSWORD:
        try:
            given = getpass.getpass("Password:")
        except EOFError:
            rule = escalation.REFUSED
    if rule == escalation.REFUSED:
        sys.stderr.write("su: Sorry\n")
        return 1
    shell = user.pw_shell or "/bin/sh"
    return escalation.become("su", user.pw_name, [given, shell, *(["-l"] if login else []), *words])
