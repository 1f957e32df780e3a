# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What a setuid su, doas or sudo does, done by a daemon inside the lab.

The kernel says who asks, the rules say whether; the command runs with the asker's own standard streams.
"""

from __future__ import annotations

import array
import os
import pwd
import signal
import socket
import struct
import subprocess
import sys

sys.path[0] = "/lab"

from sim.base import escalation  # noqa: E402 (the simulation is found by the line above)

_PATH = "/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"


def _receive(line: socket.socket) -> tuple[list[str], list[int]]:
    """Words of the request, and the three streams."""
    size = struct.calcsize("i")
    data, ancillary, _flags, _address = line.recvmsg(1 << 16, socket.CMSG_SPACE(3 * size))
    streams = array.array("i")
    for _level, _kind, content in ancillary:
        streams.frombytes(content[: len(content) // size * size])
    wanted = 4 + int.from_bytes(data[:4], "big")
    while len(data) < wanted:
        data += line.recv(1 << 16)
    return data[4:].decode("utf-8", "surrogateescape").split("\0"), list(streams)


def _su(user: str, target: str, words: list[str]) -> bool:
    """Takes the password, which su puts first, from the words."""
    given, rule = words.pop(0), escalation.su_rule(user, target)
    if rule == escalation.PASSWORD:
        return bool(escalation.is_password(target, given))
    return bool(rule == escalation.FREE)


def _serve(line: socket.socket) -> None:
    peer = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    user = pwd.getpwuid(struct.unpack("3i", peer)[1]).pw_name
    (tool, target, directory, *words), streams = _receive(line)
    if tool == escalation.QUESTION:
        line.sendall(bytes([escalation.su_rule(user, target)]))
        return
    try:
        allowed = _su(user, target, words) if tool == "su" else escalation.permitted(tool, user, target, words[0])
    except escalation.Malformed as error:
        line.sendall(b"\1" + f"{tool}: {error}\n".encode())
        return
    if not allowed:
        text = {"doas": "Operation not permitted", "su": "Sorry"}.get(tool, "a password is required")
        line.sendall(b"\1" + f"{tool}: {text}\n".encode())
        return
    account = pwd.getpwnam(target)
    environment = {
        "PATH": _PATH,
        "HOME": account.pw_dir,
        "USER": target,
        "LOGNAME": target,
        "SHELL": account.pw_shell,
        f"{tool.upper()}_USER": user,
    }
    done = subprocess.run(
        words,
        stdin=streams[0],
        stdout=streams[1],
        stderr=streams[2],
        cwd=directory,
        env=environment,
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=os.getgrouplist(target, account.pw_gid),
        check=False,
    )
    line.sendall(bytes([done.returncode & 255]))


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    if os.path.exists(escalation.SOCKET):
        os.unlink(escalation.SOCKET)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(escalation.SOCKET)
        os.chmod(escalation.SOCKET, 0o666)
        listener.listen(64)
        while True:
            line, _address = listener.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listener.close()
                _serve(line)
                os._exit(0)
            line.close()


if __name__ == "__main__":
    main()
