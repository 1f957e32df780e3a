# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Where the world of a new jail comes from: an archive, a distribution server, a directory that is there."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from . import filesystems
from .context import Context, environment
from .output import EX_USAGE, Failure

if TYPE_CHECKING:
    from .jail import Request

MANIFESTS = "/usr/local/share/poudriere/MANIFESTS"
TRIES = 2


def recorded(method: str) -> str:
    """Return what the method file says; the path of an archive and the name of a repository are not kept."""
    return method.partition("=")[0] if method.startswith(("tar=", "pkgbase=")) else method


def host_arch() -> str:
    answer = subprocess.run(["uname", "-mp"], env=environment(), capture_output=True, text=True, check=False)
    machine, _space, processor = answer.stdout.strip().partition(" ")
    return processor if machine == processor else f"{machine}.{processor}"


def prepare(context: Context, request: Request) -> None:
    """Check what create_jail() checks, in its order, and fill in what was not given; raises Failure."""
    config = context.config
    if "." in request.name:
        raise Failure(1, "The jailname cannot contain a period (.). See jail(8)", "create_jail:5")
    if request.method == "null":
        if not request.mount:
            raise Failure(EX_USAGE, "Must set -M to path of jail to use", "create_jail:11")
        if request.mount == "/" and config.get("ALLOW_CLONING_HOST", "no") == "no":
            raise Failure(EX_USAGE, "Cannot use / for -M", "create_jail:18")
    request.mount = request.mount or os.path.join(config.basefs, "jails", request.name).replace(":", "_")
    if ":" in request.mount:
        raise Failure(1, "The jail mount path cannot contain a colon (:)", "create_jail:37")
    request.arch = _arch(request.arch)
    if not request.dataset and not config.no_zfs:
        request.dataset = f"{config.dataset}/jails/{request.name}"
    method = request.method
    if method.startswith("svn"):
        raise Failure(1, "svn or svnlite not installed. Perhaps you need to 'pkg install subversion'", "create_jail:64")
    if method.startswith("git"):
        raise Failure(1, "Git is not installed. Perhaps you need to 'pkg install git'", "create_jail:88")
    if method.startswith("src=") and not os.path.isdir(method[4:]):
        raise Failure(1, "No such source directory", "create_jail:95")
    if method.startswith("tar="):
        archive = method[4:]
        if not archive:
            raise Failure(EX_USAGE, "Must use format -m tar=/path/to/tarball.tar", "create_jail:104")
        if not os.access(archive, os.R_OK):
            raise Failure(1, f"Cannot read file {archive}", "create_jail:107")
    _check_place(request)


def _arch(given: str) -> str:
    if not given:
        return host_arch()
    target, _dot, processor = given.partition(".")
    return target if not processor or target == processor else given


def _check_place(request: Request) -> None:
    if request.method == "null":
        request.dataset = "none"
        if not os.path.isdir(request.mount) or not os.listdir(request.mount):
            raise Failure(1, f"Directory {request.mount} expected to be populated from installworld already.",
                          "create_jail:162")
    elif request.dataset != "none" and os.path.isdir(request.mount):
        raise Failure(1, f"Directory {request.mount} already exists", "create_jail:157")


def populate(context: Context, request: Request) -> str:
    """Create and fill the jail; return its release; raises Failure."""
    if request.method != "null":
        filesystems.create(context, request.name, request.mount, request.dataset or "none")
    if request.method.startswith("tar="):
        _from_archive(context, request)
    elif request.method != "null":
        _from_server(context, request)
    context.jails.set(request.name, "pkgbase", int(request.pkgbase))
    _check_kernel(request)
    release = request.version or "13.2-RELEASE"
    if request.method == "null" and not os.path.isfile(os.path.join(request.mount, "etc/login.conf")):
        raise Failure(1, f"Directory {request.mount} must be populated from installworld already.", "create_jail:202")
    filesystems.mark(context, "clean", request.mount)
    return release


def _check_kernel(request: Request) -> None:
    """A kernel that is asked for must have its configuration among the jail's sources."""
    target = request.arch.partition(".")[0]
    wrong = [name for name in request.kernel.split()
             if not os.access(os.path.join(request.mount, "usr/src/sys", target, "conf", name), os.R_OK)]
    if wrong and request.method != "null":
        raise Failure(1, "Unable to find specified KERNCONF: " + " ".join(wrong), "check_kernconf:11")


def _from_archive(context: Context, request: Request) -> None:
    archive = request.method[4:]
    context.out.begin(f"Installing {request.version} {request.arch} from {archive} ...")
    if context.run("tar", "-xpf", archive, "-C", request.mount + "/"):
        raise Failure(1, " fail", "install_from_tar:3")
    context.out.raw(" done\n")


def _from_server(context: Context, request: Request) -> None:
    out, config = context.out, context.config
    url = _url(context, request)
    place = os.path.join(request.mount, "fromftp")
    os.makedirs(place, exist_ok=True)
    target, _dot, processor = request.arch.partition(".")
    known = f"{MANIFESTS}/{target}-{processor or target}-{request.version}"
    manifest = os.path.join(place, "MANIFEST")
    if os.path.isfile(known):
        out.msg(f"Using pre-distributed MANIFEST for FreeBSD {request.version} {request.arch}")
        shutil.copyfile(known, manifest)
    else:
        out.msg(f"Fetching MANIFEST for FreeBSD {request.version} {request.arch}")
        _fetch(context, manifest, f"{url}/MANIFEST")
    sums = _sums(manifest)
    sets = ["base", "games"] + (["src"] if config.get("NO_SRC") == "no" and not request.source else [])
    sets += config.get("EXTRA_DISTS").split()
    sets += ["lib32"] if config.get("NO_LIB32") == "no" else []
    sets += ["kernel"] if request.kernel else []
    for name in sets:
        if f"{name}.txz" in sums:
            _install_set(context, request, name, url, sums[f"{name}.txz"], place)
    out.begin("Cleaning up...")
    shutil.rmtree(place, ignore_errors=True)
    out.raw(" done\n")


def _install_set(context: Context, request: Request, name: str, url: str, expected: str, place: str) -> None:
    context.out.msg(f"Fetching {name} for FreeBSD {request.version} {request.arch}")
    path = os.path.join(place, f"{name}.txz")
    _fetch(context, path, f"{url}/{name}.txz")
    if _sha256(path) != expected:
        raise Failure(1, f"{name}.txz checksum mismatch", "install_from_ftp:145")
    context.out.begin(f"Extracting {name}...")
    if context.run("tar", "-xpf", path, "-C", request.mount + "/"):
        raise Failure(1, " fail", "install_from_ftp:148")
    context.out.raw(" done\n")


def _url(context: Context, request: Request) -> str:
    method, version = request.method, request.version
    target, _dot, processor = request.arch.partition(".")
    path = f"{target}/{processor or target}/{version}"
    if method.startswith("url="):
        return method[4:]
    if method == "ftp-archive":
        return f"http://ftp-archive.freebsd.org/pub/FreeBSD-Archive/old-releases/{path}"
    if method == "freebsdci":
        return f"https://artifact.ci.freebsd.org/snapshot/{version}/latest_tested/{target}/{processor or target}"
    snapshot = any(mark in version for mark in ("-CURRENT", "-ALPHA", "-PRERELEASE", "-STABLE"))
    kind = "snapshots" if snapshot else "releases"
    host = context.config.host
    inner = "" if host.lower().endswith("download.freebsd.org") else "/pub/FreeBSD"
    return f"{host}{inner}/{kind}/{path}"


def _fetch(context: Context, path: str, url: str) -> None:
    for _try in range(TRIES):
        if context.run("fetch", "-p", "-o", path, url) == 0:
            return
    raise Failure(1, f"Failed to fetch from {url}", "fetch_file:20")


def _sums(path: str) -> dict[str, str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            rows = [line.split("\t") for line in stream if line.strip()]
    except OSError:
        rows = []
    if not rows:
        raise Failure(1, "Empty MANIFEST file.", "install_from_ftp:133")
    return {row[0]: row[1] for row in rows if len(row) > 1}


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
