# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""paramiko where there is no OpenSSH: one exec channel, AES-GCM first, host keys from known_hosts and nowhere else."""

from __future__ import annotations

import io
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_errors import (
    FetchError,
    HostKeyRefused,
    Unreachable,
)
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_openssh import fast_first
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_sshargs import (
    Settings,
    given_options,
    merge,
    split_jump,
)

try:
    import paramiko
except ImportError:
    HAS_PARAMIKO = False
else:
    HAS_PARAMIKO = True

WINDOW = 16 << 20  # bytes in flight: enough for 1 Gbit/s at 100 ms


class _Raw(io.RawIOBase):
    """A channel as a raw stream."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._channel.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: Any) -> int:
        self._channel.sendall(bytes(data))
        return len(data)


def _transport_factory(sock: Any, **options: Any) -> Any:
    transport = paramiko.Transport(sock, default_window_size=WINDOW, **options)
    security = transport.get_security_options()
    security.ciphers = tuple(fast_first(",".join(security.ciphers)).split(","))
    return transport


class ParamikoTransport:
    """See :class:`_fetch_transport.Transport`."""

    reader: BinaryIO
    writer: BinaryIO

    def __init__(self, name: str, settings: Settings, password: str | None, timeout: float) -> None:
        self.status: int | None = None
        self._name, self._settings, self._password, self._timeout = name, settings, password, timeout
        self._clients: list[Any] = []
        self._errors = bytearray()
        self._channel: Any = None

    def start(self, command: str) -> None:
        if not HAS_PARAMIKO:
            raise FetchError("transport paramiko: the library is not installed; pip install paramiko")
        try:
            self._open(command)
        except (OSError, paramiko.SSHException) as exc:
            self.close(abort=True)
            raise self._refusal(exc) from exc

    def _refusal(self, exc: Exception) -> FetchError:
        if isinstance(exc, paramiko.BadHostKeyException):
            return HostKeyRefused(
                f"builder '{self._name}': refusing to connect, its host key is not the one in known_hosts; "
                "if the host was made anew, remove the old key with ssh-keygen -R"
            )
        if "not found in known_hosts" in str(exc):
            return HostKeyRefused(
                f"builder '{self._name}': refusing to connect, its host key is not in known_hosts; "
                "verify it and add it with ssh-keyscan"
            )
        return Unreachable(f"builder '{self._name}': cannot be reached: {str(exc) or type(exc).__name__}")

    def _client(self, host: str, port: int, user: str | None, sock: Any) -> Any:
        client = paramiko.SSHClient()
        for name in self._settings.known_hosts:
            with suppress(OSError):
                client.load_host_keys(name)
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        self._clients.append(client)
        client.connect(
            host,
            port=port,
            username=user,
            password=self._password,
            key_filename=cast(Any, [name for name in self._settings.identities if os.path.exists(name)] or None),
            sock=sock,
            timeout=self._timeout,
            banner_timeout=self._timeout,
            auth_timeout=self._timeout,
            transport_factory=_transport_factory,
        )
        transport: Any = client.get_transport()
        transport.set_keepalive(15)
        return transport

    def _open(self, command: str) -> None:
        settings, sock = self._settings, None
        if settings.proxy_command:
            port = str(settings.port)
            sock = paramiko.ProxyCommand(settings.proxy_command.replace("%h", settings.host).replace("%p", port))
        hops = [split_jump(jump) for jump in settings.jumps]
        places = [(host, port or 22, user or settings.user) for user, host, port in hops]
        places.append((settings.host, settings.port, settings.user))
        transport: Any = None
        for host, number, user in places:
            if transport is not None:
                sock = transport.open_channel("direct-tcpip", (host, number), ("127.0.0.1", 0))
            transport = self._client(host, number, user, sock)
        channel = transport.open_session(window_size=WINDOW)
        channel.exec_command(command)
        self._channel = channel
        self.reader = cast(BinaryIO, io.BufferedReader(_Raw(channel), 1 << 18))
        self.writer = cast(BinaryIO, io.BufferedWriter(_Raw(channel), 1 << 16))
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self) -> None:
        """Standard error must be read, or its full window stops the channel."""
        while True:
            data = self._channel.recv_stderr(4096)
            if not data:
                return
            self._errors = (self._errors + data)[-16384:]

    def said(self) -> str:
        return self._errors.decode("utf-8", "replace")

    def close(self, abort: bool = False) -> None:
        if self._channel is not None and self.status is None:
            with suppress(Exception):
                self._channel.shutdown_write()
            if not abort and self._channel.status_event.wait(5):
                self.status = self._channel.exit_status
        for client in reversed(self._clients):
            client.close()
        self._clients = []


def paramiko_transport(connection: Any, name: str) -> ParamikoTransport:
    """:param connection: Ansible's ssh connection, with its options set; :param name: what messages call the host."""

    def option(name: str) -> Any:
        with suppress(KeyError):
            return connection.get_option(name)
        return None

    host = option("host") or option("remote_addr") or connection.host
    given = given_options([option("ssh_args"), option("ssh_common_args"), option("ssh_extra_args")])
    config: dict[str, object] = {}
    if HAS_PARAMIKO:
        file = Path(given.get("config") or "~/.ssh/config").expanduser()
        if file.is_file():
            config = dict(paramiko.SSHConfig.from_path(str(file)).lookup(host))
    port = option("port")
    settings = merge(host, given, config, int(port) if port else None, option("remote_user"))
    key = option("private_key_file")
    if key:
        settings.identities = [str(Path(key).expanduser())]
    return ParamikoTransport(name, settings, option("password"), float(option("timeout") or 10))
