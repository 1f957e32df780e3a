# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The builder that tests run against: a real one named by FREEHYVE_TEST_BUILDER, else a lab of their own.

FREEHYVE_TEST_BUILDER=user@host:port   port optional, IPv6 addresses in brackets
FREEHYVE_TEST_KEY=path                 its private key; its host key must be in ~/.ssh/known_hosts
"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAB = ROOT / "tests" / "lab" / "lab"
_ADDRESS = re.compile(r"(?:(?P<user>[^@]+)@)?(?P<host>\[[0-9A-Fa-f:.%a-z]+\]|[^@:\[\]]+)(?::(?P<port>\d{1,5}))?\Z")


@dataclass(frozen=True)
class Address:
    user: str
    host: str
    port: int


def parse_address(text: str) -> Address:
    """``user@host:port``; user defaults to root, port to 22; an IPv6 address stands in brackets."""
    found = _ADDRESS.match(text)
    if not found or int(found["port"] or 22) not in range(1, 65536):
        raise ValueError(f"FREEHYVE_TEST_BUILDER={text}: not user@host:port; write an IPv6 address as [::1]")
    return Address(found["user"] or "root", found["host"].strip("[]"), int(found["port"] or 22))


@dataclass(frozen=True)
class Builder:
    """How to reach a builder; ``inventory`` has it as the one host of group ``builder``."""

    host: str
    port: int
    user: str
    key: Path
    known_hosts: Path
    inventory: Path
    lab: str | None

    @property
    def is_lab(self) -> bool:
        return self.lab is not None

    def ssh_argv(self) -> list[str]:
        return [
            *("ssh", "-p", str(self.port), "-l", self.user, "-i", str(self.key)),
            *("-o", f"UserKnownHostsFile={self.known_hosts}", "-o", "StrictHostKeyChecking=yes"),
            *("-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", self.host),
        ]

    def run(
        self, argv: Sequence[str], *, check: bool = True, input: str | None = None, timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run ``argv`` on the builder without a shell in between that could change it."""
        return self.shell(" ".join(_csh_quote(word) for word in argv), check=check, input=input, timeout=timeout)

    def shell(
        self, command: str, *, check: bool = True, input: str | None = None, timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run a line for the login shell, which is csh on FreeBSD before 15.1."""
        done = subprocess.run(
            [*self.ssh_argv(), command],
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{command}: rc {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def ansible(
        self,
        playbook: str | Path,
        *arguments: str,
        check: bool = True,
        environment: Mapping[str, str] | None = None,
        inventory: Path | None = None,
        timeout: float = 900,
    ) -> subprocess.CompletedProcess[str]:
        """Run a playbook (path below the checkout, or FQCN) against this builder from the root of the checkout.

        :param inventory: another one than this builder's own.
        """
        tool = Path(sys.executable).with_name("ansible-playbook")
        argv = [
            str(tool) if tool.exists() else "ansible-playbook",
            "-i",
            str(inventory or self.inventory),
            str(playbook),
            *arguments,
        ]
        done = subprocess.run(
            argv,
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1", **self.environment(), **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(argv)}: rc {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def environment(self) -> dict[str, str]:
        """What makes inventory/lab find this lab."""
        return {"FREEHYVE_LAB": self.lab} if self.lab else {}


def _csh_quote(word: str) -> str:
    """One word for sh and for csh, which expands '!' even in single quotes."""
    if word and re.fullmatch(r"[A-Za-z0-9_./:=@%+,-]+", word):
        return word
    return "'" + word.replace("'", "'\\''").replace("!", "'\\!'") + "'"


def _write_inventory(directory: Path, builder: Mapping[str, object], settings: Mapping[str, object]) -> Path:
    """A plain YAML inventory (JSON is YAML) with the connection and the settings of one host."""
    inventory = directory / "inventory.yml"
    content = {"builder": {"hosts": {"builder": dict(builder)}, "vars": dict(settings)}}
    inventory.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return inventory


def _connection(address: Address, key: Path, known_hosts: Path) -> dict[str, object]:
    options = f"-o UserKnownHostsFile={known_hosts} -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes"
    return {
        "ansible_host": address.host,
        "ansible_port": address.port,
        "ansible_user": address.user,
        "ansible_ssh_private_key_file": str(key),
        "ansible_ssh_common_args": options,
    }


_SETTINGS = {
    "ansible_python_interpreter": "/usr/local/bin/python3",
    "ansible_pipelining": True,
    "freehyve_poudriere_etc": str(ROOT / "poudriere"),
    "freehyve_overlay": str(ROOT / "overlay"),
}


@contextmanager
def real_builder(text: str, key: Path) -> Iterator[Builder]:
    """A FreeBSD host that is there already; what is on it is the tests' to leave alone."""
    address = parse_address(text)
    known_hosts = Path(os.environ.get("FREEHYVE_TEST_KNOWN_HOSTS", "~/.ssh/known_hosts")).expanduser()
    with tempfile.TemporaryDirectory(prefix="freehyve-test-") as directory:
        settings: dict[str, object] = dict(_SETTINGS)
        variables = os.environ.get("FREEHYVE_TEST_VARS")
        if variables:
            settings |= json.loads(Path(variables).read_text(encoding="utf-8"))
        inventory = _write_inventory(Path(directory), _connection(address, key, known_hosts), settings)
        yield Builder(address.host, address.port, address.user, key, known_hosts, inventory, None)


@contextmanager
def lab_builder(name: str | None = None, *, fresh: bool = False) -> Iterator[Builder]:
    """A lab of our own, started clean and destroyed after; ``fresh`` is a host with nothing but sshd."""
    name = name or f"test-{secrets.token_hex(4)}"
    mode = ["--fresh"] if fresh else []
    subprocess.run([LAB, "start", *mode, "--name", name], check=True, stdout=subprocess.DEVNULL)
    try:
        status = subprocess.run([LAB, "status", "--json", "--name", name], check=True, capture_output=True, text=True)
        known = json.loads(status.stdout)
        yield Builder(
            known["host"],
            known["port"],
            known["user"],
            Path(known["key"]),
            Path(known["known_hosts"]),
            ROOT / "inventory" / "lab",
            name,
        )
    finally:
        subprocess.run([LAB, "destroy", "--name", name], check=True, stdout=subprocess.DEVNULL)


@contextmanager
def open_builder() -> Iterator[Builder]:
    """The builder that the environment names, or a lab."""
    address, key = os.environ.get("FREEHYVE_TEST_BUILDER"), os.environ.get("FREEHYVE_TEST_KEY")
    if not address:
        with lab_builder() as builder:
            yield builder
        return
    if not key or not Path(key).is_file():
        raise ValueError(f"FREEHYVE_TEST_KEY={key or ''}: not a file; name the private key for {address}")
    with real_builder(address, Path(key)) as builder:
        yield builder


__all__ = ["ROOT", "Address", "Builder", "lab_builder", "open_builder", "parse_address", "real_builder"]
