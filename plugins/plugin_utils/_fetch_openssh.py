# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""OpenSSH with the inventory's own settings: the command line is the one that Ansible's ssh connection builds."""

from __future__ import annotations

import os
import re
import subprocess
from typing import Any

from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_errors import (
    FetchError,
    HostKeyRefused,
    Unreachable,
)
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_transport import ProcessTransport

# Single-letter options of ssh(1) that take no value: they may be written together.
_SWITCHES = re.compile(r"-[1246AaCfGgKkMNnqsTtVvXxYy]+")
_UNSAFE = re.compile(r"(?i)StrictHostKeyChecking[= ]+(no|off)")
_KEEP_ALIVE = ["-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4"]


def adapt(argv: list[str], binary: str) -> list[str]:
    """The same connection for bulk data: uncompressed, and a changed host key never accepted.

    ssh takes the first value of an option, so ours stand right behind the binary. A shared master that may have
    been started with -C compresses whatever goes through it: then the transfer has a connection of its own.
    """
    at = argv.index(binary) + 1
    kept, squeezed, unsafe = [], False, False
    for word in argv[at:]:
        if word.startswith("-") and _SWITCHES.fullmatch(word) and "C" in word:
            squeezed = True
            word = word.replace("C", "")
            if word == "-":
                continue
        elif re.fullmatch(r"(?i)Compression[= ]+yes", word):
            squeezed = True
        elif _UNSAFE.fullmatch(word):
            unsafe = True
        kept.append(word)
    ours = ["-T", "-o", "Compression=no"]
    if squeezed:
        ours += ["-o", "ControlMaster=no", "-o", "ControlPath=none"]
    if unsafe:
        ours += ["-o", "StrictHostKeyChecking=accept-new"]
    return [*argv[:at], *ours, *kept]


def fast_first(ciphers: str) -> str:
    """The same ciphers, AES-GCM before the others: processors with AES instructions need half the time for it."""
    return ",".join(sorted(ciphers.split(","), key=lambda cipher: "gcm" not in cipher))


def prefer_fast(argv: list[str], binary: str) -> list[str]:
    """Reorder the ciphers that ssh would offer, whatever its configuration allows; no other one is added."""
    at = argv.index(binary) + 1
    asked = subprocess.run([binary, "-G", *argv[at:]], capture_output=True, text=True, check=False)
    for row in asked.stdout.splitlines():
        name, blank, value = row.partition(" ")
        if name == "ciphers" and blank:
            return [*argv[:at], "-o", f"Ciphers={fast_first(value)}", *argv[at:]]
    return argv


def openssh_transport(connection: Any, name: str) -> ProcessTransport:
    """:param connection: Ansible's ssh connection, with its options set; :param name: what messages call the host."""
    del name  # messages come from ssh itself
    binary = connection.get_option("ssh_executable")
    host = connection.get_option("host") or connection.host
    built = connection._build_command(binary, "ssh", *_KEEP_ALIVE, host)
    argv = prefer_fast(adapt([os.fsdecode(word) for word in built], binary), binary)
    password = connection.get_option("password")
    extra: dict[str, Any] = {}
    if password and hasattr(connection, "_init_shm"):
        extra = connection._init_shm()
    pipe = getattr(connection, "sshpass_pipe", None)
    if not pipe or argv[0] != "sshpass":
        return ProcessTransport(argv, **extra)
    # sshpass reads the password from this pipe; it fits in the pipe's buffer.
    os.write(pipe[1], str(password).encode() + b"\n")
    os.close(pipe[1])
    return ProcessTransport(argv, pass_fds=(pipe[0],), **extra)


def failure(host: str, status: int | None, said: str) -> FetchError | None:
    """Why ssh ended before the helper spoke."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if "REMOTE HOST IDENTIFICATION HAS CHANGED" in said:
        return HostKeyRefused(
            f"builder '{host}': refusing to connect, its host key is not the one in known_hosts; "
            "if the host was made anew, remove the old key with ssh-keygen -R"
        )
    if "Host key verification failed" in said:
        return HostKeyRefused(
            f"builder '{host}': refusing to connect, its host key is not in known_hosts; "
            "verify it and add it with ssh-keyscan"
        )
    if status == 255:
        return Unreachable(f"builder '{host}': cannot be reached: {lines[-1] if lines else 'ssh gave no reason'}")
    return None
