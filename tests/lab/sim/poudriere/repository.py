# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The package directory of a build: stashed, inspected, filled, published."""

from __future__ import annotations

import contextlib
import os
import shutil
import tarfile
from typing import Callable

from ..pkg import archive, catalogue
from .context import Context
from .output import Failure
from .portstree import Port
from .session import Session

#: Linked at the top of the package directory beside those that begin with a dot.
LINKED_HIDDEN = (".buildname", ".jailversion")


class Repository:
    """The packages of one master name.

    ``place`` is where the build works: ``.building`` while it runs, ``.latest`` afterwards.
    """

    def __init__(self, context: Context, session: Session) -> None:
        self.context = context
        self.root = session.packages_root
        self.place = self.root
        self.atomic = context.config.yes("ATOMIC_PACKAGE_REPOSITORY")
        self.made_building = False
        self.pkg_extracted = False

    @property
    def all(self) -> str:
        return os.path.join(self.place, "All")

    def names(self) -> list[str]:
        """Return the package files, sorted."""
        return sorted(os.listdir(self.all)) if os.path.isdir(self.all) else []

    def has(self, pkgname: str) -> bool:
        return os.path.exists(self.path(pkgname))

    def path(self, pkgname: str) -> str:
        return os.path.join(self.all, f"{pkgname}.pkg")

    def extract_pkg(self, force: bool = False) -> bool:
        """Return whether pkg can be used in the jail, extracting it from its package when it is not there yet."""
        if self.pkg_extracted and not force:
            return True
        if not os.path.exists(os.path.join(self.place, "Latest/pkg.pkg")):
            return False
        self.pkg_extracted = True
        return True

    def stash(self, clean: bool) -> None:
        """Work in a linked copy of the published packages from here on."""
        if not self.atomic:
            return
        if not os.path.islink(os.path.join(self.root, ".latest")):
            self._convert()
        building = os.path.join(self.root, ".building")
        if clean:
            shutil.rmtree(building, ignore_errors=True)
        if os.path.isdir(building):
            self.context.out.warn("Using packages from previously failed, or uncommitted, build: " + building)
        else:
            self.context.out.msg("Stashing existing package repository")
            _clone(os.path.realpath(os.path.join(self.root, ".latest")), building)
        self.made_building = True
        self.place = building

    def _convert(self) -> None:
        self.context.out.msg("Converting package repository to new format")
        name = f".real_{self.context.clock.epoch()}"
        os.makedirs(os.path.join(self.root, name))
        for entry in sorted(os.listdir(self.root)):
            if entry not in (name, ".building"):
                os.rename(os.path.join(self.root, entry), os.path.join(self.root, name, entry))
                os.symlink(f".latest/{entry}", os.path.join(self.root, entry))
        os.symlink(name, os.path.join(self.root, ".latest"))

    def clear(self, reason: str) -> None:
        """Delete all packages, saying why."""
        self.context.out.begin(f"{reason}, cleaning all packages...")
        for entry in os.listdir(self.place):
            if not entry.startswith("."):
                _remove(os.path.join(self.place, entry))
        self.context.out.raw(" done\n")

    def delete(self, file: str, why: str) -> None:
        self.context.out.msg(f"Deleting {file}: {why}")
        _remove(os.path.join(self.all, file))

    def tidy(self) -> None:
        """Delete links that lead nowhere and directories that are empty."""
        out = self.context.out
        out.begin("Deleting stale symlinks...")
        for parent, _directories, names in os.walk(self.place):
            for name in names:
                path = os.path.join(parent, name)
                if os.path.islink(path) and not os.path.exists(path) and name != "logs":
                    os.unlink(path)
        out.raw(" done\n")
        out.begin("Deleting empty directories...")
        for parent, _directories, _names in os.walk(self.place, topdown=False):
            if parent != self.place and not os.listdir(parent):
                os.rmdir(parent)
        out.raw(" done\n")

    def inspect(self, ports: dict[str, Port], abi: str, unqueued: bool) -> None:
        """Delete packages that no longer are what their port would make (delete_old_pkgs).

        :param ports: the ports of this build, not ignored, by spec.
        :param unqueued: whether packages that this build knows nothing of go too.
        """
        if not self.names():
            return
        self.context.out.msg("Checking packages for incremental rebuild needs")
        by_name = {port.name: port for port in ports.values()}
        for file in self.names():
            why = self._stale(file, ports, by_name, abi, unqueued)
            if why is None:
                continue
            reason, *details = why.split("\n")
            self.delete(file, reason)
            for detail in details:
                self.context.out.msg(detail)

    def _stale(self, file: str, ports: dict[str, Port], by_name: dict[str, Port], abi: str,
               unqueued: bool) -> str | None:
        """Return why a package must go, or None."""
        path = os.path.join(self.all, file)
        if os.path.islink(path) and not os.path.exists(path):
            return "dead symlink"
        if not file.endswith(".pkg"):
            return None if os.path.isdir(path) else "unknown or obsolete file"
        try:
            manifest = archive.read(path).manifest
        except (OSError, ValueError, tarfile.TarError):
            return "corrupted package (origin)"
        flavor = str((manifest.get("annotations") or {}).get("flavor", ""))
        spec = f"{manifest['origin']}@{flavor}" if flavor else str(manifest["origin"])
        pkgbase, _dash, version = file[: -len(".pkg")].rpartition("-")
        port = ports.get(spec) or by_name.get(pkgbase)
        if port is None:
            return "no longer needed" if unqueued else None
        if port.spec != spec and port.origin != manifest["origin"]:
            return f"stale package: unwanted origin {spec}"
        if port.name != pkgbase:
            return f"package name changed to {port.name}"
        if port.version != version:
            return f"new version: {port.version}"
        wanted = abi.rpartition(":")[0] + ":*" if port.no_arch else abi
        if manifest.get("abi") != wanted:
            return f"ABI changed: '{manifest.get('abi')}' -> '{wanted}'"
        if flavor != port.flavor:
            return f"FLAVOR changed to '{port.flavor}' from '{flavor}'"
        return self._changed(manifest, port, ports)

    def _changed(self, manifest: archive.Manifest, port: Port, ports: dict[str, Port]) -> str | None:
        deps = manifest.get("deps") or {}
        if self.context.config.get("CHECK_CHANGED_DEPS") != "no":
            origins = {dep["origin"] for dep in deps.values()}
            for _key, spec in port.run_depends:
                known = ports.get(spec)
                if known is not None and spec.partition("@")[0] not in origins and known.name not in deps:
                    return f"new dependency: {spec}"
        check = self.context.config.get("CHECK_CHANGED_OPTIONS")
        if check != "no":
            compiled = " ".join(("+" if value == "on" else "-") + name
                                for name, value in sorted((manifest.get("options") or {}).items()))
            if compiled != port.option_string:
                details = f"\nPkg: {compiled}\nNew: {port.option_string}" if check == "verbose" else ""
                return "changed options" + details
        for name, dep in deps.items():
            known = next((item for item in ports.values() if item.origin == dep["origin"]), None)
            if known is not None and not any(item.name == name for item in ports.values()
                                             if item.origin == dep["origin"]):
                return f"dependency's package name is unknown or changed. Needed: {name} | {dep['origin']}"
        return None

    def drop_incomplete(self, needed: Callable[[str], bool]) -> None:
        """Delete packages whose dependencies are not there, until none is left."""
        deleted = True
        while deleted:
            deleted = False
            for file in [name for name in self.names() if name.endswith(".pkg")]:
                if not needed(file.rpartition("-")[0]):
                    continue
                manifest = archive.read(os.path.join(self.all, file)).manifest
                for name, dep in (manifest.get("deps") or {}).items():
                    if not self.has(f"{name}-{dep['version']}"):
                        self.delete(file, f"missing dependency: {name}-{dep['version']}")
                        deleted = True
                        break

    def add(self, port: Port, manifest: archive.Manifest, entries: list[archive.Entry]) -> None:
        """Write the package of a port that was built."""
        os.makedirs(self.all, exist_ok=True)
        path = self.path(port.pkgname)
        archive.write(path, manifest, entries)
        # Without a mapping for nobody the package stays root's.
        with contextlib.suppress(OSError):
            os.chown(path, 65534, 0)
        if port.origin == "ports-mgmt/pkg":
            latest = os.path.join(self.place, "Latest")
            os.makedirs(latest, exist_ok=True)
            for name in ("pkg.pkg", "pkg.txz"):
                _link(f"../All/{port.pkgname}.pkg", os.path.join(latest, name))

    def build(self, set_status: Callable[[str], None]) -> None:
        """Write the catalogue (build_repo); raises Failure."""
        out, config = self.context.out, self.context.config
        out.msg("Creating pkg repository")
        if not any(name.endswith(".pkg") for name in self.names()):
            out.msg("No packages present")
            return
        set_status("pkgrepo:")
        if not self.extract_pkg(force=True):
            raise Failure(1, "Unable to extract pkg.", "build_repo:17")
        key = config.get("PKG_REPO_SIGNING_KEY")
        if key:
            out.msg(f"Signing repository with key: {key}")
        path = key.partition(":")[2] if ":" in key else key
        self.context.clock.wait(3)
        count = len(catalogue.package_files(self.place))
        try:
            catalogue.build(self.place, self.place, path or None)
        except catalogue.CatalogueError as error:
            out.raw(f"pkg: {error}\n", error=True)
            raise Failure(1, "Failed to sign pkg repository", "build_repo:69") from error
        out.raw(f"Creating repository in /tmp/packages: {'.' * min(10, count)} done\n")
        out.raw("Packing files for repository: .... done\n")
        if path:
            self._sign_bootstrap(path)

    def _sign_bootstrap(self, key: str) -> None:
        package = os.path.join(self.place, "Latest/pkg.pkg")
        if os.path.exists(package):
            digest = archive.sha256_of(package).encode()
            with open(package + ".pubkeysig", "wb") as stream:
                stream.write(catalogue.sign(digest, key))

    def commit(self, log_directory: str, set_status: Callable[[str], None], failed: int, publish: bool) -> None:
        """Publish what was built (commit_packages)."""
        out, config = self.context.out, self.context.config
        if not publish:
            if self.place.endswith(".building"):
                out.warn(f"Temporary build directory will not be removed or committed: {self.place}")
                out.warn("It will be used to resume the build next time.  Delete it for a fresh build.")
            return
        _link(os.path.basename(log_directory), os.path.join(os.path.dirname(log_directory), "latest-done"))
        held = not config.yes("COMMIT_PACKAGES_ON_FAILURE") and failed > 0
        if held and self.atomic:
            out.warn("Not committing, or publishing, packages to repository as failures were encountered")
        if held or not self.atomic:
            _link(os.path.relpath(self.place, log_directory), os.path.join(log_directory, "packages"))
            return
        self._publish(log_directory, set_status)

    def _publish(self, log_directory: str, set_status: Callable[[str], None]) -> None:
        out = self.context.out
        name = f".real_{self.context.clock.epoch()}"
        while os.path.lexists(os.path.join(self.root, name)):
            # Real builds take longer than the second that names the directory.
            name = f".real_{int(name.rpartition('_')[2]) + 1}"
        out.msg(f"Committing packages to repository: {self.root}/{name} via .latest symlink")
        set_status("committing:")
        for entry in sorted(os.listdir(self.place)):
            path = os.path.join(self.root, entry)
            if (not entry.startswith(".") or entry in LINKED_HIDDEN) and not os.path.islink(path):
                _remove(path)
                os.symlink(f".latest/{entry}", path)
        latest = os.path.join(self.root, ".latest")
        old = os.path.realpath(latest)
        os.rename(self.place, os.path.join(self.root, name))
        _link(name, latest)
        self.place, self.made_building = latest, False
        self._drop_dead_links()
        _link(os.path.relpath(latest, log_directory), os.path.join(log_directory, "packages"))
        out.msg("Removing old packages")
        if self.context.config.yes("KEEP_OLD_PACKAGES"):
            keep = int(self.context.config.get("KEEP_OLD_PACKAGES_COUNT")) + 1
            kept = sorted((entry for entry in os.listdir(self.root) if entry.startswith(".real_")), reverse=True)
            for entry in kept[keep - 1:]:
                shutil.rmtree(os.path.join(self.root, entry), ignore_errors=True)
        elif os.path.basename(old) != name:
            shutil.rmtree(old, ignore_errors=True)

    def _drop_dead_links(self) -> None:
        for entry in os.listdir(self.root):
            path = os.path.join(self.root, entry)
            if os.path.islink(path) and not os.path.exists(path) and not os.readlink(path).startswith(".latest/"):
                os.unlink(path)

    def abandon(self) -> None:
        """Forget the working copy of a dry run."""
        if self.made_building:
            shutil.rmtree(os.path.join(self.root, ".building"), ignore_errors=True)


def _remove(path: str) -> None:
    if os.path.islink(path) or os.path.isfile(path):
        os.unlink(path)
    elif os.path.isdir(path):
        shutil.rmtree(path, ignore_errors=True)


def _link(target: str, path: str) -> None:
    """Make or replace a symbolic link in one step."""
    temporary = f"{path}.{os.getpid()}"
    if os.path.lexists(temporary):
        os.unlink(temporary)
    os.symlink(target, temporary)
    os.replace(temporary, path)


def _clone(source: str, target: str) -> None:
    """Copy a directory by hard links."""
    def link(old: str, new: str) -> str:
        if os.path.islink(old):
            os.symlink(os.readlink(old), new)
        else:
            os.link(old, new)
        return new

    shutil.copytree(source, target, symlinks=True, copy_function=link)
