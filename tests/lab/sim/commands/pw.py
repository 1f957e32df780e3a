# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""pw(8): users and groups below any root; passwords by file descriptor only, as pw wants them."""

from __future__ import annotations

import os
import shutil
import sys

from ..base.accounts import Accounts, Group, Malformed, User
from ..base.options import Usage, complain, getopt

PATHS = ("/usr/sbin/pw",)
USAGE = """usage:
  pw [user|group|lock|unlock] [add|del|mod|show|next] [help|switches/values]
"""
_SPEC = {"user": "V:R:C:qn:u:c:d:e:p:g:G:mM:k:s:oL:i:w:h:H:NPYyb:ar", "group": "V:R:C:qn:g:h:H:M:oPaYNm:d:l:F"}
_SKELETON = "/usr/share/skel"


class Failed(Exception):
    """(text, exit status)"""


def main(argv: list[str]) -> int:
    words = list(argv[1:])
    lead: list[str] = []
    while len(words) > 1 and words[0] in ("-R", "-V"):
        lead += words[:2]
        words = words[2:]
    noun, verb, rest = _verb(words)
    if not noun:
        return complain(Usage(), USAGE, 64)
    name = ""
    if rest and not rest[0].startswith("-"):
        name, rest = rest[0], rest[1:]
    try:
        options, left = getopt(["pw", *lead, *rest], _SPEC[noun])
    except Usage as error:
        return complain(error, USAGE, 64)
    letters = dict(options)
    name = name or letters.get("n", "") or (left[0] if left else "")
    try:
        return Work(letters).run(noun, verb, name)
    except Failed as error:
        sys.stderr.write(f"pw: {error.args[0]}\n")
        return int(error.args[1])
    except Malformed:
        sys.stderr.write("pw: corrupted entry in master.passwd\n")
        return 65


def _verb(words: list[str]) -> tuple[str, str, list[str]]:
    """(user|group, add|del|mod|show|next|lock|unlock, the rest): both ``useradd`` and ``user add``."""
    if not words:
        return "", "", []
    first, rest = words[0], words[1:]
    if first in ("lock", "unlock"):
        return "user", first, rest
    for noun in ("user", "group"):
        if first == noun and rest:
            first, rest = noun + rest[0], rest[1:]
        if first.startswith(noun) and first[len(noun) :] in ("add", "del", "mod", "show", "next"):
            return noun, first[len(noun) :], rest
        if first.endswith(noun) and first[: -len(noun)] in ("add", "del", "mod", "show", "next"):
            return noun, first[: -len(noun)], rest
    return "", "", []


class Work:
    def __init__(self, letters: dict[str, str]) -> None:
        self.letters = letters
        self.root = letters.get("R", "")
        self.etc = letters.get("V", f"{self.root}/etc")

    def run(self, noun: str, verb: str, name: str) -> int:
        if not os.path.exists(f"{self.etc}/group"):
            raise Failed("could not lock the group file: No such file or directory", 1)
        try:
            self.accounts = Accounts(self.etc)
        except FileNotFoundError:
            raise Failed("could not lock the passwd file: No such file or directory", 1) from None
        if verb not in ("show", "next") and not name and not (noun == "user" and "u" in self.letters):
            raise Failed(f"{'login name' if noun == 'user' else 'group name'} required", 64)
        code = int(getattr(self, f"{noun}_{verb}")(name))
        if verb not in ("show", "next") and "N" not in self.letters:
            self.accounts.save()
        return code

    # -- users -----------------------------------------------------------------------------------------------------

    def user_add(self, name: str) -> int:
        if self.accounts.user(name):
            raise Failed(f"login name `{name}' already exists", 65)
        uid = int(self.letters["u"]) if "u" in self.letters else self._free({user.uid for user in self.accounts.users})
        if "o" not in self.letters and any(user.uid == uid for user in self.accounts.users):
            raise Failed(f"uid `{uid}' has already been allocated", 65)
        user = User(name, "*", uid, self._own_group(name, uid), gecos="User &", home=f"/home/{name}", shell="/bin/sh")
        self.accounts.users.append(user)
        self._apply(user)
        if "m" in self.letters:
            self._make_home(user)
        if "N" in self.letters:
            print(user.master())
        return 0

    def user_mod(self, name: str) -> int:
        user = self._user(name)
        if "l" in self.letters:
            user.name = self.letters["l"]
        if "u" in self.letters:
            user.uid = int(self.letters["u"])
        self._apply(user)
        if "m" in self.letters:
            self._make_home(user)
        return 0

    def user_del(self, name: str) -> int:
        user = self._user(name)
        if user.uid == 0 and user.name == "root":
            raise Failed("cannot remove user 'root'", 65)
        self.accounts.users.remove(user)
        for group in list(self.accounts.groups):
            group.members = [member for member in group.members if member != user.name]
            if group.name == user.name and group.gid == user.gid and not group.members:
                self.accounts.groups.remove(group)
        if "r" in self.letters:
            shutil.rmtree(self.root + user.home, ignore_errors=True)
        return 0

    def user_show(self, name: str) -> int:
        users = self.accounts.users if "a" in self.letters else [self._user(name or self.letters.get("u", ""))]
        for user in users:
            print(user.master())
        return 0

    def user_next(self, _name: str) -> int:
        users = {user.uid for user in self.accounts.users}
        print(f"{self._free(users)}:{self._free({group.gid for group in self.accounts.groups})}")
        return 0

    def user_lock(self, name: str) -> int:
        user = self._user(name)
        if user.password.startswith("*LOCKED*"):
            raise Failed(f"user '{name}' is already locked", 64)
        user.password = "*LOCKED*" + user.password
        return 0

    def user_unlock(self, name: str) -> int:
        user = self._user(name)
        if not user.password.startswith("*LOCKED*"):
            raise Failed(f"user '{name}' is not locked", 64)
        user.password = user.password.removeprefix("*LOCKED*")
        return 0

    def _user(self, name: str) -> User:
        user = self.accounts.user(name)
        if user is None:
            raise Failed(f"no such user `{name}'", 67)
        return user

    def _apply(self, user: User) -> None:
        letters = self.letters
        user.gecos = letters.get("c", user.gecos)
        user.home = letters.get("d", user.home)
        user.shell = self._shell(letters["s"]) if "s" in letters else user.shell
        user.login_class = letters.get("L", user.login_class)
        if "g" in letters:
            user.gid = self._group(letters["g"]).gid
        if "G" in letters:
            wanted = {self._group(name).name for name in letters["G"].split(",") if name}
            for group in self.accounts.groups:
                member = user.name in group.members
                if group.name in wanted and not member:
                    group.members.append(user.name)
                elif group.name not in wanted and member:
                    group.members.remove(user.name)
        user.password = self._password(user.password)

    def _password(self, old: str) -> str:
        for letter in "hH":
            if letter not in self.letters:
                continue
            given = self.letters[letter]
            if given == "-":
                return "*"
            if not given.isdigit():
                raise Failed("'-h' expects a file descriptor", 64)
            with os.fdopen(os.dup(int(given)), encoding="utf-8", errors="surrogateescape") as stream:
                secret = stream.readline().rstrip("\n")
            return secret if letter == "H" else _crypt(secret)
        kind = self.letters.get("w")
        return {"no": "*", "none": "", "yes": _crypt("")}.get(kind or "", old)

    def _shell(self, shell: str) -> str:
        return shell if not shell or shell.startswith("/") else f"/bin/{shell}"

    def _own_group(self, name: str, uid: int) -> int:
        if "g" in self.letters:
            return self._group(self.letters["g"]).gid
        known = self.accounts.group(name)
        if known:
            return known.gid
        taken = {group.gid for group in self.accounts.groups}
        gid = uid if uid not in taken else self._free(taken)
        self.accounts.groups.append(Group(name, "*", gid))
        return gid

    def _make_home(self, user: User) -> None:
        home = self.root + user.home
        if os.path.isdir(home):
            return
        os.makedirs(home)
        os.chmod(home, int(self.letters.get("M", "0755"), 8))
        skeleton = self.letters.get("k", self.root + _SKELETON)
        if os.path.isdir(skeleton):
            for name in os.listdir(skeleton):
                target = f"{home}/{name.removeprefix('dot') if name.startswith('dot.') else name}"
                shutil.copy(f"{skeleton}/{name}", target)
                os.chown(target, user.uid, user.gid)
        os.chown(home, user.uid, user.gid)

    def _free(self, taken: set[int]) -> int:
        return next(number for number in range(1001, 32000) if number not in taken)

    # -- groups ----------------------------------------------------------------------------------------------------

    def _group(self, name: str) -> Group:
        group = self.accounts.group(name)
        if group is None:
            raise Failed(f"group `{name}' does not exist", 67)
        return group

    def group_add(self, name: str) -> int:
        if self.accounts.group(name):
            raise Failed(f"group name `{name}' already exists", 65)
        taken = {group.gid for group in self.accounts.groups}
        gid = int(self.letters["g"]) if "g" in self.letters else self._free(taken)
        if gid in taken and "o" not in self.letters:
            raise Failed(f"gid `{gid}' has already been allocated", 65)
        self.accounts.groups.append(Group(name, "*", gid, _members(self.letters.get("M", ""))))
        return 0

    def group_mod(self, name: str) -> int:
        group = self._group(name)
        group.name = self.letters.get("l", group.name)
        group.gid = int(self.letters.get("g", group.gid))
        if "M" in self.letters:
            group.members = _members(self.letters["M"])
        group.members += [member for member in _members(self.letters.get("m", "")) if member not in group.members]
        gone = _members(self.letters.get("d", ""))
        group.members = [member for member in group.members if member not in gone]
        return 0

    def group_del(self, name: str) -> int:
        self.accounts.groups.remove(self._group(name))
        return 0

    def group_show(self, name: str) -> int:
        for group in self.accounts.groups if "a" in self.letters else [self._group(name or self.letters.get("g", ""))]:
            print(group.line())
        return 0

    def group_next(self, _name: str) -> int:
        print(self._free({group.gid for group in self.accounts.groups}))
        return 0


def _members(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _crypt(secret: str) -> str:
    """SHA-512 crypt(3), FreeBSD's passwd_format, by the host's openssl."""
    import secrets
    import subprocess

    salt = secrets.token_hex(8)
    argv = ["/.host/usr/bin/openssl", "passwd", "-6", "-salt", salt, "-stdin"]
    try:
        done = subprocess.run(argv, input=secret + "\n", capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        raise Failed(
            "the lab cannot encrypt passwords without the host's openssl; give an encrypted one with -H", 71
        ) from None
    return done.stdout.strip()
