# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What nuageinit(7) is told; facts.md 7 has what its releases understand."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.freehyve.builder.plugins.module_utils import _vm_seed
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError

PRIVATE = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blb\nnNza\n-----END OPENSSH PRIVATE KEY-----\n"
SEED = _vm_seed.Seed("factory", "iid-1", "ssh-ed25519 AAAAlogin me@here\n", PRIVATE, "ssh-ed25519 AAAAhost factory\n")


def config() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(_vm_seed.cloud_config(SEED))
    return found


def test_the_first_line_is_exactly_what_nuageinit_compares() -> None:
    assert _vm_seed.cloud_config(SEED).splitlines()[0] == "#cloud-config"
    assert _vm_seed.script(SEED).splitlines()[0] == "#!/bin/sh"


def test_users_are_listed_so_that_no_default_user_is_made() -> None:
    assert config()["users"] == [{"name": "root", "ssh_authorized_keys": ["ssh-ed25519 AAAAlogin me@here"]}]


def test_the_host_key_is_given_under_the_names_that_nuageinit_splits() -> None:
    keys = config()["ssh_keys"]
    assert keys == {"ed25519_private": PRIVATE, "ed25519_public": "ssh-ed25519 AAAAhost factory"}


def test_no_password_lets_anybody_in() -> None:
    assert config()["ssh_pwauth"] is False
    assert not any("passw" in key for user in config()["users"] for key in user)


def test_root_may_log_in_by_key_and_the_image_does_not_upgrade_itself() -> None:
    files = {item["path"]: item for item in config()["write_files"]}
    sshd = files["/etc/ssh/sshd_config"]
    assert sshd["append"] and sshd["content"] == "\nPermitRootLogin prohibit-password\n"
    assert files["/etc/rc.conf.d/firstboot_pkg_upgrade"]["content"] == "firstboot_pkg_upgrade_enable=NO\n"
    # Directories in between are not made by nuageinit; both of these are there when it writes.
    assert not any(item.get("defer") for item in files.values())


def test_meta_data_is_a_mapping() -> None:
    assert yaml.safe_load(_vm_seed.meta_data(SEED)) == {"instance-id": "iid-1", "local-hostname": "factory"}


@pytest.mark.parametrize(
    ("release", "first", "mode"),
    [
        ("14.1-RELEASE", b"#!/bin/sh", 0o700),
        ("14.3-RELEASE", b"#!/bin/sh", 0o700),
        ("14.4-RELEASE", b"#cloud-config", 0o600),
        ("15.0-RELEASE", b"#cloud-config", 0o600),
        ("15.1-RELEASE", b"#cloud-config", 0o600),
        ("16.0-CURRENT", b"#cloud-config", 0o600),
    ],
)
def test_each_release_gets_what_it_understands(release: str, first: bytes, mode: int) -> None:
    files = {entry.name: entry for entry in _vm_seed.entries(SEED, release)}
    assert set(files) == {"meta-data", "user-data"}
    assert files["user-data"].data.splitlines()[0] == first
    assert files["user-data"].mode == mode


@pytest.mark.parametrize("release", ["13.5-RELEASE", "14.0-RELEASE"])
def test_a_release_without_nuageinit_is_refused(release: str) -> None:
    with pytest.raises(ToolError, match=f"'{release}': its images cannot be seeded.*builder_vm_release"):
        _vm_seed.check_release(release)


def test_a_release_that_is_none_is_refused() -> None:
    with pytest.raises(ToolError, match="'15': unknown form"):
        _vm_seed.check_release("15")


def test_the_script_does_the_same_as_the_cloud_config(tmp_path: Path) -> None:
    """Run with every absolute path below a scratch root."""
    (tmp_path / "etc/ssh").mkdir(parents=True)
    (tmp_path / "root").mkdir()
    (tmp_path / "etc/ssh/sshd_config").write_text("PasswordAuthentication yes\n")
    text = _vm_seed.script(SEED).replace(" /etc/", f" {tmp_path}/etc/").replace(" /root/", f" {tmp_path}/root/")
    subprocess.run(["/bin/sh", "-eu"], input=text, text=True, check=True)
    sshd = (tmp_path / "etc/ssh/sshd_config").read_text().splitlines()
    assert sshd == ["PermitRootLogin prohibit-password", "PasswordAuthentication no", "PasswordAuthentication yes"]
    key = tmp_path / "etc/ssh/ssh_host_ed25519_key"
    assert key.read_text() == PRIVATE and key.stat().st_mode & 0o777 == 0o600
    assert key.with_suffix(".pub").read_text() == "ssh-ed25519 AAAAhost factory\n"
    keys = tmp_path / "root/.ssh/authorized_keys"
    assert keys.read_text() == "ssh-ed25519 AAAAlogin me@here\n" and keys.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "etc/rc.conf.d/firstboot_pkg_upgrade").read_text() == "firstboot_pkg_upgrade_enable=NO\n"


def test_the_seed_is_labelled_for_both_spellings_of_nuageinit() -> None:
    assert _vm_seed.seed_image(SEED, "15.1-RELEASE")[32808:32814] == b"cidata"
