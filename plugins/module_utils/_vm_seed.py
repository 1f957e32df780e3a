# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What a fresh guest learns at its first boot: who may come in, and which host key it has.

NoCloud as FreeBSD's nuageinit(7) reads it. From 14.4 on it takes ``ssh_keys`` and ``write_files`` from a cloud-config,
both before the network is up, so sshd never runs with another key. 14.1 to 14.3 know neither; they run a script as
user-data, at the same early moment.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import List, Tuple

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._iso9660 import Entry, image

LABEL = "cidata"  # nuageinit of 14.x compares it as it stands
FIRST_WITH_NUAGEINIT = (14, 1)
FIRST_WITH_CLOUD_CONFIG = (14, 4)
_VERSION = re.compile(r"^(\d+)\.(\d+)-")
SSHD = "PermitRootLogin prohibit-password"


@dataclass(frozen=True)
class Seed:
    """Who the guest is and whom it lets in; keys as OpenSSH writes them."""

    hostname: str
    instance: str
    authorized_key: str
    host_private: str
    host_public: str


def version_of(release: str) -> Tuple[int, int]:
    """``15.1-RELEASE`` -> (15, 1)."""
    match = _VERSION.match(release)
    if match is None:
        raise ToolError(f"release '{release}': unknown form; write version and branch as in 15.1-RELEASE")
    return int(match.group(1)), int(match.group(2))


def check_release(release: str) -> None:
    """:raises ToolError: no official image of that release reads a seed."""
    if version_of(release) < FIRST_WITH_NUAGEINIT:
        raise ToolError(
            f"release '{release}': its images cannot be seeded, those of 14.1 and newer can; "
            "set builder_vm_release to a newer one (a newer host builds older releases), or builder_vm_image"
        )


def _block(text: str, indent: int) -> str:
    return "".join(f"{' ' * indent}{line}\n" for line in text.strip().splitlines())


def cloud_config(seed: Seed) -> str:
    """User-data for 14.4 and newer; block style only, quoted as JSON, which every YAML reader takes."""
    return (
        "#cloud-config\n"
        f"hostname: {seed.hostname}\n"
        # Without this list nuageinit makes a user 'freebsd' with the password 'freebsd'.
        "users:\n"
        "  - name: root\n"
        "    ssh_authorized_keys:\n"
        f"      - {json.dumps(seed.authorized_key.strip())}\n"
        "ssh_pwauth: false\n"
        "ssh_keys:\n"
        "  ed25519_private: |\n"
        f"{_block(seed.host_private, 4)}"
        f"  ed25519_public: {json.dumps(seed.host_public.strip())}\n"
        "write_files:\n"
        "  - path: /etc/ssh/sshd_config\n"
        "    append: true\n"
        f"    content: {json.dumps(chr(10) + SSHD + chr(10))}\n"
        # The image would upgrade itself at its first boot, from the internet, and reboot.
        "  - path: /etc/rc.conf.d/firstboot_pkg_upgrade\n"
        f"    content: {json.dumps('firstboot_pkg_upgrade_enable=NO' + chr(10))}\n"
    )


def _here(text: str, path: str, mode: str, append: bool = False) -> str:
    return f"cat {'>>' if append else '>'} {path} <<'FREEHYVE'\n{text.strip()}\nFREEHYVE\nchmod {mode} {path}\n"


def script(seed: Seed) -> str:
    """User-data for 14.1 to 14.3, which run it before the network comes up and make no user of their own then."""
    key = "/etc/ssh/ssh_host_ed25519_key"
    return (
        "#!/bin/sh\n"
        "umask 077\n"
        "mkdir -p /root/.ssh\n"
        + _here(seed.authorized_key, "/root/.ssh/authorized_keys", "600", append=True)
        + _here(seed.host_private, key, "600")
        + _here(seed.host_public, f"{key}.pub", "644")
        + _here(f"\n{SSHD}\nPasswordAuthentication no", "/etc/ssh/sshd_config.freehyve", "644")
        # sshd takes the first value that it finds.
        + "cat /etc/ssh/sshd_config >> /etc/ssh/sshd_config.freehyve\n"
        + "mv /etc/ssh/sshd_config.freehyve /etc/ssh/sshd_config\n"
        + "mkdir -p /etc/rc.conf.d\n"
        + _here("firstboot_pkg_upgrade_enable=NO", "/etc/rc.conf.d/firstboot_pkg_upgrade", "644")
    )


def meta_data(seed: Seed) -> str:
    return f"instance-id: {seed.instance}\nlocal-hostname: {seed.hostname}\n"


def entries(seed: Seed, release: str) -> List[Entry]:
    """Files of the seed for an image of that release."""
    check_release(release)
    modern = version_of(release) >= FIRST_WITH_CLOUD_CONFIG
    user = cloud_config(seed) if modern else script(seed)
    return [
        Entry("meta-data", meta_data(seed).encode()),
        Entry("user-data", user.encode(), 0o600 if modern else 0o700),
    ]


def seed_image(seed: Seed, release: str) -> bytes:
    """The disk that carries it."""
    return image(LABEL, entries(seed, release))


__all__ = [
    "LABEL",
    "Seed",
    "check_release",
    "cloud_config",
    "entries",
    "meta_data",
    "script",
    "seed_image",
    "version_of",
]
