# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What ssh(1) arguments and ssh_config(5) say about a host, for a client that is not ssh."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

_SHORT = {"-J": "proxyjump", "-i": "identityfile", "-l": "user", "-p": "port", "-F": "config"}


@dataclass
class Settings:
    """``jumps`` in the order in which they are passed."""

    host: str
    port: int = 22
    user: str | None = None
    identities: list[str] = field(default_factory=list)
    known_hosts: list[str] = field(default_factory=list)
    jumps: list[str] = field(default_factory=list)
    proxy_command: str | None = None


def given_options(texts: Iterable[str | None]) -> dict[str, str]:
    """Options of ssh command lines by lower-case name; the first of a name wins, as in ssh."""
    found: dict[str, str] = {}
    for text in texts:
        words = shlex.split(text or "")
        while words:
            word = words.pop(0)
            name, value = "", ""
            if word[:2] in _SHORT:
                name, value = _SHORT[word[:2]], word[2:] or (words.pop(0) if words else "")
            elif word[:2] == "-o":
                pair = word[2:] or (words.pop(0) if words else "")
                name, value = [*pair.replace("=", " ", 1).split(" ", 1), ""][:2]
            if name:
                found.setdefault(name.lower(), value.strip().strip('"'))
    return found


def split_jump(text: str) -> tuple[str | None, str, int | None]:
    """``[user@]host[:port]``, also as ``ssh://``."""
    text = text.removeprefix("ssh://")
    user, at, rest = text.rpartition("@")
    host, colon, port = rest.rpartition(":")
    if not colon or not port.isdigit() or (":" in host and not host.endswith("]")):
        host, port = rest, ""
    return (user if at else None), host.strip("[]"), (int(port) if port else None)


def merge(host: str, given: dict[str, str], config: dict[str, object], port: int | None, user: str | None) -> Settings:
    """Inventory first, then the command line, then the user's configuration.

    :param config: what paramiko.SSHConfig.lookup gives.
    """

    def pick(name: str) -> str | None:
        value = given.get(name, config.get(name))
        return value if isinstance(value, str) else None

    settings = Settings(str(config.get("hostname") or host))
    settings.port = port or int(pick("port") or 22)
    settings.user = user or pick("user")
    identities = given.get("identityfile")
    configured = config.get("identityfile")
    names = [identities] if identities else configured if isinstance(configured, list) else []
    settings.identities = [str(Path(name).expanduser()) for name in names]
    known = pick("userknownhostsfile")
    files = shlex.split(known) if known else ["~/.ssh/known_hosts", "~/.ssh/known_hosts2"]
    files += shlex.split(pick("globalknownhostsfile") or "/etc/ssh/ssh_known_hosts")
    settings.known_hosts = [str(Path(name).expanduser()) for name in files]
    jump = pick("proxyjump")
    if jump and jump.lower() != "none":
        settings.jumps = [part.strip() for part in jump.split(",")]
    command = pick("proxycommand")
    if command and command.lower() != "none" and not settings.jumps:
        settings.proxy_command = command
    return settings
