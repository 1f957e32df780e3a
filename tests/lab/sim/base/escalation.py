# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Becoming another user by a rule, or by su and a password. No shim can be setuid, so a daemon of root's
(runtime/elevator.py) runs the command.

Rules are read as far as provisioning writes them; anything else is malformed here.
"""

from __future__ import annotations

import array
import glob
import os
import re
import socket
import subprocess
import sys
from dataclasses import dataclass

from .accounts import Accounts

SOCKET = "/lab/run/elevator"
DOAS = "/usr/local/etc/doas.conf"
SUDOERS = ("/usr/local/etc/sudoers", "/usr/local/etc/sudoers.d/*")
_DOAS = re.compile(
    r"permit nopass (?P<user>[a-z_][\w-]*)(?: as (?P<target>[a-z_][\w-]*))?(?: cmd (?P<command>/\S+))?\Z"
)
_SUDO = re.compile(r"(?P<user>[a-z_][\w-]*) ALL=\((?P<target>[a-z_][\w-]*)\) NOPASSWD: (?P<command>/\S+|ALL)\Z")


class Malformed(Exception):
    """A line that is no rule; the text is what the tool prints."""


@dataclass(frozen=True)
class Rule:
    """``target`` and ``command`` None stand for any."""

    user: str
    target: str | None
    command: str | None

    def permits(self, user: str, target: str, command: str) -> bool:
        return user == self.user and self.target in (None, target) and self.command in (None, command)


def _lines(path: str) -> list[tuple[int, str]]:
    try:
        with open(path, encoding="utf-8") as file:
            lines = [line.partition("#")[0].strip() for line in file]
    except OSError:
        return []
    return [(number, line) for number, line in enumerate(lines, 1) if line]


def doas_rules(path: str = DOAS) -> list[Rule]:
    rules = []
    for number, line in _lines(path):
        match = _DOAS.match(line)
        if match is None:
            raise Malformed(f"syntax error at line {number}")
        rules.append(Rule(match["user"], match["target"], match["command"]))
    return rules


def sudo_rules(patterns: list[str]) -> list[Rule]:
    rules = []
    for path in [path for pattern in patterns for path in sorted(glob.glob(pattern))]:
        for number, line in _lines(path):
            match = _SUDO.match(line)
            if match is None:
                raise Malformed(f"{path}:{number}:1: syntax error")
            rules.append(Rule(match["user"], match["target"], None if match["command"] == "ALL" else match["command"]))
    return rules


def permitted(tool: str, user: str, target: str, command: str) -> bool:
    """Whether the rules of doas or sudo, as they are now, let ``user`` run ``command`` as ``target``."""
    rules = doas_rules() if tool == "doas" else sudo_rules(list(SUDOERS))
    return user == "root" or any(rule.permits(user, target, command) for rule in rules)


#: What su asks the elevator before it reads a password; answers are exit statuses.
QUESTION = "su?"
FREE, REFUSED, PASSWORD = 0, 1, 2


def su_rule(user: str, target: str) -> int:
    """pam_group and pam_unix with nullok, as /etc/pam.d/su has them: FREE, REFUSED, or PASSWORD."""
    accounts = Accounts("/etc")
    wheel, account = accounts.group("wheel"), accounts.user(target)
    if account is None:
        return REFUSED
    if user == "root" or user == target:
        return FREE
    if account.uid == 0 and wheel and wheel.members and user not in wheel.members:
        return REFUSED
    return PASSWORD if account.password else FREE


def is_password(target: str, given: str) -> bool:
    """Whether crypt(3) of what was given is what master.passwd has."""
    account = Accounts("/etc").user(target)
    parts = account.password.split("$") if account else []
    if len(parts) != 4 or parts[1] != "6":
        return False
    argv = ["/.host/usr/bin/openssl", "passwd", "-6", "-salt", parts[2], "-stdin"]
    done = subprocess.run(argv, input=given + "\n", capture_output=True, text=True, check=False)
    return account is not None and done.stdout.strip() == account.password


def become(tool: str, target: str, words: list[str]) -> int:
    """Have the elevator run the command with our own standard streams; its exit status."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(SOCKET)
        request = "\0".join([tool, target, os.getcwd(), *words]).encode("utf-8", "surrogateescape")
        streams = array.array("i", [0, 1, 2])
        line.sendmsg(
            [len(request).to_bytes(4, "big") + request], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams.tobytes())]
        )
        answer = b""
        while chunk := line.recv(4096):
            answer += chunk
    if not answer:
        sys.stderr.write(f"{tool}: the lab's elevator does not answer\n")
        return 1
    sys.stderr.write(answer[1:].decode())
    return answer[0]


__all__ = [
    "DOAS",
    "FREE",
    "PASSWORD",
    "QUESTION",
    "REFUSED",
    "SOCKET",
    "SUDOERS",
    "Malformed",
    "Rule",
    "become",
    "doas_rules",
    "is_password",
    "permitted",
    "su_rule",
    "sudo_rules",
]
