# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The command line of pkg(8)."""

from __future__ import annotations

import getopt
import os
import sys

from . import catalogue, inform, install, remove, update
from .database import Database
from .plan import size
from .settings import DEFAULTS, PkgError, Settings, load_repositories, warn
from .versions import compare

VERSION = "2.8.99.1"
COMMANDS = ("add", "annotate", "autoremove", "check", "clean", "config", "create", "delete", "fetch", "info",
            "install", "list", "lock", "query", "remove", "repo", "rquery", "search", "set", "stats", "unlock",
            "update", "upgrade", "version", "which")
USAGE = ("Usage: pkg [-v] [-d] [-l] [-N] [-j <jail name or id>|-c <chroot path>|-r <rootdir>] [-C <configuration file>]"
         " [-R <repo config dir>] [-o var=value] [-4|-6] <command> [<args>]\n")


Options = tuple[list[tuple[str, str]], list[str]]


def _options(arguments: list[str], short: str, long: list[str]) -> Options:
    try:
        return getopt.getopt(arguments, short, long)
    except getopt.GetoptError as error:
        if error.opt and "requires argument" in error.msg:
            warn(f"option requires an argument -- {error.opt}")
        else:
            warn(f"illegal option -- {error.opt}" if len(error.opt) == 1 else f"unrecognized option `--{error.opt}'")
        raise PkgError("Invalid argument provided") from error


def _mode(flags: set[str]) -> str:
    mode = "glob" if "g" in flags else "regex" if "x" in flags else "exact"
    return mode + "-i" if "i" in flags else mode


def main(argv: list[str]) -> int:
    """Run one call; returns its exit status."""
    settings = Settings()
    try:
        command, arguments = _globals(settings, argv[1:])
        if command is None:
            return _without_command(settings, arguments)
        return _run(settings, command, arguments)
    except PkgError as error:
        warn(str(error))
        return error.status


def _globals(settings: Settings, arguments: list[str]) -> tuple[str | None, list[str]]:
    """Read the options before the command; without a command its place holds what was asked for instead."""
    found, rest = _options(arguments, "46C:c:dhj:lNo:R:r:v",
                           ["chroot=", "config=", "debug", "help", "jail=", "list", "no-plugins", "option=",
                            "repo-conf-dir=", "rootdir=", "version"])
    asked = []
    chroot = None
    for name, value in found:
        if name in ("-r", "--rootdir"):
            settings.root = value
        elif name in ("-c", "--chroot"):
            chroot = value
        elif name in ("-R", "--repo-conf-dir"):
            settings.repository_directories = (value,)
        elif name in ("-o", "--option"):
            key, equals, text = value.partition("=")
            if not equals:
                raise PkgError(f"Unknown configuration option {value}")
            settings.options[key] = text
            if key == "REPOS_DIR":
                settings.repository_directories = tuple(text.split(","))
        elif name in ("-v", "--version", "-N", "-l", "--list", "-h", "--help"):
            asked.append(name)
    if asked and (not rest or asked[0] in ("-v", "--version")):
        return None, [asked[0]]
    _enter(settings, chroot)
    if "ABI" in settings.options and "OSVERSION" not in settings.options:
        parts = settings.options["ABI"].split(":")
        major = parts[1] if len(parts) > 1 and parts[1].isdigit() else "0"
        settings.options["OSVERSION"] = str(int(major) * 100000)
        warn(f"Setting ABI requires setting OSVERSION, guessing the OSVERSION as: {settings.options['OSVERSION']}")
    if not rest:
        sys.stderr.write(USAGE + "\nFor more information on available commands and options see 'pkg help'.\n")
        raise SystemExit(1)
    return rest[0], rest[1:]


def _enter(settings: Settings, chroot: str | None) -> None:
    if chroot is not None:
        if not os.path.isdir(chroot):
            raise PkgError("chroot failed: No such file or directory")
        settings.root = chroot
        if not settings.repository_directories:
            settings.repository_directories = tuple(settings.path(path)
                                                    for path in ("/etc/pkg", "/usr/local/etc/pkg/repos"))
        else:
            settings.repository_directories = tuple(settings.path(path) for path in settings.repository_directories)
    elif not os.path.isdir(settings.root):
        raise PkgError("Invalid rootdir: No such file or directory")


def _without_command(settings: Settings, asked: list[str]) -> int:
    if asked[0] in ("-v", "--version"):
        print(VERSION)
        return 0
    if asked[0] == "-N":
        database = Database(settings.database_directory)
        if not database.exists():
            warn("package database non-existent")
            return 1
        print(f"pkg: {len(database.packages())} packages installed", file=sys.stderr)
        return 0
    print("\n".join(COMMANDS) if asked[0] in ("-l", "--list") else USAGE, end="\n" if asked[0] == "-l" else "")
    return 0


def _run(settings: Settings, command: str, arguments: list[str]) -> int:
    candidates = [command] if command in COMMANDS else [name for name in COMMANDS if name.startswith(command)]
    aliases = {"remove": "delete", "list": "info"}
    if len(candidates) != 1 and len({aliases.get(name, name) for name in candidates}) != 1:
        if candidates:
            warn(f"'{command}' is not a valid command.")
            sys.stderr.write("Ambiguous command: " + command + ", could be:\n"
                             + "".join(f"\t{name}\n" for name in candidates))
        else:
            warn(f"unknown command: {command}")
            sys.stderr.write("\nFor more information on available commands and options see 'pkg help'.\n")
        return 1
    name = aliases.get(candidates[0], candidates[0])
    if name in ("install", "update", "upgrade", "rquery", "search", "fetch"):
        load_repositories(settings)
    handler = {"install": _install, "upgrade": _upgrade, "update": _update, "delete": _delete, "info": _info,
               "query": _query, "rquery": _rquery, "search": _search, "which": _which, "check": _check, "add": _add,
               "autoremove": _autoremove, "config": _config, "repo": _repo, "version": _version, "stats": _stats,
               "set": _set, "lock": _lock, "unlock": _unlock, "clean": _clean, "fetch": _fetch}.get(name)
    if handler is None:
        raise PkgError(f"{name}: not simulated")
    return handler(settings, arguments)


def _flags(found: list[tuple[str, str]]) -> set[str]:
    longs = {"--yes": "y", "--force": "f", "--quiet": "q", "--dry-run": "n", "--glob": "g", "--regex": "x",
             "--case-insensitive": "i", "--all": "a", "--automatic": "A", "--no-repo-update": "U", "--exists": "e",
             "--fetch-only": "F", "--checksums": "s", "--dependencies": "d", "--recursive": "R"}
    return {longs.get(name, name.lstrip("-")) for name, _value in found}


def _value(found: list[tuple[str, str]], *names: str) -> str | None:
    return next((value for name, value in found if name in names), None)


INSTALL_LONG = ["yes", "force", "quiet", "dry-run", "glob", "regex", "case-insensitive", "automatic", "no-repo-update",
                "fetch-only", "repository=", "recursive", "ignore-missing", "register-only", "local-only",
                "no-install-scripts", "case-sensitive"]


def _install(settings: Settings, arguments: list[str]) -> int:
    found, names = _options(arguments, "ACFfgIiMnqRr:SUxylp", INSTALL_LONG)
    if not names:
        sys.stderr.write("Usage: pkg install [-AfInFMqRUxy] [-r reponame] <pkg-origin> ...\n")
        return 1
    flags = _flags(found)
    return install.install(settings, names, mode=_mode(flags), yes="y" in flags, force="f" in flags, dry="n" in flags,
                           repository=_value(found, "-r", "--repository"), no_update="U" in flags,
                           fetch_only="F" in flags, automatic="A" in flags, quiet="q" in flags)


def _upgrade(settings: Settings, arguments: list[str]) -> int:
    found, names = _options(arguments, "CFfgInqr:SUxyv", INSTALL_LONG)
    flags = _flags(found)
    return install.install(settings, names, mode=_mode(flags), yes="y" in flags, force="f" in flags, dry="n" in flags,
                           repository=_value(found, "-r", "--repository"), no_update="U" in flags,
                           fetch_only="F" in flags, quiet="q" in flags)


def _fetch(settings: Settings, arguments: list[str]) -> int:
    found, names = _options(arguments, "aACdgiqr:Uuxyo:", INSTALL_LONG)
    flags = _flags(found)
    return install.install(settings, names, mode=_mode(flags), yes="y" in flags, no_update="U" in flags,
                           repository=_value(found, "-r"), fetch_only=True, quiet="q" in flags)


def _update(settings: Settings, arguments: list[str]) -> int:
    found, _rest = _options(arguments, "fqr:", ["force", "quiet", "repository="])
    name = _value(found, "-r", "--repository")
    chosen = install.choose(settings, name)
    code = update.update(settings, chosen, "f" in _flags(found), named=name is not None, quiet="q" in _flags(found),
                         strict=True)
    return 1 if code else 0


def _delete(settings: Settings, arguments: list[str]) -> int:
    found, names = _options(arguments, "aCDfginqRxy", ["all", "force", "quiet", "dry-run", "glob", "regex", "yes",
                                                       "case-insensitive", "recursive", "no-deinstall-script"])
    flags = _flags(found)
    if not names and "a" not in flags:
        sys.stderr.write("Usage: pkg delete [-DfginqRxy] <pkg-name> ...\n       pkg delete [-Dnqy] -a\n")
        return 1
    return remove.delete(settings, names, mode=_mode(flags), yes="y" in flags, force="f" in flags,
                         everything="a" in flags, dry="n" in flags, quiet="q" in flags)


def _autoremove(settings: Settings, arguments: list[str]) -> int:
    flags = _flags(_options(arguments, "nqy", ["dry-run", "quiet", "yes"])[0])
    return remove.autoremove(settings, yes="y" in flags, dry="n" in flags, quiet="q" in flags)


def _info(settings: Settings, arguments: list[str]) -> int:
    found, names = _options(arguments, "aAbBCdDefFgiIklOopqrRstTxE", ["all", "exists", "quiet", "glob", "regex",
                                                                     "case-insensitive", "full"])
    flags = _flags(found) - {"a"}
    if "full" in flags:
        flags.add("f")
    names = [name.removesuffix("/") for name in names]
    return inform.info(settings, names, mode=_mode(flags), flags=flags)


def _query(settings: Settings, arguments: list[str]) -> int:
    found, rest = _options(arguments, "ace:F:giqx", ["all", "evaluate=", "glob", "regex", "case-insensitive"])
    if not rest:
        sys.stderr.write("Usage: pkg query <query-format> <pkg-name>\n")
        return 1
    return inform.run_query(settings, rest[0], rest[1:], mode=_mode(_flags(found)),
                            condition=_value(found, "-e", "--evaluate"))


def _rquery(settings: Settings, arguments: list[str]) -> int:
    found, rest = _options(arguments, "ace:giqr:Ux", ["all", "evaluate=", "glob", "regex", "case-insensitive",
                                                      "repository=", "no-repo-update"])
    if not rest:
        sys.stderr.write("Usage: pkg rquery <query-format> <pkg-name>\n")
        return 1
    if "U" not in _flags(found):
        code = _quietly_update(settings, _value(found, "-r", "--repository"))
        if code:
            return code
    return inform.run_rquery(settings, rest[0], rest[1:], mode=_mode(_flags(found)),
                             condition=_value(found, "-e", "--evaluate"),
                             repository=_value(found, "-r", "--repository"))


def _quietly_update(settings: Settings, repository: str | None) -> int:
    return update.update(settings, install.choose(settings, repository), force=False, quiet=True)


def _search(settings: Settings, arguments: list[str]) -> int:
    found, rest = _options(arguments, "CDdefgiLoQpqr:RS:sUx", [])
    if not rest:
        return 1
    flags = _flags(found)
    if "U" not in flags:
        code = _quietly_update(settings, _value(found, "-r"))
        if code:
            return code
    mode = "exact" if "e" in flags else "glob" if "g" in flags else "regex"
    return inform.search(settings, rest[0], mode=mode + ("" if "C" in flags else "-i"),
                         repository=_value(found, "-r"), quiet="q" in flags)


def _which(settings: Settings, arguments: list[str]) -> int:
    found, paths = _options(arguments, "gmopq", [])
    return inform.which(settings, paths, "q" in _flags(found), "o" in _flags(found))


def _check(settings: Settings, arguments: list[str]) -> int:
    found, names = _options(arguments, "aBCdginqrsxvy", ["all", "checksums", "dependencies", "quiet", "regex", "glob"])
    flags = _flags(found)
    if (not names and "a" not in flags) or not flags & {"s", "d", "B"}:
        sys.stderr.write("Usage: pkg check -Bds [-qvy] -a | -Cgix <pattern>\n")
        return 1
    return inform.check(settings, names, _mode(flags), "s" in flags, "d" in flags, "q" in flags)


def _add(settings: Settings, arguments: list[str]) -> int:
    found, paths = _options(arguments, "AfIMq", [])
    return install.add(settings, paths, "A" in _flags(found))


def _config(settings: Settings, arguments: list[str]) -> int:
    if len(arguments) != 1:
        sys.stderr.write("Usage: pkg config <name>\n\n")
        return 1
    name = arguments[0].upper()
    parts = settings.abi.split(":")
    derived = {"ABI": settings.abi, "ALTABI": settings.abi.lower().replace("amd64", "x86:64"),
               "OSVERSION": settings.get("OSVERSION") or "", "REPOS_DIR": "\n".join(
                   settings.repository_directories or ("/etc/pkg/", "/usr/local/etc/pkg/repos/")),
               "VERSION_MAJOR": parts[1] if len(parts) > 1 else ""}
    value = derived.get(name) if name in derived else settings.get(name) if name in DEFAULTS else None
    if value is None:
        raise PkgError(f"No such configuration options: {name}")
    print(value)
    return 0


def _repo(settings: Settings, arguments: list[str]) -> int:
    found, rest = _options(arguments, "hlm:o:qs", ["hash", "list-files", "meta-file=", "output-dir=", "quiet",
                                                   "symlink", "groups="])
    if not rest:
        sys.stderr.write("Usage: pkg repo [-hlqs] [-m metafile] [-o output-dir] <repo-path>"
                         " [<rsa-key>|signing_command: <the command>]\n")
        return 1
    quiet = bool(_flags(found) & {"q"})
    count = len(catalogue.package_files(rest[0]))
    if not quiet:
        output = _value(found, "-o", "--output-dir") or rest[0]
        print(f"Creating repository in {output}: {'.' * min(install.DOTS, count)} done")
    try:
        catalogue.build(rest[0], _value(found, "-o", "--output-dir") or rest[0], rest[1] if len(rest) > 1 else None)
    except catalogue.CatalogueError as error:
        raise PkgError(str(error)) from error
    if not quiet:
        print("Packing files for repository: .... done")
    return 0


def _version(settings: Settings, arguments: list[str]) -> int:
    found, rest = _options(arguments, "ItTPRUvql:L:n:", [])
    flags = _flags(found)
    if "t" in flags and len(rest) == 2:
        print("<=>"[compare(rest[0], rest[1]) + 1])
    elif "T" in flags and len(rest) == 2:
        from fnmatch import fnmatchcase

        return 0 if fnmatchcase(rest[0], rest[1]) else 1
    else:
        _compare_installed(settings, "v" in flags)
    return 0


def _compare_installed(settings: Settings, verbose: bool) -> None:
    """List the installed packages beside what the fetched catalogues offer."""
    load_repositories(settings)
    offered = {item.name: item.version for item in install.offers(settings, settings.repositories)}
    for item in Database(settings.database_directory).packages():
        known = offered.get(item.name)
        key = "?" if known is None else "<=>"[compare(item.version, known) + 1]
        story = {"?": f"   orphaned: {item.origin}", "<": f"   needs updating (remote has {known})",
                 "=": "   up-to-date with remote", ">": f"   succeeds remote (remote has {known})"}[key]
        print(f"{item.full_name:<35}{key}{story if verbose else ''}")


def _stats(settings: Settings, _arguments: list[str]) -> int:
    packages = Database(settings.database_directory).packages()
    total = sum(int(item.manifest.get("flatsize", 0)) for item in packages)
    print(f"Local package database:\n\tInstalled packages: {len(packages)}")
    print(f"\tDisk space occupied: {size(total)}\n")
    return 0


def _set(settings: Settings, arguments: list[str]) -> int:
    found, names = _options(arguments, "A:agio:v:xny", [])
    flag = _value(found, "-A")
    if flag not in ("0", "1"):
        raise PkgError("Wrong value for -A. Expecting 0 or 1, got: " + str(flag))
    database = Database(settings.database_directory)
    for item in inform.select(database.packages(), names, _mode(_flags(found))):
        database.set_flag(item.name, "automatic", flag == "1")
    return 0


def _lock(settings: Settings, arguments: list[str]) -> int:
    return _locking(settings, arguments, True)


def _unlock(settings: Settings, arguments: list[str]) -> int:
    return _locking(settings, arguments, False)


def _locking(settings: Settings, arguments: list[str], value: bool) -> int:
    found, names = _options(arguments, "agilqxy", [])
    database = Database(settings.database_directory)
    for item in inform.select(database.packages(), names, _mode(_flags(found))):
        print(f"{'Locking' if value else 'Unlocking'} {item.full_name}")
        database.set_flag(item.name, "locked", value)
    return 0


def _clean(_settings: Settings, _arguments: list[str]) -> int:
    print("Nothing to do.")
    return 0
