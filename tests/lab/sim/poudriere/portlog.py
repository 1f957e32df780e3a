# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The text of a port's build log, ``logs/<pkgname>.log``."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from .clock import duration
from .portstree import PKG_ORIGIN, Port

POUDRIERE = "poudriere-git-3.4.99"
FOOTER = "=" * 75 + "\n"
ROOT_PHASES = ("fetch", "checksum", "install", "deinstall")
LIMITS = (("cpu time               (seconds, -t)", "unlimited"), ("file size           (512-blocks, -f)", "unlimited"),
          ("data seg size           (kbytes, -d)", "33554432"), ("stack size              (kbytes, -s)", "524288"),
          ("core file size      (512-blocks, -c)", "unlimited"), ("max memory size         (kbytes, -m)", "unlimited"),
          ("locked memory           (kbytes, -l)", "unlimited"), ("max user processes              (-u)", "7592"),
          ("open files                      (-n)", "8192"), ("virtual mem size        (kbytes, -v)", "unlimited"),
          ("swap limit              (kbytes, -w)", "unlimited"), ("socket buffer size       (bytes, -b)", "unlimited"),
          ("pseudo-terminals                (-p)", "unlimited"), ("kqueues                         (-k)", "unlimited"),
          ("umtx shared locks               (-o)", "unlimited"))
SEARCH = "/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin:/root/bin"


@dataclass(frozen=True)
class Surroundings:
    """What a log says of the place where the port was built."""

    master: str
    version: str
    arch: str
    host_osversion: str
    jail_osversion: int
    builder: str
    data: str
    job: int
    jail_ids: tuple[int, int]
    makeconf: str
    user: tuple[str, int, int]

    @property
    def jail(self) -> str:
        return f"{self.master}-job-{self.builder}"


def stamp(epoch: int) -> str:
    """Return a time as ``date -Iseconds`` prints it."""
    text = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(epoch))
    return f"{text[:-2]}:{text[-2:]}"


def times(which: str, seconds: int) -> str:
    minutes = f"{seconds // 60}m{seconds % 60}.000s"
    return (f"times {which} [shell] (user/sys/real): 0m0.052s 0m0.095s {minutes}\n"
            f"times {which} [child] (user/sys/real): 0m2.822s 0m1.563s {minutes}\n")


def head(port: Port, place: Surroundings, epoch: int, elapsed: int) -> str:
    """Return everything before the first phase.

    :param elapsed: seconds since the bulk build began.
    """
    number = place.version.partition("-")[0]
    target = place.arch.partition(".")[0]
    mount = os.path.join(place.data, ".m", place.master)
    changed = os.stat(os.path.join(port.directory, "Makefile")).st_mtime
    made = time.strftime("%b %e %H:%M:%S %Y", time.localtime(changed))
    lines = [
        f"=>> Building {port.origin}", f"build started at {stamp(epoch)}", f"port directory: /usr/ports/{port.origin}",
        f"package name: {port.pkgname}",
        f"building for: FreeBSD {place.jail} {place.version} FreeBSD {place.version} {target}",
        f"maintained by: {port.get('MAINTAINER', 'root@localhost')}", f"port version: {port.get('PORTVERSION')}",
        f"port revision: {port.get('PORTREVISION', '0')}", f"Makefile datestamp: {made}",
        f"Poudriere version: {POUDRIERE}", f"Host OSVERSION: {place.host_osversion}",
        f"Jail OSVERSION: {place.jail_osversion}", f"Builder Id: {place.builder}",
        f"Builder jail path: {mount}/{place.builder}", f"Ref jail path: {mount}/ref", f"Job Idx: {place.job}",
        f"Jail Id (no networking)  : {place.jail_ids[0]}", f"Jail Name (no networking): {place.jail}",
        f"Jail Id (networking)     : {place.jail_ids[1]}", f"Jail Name (networking)   : {place.jail}-n", "",
        "---Begin Environment---", *_environment(place, mount), "---End Environment---", "",
        "---Begin Poudriere Port Flags/Env---", "PORT_FLAGS=", "PKGENV=", f"FLAVOR={port.flavor}",
        f"MAKE_ARGS={' FLAVOR=' + port.flavor if port.flavor else ''}", "---End Poudriere Port Flags/Env---", "",
        "---Begin OPTIONS List---", *_options(port), "---End OPTIONS List---", ""]
    for name, value in _variables(port, number).items():
        lines += [f"--{name}--", value, f"--End {name}--", ""]
    lines += ["---Begin make.conf---", *place.makeconf.splitlines(), "---End make.conf---", "--Resource limits--"]
    lines += [f"{name}  {value}" for name, value in LIMITS]
    return "\n".join([*lines, "--End resource limits--", ""]) + times("start", elapsed)


def makeconf(own: str, allow_make_jobs: bool) -> str:
    """Return the make.conf of a builder: poudriere's lines round those of the site."""
    lines = ["USE_PACKAGE_DEPENDS=yes", "BATCH=yes", "WRKDIRPREFIX=/wrkdirs", "PORTSDIR=/usr/ports",
             "PACKAGES=/packages", "DISTDIR=/distfiles", "FORCE_PACKAGE=yes", "PACKAGE_BUILDING=yes",
             "PACKAGE_BUILDING_FLAVORS=yes", *own.splitlines(), "#### Misc Poudriere ####",
             '.include "/etc/make.conf.ports_env"']
    return "\n".join(lines + ([] if allow_make_jobs else ["DISABLE_MAKE_JOBS=poudriere"])) + "\n"


def _environment(place: Surroundings, mount: str) -> list[str]:
    return ["SHELL=/bin/csh", f"OSVERSION={place.jail_osversion}", f"UNAME_v=FreeBSD {place.version}",
            f"UNAME_r={place.version}", "BLOCKSIZE=K", "MAIL=/var/mail/root", "MM_CHARSET=UTF-8", "LANG=C.UTF-8",
            "STATUS=1", "HOME=/root", f"PATH={SEARCH}", "MAKE_OBJDIR_CHECK_WRITABLE=0", "LOCALBASE=/usr/local",
            "USER=root", "POUDRIERE_NAME=poudriere-git", "POUDRIERE_VERSION=3.4.99", "LC_COLLATE=C",
            "POUDRIERE_BUILD_TYPE=bulk", "PACKAGE_BUILDING=yes", "SAVED_TERM=", "GID=0", "OUTPUT_REDIRECTED_STDERR=4",
            "OUTPUT_REDIRECTED=1", "UID=0", f"PWD={mount}/{place.builder}/.p", "OUTPUT_REDIRECTED_STDOUT=3",
            "P_PORTS_FEATURES=AUTO_LIB_DEPENDS FLAVORS SUBPACKAGES SELECTED_OPTIONS", f"MASTERNAME={place.master}",
            f"OLDPWD={mount}/ref/.p/pool", f"POUDRIERE_PKGNAME={POUDRIERE}", "PREFIX=/usr/local",
            "POUDRIEREPATH=/usr/local/bin/poudriere"]


def _options(port: Port) -> list[str]:
    if not port.options:
        return []
    return [f"===> The following configuration options are available for {port.pkgname}:",
            *(f"     {name}={'on' if chosen else 'off'}" for name, chosen in port.options.items()),
            "===> Use 'make config' to modify these settings"]


def _variables(port: Port, release: str) -> dict[str, str]:
    """Return the variables that a log shows of its port."""
    work, name = f"/wrkdirs/usr/ports/{port.origin}/work", port.name
    shared = (f"XDG_DATA_HOME={work}  XDG_CONFIG_HOME={work}  XDG_CACHE_HOME={work}/.cache  HOME={work} "
              f"TMPDIR=\"/tmp\" PATH={work}/.bin:{SEARCH} PKG_CONFIG_LIBDIR={work}/.pkgconfig:"
              "/usr/local/libdata/pkgconfig:/usr/local/share/pkgconfig:/usr/libdata/pkgconfig")
    made = " ".join(f'{kind.upper()}DIR="{inner}/{name}" ' for kind, inner in
                    (("docs", "share/doc"), ("examples", "share/examples"), ("data", "share"), ("www", "www"),
                     ("etc", "etc"))).rstrip()
    return {"MAINTAINER": port.get("MAINTAINER", "root@localhost"), "PORTVERSION": port.get("PORTVERSION"),
            "PORTREVISION": port.get("PORTREVISION", "0"), "CONFIGURE_ARGS": "",
            "CONFIGURE_ENV": f"{shared} SHELL=/bin/sh CONFIG_SHELL=/bin/sh",
            "MAKE_ENV": f"{shared} MK_DEBUG_FILES=no MK_KERNEL_SYMBOLS=no SHELL=/bin/sh NO_LINT=YES PREFIX=/usr/local  "
                        'LOCALBASE=/usr/local  CC="cc" CFLAGS="-O2 -pipe "',
            "PLIST_SUB": f"OSREL={release} PREFIX=%D LOCALBASE=/usr/local  RESETPREFIX=/usr/local LIB32DIR=lib "
                         f"{made}",
            "SUB_LIST": f"PREFIX=/usr/local LOCALBASE=/usr/local  DATADIR=/usr/local/share/{name} "
                        f"DOCSDIR=/usr/local/share/doc/{name} EXAMPLESDIR=/usr/local/share/examples/{name}  "
                        f"WWWDIR=/usr/local/www/{name} ETCDIR=/usr/local/etc/{name}"}


def phase_head(phase: str, place: Surroundings) -> str:
    """Return the two lines before a phase's own output."""
    as_root = phase.endswith("-depends") or phase in ROOT_PHASES
    user, uid, gid = ("root", 0, 0) if as_root else place.user
    what = "USE_PACKAGE_DEPENDS_ONLY=1" if phase.endswith("-depends") else "NO_DEPENDS=yes"
    return (f"=======================<phase: {phase:<15}>============================\n"
            f"===== env: {what} USER={user} UID={uid} GID={gid}\n")


def phase_body(phase: str, port: Port, place: Surroundings, depends: list[tuple[str, Port, int]]) -> str:
    """Return what a phase prints when all goes well.

    :param depends: key, port and number of files of each package that the phase installs.
    """
    name = port.pkgname
    fetching = f"===> Fetching all distfiles required by {name} for building\n"
    lines = {"fetch": fetching, "checksum": fetching, "extract": fetching + f"===>  Extracting for {name}\n",
             "patch": f"===>  Patching for {name}\n", "configure": f"===>  Configuring for {name}\n",
             "stage": f"===>  Staging for {name}\n===>   Generating temporary packing list\n"
                      "====> Compressing man pages (compress-man)\n",
             "package": f"===>  Building packages for {name}\n===>   Building {name}\n"}
    text = lines.get(phase, "")
    if phase == "package" and port.origin == PKG_ORIGIN:
        text += (f"install -l rs /.npkg/All/{name}.pkg /.npkg/Latest/pkg.pkg\n"
                 f"install -l rs /.npkg/All/{name}.pkg /.npkg/Latest/pkg.txz\n")
    for key, other, files in depends:
        kind = "file" if key.startswith("/") else "shared library" if key.endswith(".so") else "executable"
        text += (f"===>   {name} depends on {kind}: {key} - not found\n"
                 f"===>   Installing existing package /packages/All/{other.pkgname}.pkg\n"
                 f"[{place.jail}] Installing {other.pkgname}...\n"
                 f"[{place.jail}] Extracting {other.pkgname}: {'.' * min(10, files)} done\n"
                 f"===>   {name} depends on {kind}: {key} - found\n===>   Returning to build of {name}\n")
    return text


def failing_body(phase: str, port: Port, text: str) -> str:
    """Return what a failing phase prints, with make's last words."""
    start = {"stage": f"===>  Staging for {port.pkgname}\n===>   Generating temporary packing list\n",
             "build": f"===>  Building for {port.pkgname}\n", "configure": f"===>  Configuring for {port.pkgname}\n"}
    said = f"{text}\n" if text else ""
    return f"{start.get(phase, '')}{said}*** Error code 1\n\nStop.\nmake: stopped in /usr/ports/{port.origin}\n"


def tail(port: Port, epoch: int, seconds: int, failed: bool) -> str:
    """Return everything behind the last phase."""
    text = (f"=>> Cleaning up wrkdir\n===>  Cleaning for {port.pkgname}\n"
            f"build of {port.spec} | {port.pkgname} ended at {stamp(epoch)}\nbuild time: {duration(seconds)}\n"
            + times("end", seconds))
    return text + ("!!! build failure encountered !!!\n" if failed else "")
