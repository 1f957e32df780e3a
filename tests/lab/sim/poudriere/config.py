# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""poudriere.conf: read by sourcing, as poudriere does, with everything a configuration may compute."""

from __future__ import annotations

import functools
import os
import subprocess

from .output import Failure

DEFAULT_ETC = "/usr/local/etc"
PATH = "/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/sbin:/usr/local/bin"
DEFAULTS = {"ATOMIC_PACKAGE_REPOSITORY": "yes", "COMMIT_PACKAGES_ON_FAILURE": "yes", "KEEP_OLD_PACKAGES": "no",
            "KEEP_OLD_PACKAGES_COUNT": "5", "CHECK_CHANGED_OPTIONS": "verbose", "CHECK_CHANGED_DEPS": "yes",
            "DELETE_UNQUEUED_PACKAGES": "no", "BUILD_AS_NON_ROOT": "yes", "PORTBUILD_USER": "nobody",
            "PORTBUILD_GROUP": "nobody", "BUILDNAME_FORMAT": "%Y-%m-%d_%Hh%Mm%Ss", "USE_TMPFS": "no",
            "HTML_JSON_UPDATE_INTERVAL": "2", "DETERMINE_BUILD_FAILURE_REASON": "yes",
            "DISTFILES_CACHE": "/nonexistent", "RESOLV_CONF": "/etc/resolv.conf", "NO_LIB32": "no", "NO_SRC": "no",
            "SHARED_LOCK_DIR": "/var/run/poudriere", "PKG_HASH": "no", "FLAVOR_DEFAULT_ALL": "no",
            "TRIM_ORPHANED_BUILD_DEPS": "yes", "GIT_PORTSURL": "git.FreeBSD.org/ports.git",
            "FREEBSD_HOST": "https://download.FreeBSD.org", "ZROOTFS": "/poudriere"}
#: As poudriere does, an unset or placeholder host means FreeBSD's own.
PLACEHOLDERS = ("_PROTO_", "_CHANGE_THIS_")


@functools.cache
def sysctl(name: str) -> int:
    """Return a number that the kernel tells, 0 when it does not; asked for once."""
    answer = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, check=False).stdout.strip()
    return int(answer) if answer.isdigit() else 0


class Config:
    """The settings of one call.

    :param etc: directory given by ``-e``.
    :param given: values given by ``-s``.
    """

    def __init__(self, etc: str, given: dict[str, str], names: dict[str, str]) -> None:
        self.etc = etc
        self.poudriered = os.path.join(etc, "poudriere.d")
        self.given = given
        self.values = self._source(self._files(names))
        self._check()

    def get(self, name: str, default: str = "") -> str:
        return self.values.get(name) or DEFAULTS.get(name, default)

    def yes(self, name: str) -> bool:
        return self.get(name) == "yes"

    def _files(self, names: dict[str, str]) -> list[str]:
        """Return the configuration files that exist, in order: later ones win."""
        main = os.path.join(self.etc, "poudriere.conf")
        found = [main] if os.access(main, os.R_OK) else []
        inner = os.path.join(self.poudriered, "poudriere.conf")
        if os.access(inner, os.R_OK) and (not found or os.path.realpath(inner) != os.path.realpath(main)):
            found.append(inner)
        if not found:
            raise Failure(1, f"Unable to find a readable poudriere.conf in {self.etc} or {self.poudriered}",
                          "include_poudriere_confs:71")
        jail, tree, chosen = names.get("j", ""), names.get("p", ""), names.get("z", "")
        parts = [[chosen], [tree], [jail], [tree, chosen], [jail, tree], [jail, chosen], [jail, tree, chosen]]
        for part in parts:
            path = os.path.join(self.poudriered, "-".join(part) + "-poudriere.conf")
            if all(part) and os.access(path, os.R_OK):
                found.append(path)
        return found

    def _source(self, files: list[str]) -> dict[str, str]:
        environment = {"PATH": PATH, "HOME": "/root", "POUDRIERE_ETC": self.etc, "POUDRIERED": self.poudriered,
                       **self.given}
        script = 'set -a; for f; do . "$f" >&2; done; exec env -0'
        result = subprocess.run(["/bin/sh", "-c", script, "sh", *files], env=environment, stdout=subprocess.PIPE,
                                check=False)
        if result.returncode:
            raise Failure(2, f"{files[-1]}: syntax error", "")
        pairs = (item.partition("=") for item in result.stdout.decode(errors="surrogateescape").split("\0") if item)
        return {name: value for name, _equals, value in pairs}

    def _check(self) -> None:
        if not self.no_zfs and not self.values.get("ZPOOL"):
            raise Failure(1, "ZPOOL variable is not set", "10835")
        if not self.values.get("BASEFS"):
            raise Failure(1, "Please provide a BASEFS variable in your poudriere.conf", "10840")
        if not self.no_zfs and subprocess.run(["zpool", "list", self.get("ZPOOL")], capture_output=True,
                                              check=False).returncode:
            raise Failure(1, f"No such zpool: {self.get('ZPOOL')}", "10848")
        if not self.no_zfs and not self.get("ZROOTFS").startswith("/"):
            raise Failure(1, "ZROOTFS should start with a /", "10857")

    @property
    def no_zfs(self) -> bool:
        return bool(self.values.get("NO_ZFS"))

    @property
    def basefs(self) -> str:
        return os.path.realpath(self.values["BASEFS"])

    @property
    def data(self) -> str:
        return os.path.realpath(self.values.get("POUDRIERE_DATA") or os.path.join(self.values["BASEFS"], "data"))

    @property
    def dataset(self) -> str:
        return self.get("ZPOOL") + self.get("ZROOTFS")

    @property
    def host(self) -> str:
        value = self.get("FREEBSD_HOST")
        return DEFAULTS["FREEBSD_HOST"] if any(mark in value for mark in PLACEHOLDERS) else value

    @property
    def parallel(self) -> int:
        """PARALLEL_JOBS, the number of processors unless set."""
        value = self.values.get("PARALLEL_JOBS", "")
        if value.isdigit() and int(value) > 0:
            return int(value)
        return sysctl("hw.ncpu") or 1

    @property
    def scale(self) -> float | None:
        """The lab's own knob: seconds waited for a recorded second."""
        value = self.values.get("LAB_TIME_SCALE") or os.environ.get("FREEHYVE_LAB_TIME_SCALE")
        try:
            return float(value) if value else None
        except ValueError:
            return None


def names_in(arguments: list[str]) -> dict[str, str]:
    """Return the jail, tree and set that a command line names, found before its options are really parsed."""
    found = {}
    for position, word in enumerate(arguments):
        if len(word) >= 2 and word[0] == "-" and word[1] in "jpz":
            value = word[2:] or (arguments[position + 1] if position + 1 < len(arguments) else "")
            found[word[1]] = value
    return found
