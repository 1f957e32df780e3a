# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""poudriere's own state, read from its files and never from its tables (their columns differ between versions).

Jails stand in ``<etcdir>/poudriere.d/jails/<name>/``, ports trees in ``<etcdir>/poudriere.d/ports/<name>/``, one value
per file (poudriere's common.sh, attr_set). Beside them lie our receipts: what a jail or tree was made from.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, Optional

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._files import read_json
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner

RECEIPT = "freehyve.json"
_ASSIGNMENT = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$")
_NAME = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_-]*$")
# `[00:00:14] Logs: /usr/local/poudriere/data/logs/bulk/base-default/2026-11-22_21h34m22s`
_LOGS = re.compile(r"^(?:\[[0-9:]+\] )?Logs: (/\S.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Jail:
    """A jail as poudriere knows it; ``receipt`` is ours, None when somebody else made the jail."""

    name: str
    version: str
    arch: str
    method: str
    mnt: str
    fs: str
    timestamp: int
    receipt: Optional[Dict[str, Any]] = field(default=None, compare=False)


@dataclass(frozen=True)
class PortsTree:
    """A ports tree as poudriere knows it.

    ``commit`` is the commit that is checked out (None when the tree is no git clone); ``receipt`` is ours, None when
    somebody else made the tree.
    """

    name: str
    method: str
    mnt: str
    timestamp: int
    commit: Optional[str] = None
    receipt: Optional[Dict[str, Any]] = field(default=None, compare=False)


def jails_dir(etcdir: str) -> str:
    return os.path.join(etcdir, "poudriere.d", "jails")


def ports_dir(etcdir: str) -> str:
    return os.path.join(etcdir, "poudriere.d", "ports")


def _value(directory: str, name: str) -> str:
    try:
        with open(os.path.join(directory, name), encoding="utf-8", errors="replace") as stream:
            return stream.read().strip()
    except OSError:
        return ""


def _epoch(text: str) -> int:
    return int(text) if text.isdigit() else 0


def jail(etcdir: str, name: str) -> Optional[Jail]:
    """The jail of that name, None when poudriere knows none."""
    directory = os.path.join(jails_dir(etcdir), name)
    if not os.path.isdir(directory):
        return None
    return Jail(
        name=name,
        version=_value(directory, "version"),
        arch=_value(directory, "arch"),
        method=_value(directory, "method"),
        mnt=_value(directory, "mnt"),
        fs=_value(directory, "fs"),
        timestamp=_epoch(_value(directory, "timestamp")),
        receipt=read_json(os.path.join(directory, RECEIPT)),
    )


def ports_tree(etcdir: str, name: str) -> Optional[PortsTree]:
    """The ports tree of that name, None when poudriere knows none."""
    directory = os.path.join(ports_dir(etcdir), name)
    if not os.path.isdir(directory):
        return None
    mnt = _value(directory, "mnt")
    return PortsTree(
        name=name,
        method=_value(directory, "method"),
        mnt=mnt,
        timestamp=_epoch(_value(directory, "timestamp")),
        commit=git_head(mnt) if mnt else None,
        receipt=tree_receipt(mnt) if mnt else None,
    )


def tree_receipt_path(path: str) -> str:
    """Receipt of a ports tree that we cloned: inside its repository, so that both live and die together."""
    return os.path.join(path, ".git", RECEIPT)


def tree_receipt(path: str) -> Optional[Dict[str, Any]]:
    """Our receipt of a ports tree, None when the tree is not ours."""
    return read_json(tree_receipt_path(path)) if os.path.isdir(os.path.join(path, ".git")) else None


def git_head(path: str) -> Optional[str]:
    """The commit (40 hexadecimal digits) that a clone has checked out, read without git (gitrepository-layout(5))."""
    git = os.path.join(path, ".git")
    head = _value(git, "HEAD")
    if head.startswith("ref: "):
        ref = head[5:]
        head = _value(git, ref)
        if not head:
            for line in _value(git, "packed-refs").splitlines():
                if line.endswith(" " + ref):
                    head = line.split(" ", 1)[0]
    return head if re.match(r"^[0-9a-f]{40}$", head) else None


def _names(directory: str) -> List[str]:
    try:
        return sorted(n for n in os.listdir(directory) if os.path.isdir(os.path.join(directory, n)))
    except OSError:
        return []


def jail_names(etcdir: str) -> List[str]:
    """All jails of this poudriere, sorted."""
    return _names(jails_dir(etcdir))


def base_argv(etcdir: str) -> List[str]:
    """Start of every poudriere command: plain text, our configuration."""
    return ["poudriere", "-N", "-e", etcdir]


def check_jail_name(name: str) -> None:
    """A jail name that poudriere, jail(8) and file names all take; a dot is a hierarchy for jail(8)."""
    if not _NAME.match(name):
        raise ToolError(f"poudriere jail '{name}': malformed name; use letters, digits, '_' and '-' only (no '.')")


def check_tree_name(name: str) -> None:
    """A tree name that poudriere takes; it reads a dash as the start of a set's name."""
    if not _NAME.match(name) or "-" in name:
        raise ToolError(f"ports tree '{name}': malformed name; use letters, digits and '_' only (no '.', no '-')")


def mastername(jail_name: str, tree: str, set_name: Optional[str] = None) -> str:
    """The name of a build, of its logs and packages: ``<jail>-<tree>[-<set>]``."""
    return "-".join([jail_name, tree] + ([set_name] if set_name else []))


def parse_conf(text: str, known: Optional[Dict[str, str]] = None) -> Dict[str, str]:
    """Plain assignments of a poudriere.conf (a shell script); later ones win, ``${NAME}`` of earlier ones is expanded.

    Anything else that the shell would run is not understood and left out.
    """
    values = dict(known or {})
    for line in text.splitlines():
        match = _ASSIGNMENT.match(line)
        if match:
            values[match.group(1)] = _expand(match.group(2).strip(), values)
    return values


def _expand(word: str, values: Dict[str, str]) -> str:
    if word.startswith("'"):
        return word[1:].split("'", 1)[0]
    text = word[1:].split('"', 1)[0] if word.startswith('"') else re.split(r"[\s;]", word, maxsplit=1)[0]
    return re.sub(
        r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))",
        lambda m: values.get(m.group(1) or m.group(2), ""),
        text,
    )


def read_conf(etcdir: str) -> Dict[str, str]:
    """poudriere.conf, then poudriere.d/poudriere.conf, as poudriere reads them (common.sh, include_poudriere_confs)."""
    values: Dict[str, str] = {}
    for path in (os.path.join(etcdir, "poudriere.conf"), os.path.join(etcdir, "poudriere.d", "poudriere.conf")):
        try:
            with open(path, encoding="utf-8", errors="replace") as stream:
                values = parse_conf(stream.read(), values)
        except FileNotFoundError:
            continue
        except OSError as exc:
            raise ToolError(f"poudriere configuration '{path}': cannot be read: {exc.strerror}") from exc
    return values


def data_dir(etcdir: str) -> str:
    """POUDRIERE_DATA: logs and packages live below it.

    :raises ToolError: no configuration there, or one without BASEFS.
    """
    conf = read_conf(etcdir)
    if conf.get("POUDRIERE_DATA"):
        return conf["POUDRIERE_DATA"]
    if not conf.get("BASEFS"):
        raise ToolError(
            f"poudriere configuration below '{etcdir}': has no BASEFS; run the jail stage first (--tags jail)"
        )
    return conf["BASEFS"] + "/data"


def logs_dir(etcdir: str, master: str) -> str:
    """Directory of a mastername's bulk builds."""
    return os.path.join(data_dir(etcdir), "logs", "bulk", master)


def packages_dir(etcdir: str, master: str) -> str:
    """Directory of a mastername's packages; ``.latest`` in it is a link to the newest repository."""
    return os.path.join(data_dir(etcdir), "packages", master)


def log_dir_of(log: str) -> Optional[str]:
    """The log directory that a bulk run names at its begin; None when it did not get that far."""
    match = _LOGS.search(log)
    return match.group(1).rstrip() if match else None


def jails_run(runner: Runner, master: str) -> bool:
    """Whether a jail of a build is up. poudriere calls it like the master, or with the builder's number behind."""
    names = runner.run(["jls", "name"], ok=range(256)).stdout.split()
    return any(name == master or name.startswith(f"{master}-") for name in names)


def running_builds(jls: str, name: str, names: Iterable[str]) -> List[str]:
    """Builds (masternames) that run in a jail now.

    :param jls: output of ``jls -N``: a heading, then one jail a line with its name first.
    :param name: the poudriere jail.
    :param names: all poudriere jails: ``base-x-default`` belongs to ``base-x`` when there is one, else to ``base``.
    """
    running = []
    for line in jls.splitlines()[1:]:
        words = line.split()
        if not words:
            continue
        owners = [n for n in set(names) | {name} if words[0] == n or words[0].startswith(n + "-")]
        if owners and max(owners, key=len) == name:
            running.append(re.sub(r"-job-\d+n?$|-n$", "", words[0]))
    return sorted(set(running))


__all__ = [
    "RECEIPT",
    "Jail",
    "PortsTree",
    "base_argv",
    "check_jail_name",
    "check_tree_name",
    "data_dir",
    "git_head",
    "jail",
    "jail_names",
    "jails_dir",
    "jails_run",
    "log_dir_of",
    "logs_dir",
    "mastername",
    "packages_dir",
    "parse_conf",
    "ports_dir",
    "ports_tree",
    "read_conf",
    "running_builds",
    "tree_receipt",
    "tree_receipt_path",
]
