# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What the packages of a bulk run depend on: jail, ports tree and the files of poudriere's directory that apply.

Which files apply: common.sh, ``setup_makeconf``, ``load_blacklist`` and ``include_poudriere_confs``.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import Any, Dict, List, Optional

from ansible_collections.freehyve.builder.plugins.module_utils._files import sha256_file
from ansible_collections.freehyve.builder.plugins.module_utils._keys import key_of
from ansible_collections.freehyve.builder.plugins.module_utils._poudriere import Jail, PortsTree, mastername


@dataclass(frozen=True)
class Names:
    """The names that select configuration: jail, ports tree and set (which may be None)."""

    jail: str
    ports: str
    set_name: Optional[str] = None

    @property
    def mastername(self) -> str:
        """What poudriere calls the combination, in its logs and packages directories."""
        return mastername(self.jail, self.ports, self.set_name)

    def _join(self, *groups: str) -> List[str]:
        """Names for groups of `j`, `p` and `s`; groups with the set only when there is one."""
        part = {"j": self.jail, "p": self.ports, "s": self.set_name or ""}
        return ["-".join(part[c] for c in group) for group in groups if self.set_name or "s" not in group]

    def prefixes(self) -> List[str]:
        """Prefixes of file names, the most general first; later ones win or are appended."""
        return [""] + [name + "-" for name in self._join("s", "p", "j", "ps", "jp", "js", "jps")]

    def option_directories(self) -> List[str]:
        """Names of options directories; poudriere takes the first that is there."""
        return [name + "-options" for name in self._join("jps", "js", "jp", "ps", "s", "p", "j")] + ["options"]


def _identity(receipt: Optional[Dict[str, Any]], timestamp: int) -> str:
    """What it was made from when we made it; else when it was made."""
    inputs = (receipt or {}).get("inputs")
    return key_of(inputs) if isinstance(inputs, dict) else f"made {timestamp}"


def jail_inputs(jail: Jail) -> Dict[str, Any]:
    """What the packages depend on in a jail."""
    return {"version": jail.version, "arch": jail.arch, "made from": _identity(jail.receipt, jail.timestamp)}


def ports_inputs(tree: PortsTree) -> Dict[str, Any]:
    """What the packages depend on in a ports tree: its commit, and the patches that our receipt knows of.

    A tree without either is as old as poudriere says; its owner's edits stay unseen until the lists change.
    """
    inputs: Dict[str, Any] = {"method": tree.method, "path": tree.mnt}
    if tree.commit:
        inputs["commit"] = tree.commit
    if tree.receipt or not tree.commit:
        inputs["made from"] = _identity(tree.receipt, tree.timestamp)
    return inputs


def _digest(path: str) -> str:
    """Digest of what a configuration file says: without whole-line comments, blank lines, trailing blanks."""
    with open(path, encoding="utf-8", errors="surrogateescape") as stream:
        lines = [line.rstrip() for line in stream]
    said = [line for line in lines if line and not line.lstrip().startswith("#")]
    return hashlib.sha256("\n".join(said).encode("utf-8", "surrogateescape")).hexdigest()


def _tree(directory: str, prefix: str) -> Dict[str, str]:
    """Digests of a tree; the samples that poudriere installs mean nothing."""
    found: Dict[str, str] = {}
    for root, directories, files in os.walk(directory):
        directories.sort()
        for name in sorted(name for name in files if not name.endswith(".sample")):
            path = os.path.join(root, name)
            found[os.path.join(prefix, os.path.relpath(path, directory))] = sha256_file(path)
    return found


def config_digests(etcdir: str, names: Names) -> Dict[str, str]:
    """Digests of every file of poudriere's directory that applies to this combination.

    :returns: path below ``etcdir`` to SHA-256.
    """
    digests: Dict[str, str] = {}
    directory = os.path.join(etcdir, "poudriere.d")
    relative = ["poudriere.conf"]
    for base in ("poudriere.conf", "make.conf", "src.conf", "src-env.conf", "blacklist"):
        relative += [os.path.join("poudriere.d", prefix + base) for prefix in names.prefixes()]
    for path in relative:
        if os.path.isfile(os.path.join(etcdir, path)):
            digests[path] = _digest(os.path.join(etcdir, path))
    for name in names.option_directories():
        if os.path.isdir(os.path.join(directory, name)):
            digests.update(_tree(os.path.join(directory, name), os.path.join("poudriere.d", name)))
            break
    digests.update(_tree(os.path.join(directory, "hooks"), os.path.join("poudriere.d", "hooks")))
    return digests


__all__ = ["Names", "config_digests", "jail_inputs", "ports_inputs"]
