#!/usr/bin/python
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

DOCUMENTATION = r"""
module: poudriere_ports
short_description: A ports tree for poudriere, at a known commit and with known patches
version_added: 0.1.0
description:
  - With O(method=git), keeps a shallow clone at the head of a branch or at one commit, applies patches to it, and
    registers it with poudriere as a tree that is maintained by somebody else (C(-m null)). git is driven here and not
    by C(poudriere ports), because that can neither check out a commit nor go on with an interrupted clone.
  - With O(method=null), registers a directory that is there already, and never writes to it.
  - What the tree was made from stands in a receipt inside its C(.git). A tree that this module did not make is left
    alone, unless O(allow_destroy) is set. A tree that a build has mounted is never touched.
options:
  name:
    description: Name of the tree. Letters, digits and C(_).
    type: str
    required: true
  state:
    description: Whether the tree is there.
    type: str
    choices: [present, absent]
    default: present
  method:
    description: Where the tree comes from. A clone, or V(null) for a directory that somebody else maintains.
    type: str
    choices: [git, 'null']
    default: git
  source:
    description: URL of the git repository.
    type: str
    default: https://git.FreeBSD.org/ports.git
  version:
    description: Branch, V(quarterly) for the newest quarterly branch, or a commit of 40 hexadecimal digits.
    type: str
    default: quarterly
  path:
    description: Directory of the tree. With O(method=git) C(ports/<name>) beside O(etcdir) when it is not given.
    type: path
  patches_dir:
    description: Directory of the builder with C(*.patch) files, applied in the order of their names. It may be
      missing.
    type: path
  update:
    description: Follow the branch. When V(false), the commit that is there is kept.
    type: bool
    default: true
  etcdir:
    description: What C(poudriere -e) points at.
    type: path
    required: true
  allow_destroy:
    description: Replace or delete a tree that this module did not make.
    type: bool
    default: false
  timeout:
    description: Seconds after which one git command is given up.
    type: int
    default: 3600
extends_documentation_fragment: freehyve.builder.job
attributes:
  check_mode:
    support: full
    description: Asks the repository for the branch's head, and changes nothing.
  diff_mode:
    support: full
    description: Source, commit and patches, there and planned.
  idempotent:
    support: full
    description: By source, commit and digests of the patches. A pinned commit that is there needs no network.
author:
  - The freehyve.builder authors (@freehyve)
"""

EXAMPLES = r"""
- name: Head of the newest quarterly branch
  freehyve.builder.poudriere_ports:
    name: freehyve
    etcdir: /freehyve/poudriere/etc
    patches_dir: /freehyve/poudriere/etc/patches

- name: A tree that is there
  freehyve.builder.poudriere_ports:
    name: freehyve
    method: 'null'
    path: /usr/ports
    etcdir: /freehyve/poudriere/etc
"""

RETURN = r"""
actions:
  description: What was or would be done, and why.
  returned: success
  type: list
  elements: dict
  sample: [{action: update ports tree freehyve, reason: "commit: 0123456789ab -> ba9876543210"}]
commit:
  description: Commit of the tree, null when the tree is no git clone or not there yet.
  returned: success
  type: str
inputs:
  description: Source, commit, and digests of the patches by name.
  returned: when they are known
  type: dict
key:
  description: SHA-256 of source, commit and patches.
  returned: when they are known
  type: str
tree:
  description: C(name), C(method) and C(mnt) as poudriere has them, null when there is no such tree.
  returned: success
  type: dict
"""

import os
import re
import shutil
import time
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.freehyve.builder.plugins.module_utils import _mounts, _poudriere
from ansible_collections.freehyve.builder.plugins.module_utils._context import JOB_ARGUMENTS
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._files import sha256_file, write_json
from ansible_collections.freehyve.builder.plugins.module_utils._keys import key_of, reasons
from ansible_collections.freehyve.builder.plugins.module_utils._plan import Step, diff_of, run_module
from ansible_collections.freehyve.builder.plugins.module_utils._poudriere import PortsTree
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Completed, Runner

ATTEMPTS = 3
COMMIT = re.compile(r"^[0-9a-f]{40}$")
_QUARTERLY = re.compile(r"^refs/heads/([0-9]{4}Q[1-4])$")
_BRANCH = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9._/-]*$")
# git's words for a network that may be back in a moment; anything else is an answer.
_TRANSIENT = re.compile(
    r"Could not resolve host|Connection timed out|Operation timed out|Connection reset|early EOF"
    r"|unexpected disconnect|The requested URL returned error: 5\d\d|remote end hung up unexpectedly",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Wanted:
    """What a tree of ours is made from; ``commit`` is None as long as nobody asked for it."""

    name: str
    source: str
    version: str
    path: str
    patches: Mapping[str, str] = field(default_factory=dict)  # SHA-256 by file name

    def inputs(self, commit: str) -> Dict[str, Any]:
        return {"source": self.source, "commit": commit, "patches": dict(self.patches)}


@dataclass(frozen=True)
class Observed:
    """poudriere's tree, our receipt in the wanted directory, what is checked out there."""

    tree: Optional[PortsTree]
    receipt: Optional[Mapping[str, Any]]
    commit: Optional[str]
    occupied: bool
    mounted: Sequence[str] = ()


def validate(params: Mapping[str, Any]) -> None:
    """:raises ToolError: a malformed input."""
    name = params["name"]
    _poudriere.check_tree_name(name)
    if params["state"] == "absent":
        return
    if params["path"] is not None and (not params["path"].startswith("/") or params["path"].rstrip("/") == ""):
        raise ToolError(f"ports tree '{name}': path '{params['path']}' is malformed; give an absolute path below /")
    if params["method"] == "null":
        if not params["path"]:
            raise ToolError(f"ports tree '{name}': path is missing; method null registers a directory that is there")
        return
    if not params["source"] or params["source"].startswith("-"):
        raise ToolError(f"ports tree '{name}': source '{params['source']}' is malformed; give the URL of a repository")
    if not _BRANCH.match(params["version"]) or ".." in params["version"]:
        raise ToolError(
            f"ports tree '{name}': version '{params['version']}' is malformed; give a branch, quarterly, "
            "or a commit of 40 lower case hexadecimal digits"
        )


def patches_in(directory: Optional[str]) -> Dict[str, str]:
    """SHA-256 by name of the ``*.patch`` files of a directory; a directory that is not there has none."""
    if not directory or not os.path.isdir(directory):
        return {}
    names = sorted(name for name in os.listdir(directory) if name.endswith(".patch"))
    return {name: sha256_file(os.path.join(directory, name)) for name in names}


def mounted_from(found: Sequence[_mounts.Mount], path: str) -> List[str]:
    """Where a directory is mounted by nullfs, which tells the real path of what it shows."""
    return [mount.path for mount in found if mount.type == "nullfs" and mount.source == os.path.realpath(path)]


def observe(runner: Runner, etcdir: str, name: str, path: Optional[str]) -> Observed:
    tree = _poudriere.ports_tree(etcdir, name)
    directory = path or (tree.mnt if tree else "")
    occupied = bool(directory) and os.path.isdir(directory) and bool(os.listdir(directory))
    mounted: List[str] = []
    if occupied:
        mounted = mounted_from(_mounts.mounts(runner), directory)
    return Observed(
        tree=tree,
        receipt=_poudriere.tree_receipt(directory) if occupied else None,
        commit=_poudriere.git_head(directory) if occupied else None,
        occupied=occupied,
        mounted=mounted,
    )


def head_of(heads: str, source: str, version: str) -> str:
    """The commit that a branch, a tag or ``quarterly`` names, from the output of ``git ls-remote``.

    :raises ToolError: the repository has no such thing.
    """
    refs = {}
    for line in heads.splitlines():
        commit, tab, ref = line.partition("\t")
        if tab:
            refs[ref] = commit
    if version == "quarterly":
        branches = sorted(match.group(1) for match in map(_QUARTERLY.match, refs) if match)
        if not branches:
            raise ToolError(f"ports repository '{source}': has no quarterly branch; name a branch or a commit")
        return refs[f"refs/heads/{branches[-1]}"]
    for ref in (f"refs/heads/{version}", f"refs/tags/{version}^{{}}", f"refs/tags/{version}"):
        if ref in refs:
            return refs[ref]
    raise ToolError(f"ports repository '{source}': has no branch '{version}'; check the name")


def plan(
    wanted: Wanted, observed: Observed, head: Callable[[], str], update: bool, allow_destroy: bool
) -> Dict[str, Any]:
    """Steps, and the commit that the tree will have.

    :param head: asks the repository for the commit; called only when the answer matters.
    :raises ToolError: they would touch a tree that is not ours or that a build has mounted.
    """
    receipt, tree = observed.receipt, observed.tree
    made = dict((receipt or {}).get("inputs", {}))
    if COMMIT.match(wanted.version):
        commit = wanted.version
    elif not update and made.get("commit") and receipt and receipt.get("version") == wanted.version:
        commit = str(made["commit"])
    else:
        commit = head()
    words = reasons(made if receipt else None, wanted.inputs(commit))
    if receipt and not made:
        words = ["an earlier run was interrupted"]
    if receipt and not words and observed.commit != commit:
        words = ["somebody checked out another commit"]
    if observed.occupied and receipt is None:
        words = ["was not made by this collection"]
        if not allow_destroy:
            raise ToolError(
                f"ports tree '{wanted.name}': refusing to replace '{wanted.path}', it was not made by this collection; "
                "choose another path, use method null, or set allow_destroy"
            )
    if words and observed.mounted:
        raise ToolError(
            f"ports tree '{wanted.name}': refusing to change it, a build has it mounted at {observed.mounted[0]}; "
            "wait for it"
        )
    steps = []
    if words:
        verb = "update" if receipt else "replace" if observed.occupied else "clone"
        steps.append(Step(f"{verb} ports tree {wanted.name}", "; ".join(words)))
    return {"steps": steps + plan_registration(wanted.name, wanted.path, tree, allow_destroy), "commit": commit}


def plan_registration(name: str, path: str, tree: Optional[PortsTree], allow_destroy: bool) -> List[Step]:
    """What makes poudriere know the directory by the name.

    :raises ToolError: poudriere has a tree of its own under that name.
    """
    if tree is None:
        return [Step(f"register ports tree {name}", "poudriere does not know it")]
    if tree.mnt.rstrip("/") == path.rstrip("/") and tree.method == "null":
        return []
    # poudriere deletes the files of a tree that it made itself.
    if tree.method not in ("null", "none", "") and not allow_destroy:
        raise ToolError(
            f"ports tree '{name}': poudriere has one of its own under that name ({tree.method}, '{tree.mnt}'); "
            "choose another name, or set allow_destroy"
        )
    return [Step(f"register ports tree {name}", f"poudriere has it at '{tree.mnt}' ({tree.method})")]


class Git:
    """git, without questions and with a bounded number of attempts where the network is to blame."""

    def __init__(self, runner: Runner, timeout: float, sleep: Callable[[float], None] = time.sleep) -> None:
        environ = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "/usr/bin/false"}
        self._runner = replace(runner, environ={**runner.environ, **environ})
        self._timeout = timeout
        self._sleep = sleep

    def check(self) -> None:
        if not self._runner.which("git"):
            raise ToolError("git: not installed on the builder; run provision.yml or install the package git")

    def run(self, argv: Sequence[str], failed: str) -> Completed:
        # A repack in the background would outlive us.
        return self._runner.run(["git", "-c", "gc.autoDetach=false", *argv], timeout=self._timeout, failed=failed)

    def network(self, argv: Sequence[str], failed: str) -> Completed:
        """A command that only reads from the repository, so that it can be tried again."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self.run(argv, failed)
            except ToolError as exc:
                if attempt == ATTEMPTS or not _TRANSIENT.search(exc.stderr):
                    raise ToolError(
                        f"{failed}: {_last_line(exc.stderr) or exc.message}", exc.cmd, exc.rc, exc.stdout, exc.stderr
                    ) from exc
                self._sleep(2.0 * attempt)
        raise AssertionError("not reached")

    def head(self, source: str, version: str) -> str:
        self.check()
        patterns = ["refs/heads/*"] if version == "quarterly" else [f"refs/heads/{version}", f"refs/tags/{version}*"]
        done = self.network(
            ["ls-remote", "--", source, *patterns], f"ports repository '{source}': cannot be asked for '{version}'"
        )
        return head_of(done.stdout, source, version)

    def fetch(self, path: str, source: str, commit: str) -> None:
        """Bring one commit into a clone: that alone, or the whole history where a server hands out branches only."""
        failed = f"ports repository '{source}': cannot fetch {commit[:12]}"
        base = ["-C", path, "fetch", "--quiet", "--no-tags", "--force"]
        try:
            self.network([*base, "--depth", "1", "--", source, commit], failed)
        except ToolError as exc:
            if not re.search(r"unadvertised object|not our ref|couldn't find remote ref", exc.stderr):
                raise
            self.network([*base, "--", source, "+refs/heads/*:refs/remotes/origin/*"], failed)


def _last_line(text: str) -> str:
    """git says why at the end: ``fatal: …``."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    fatal = [line for line in lines if line.startswith(("fatal:", "error:"))]
    return (fatal or lines or [""])[-1]


class Maker:
    """Everything of this module that changes the builder."""

    def __init__(self, runner: Runner, git: Git, etcdir: str) -> None:
        self._runner = runner
        self._git = git
        self._etcdir = etcdir

    def checkout(self, wanted: Wanted, commit: str, patches_dir: Optional[str], fresh: bool) -> None:
        """Make the directory the wanted commit with the wanted patches; a new clone appears when it is complete."""
        self._git.check()
        directory = wanted.path + ".part" if fresh else wanted.path
        os.makedirs(directory, exist_ok=True)
        failed = f"ports tree '{wanted.name}': cannot check out {commit[:12]}"
        self._git.run(["init", "--quiet", directory], failed)
        receipt = _poudriere.tree_receipt_path(directory)
        if not fresh:
            # Whatever happens from here on, the tree is ours and is not what the old receipt said.
            write_json(receipt, {"inputs": {}, "version": wanted.version})
        if not self._has(directory, commit):
            self._git.fetch(directory, wanted.source, commit)
        self._git.run(["-C", directory, "checkout", "--quiet", "--force", "--detach", commit], failed)
        self._git.run(["-C", directory, "clean", "--quiet", "-ffdx"], failed)
        for name in sorted(wanted.patches):
            self._apply(directory, os.path.join(str(patches_dir), name), wanted.name)
        check_looks_like_ports(wanted.name, directory)
        inputs = wanted.inputs(commit)
        value = {"key": key_of(inputs), "inputs": inputs, "version": wanted.version, "made": int(time.time())}
        write_json(receipt, value)
        if fresh:
            self._rename(directory, wanted)

    def _rename(self, directory: str, wanted: Wanted) -> None:
        try:
            if os.path.isdir(wanted.path):
                shutil.rmtree(wanted.path)
            os.rename(directory, wanted.path)
        except OSError as exc:
            raise ToolError(
                f"ports tree '{wanted.name}': cannot put the clone at '{wanted.path}': {exc.strerror}; a mount point?"
            ) from exc

    def _has(self, directory: str, commit: str) -> bool:
        """True when the commit and all its files are in the clone; a shallow fetch brings both or neither."""
        try:
            self._git.run(["-C", directory, "cat-file", "-e", commit + "^{tree}"], "git")
        except ToolError:
            return False
        return True

    def _apply(self, directory: str, patch: str, name: str) -> None:
        """All hunks of a patch or none. patch(1) of the base system leaves half-patched files and ``.orig`` behind."""
        with open(patch, "rb") as stream:
            level = strip_level(stream.read())
        self._git.run(
            ["-C", directory, "apply", "--whitespace=nowarn", f"-p{level}", "--", patch],
            f"ports tree '{name}': patch '{os.path.basename(patch)}' does not apply",
        )

    def register(self, name: str, path: str, tree: Optional[PortsTree]) -> None:
        if not self._runner.which("poudriere"):
            raise ToolError("poudriere: not installed on the builder; run provision.yml or install poudriere")
        base = _poudriere.base_argv(self._etcdir) + ["ports"]
        if tree is not None:
            self._runner.run([*base, "-d", "-y", "-p", name], failed=f"ports tree '{name}': cannot unregister")
        self._runner.run(
            [*base, "-c", "-p", name, "-m", "null", "-M", path], failed=f"ports tree '{name}': cannot register"
        )

    def remove(self, name: str, tree: PortsTree) -> None:
        base = _poudriere.base_argv(self._etcdir) + ["ports"]
        ours = _poudriere.tree_receipt(tree.mnt) is not None
        self._runner.run([*base, "-d", "-y", "-p", name], failed=f"ports tree '{name}': cannot delete")
        if ours:
            shutil.rmtree(tree.mnt)


def strip_level(patch: bytes) -> int:
    """How many leading parts of a patch's paths are not of the tree: 1 for ``a/``, ``b/`` as git writes, else 0."""
    paths = re.findall(rb"^(?:---|\+\+\+) (\S+)", patch, re.MULTILINE)
    real = [path for path in paths if path != b"/dev/null"]
    return 1 if real and all(path.startswith((b"a/", b"b/")) for path in real) else 0


def check_looks_like_ports(name: str, path: str) -> None:
    if not os.path.isfile(os.path.join(path, "Mk", "bsd.port.mk")):
        raise ToolError(f"ports tree '{name}': '{path}' is no ports tree, it has no Mk/bsd.port.mk; check its source")


def run_null(module: AnsibleModule, runner: Runner, observed: Observed) -> Dict[str, Any]:
    """A directory that somebody else maintains."""
    params = module.params
    name, path = params["name"], params["path"].rstrip("/")
    if not os.path.isdir(path):
        raise ToolError(f"ports tree '{name}': '{path}' is not there on the builder; method null makes no tree")
    check_looks_like_ports(name, path)
    if patches_in(params["patches_dir"]):
        raise ToolError(
            f"ports tree '{name}': refusing to patch '{path}', with method null the tree is not ours; "
            f"patch it yourself and empty '{params['patches_dir']}', or use method git"
        )
    steps = plan_registration(name, path, observed.tree, params["allow_destroy"])
    if steps and not module.check_mode:
        Maker(runner, Git(runner, params["timeout"]), params["etcdir"]).register(name, path, observed.tree)
    inputs = {"source": path, "commit": observed.commit, "patches": {}}
    return {"steps": steps, "commit": observed.commit, "before": {}, "after": inputs}


def run_git(module: AnsibleModule, runner: Runner, git: Git, observed: Observed, path: str) -> Dict[str, Any]:
    params = module.params
    patches = patches_in(params["patches_dir"])
    wanted = Wanted(params["name"], params["source"], params["version"], path, patches)
    decided = plan(
        wanted,
        observed,
        lambda: git.head(wanted.source, wanted.version),
        params["update"],
        params["allow_destroy"],
    )
    steps, commit = decided["steps"], decided["commit"]
    if steps and not module.check_mode:
        maker = Maker(runner, git, params["etcdir"])
        if not steps[0].action.startswith("register"):
            maker.checkout(wanted, commit, params["patches_dir"], fresh=observed.receipt is None)
        if steps[-1].action.startswith("register"):
            maker.register(wanted.name, path, observed.tree)
    before = (observed.receipt or {}).get("inputs", {})
    return {"steps": steps, "commit": commit, "before": before, "after": wanted.inputs(commit)}


def run_absent(module: AnsibleModule, runner: Runner, observed: Observed) -> Dict[str, Any]:
    params, tree = module.params, observed.tree
    steps = [Step(f"delete ports tree {params['name']}", "state is absent")] if tree else []
    if tree is not None:
        if observed.mounted:
            raise ToolError(f"ports tree '{params['name']}': refusing to delete it, a build has it mounted")
        if observed.receipt is None and tree.method not in ("null", "none") and not params["allow_destroy"]:
            raise ToolError(
                f"ports tree '{params['name']}': refusing to delete it, it was not made by this collection; "
                "set allow_destroy"
            )
        if not module.check_mode:
            Maker(runner, Git(runner, params["timeout"]), params["etcdir"]).remove(params["name"], tree)
    return {"steps": steps, "commit": None, "before": {"mnt": tree.mnt} if tree else {}, "after": {}}


def run(module: AnsibleModule, runner: Runner, git: Git) -> Dict[str, Any]:
    params = module.params
    validate(params)
    name, etcdir = params["name"], params["etcdir"]
    path = params["path"]
    if path is None and params["state"] == "present":
        path = os.path.join(os.path.dirname(etcdir.rstrip("/")), "ports", name)
    observed = observe(runner, etcdir, name, path.rstrip("/") if path and params["state"] == "present" else None)
    if params["state"] == "absent":
        done = run_absent(module, runner, observed)
    elif params["method"] == "null":
        done = run_null(module, runner, observed)
    else:
        done = run_git(module, runner, git, observed, path.rstrip("/"))
    tree = _poudriere.ports_tree(etcdir, name)
    result: Dict[str, Any] = {
        "changed": bool(done["steps"]),
        "actions": [step.as_dict() for step in done["steps"]],
        "commit": done["commit"],
        "tree": {"name": tree.name, "method": tree.method, "mnt": tree.mnt} if tree else None,
    }
    if done["after"]:
        result["key"] = key_of(done["after"])
        result["inputs"] = done["after"]
    if module._diff:
        result["diff"] = diff_of(done["before"], done["after"])
    return result


ARGUMENTS: Dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "method": {"type": "str", "choices": ["git", "null"], "default": "git"},
    "source": {"type": "str", "default": "https://git.FreeBSD.org/ports.git"},
    "version": {"type": "str", "default": "quarterly"},
    "path": {"type": "path"},
    "patches_dir": {"type": "path"},
    "update": {"type": "bool", "default": True},
    "etcdir": {"type": "path", "required": True},
    "allow_destroy": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 3600},
    **JOB_ARGUMENTS,
}


def entry(module: Any) -> Dict[str, Any]:
    """The module's work, for AnsibleModule and for a job's Context."""
    runner = Runner()
    return run(module, runner, Git(runner, module.params["timeout"]))


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_module(module, lambda: entry(module))


if __name__ == "__main__":
    main()
