# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Datasets of jails and ports trees, made with zfs(8) or, with NO_ZFS, plain directories."""

from __future__ import annotations

import os
import shutil
import subprocess

from .context import Context, environment
from .output import Failure


def dataset_at(context: Context, mount: str) -> str | None:
    """Return the dataset below poudriere's root that is mounted at a path."""
    if context.config.no_zfs:
        return None
    listing = subprocess.run(["zfs", "list", "-rt", "filesystem", "-H", "-o", "name,mountpoint",
                              context.config.dataset], env=environment(), capture_output=True, text=True, check=False)
    for line in listing.stdout.splitlines():
        name, _tab, mountpoint = line.partition("\t")
        if mountpoint == os.path.realpath(mount):
            return name
    return None


def create(context: Context, name: str, mount: str, dataset: str) -> None:
    """Create the file system of a jail or a tree; raises Failure."""
    out = context.out
    out.begin(f"Creating {name} fs at {mount}...")
    if context.config.no_zfs or dataset in ("", "none"):
        try:
            os.makedirs(mount, exist_ok=True)
        except OSError:
            out.raw(" fail\n")
            raise Failure(1, f"Failed to create directory {mount}", "createfs:17") from None
        if os.listdir(mount):
            out.raw(" fail\n")
            raise Failure(1, f"Directory not empty at {mount}", "createfs:22")
    elif context.run("zfs", "create", "-p", "-o", "compression=on", "-o", "atime=off", "-o", f"mountpoint={mount}",
                     dataset):
        out.raw(" fail\n")
        raise Failure(1, f"Failed to create FS {dataset}", "createfs:33")
    out.raw(" done\n")


def destroy(context: Context, mount: str) -> None:
    """Destroy what create() made; what cannot go is left, as poudriere leaves it."""
    dataset = dataset_at(context, mount)
    if dataset is None:
        shutil.rmtree(mount, ignore_errors=True)
        return
    context.run("zfs", "destroy", "-rf", dataset)
    if os.path.isdir(mount) and not os.listdir(mount):
        os.rmdir(mount)


def mark(context: Context, name: str, mount: str) -> None:
    """Remember the state of a file system under a name: a snapshot."""
    context.out.begin(f"Recording filesystem state for {name}...")
    dataset = dataset_at(context, mount)
    if dataset is not None:
        context.run("zfs", "destroy", "-r", f"{dataset}@{name}", quiet=True)
        context.run("zfs", "snapshot", f"{dataset}@{name}")
    context.out.raw(" done\n")


def prepare_data(context: Context) -> None:
    """Create poudriere's own datasets, as its first command on a machine does; what fails is said and passed over."""
    config = context.config
    if os.path.isdir(config.data):
        return
    if config.no_zfs or config.values.get("POUDRIERE_DATA"):
        os.makedirs(config.data, exist_ok=True)
        return
    root = config.dataset
    known = subprocess.run(["zfs", "list", "-rt", "filesystem", "-H", "-o", "poudriere:type,mountpoint", root],
                           env=environment(), capture_output=True, text=True, check=False).stdout
    if any(line.startswith("data\t") for line in known.splitlines()):
        return
    if context.run("zfs", "get", "mountpoint", f"{root}/data", quiet=True) == 0:
        context.run("zfs", "set", "poudriere:type=data", f"{root}/data")
        return
    context.run("zfs", "create", "-o", "atime=off", "-o", "compression=on", "-o",
                f"mountpoint={config.values['BASEFS']}", root)
    plain = ("jails", "ports", "-o poudriere:type=data data", "data/.m", "-o compression=off data/cache", "data/images",
             "data/logs", "-o compression=off data/packages", "-o compression=off data/wrkdirs")
    for words in plain:
        *options, name = words.split()
        context.run("zfs", "create", *options, f"{root}/{name}")
