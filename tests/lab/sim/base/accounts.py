# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""master.passwd, group and what is made from them, below any root directory."""

from __future__ import annotations

import os
from dataclasses import dataclass, field


@dataclass
class User:
    name: str
    password: str
    uid: int
    gid: int
    login_class: str = ""
    change: int = 0
    expire: int = 0
    gecos: str = ""
    home: str = "/nonexistent"
    shell: str = "/usr/sbin/nologin"

    def master(self) -> str:
        return (
            f"{self.name}:{self.password}:{self.uid}:{self.gid}:{self.login_class}:{self.change}:{self.expire}:"
            f"{self.gecos}:{self.home}:{self.shell}"
        )

    def public(self) -> str:
        return f"{self.name}:*:{self.uid}:{self.gid}:{self.gecos}:{self.home}:{self.shell}"


@dataclass
class Group:
    name: str
    password: str
    gid: int
    members: list[str] = field(default_factory=list)

    def line(self) -> str:
        return f"{self.name}:{self.password}:{self.gid}:{','.join(self.members)}"


class Malformed(Exception):
    """A line that pwd_mkdb refuses."""


class Accounts:
    """Users and groups of one /etc; save() writes all five files."""

    def __init__(self, etc: str) -> None:
        self.etc = etc
        self.users = parse_users(_lines(f"{etc}/master.passwd"))
        self.groups = [
            Group(name, password, int(gid), [member for member in members.split(",") if member])
            for name, password, gid, members in (line.split(":") for line in _lines(f"{etc}/group"))
        ]

    def user(self, name: str) -> User | None:
        return next((user for user in self.users if name in (user.name, str(user.uid))), None)

    def group(self, name: str) -> Group | None:
        return next((group for group in self.groups if name in (group.name, str(group.gid))), None)

    def save(self) -> None:
        _write(f"{self.etc}/master.passwd", "".join(user.master() + "\n" for user in self.users), 0o600)
        _write(f"{self.etc}/group", "".join(group.line() + "\n" for group in self.groups), 0o644)
        write_databases(self.users, self.etc, passwd=True)


def parse_users(lines: list[str]) -> list[User]:
    users = []
    for line in lines:
        parts = line.split(":")
        if len(parts) != 10 or not parts[2].isdigit() or not parts[3].isdigit():
            raise Malformed(line)
        name, password, uid, gid, login_class, change, expire, gecos, home, shell = parts
        users.append(
            User(
                name, password, int(uid), int(gid), login_class, int(change or 0), int(expire or 0), gecos, home, shell
            )
        )
    return users


def write_databases(users: list[User], directory: str, passwd: bool) -> None:
    """passwd(5), pwd.db and spwd.db: the databases' content only says what they were made from."""
    public = "".join(user.public() + "\n" for user in users)
    secret = "".join(user.master() + "\n" for user in users)
    if passwd:
        _write(f"{directory}/passwd", public, 0o644)
    _write(f"{directory}/pwd.db", "lab pwd.db\n" + public, 0o644)
    _write(f"{directory}/spwd.db", "lab spwd.db\n" + secret, 0o600)


def _lines(path: str) -> list[str]:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return [line.rstrip("\n") for line in file if line.strip() and not line.startswith("#")]


def _write(path: str, content: str, mode: int) -> None:
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(content)
    os.chmod(temporary, mode)
    os.replace(temporary, path)


__all__ = ["Accounts", "Group", "Malformed", "User", "parse_users", "write_databases"]
