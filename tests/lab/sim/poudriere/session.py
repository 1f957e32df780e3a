# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""A running reference jail: what jail_start() and jail_stop() do and say."""

from __future__ import annotations

import os
import shutil
from typing import Callable

from . import makefile
from .config import sysctl
from .context import Context, master_name
from .output import Failure
from .running import Lock, RunningJails
from .versions import osversion

FEATURES = "AUTO_LIB_DEPENDS FLAVORS SUBPACKAGES SELECTED_OPTIONS"


class Session:
    """The reference jail of one master name.

    :param stash: called where a bulk prepares its packages, after the system devices are mounted.
    """

    def __init__(self, context: Context, jail: str, tree: str, chosen: str) -> None:
        self.context = context
        self.jail, self.tree, self.chosen = jail, tree, chosen
        self.master = master_name(jail, tree, chosen)
        self.root = os.path.join(context.config.data, ".m", self.master)
        self.reference = os.path.join(self.root, "ref")
        self.packages_root = os.path.join(context.config.data, "packages", self.master)
        self.running = RunningJails(context.config)
        self.started = False

    @property
    def ports_directory(self) -> str:
        mount = self.context.trees.get(self.tree, "mnt")
        inner = os.path.join(mount, "ports")
        return inner if os.path.isdir(inner) else mount

    @property
    def version(self) -> str:
        return self.context.jails.get(self.jail, "version")

    @property
    def arch(self) -> str:
        return self.context.jails.get(self.jail, "arch")

    @property
    def osversion(self) -> int:
        return osversion(self.version, self.context.jails.get(self.jail, "mnt"))

    def start(self, stash: Callable[[], None] | None = None, builds: bool = False) -> None:
        """Start the jail; raises Failure.

        :param builds: whether ports will be built in it, which is said.
        """
        context, out, config, clock = self.context, self.context.out, self.context.config, self.context.clock
        lock = Lock(config, f"jail_start_{self.master}")
        if not lock.acquire():
            raise Failure(1, f"jail currently starting: {self.master}", "jail_start:16")
        cache = config.get("DISTFILES_CACHE")
        if cache != "no" and not os.path.isdir(cache):
            raise Failure(1, "DISTFILES_CACHE directory does not exist. (cf.  poudriere.conf)", "jail_start:48")
        if not context.jails.exists(self.jail):
            raise Failure(1, f"No such jail: {self.jail}", "jail_start:169")
        if self.running.exists(self.master):
            raise Failure(1, f"jail already running: {self.master}", "jail_start:171")
        self.started = True
        out.begin("Creating the reference jail...")
        self._clone()
        clock.wait(1)
        out.raw(" done\n")
        self._warn_newer()
        out.msg(f"Mounting system devices for {self.master}")
        os.makedirs(self.packages_root, exist_ok=True)
        if stash is not None:
            stash()
        out.msg(f"Mounting ports from: {self.ports_directory}")
        out.msg(f"Mounting packages from: {self.packages_root}")
        if cache != "no":
            out.msg(f"Mounting distfiles from: {cache}")
        self._resolver()
        out.msg(f"Starting jail {self.master}")
        self.running.add({self.master: self.reference, f"{self.master}-n": self.reference})
        lock.release()
        clock.wait(1)
        out.raw("Updating /var/run/os-release done.\n")
        if builds:
            self._builder_account()

    def _clone(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        for inner in ("etc", "packages", "usr/ports", "distfiles", "wrkdirs", ".p/var/cache", ".p/var/run", ".p/tmp"):
            os.makedirs(os.path.join(self.reference, inner), exist_ok=True)

    def _warn_newer(self) -> None:
        out = self.context.out
        host = sysctl("kern.osreldate")
        if host and self.osversion > host:
            out.warn(f"!!! Jail is newer than host. (Jail: {self.osversion}, Host: {host}) !!!")
            for line in ("This is not supported.", "Host kernel must be same or newer than jail.",
                         "Expect build failures."):
                out.warn(line)

    def _resolver(self) -> None:
        source = self.context.config.values.get("RESOLV_CONF", "/etc/resolv.conf")
        if source:
            target = os.path.join(self.reference, "etc/resolv.conf")
            if os.path.exists(source):
                shutil.copyfile(source, target)
                self.context.out.raw(f"{source} -> {target}\n")
            else:
                self.context.out.raw(f"cp: {source}: No such file or directory\n", error=True)
                raise Failure(1, "", "")

    def _builder_account(self) -> None:
        config = self.context.config
        user, group = config.get("PORTBUILD_USER"), config.get("PORTBUILD_GROUP")
        if not config.yes("BUILD_AS_NON_ROOT"):
            user, group = "root", "wheel"
        numbers = {"nobody": 65534, "root": 0, "wheel": 0}
        uid = numbers.get(user, int(config.get("PORTBUILD_UID", "65532")))
        gid = numbers.get(group, int(config.get("PORTBUILD_GID", "65532")))
        self.context.out.msg(f"Will build as {user}:{group} ({uid}:{gid})")

    def features(self) -> None:
        """What fetch_global_port_vars() says."""
        self.context.clock.wait(4)
        self.context.out.msg(f"Ports supports: {FEATURES}")

    def stop(self) -> None:
        """Stop the jail and its builders, remove its file systems."""
        out = self.context.out
        out.msg(f"Stopping up to {self.context.config.parallel} builders")
        self.running.remove(self.master)
        out.msg("Unmounting file systems")
        shutil.rmtree(self.root, ignore_errors=True)
        self.started = False

    def lookup_names(self, name: str) -> list[str]:
        """Return the names under which a per-build file is looked up, in the order of setup_makeconf()."""
        chosen, tree, jail = self.chosen, self.tree, self.jail
        parts = [[""], [chosen], [tree], [jail], [tree, chosen], [jail, tree], [jail, chosen], [jail, tree, chosen]]
        found = [name]
        found += ["-".join(part) + f"-{name}" for part in parts[1:] if all(part)]
        return found

    def makeconf(self) -> tuple[dict[str, str], str]:
        """Return make.conf as the build sees it: variables and text."""
        text = ""
        for name in self.lookup_names("make.conf"):
            path = os.path.join(self.context.config.poudriered, name)
            if os.path.isfile(path):
                with open(path, encoding="utf-8", errors="replace") as stream:
                    text += f"#### {path} ####\n" + stream.read()
        return makefile.parse(text), text

    def options_directory(self) -> str | None:
        """Return the first of the options directories that exists."""
        chosen, tree, jail = self.chosen, self.tree, self.jail
        parts = [[jail, tree, chosen], [jail, chosen], [jail, tree], [tree, chosen], [chosen], [tree], [jail]]
        names = ["-".join(part) + "-options" for part in parts if all(part)] + ["options"]
        for name in names:
            path = os.path.join(self.context.config.poudriered, name)
            if os.path.isdir(path):
                return path
        return None

    def blacklist(self) -> set[str]:
        """Read the blacklists, saying what they hold."""
        found: set[str] = set()
        for name in self.lookup_names("blacklist"):
            path = os.path.join(self.context.config.poudriered, name)
            if not os.path.isfile(path):
                continue
            self.context.out.msg(f"Loading blacklist from {path}")
            with open(path, encoding="utf-8") as stream:
                for line in stream:
                    word = line.partition("#")[0].strip()
                    if word and word not in found:
                        found.add(word)
                        self.context.out.warn(f"Blacklisting (from {path}): {word}")
        return found
