#!/usr/bin/python
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

DOCUMENTATION = r"""
module: layer
short_description: Make one layer of an image, a snapshot named by its inputs
version_added: 0.1.0
author: The freehyve.builder authors (@freehyve)
description:
  - A layer is a dataset C(<dataset>/<name>-<key>) with a snapshot that says that it is finished.
  - The key is the digest of all inputs, the parent's snapshot among them. A layer that is there is used again.
  - Content is put in in this order - archives, packages, the tree, single files, locked passwords, time zone.
  - Nothing is written outside the layer, whatever links it holds.
  - A dataset of that name without the snapshot is what an interrupted run left; it is made again.
options:
  dataset:
    description: Dataset below which the layers lie.
    type: str
    required: true
  name:
    description: Kind of the layer, the first part of its name.
    type: str
    required: true
  image:
    description: Image that the layer is made for; a property of the dataset remembers it.
    type: str
    required: true
  child:
    description:
      - Fixed last component of the dataset's name instead of C(<name>-<key>).
      - A dataset of this name that was made from other inputs is made again, unless something is a clone of it.
    type: str
  snapshot:
    description: Name of the snapshot.
    type: str
    default: ready
  parent:
    description: Snapshot that the layer is a clone of. Without it the layer begins empty.
    type: str
  archives:
    description: Archives to extract, in order.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path of the archive.
        type: path
        required: true
      sha256:
        description: Its digest, proved before anything is extracted.
        type: str
        required: true
  archives_of:
    description: Archives to extract, named by the receipt of the stage that fetched them; before O(archives).
    type: dict
    suboptions:
      receipt:
        description: Absolute path of the receipt.
        type: path
        required: true
      sets:
        description: Sets to extract, in order.
        type: list
        elements: str
        required: true
  packages:
    description: Packages to install from a local repository, and from nowhere else.
    type: dict
    suboptions:
      receipt:
        description: Absolute path of the receipt of the stage that built them, which names repository and origins.
        type: path
      repository:
        description: Absolute path of the directory that holds the repository. The default is what the receipt says.
        type: path
      install:
        description: Origins (C(category/port[@flavor])) or names of packages. The default is what the receipt says.
        type: list
        elements: str
        default: []
      also:
        description: More origins or names to install.
        type: list
        elements: str
        default: []
      abi:
        description: ABI of the packages.
        type: str
        required: true
      osversion:
        description: C(__FreeBSD_version) of the layer. The default is what its C(sys/param.h) says.
        type: str
  tree:
    description: A directory of the builder to lay over the layer, owned by root.
    type: dict
    suboptions:
      path:
        description: Absolute path of the directory.
        type: path
        required: true
      files:
        description: Relative paths of its files with their digests, proved before anything is written.
        type: dict
        required: true
      digest:
        description: Digest of the whole tree, which also stands for its links and modes.
        type: str
      name:
        description: What reasons call it.
        type: str
        default: tree
  files:
    description: Single files, directories and links.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Path from the layer's root.
        type: str
        required: true
      state:
        description: What is to be there.
        type: str
        choices: [file, directory, link, absent]
        default: file
      content:
        description: Content of a file.
        type: str
      target:
        description: Where a link points.
        type: str
      mode:
        description: Mode as an octal string. The default is V(0644) for files, V(0755) for directories.
        type: str
      owner:
        description: Owner, as the layer's C(passwd) knows it.
        type: str
        default: root
      group:
        description: Group, as the layer's C(group) knows it.
        type: str
        default: wheel
  directories:
    description: Directories that must be there, made root:wheel V(0755) where they are not.
    type: list
    elements: str
    default: []
  lock_passwords:
    description: Users of the layer that get no password to log in with.
    type: list
    elements: str
    default: []
  timezone:
    description: Time zone, a path below C(usr/share/zoneinfo). V(UTC) needs no file there.
    type: str
  facts:
    description: More that the layer depends on, for the key and its reasons.
    type: dict
    default: {}
  pending:
    description: What earlier stages would make, as a reason to make the layer. For check mode; ignored otherwise.
    type: list
    elements: str
    default: []
  record:
    description:
      - Path in the layer of a file that says what it was made from - O(facts), key and inputs as JSON.
      - Digests stand for content.
    type: str
  prune:
    description: Destroy the layers of this image that nothing needs any more, once this one is made.
    type: bool
    default: false
  leases:
    description: Absolute path of the directory of leases; two builds do not make one layer at the same time.
    type: path
    required: true
  receipt:
    description: Absolute path of the file that remembers what the layer was made from.
    type: path
    required: true
extends_documentation_fragment: freehyve.builder.job
attributes:
  check_mode:
    description: Says what would be made and why, and makes nothing. Needs no parent to be there yet.
    support: full
  diff_mode:
    description: Shows the inputs of the layer that is there against the wanted ones.
    support: full
  idempotent:
    description: A layer made from the same inputs is used again.
    support: full
"""

EXAMPLES = r"""
- name: Extract the base system
  freehyve.builder.layer:
    dataset: zroot/freehyve/layers
    name: base
    image: freehyve-0.1.0-amd64
    archives:
      - path: /freehyve/dists/15.1-RELEASE-amd64/base.txz
        sha256: "{{ base_digest }}"
    leases: /freehyve/leases
    receipt: /freehyve/stages/layer-base-freehyve-0.1.0-amd64.json
  register: base

- name: Install packages
  freehyve.builder.layer:
    dataset: zroot/freehyve/layers
    name: packages
    image: freehyve-0.1.0-amd64
    parent: "{{ base.snapshot }}"
    packages:
      repository: /freehyve/poudriere/data/packages/default/.real_1795383078
      install: [sysutils/vm-bhyve]
      abi: FreeBSD:15:amd64
    leases: /freehyve/leases
    receipt: /freehyve/stages/layer-packages-freehyve-0.1.0-amd64.json
"""

RETURN = r"""
actions:
  description: What was or would be done, and why.
  returned: always
  type: list
  elements: dict
  sample: [{action: make zroot/freehyve/layers/system-1f2e3d4c5b6a, reason: "tree: etc/rc.conf changed"}]
dataset:
  description: Dataset of the layer.
  returned: always
  type: str
  sample: zroot/freehyve/layers/base-1f2e3d4c5b6a
snapshot:
  description: Its snapshot, the parent of the next layer.
  returned: always
  type: str
  sample: zroot/freehyve/layers/base-1f2e3d4c5b6a@ready
mountpoint:
  description: Where it is mounted.
  returned: when it is there
  type: str
  sample: /freehyve/layers/base-1f2e3d4c5b6a
key:
  description: Digest of the inputs.
  returned: always
  type: str
  sample: 4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
packages:
  description: Packages that the layer holds, as its own database says; only when it installed some.
  returned: when it is there
  type: list
  elements: dict
  sample:
    - name: vm-bhyve
      version: 1.5.0
      origin: sysutils/vm-bhyve
      flavor: ""
      size: 66421
      installed_size: 289344
      sha256: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
      licences: [BSD2CLAUSE]
      licence_logic: single
      deps: []
"""

import json
import os
import shutil
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.freehyve.builder.plugins.module_utils import _lease, _zfs
from ansible_collections.freehyve.builder.plugins.module_utils._context import (
    JOB_ARGUMENTS,
    Report,
    nowhere,
    progress_of,
)
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._files import read_json, remove, sha256_file
from ansible_collections.freehyve.builder.plugins.module_utils._gauge import Gauge
from ansible_collections.freehyve.builder.plugins.module_utils._keys import key_of, reasons
from ansible_collections.freehyve.builder.plugins.module_utils._layers import (
    IMAGE_PROPERTY,
    KEY_PROPERTY,
    REPOSITORY,
    Package,
    check_names,
    choose,
    closure,
    layer_name,
    obsolete,
    osversion_of,
    parse_catalogue,
    parse_installed,
    pkg_argv,
    repository_conf,
)
from ansible_collections.freehyve.builder.plugins.module_utils._plan import Step, diff_of, run_module
from ansible_collections.freehyve.builder.plugins.module_utils._product import (
    because,
    receipt_of,
    write_receipt,
)
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner
from ansible_collections.freehyve.builder.plugins.module_utils._tree import (
    Entry,
    check_tree,
    clear,
    entry_of,
    inside,
    lay_over,
    make_parents,
    parts_of,
    put,
)

WAIT_SECONDS = 3600.0  # for another build that makes the same layer

ARGUMENTS: Dict[str, Any] = {
    "dataset": {"type": "str", "required": True},
    "name": {"type": "str", "required": True},
    "image": {"type": "str", "required": True},
    "child": {"type": "str"},
    "snapshot": {"type": "str", "default": "ready"},
    "parent": {"type": "str"},
    "archives": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "path": {"type": "path", "required": True},
            "sha256": {"type": "str", "required": True},
        },
    },
    "archives_of": {
        "type": "dict",
        "options": {
            "receipt": {"type": "path", "required": True},
            "sets": {"type": "list", "elements": "str", "required": True},
        },
    },
    "packages": {
        "type": "dict",
        "options": {
            "receipt": {"type": "path"},
            "repository": {"type": "path"},
            "install": {"type": "list", "elements": "str", "default": []},
            "also": {"type": "list", "elements": "str", "default": []},
            "abi": {"type": "str", "required": True},
            "osversion": {"type": "str"},
        },
    },
    "tree": {
        "type": "dict",
        "options": {
            "path": {"type": "path", "required": True},
            "files": {"type": "dict", "required": True},
            "digest": {"type": "str"},
            "name": {"type": "str", "default": "tree"},
        },
    },
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "path": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["file", "directory", "link", "absent"], "default": "file"},
            "content": {"type": "str"},
            "target": {"type": "str"},
            "mode": {"type": "str"},
            "owner": {"type": "str", "default": "root"},
            "group": {"type": "str", "default": "wheel"},
        },
    },
    "directories": {"type": "list", "elements": "str", "default": []},
    "lock_passwords": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "timezone": {"type": "str"},
    "facts": {"type": "dict", "default": {}},
    "pending": {"type": "list", "elements": "str", "default": []},
    "record": {"type": "str"},
    "prune": {"type": "bool", "default": False},
    "leases": {"type": "path", "required": True},
    "receipt": {"type": "path", "required": True},
    **JOB_ARGUMENTS,
}


@dataclass(frozen=True)
class Archive:
    """An archive to extract."""

    name: str
    path: str
    sha256: str


@dataclass(frozen=True)
class Offer:
    """What a repository has for us: names to install, and them with all they need by version and digest.

    ``catalogue`` has every package of the repository by its name.
    """

    repository: str
    names: Tuple[str, ...]
    needs: Dict[str, str]
    catalogue: Mapping[str, Package] = field(default_factory=dict)


@dataclass(frozen=True)
class Observed:
    """What is there. ``dataset`` holds properties, None when there is no dataset of the wanted name."""

    dataset: Optional[_zfs.Dataset]
    finished: bool
    receipt: Optional[Dict[str, Any]]


@dataclass(frozen=True)
class Wanted:
    """The checked request."""

    dataset: str
    snapshot: str
    key: str
    inputs: Dict[str, Any]
    archives: Tuple[Archive, ...]
    entries: Tuple[Entry, ...]
    offer: Optional[Offer]
    fixed: bool


def read_catalogue(runner: Runner, repository: str) -> List[Package]:
    """Read a repository's catalogue with tar(1), which knows every compression that pkg uses.

    :raises ToolError: there is none.
    """
    for stem, member in (("data", "data"), ("packagesite", "packagesite.yaml")):
        for suffix in ("pkg", "tzst", "txz"):
            path = os.path.join(repository, f"{stem}.{suffix}")
            if os.path.isfile(path):
                argv = ["tar", "-xOf", path, member]
                return parse_catalogue(runner.run(argv, failed=f"catalogue '{path}': cannot be read").stdout)
    raise ToolError(f"package repository '{repository}': has no catalogue (data.pkg); build the packages first")


def offer_of(runner: Runner, packages: Mapping[str, Any], check_mode: bool) -> Offer:
    """Resolve the wanted packages."""
    receipt = read_json(packages["receipt"]) if packages["receipt"] else None
    results = (receipt or {}).get("results") or {}
    repository = packages["repository"] or results.get("repository")
    items = [*(packages["install"] or results.get("origins") or []), *packages["also"]]
    if repository is None or not os.path.isdir(repository):
        if check_mode:
            return Offer("", tuple(items), dict.fromkeys(items, "not built yet"))
        raise ToolError(f"package repository '{repository or ''}': not there; run the stage 'packages' first")
    # A link such as poudriere's .latest is followed once: what is published later is for the next run.
    repository = os.path.realpath(repository)
    catalogue = read_catalogue(runner, repository)
    names = choose(catalogue, items)
    by_name = {package.name: package for package in catalogue}
    return Offer(repository, tuple(names), closure(catalogue, names), by_name)


def archives_of(params: Mapping[str, Any], check_mode: bool) -> Tuple[Archive, ...]:
    """The archives of both ways to name them.

    :raises ToolError: a receipt or a set that is not there.
    """
    found: List[Archive] = []
    wanted = params["archives_of"]
    if wanted:
        receipt = read_json(wanted["receipt"])
        sets = ((receipt or {}).get("results") or {}).get("sets") or {}
        for name in wanted["sets"]:
            if name in sets:
                found.append(Archive(name, sets[name]["path"], sets[name]["sha256"].lower()))
            elif check_mode:
                found.append(Archive(name, "", "not fetched yet"))
            else:
                raise ToolError(f"distribution set '{name}': not in '{wanted['receipt']}'; run the stage 'dists' first")
    # By name, not path: the same set from another directory is the same set.
    found += [Archive(os.path.basename(a["path"]), a["path"], a["sha256"].lower()) for a in params["archives"]]
    return tuple(found)


def want(runner: Runner, params: Mapping[str, Any], check_mode: bool) -> Wanted:
    """Check the parameters, name the inputs, make the key.

    :raises ToolError: anything that must be refused before a dataset is made.
    """
    check_names(params["dataset"], params["name"], params["snapshot"], params["child"], params["parent"])
    entries = tuple(entry_of(data) for data in params["files"])
    paths = [entry.path for entry in entries]
    twice = sorted({path for path in paths if paths.count(path) > 1})
    if twice:
        raise ToolError(f"path '{twice[0]}': given twice in files")
    inputs: Dict[str, Any] = {"parent": params["parent"]}
    if params["facts"]:
        inputs["facts"] = dict(params["facts"])
    if params["pending"] and check_mode:
        inputs["earlier stages"] = ", ".join(params["pending"])
    archives = archives_of(params, check_mode)
    if archives:
        inputs["archives"] = {item.name: item.sha256 for item in archives}
    offer = None
    if params["packages"]:
        offer = offer_of(runner, params["packages"], check_mode)
        inputs["packages"] = offer.needs
        inputs["install"] = sorted(offer.names)
        inputs["abi"] = params["packages"]["abi"]
    if params["tree"]:
        for path in params["tree"]["files"]:
            parts_of(path)
        inputs[params["tree"]["name"]] = dict(params["tree"]["files"])
        if params["tree"]["digest"]:
            inputs[f"{params['tree']['name']} as a whole"] = params["tree"]["digest"]
    if entries:
        inputs["files"] = {entry.path: entry.digest for entry in entries}
    if params["directories"]:
        inputs["directories"] = sorted("/".join(parts_of(path)) for path in params["directories"])
    if params["lock_passwords"]:
        inputs["lock_passwords"] = sorted(params["lock_passwords"])
    if params["timezone"]:
        parts_of(params["timezone"])
        inputs["timezone"] = params["timezone"]
    if params["record"]:
        inputs["record"] = "/".join(parts_of(params["record"]))
    key = key_of(inputs)
    last = params["child"] or layer_name(params["name"], key)
    dataset = f"{params['dataset']}/{last}"
    return Wanted(
        dataset,
        f"{dataset}@{params['snapshot']}",
        key,
        inputs,
        archives,
        entries,
        offer,
        fixed=params["child"] is not None,
    )


def observe(runner: Runner, wanted: Wanted, receipt: str) -> Observed:
    """Look for the layer, its snapshot and its receipt; changes nothing."""
    properties = ("mountpoint", "mounted", "origin", KEY_PROPERTY)
    found = _zfs.named(runner, [wanted.dataset, wanted.snapshot], properties, "filesystem,snapshot")
    return Observed(found.get(wanted.dataset), wanted.snapshot in found, read_json(receipt))


def plan(wanted: Wanted, seen: Observed) -> List[Step]:
    """What to do: nothing, use again what another run made, or make it."""
    old = None if seen.receipt is None else seen.receipt.get("inputs") or {}
    words = reasons(old, wanted.inputs)
    # The digest of a whole tree differs with every file in it: say it only when it is all there is to say.
    words = [word for word in words if " as a whole: " not in word] or words
    mine = seen.dataset is not None and (not wanted.fixed or seen.dataset.value(KEY_PROPERTY) == wanted.key)
    if seen.finished and mine:
        if words:
            return [Step(f"use {wanted.dataset} again", because(words))]
        # After a reboot without automatic mounts.
        mounted = seen.dataset is not None and seen.dataset.value("mounted") == "yes"
        return [] if mounted else [Step(f"mount {wanted.dataset}", "not mounted")]
    steps = []
    if seen.dataset is not None:
        if wanted.fixed and seen.dataset.value(KEY_PROPERTY) == "-":
            raise ToolError(
                f"dataset '{wanted.dataset}': refusing to replace it, it was not made by this collection; "
                f"rename it or choose another version"
            )
        why = "made from other inputs" if seen.finished else "left unfinished by an earlier run"
        steps.append(Step(f"destroy {wanted.dataset}", why))
    gone = [f"{wanted.dataset}: gone"] if seen.dataset is None else [f"{wanted.dataset}: not finished"]
    return steps + [Step(f"make {wanted.dataset}", because(words or gone))]


def check_content(params: Mapping[str, Any], archives: Tuple[Archive, ...]) -> None:
    """Prove archives and tree before a dataset is made.

    :raises ToolError: missing, or another digest than given.
    """
    for item in archives:
        if not os.path.isfile(item.path):
            raise ToolError(f"archive '{item.path}': not there; run the stage 'dists' first")
        found = sha256_file(item.path)
        if found != item.sha256:
            raise ToolError(f"archive '{item.path}': SHA-256 is {found}, expected {item.sha256}; fetch it again")
    if params["tree"]:
        check_tree(params["tree"]["path"], params["tree"]["files"])


def osversion_in(root: str, packages: Mapping[str, Any]) -> Optional[str]:
    """What pkg takes the system in the layer for."""
    header = os.path.join(root, "usr/include/sys/param.h")
    given: Optional[str] = packages["osversion"]
    if given is not None or not os.path.isfile(header):
        return given
    with open(header, encoding="utf-8", errors="replace") as stream:
        return osversion_of(stream.read())


def installed_in(runner: Runner, root: str, conf: str, packages: Mapping[str, Any]) -> List[Dict[str, str]]:
    """What the database of a layer says is installed."""
    query = pkg_argv(root, conf, packages["abi"], osversion_in(root, packages), "query", "%n %v %o")
    return parse_installed(runner.run(query, failed="packages: cannot be listed").stdout)


def found_in(runner: Runner, root: str, params: Mapping[str, Any], offer: Optional[Offer]) -> Dict[str, Any]:
    """What a receipt says of a layer that another run made."""
    if not params["packages"] or offer is None:
        return {}
    # A query needs no repository, so any directory without a .conf will do: nothing is made that could stay behind.
    installed = installed_in(runner, root, params["leases"], params["packages"])
    return {"packages": [described(item, offer.catalogue) for item in installed]}


def install(runner: Runner, root: str, packages: Mapping[str, Any], offer: Offer, conf: str) -> List[Dict[str, Any]]:
    """Install packages and prove that they are there.

    :param conf: directory for the configuration of the repository; gone afterwards.
    :raises ToolError: pkg failed, or said that it did not and still lacks one.
    """
    osversion = osversion_in(root, packages)
    os.mkdir(conf, 0o700)
    try:
        with open(os.path.join(conf, f"{REPOSITORY}.conf"), "w", encoding="utf-8") as stream:
            stream.write(repository_conf(f"file://{offer.repository}"))
        command = ("install", "-y", "-r", REPOSITORY, *offer.names)
        runner.run(pkg_argv(root, conf, packages["abi"], osversion, *command), failed="packages: cannot be installed")
        installed = installed_in(runner, root, conf, packages)
    finally:
        shutil.rmtree(conf, ignore_errors=True)
    versions = {item["name"]: item["version"] for item in installed}
    for name in sorted(offer.needs):
        if name not in versions:
            raise ToolError(f"package '{name}': pkg reports success but it is not installed; see pkg's output")
        if versions[name] != offer.catalogue[name].version:
            raise ToolError(
                f"package '{name}': version {versions[name]} was installed where the repository had "
                f"{offer.catalogue[name].version}; it was replaced meanwhile, run again"
            )
    forget(root)
    return [described(item, offer.catalogue) for item in installed]


def described(installed: Mapping[str, str], catalogue: Mapping[str, Package]) -> Dict[str, Any]:
    """An installed package with what the catalogue tells of the very same version."""
    known = catalogue.get(installed["name"])
    same = known is not None and known.version == installed["version"]
    return dict(known.facts() if known is not None and same else {}, **installed)


def forget(root: str) -> None:
    """Remove what pkg keeps for itself: fetched packages and catalogues of a repository that no image can reach."""
    cache = inside(root, "var/cache/pkg")
    if os.path.isdir(cache) and not os.path.islink(cache):
        shutil.rmtree(cache)
        os.mkdir(cache, 0o755)
    database = inside(root, "var/db/pkg")
    if os.path.isdir(database) and not os.path.islink(database):
        for name in os.listdir(database):
            if name == "repos" or name.startswith("repo-"):
                remove(os.path.join(database, name))


def set_timezone(root: str, zone: str) -> None:
    """Do what ``tzsetup -s -C root zone`` does, which differs between releases.

    :raises ToolError: the layer has no such zone.
    """
    clear(inside(root, "etc/localtime"))
    if zone != "UTC":
        source = os.path.join("usr/share/zoneinfo", *parts_of(zone))
        if not os.path.isfile(inside(root, source)):
            raise ToolError(f"time zone '{zone}': the system has no /{source}; choose one of usr/share/zoneinfo")
        put(root, Entry("etc/localtime", state="link", target=f"/{source}"))
    put(root, Entry("var/db/zoneinfo", content=f"{zone}\n"))


def rebuild_databases(runner: Runner, root: str, touched: List[str]) -> None:
    """Bring password and login class databases in line with the files that a layer brought."""
    if "etc/master.passwd" in touched:
        argv = ["pwd_mkdb", "-p", "-d", os.path.join(root, "etc"), os.path.join(root, "etc/master.passwd")]
        runner.run(argv, failed="password database: cannot be made")
    if "etc/login.conf" in touched:
        argv = ["cap_mkdb", os.path.join(root, "etc/login.conf")]
        runner.run(argv, failed="login class database: cannot be made")


def extract(runner: Runner, root: str, archives: Sequence[Archive], report: Report) -> None:
    """Unpack the archives, which are read as standard input so that it can be seen how far tar is."""
    if not archives:
        return
    total = sum(os.path.getsize(item.path) for item in archives)
    with Gauge(report, total, ", ".join(os.path.basename(item.path) for item in archives)) as gauge:
        for item in archives:
            with gauge.reading(item.path) as stream:
                argv = ["tar", "-xpf", "-", "-C", root]
                runner.pipe(argv, failed=f"archive '{item.path}': cannot be extracted", stdin=stream)
    check_kinds(runner, root)


def check_kinds(runner: Runner, root: str) -> None:
    """No system is delivered with devices, FIFOs or sockets. In packages pkg(8) refuses them (libpkg/pkg_add.c).

    :raises ToolError: an archive brought one.
    """
    kinds = ["-type", "b", "-o", "-type", "c", "-o", "-type", "p", "-o", "-type", "s"]
    found = runner.run(["find", root, *kinds], failed=f"layer '{root}': cannot be searched").stdout
    if found:
        name = os.path.relpath(found.split("\n", 1)[0], root)
        raise ToolError(
            f"archives: refusing '{name}', a device, FIFO or socket, which no distribution set has; "
            "look where the sets come from (freehyve_mirror, freehyve_dist_checksums)"
        )


def fill(
    runner: Runner, root: str, params: Mapping[str, Any], wanted: Wanted, report: Report = nowhere
) -> Dict[str, Any]:
    """Put the content into a mounted layer."""
    facts: Dict[str, Any] = {}
    extract(runner, root, wanted.archives, report)
    if wanted.offer is not None and params["packages"]:
        conf = os.path.join(os.path.dirname(params["leases"]), f".pkg-{wanted.key[:12]}.part")
        with _lease.temporary(runner, params["leases"], conf):
            facts["packages"] = install(runner, root, params["packages"], wanted.offer, conf)
    touched: List[str] = []
    if params["tree"]:
        lay_over(params["tree"]["path"], params["tree"]["files"], root)
        touched += params["tree"]["files"]
    for entry in wanted.entries:
        put(root, entry)
        touched.append(entry.path)
    for path in params["directories"]:
        make_parents(root, f"{path}/x")
    rebuild_databases(runner, root, touched)
    for user in params["lock_passwords"]:
        # -h - means that no password matches; the default password of a fresh base system is the empty one.
        argv = ["pw", "-R", root, "usermod", user, "-h", "-"]
        runner.run(argv, failed=f"user '{user}': password cannot be locked")
    if params["timezone"]:
        set_timezone(root, params["timezone"])
    if params["record"]:
        said = dict(params["facts"], layer=params["name"], image=params["image"], key=wanted.key, inputs=wanted.inputs)
        put(root, Entry(wanted.inputs["record"], content=json.dumps(said, indent=1, sort_keys=True) + "\n"))
    return facts


def mounted_at(runner: Runner, dataset: str) -> str:
    """Where a dataset is mounted, mounting it if need be.

    :raises ToolError: it has no mount point.
    """
    found = _zfs.named(runner, [dataset], ("mountpoint", "mounted"))
    place = found[dataset].value("mountpoint") if dataset in found else "-"
    if not place.startswith("/"):
        raise ToolError(f"dataset '{dataset}': has no mount point; give the dataset above it one")
    if found[dataset].value("mounted") != "yes":
        _zfs.mount(runner, dataset)
    return place


def apply(runner: Runner, params: Mapping[str, Any], wanted: Wanted, report: Report = nowhere) -> Dict[str, Any]:
    """Make the layer; whatever fails, no half of it stays."""
    check_content(params, wanted.archives)
    if params["parent"] and not _zfs.exists(runner, params["parent"]):
        raise ToolError(f"parent '{params['parent']}': not there; make the layer below first")
    details = {"key": wanted.key, "snapshot": wanted.snapshot}
    # Two images may stand on one layer: the second build waits for the first, and then has it.
    lease = _lease.take(runner, params["leases"], "layer", wanted.dataset, details=details, wait=WAIT_SECONDS)
    try:
        made = make(runner, params, wanted, report)
    except BaseException:
        # What is left unfinished stays ours, so that a later run removes it.
        if not _zfs.exists(runner, wanted.dataset):
            _lease.release(lease)
        raise
    _lease.release(lease)
    return made


def make(runner: Runner, params: Mapping[str, Any], wanted: Wanted, report: Report = nowhere) -> Dict[str, Any]:
    """Make the layer while nobody else does."""
    if not wanted.fixed and _zfs.exists(runner, wanted.snapshot):
        # Another build made it between our look and our lease.
        return found_in(runner, mounted_at(runner, wanted.dataset), params, wanted.offer)
    if _zfs.exists(runner, wanted.dataset):
        _zfs.destroy(runner, wanted.dataset, recursive=True)
    mark = {KEY_PROPERTY: wanted.key, IMAGE_PROPERTY: params["image"]}
    if params["parent"]:
        _zfs.clone(runner, params["parent"], wanted.dataset, mark)
    else:
        _zfs.create(runner, wanted.dataset, mark)
    try:
        root = mounted_at(runner, wanted.dataset)
        facts = fill(runner, root, params, wanted, report)
        _zfs.snapshot(runner, wanted.snapshot)
    except BaseException:
        runner.run(_zfs.destroy_argv(wanted.dataset, recursive=True), ok=range(256))
        raise
    return facts


def prune(runner: Runner, params: Mapping[str, Any], wanted: Wanted) -> List[Step]:
    """Destroy the layers that the image no longer uses."""
    if not params["parent"]:
        return []
    layers = params["parent"].split("@")[0].rsplit("/", 1)[0]
    workspace = layers.rsplit("/", 1)[0]
    properties = ("origin", KEY_PROPERTY, IMAGE_PROPERTY)
    found = _zfs.datasets(runner, workspace, properties, "filesystem")
    family = {name: {p: item.value(p) for p in properties} for name, item in found.items()}
    steps = []
    for name in obsolete(family, layers, params["image"], wanted.dataset):
        _zfs.destroy(runner, name, recursive=True)
        steps.append(Step(f"destroy {name}", f"{params['image']} no longer uses it"))
    return steps


def body(module: AnsibleModule, runner: Runner) -> Dict[str, Any]:
    params = module.params
    wanted = want(runner, params, module.check_mode)
    seen = observe(runner, wanted, params["receipt"])
    steps = plan(wanted, seen)
    result: Dict[str, Any] = {
        "changed": bool(steps),
        "dataset": wanted.dataset,
        "snapshot": wanted.snapshot,
        "key": wanted.key,
    }
    old = seen.receipt or {}
    if steps:
        result["diff"] = diff_of(old.get("inputs"), wanted.inputs)
    results = dict(old.get("results") or {})
    if steps and not module.check_mode:
        made = any(step.action.startswith("make ") for step in steps)
        facts = apply(runner, params, wanted, progress_of(module)) if made else None
        root = mounted_at(runner, wanted.dataset)
        facts = found_in(runner, root, params, wanted.offer) if facts is None else facts
        results = dict(facts, dataset=wanted.dataset, snapshot=wanted.snapshot, mountpoint=root)
        stage = f"layer-{params['name']}"
        write_receipt(params["receipt"], receipt_of(stage, params["image"], wanted.inputs, results))
        if params["prune"]:
            steps = steps + prune(runner, params, wanted)
    result["actions"] = [step.as_dict() for step in steps]
    if results.get("dataset") == wanted.dataset:
        result.update({name: results[name] for name in ("mountpoint", "packages") if name in results})
    return result


def guarded(module: AnsibleModule, runner: Runner) -> Dict[str, Any]:
    """An error of the file system is the user's to read, not a traceback."""
    try:
        return body(module, runner)
    except OSError as exc:
        raise ToolError(f"layer '{module.params['name']}': {exc.filename or 'file'}: {exc.strerror or exc}") from exc


def entry(module: Any) -> Dict[str, Any]:
    """The module's work, for AnsibleModule and for a job's Context."""
    return guarded(module, Runner())


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_module(module, lambda: entry(module))


if __name__ == "__main__":
    main()
