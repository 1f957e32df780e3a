# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Trees of datasets: look, plan, and bring about, for the modules that make some."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from ansible_collections.freehyve.builder.plugins.module_utils import _mounts, _properties, _sizes, _zfs, _zpool
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._plan import Step, diff_of
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner

INHERIT = "inherit"
_NOT_FOR_VOLUMES = ("mountpoint", "canmount", "quota", "refquota", "recordsize", "atime", "exec", "setuid", "devices")


@dataclass(frozen=True)
class Wanted:
    """One dataset as asked for; values as text, ``size`` in bytes for a volume."""

    name: str
    volume: bool = False
    properties: Mapping[str, str] = field(default_factory=dict)
    size: Optional[int] = None
    sparse: bool = False

    @property
    def type(self) -> str:
        return "volume" if self.volume else "filesystem"


@dataclass(frozen=True)
class Observed:
    """What exists of the wanted and their parents, alternate roots by pool, and the running system's dataset.

    ``below`` names what would go with a dataset that is to be destroyed.
    """

    datasets: Mapping[str, _zfs.Dataset]
    altroots: Mapping[str, Optional[str]] = field(default_factory=dict)
    root_dataset: Optional[str] = None
    below: Mapping[str, Sequence[str]] = field(default_factory=dict)


def wanted_of(params: Mapping[str, Any]) -> List[Wanted]:
    """Parameters, checked: names, types, properties, sizes, one entry for one name, nothing outside of the root."""
    root = _zfs.check_name(params["root"]) if params["root"] else None
    found: Dict[str, Wanted] = {}
    for entry in params["datasets"]:
        item = _wanted(entry)
        if item.name in found:
            raise ToolError(f"dataset '{item.name}': listed twice; join the two entries")
        if root is not None and not _zfs.is_below(item.name, root):
            raise ToolError(f"dataset '{item.name}': refusing, it is outside of root '{root}'")
        found[item.name] = item
    items = [found[name] for name in sorted(found, key=lambda name: (name.count("/"), name))]
    for item in items:
        parent = found.get(_zfs.parent_of(item.name) or "")
        if parent is not None and parent.volume:
            raise ToolError(f"dataset '{item.name}': its parent '{parent.name}' is a volume and takes no children")
    _refuse_conflicts(items)
    return items


def _wanted(entry: Mapping[str, Any]) -> Wanted:
    name = _zfs.check_name(entry["name"])
    owner, volume = f"dataset '{name}'", entry["type"] == "volume"
    properties = {}
    for key, value in sorted((entry.get("properties") or {}).items()):
        rule = _properties.dataset_rule(key)
        if key == "volsize":
            raise ToolError(f"{owner}: property 'volsize' is given as size")
        if volume and key in _NOT_FOR_VOLUMES:
            raise ToolError(f"{owner}: property '{key}' is not for a volume; remove it")
        if not volume and key == "volblocksize":
            raise ToolError(f"{owner}: property '{key}' is for volumes only; remove it")
        if value == INHERIT and rule is not None and rule.edit == "any" and ":" not in key:
            properties[key] = INHERIT
        else:
            properties[key] = _properties.check(owner, key, value, rule)
    size = entry.get("size")
    if volume and size is None:
        raise ToolError(f"{owner}: a volume needs a size, such as 1g")
    if not volume and size is not None:
        raise ToolError(f"{owner}: a file system has no size; set quota, or type: volume")
    number = _sizes.parse_size(size, owner) if size is not None else None
    if number == 0:
        raise ToolError(f"{owner}: a volume of size 0 is not possible; write a size such as 1g")
    return Wanted(name, volume, properties, number, bool(entry.get("sparse")))


def _refuse_conflicts(items: Sequence[Wanted]) -> None:
    """Two of the list that would be mounted at one place; boot environments (canmount=noauto) may share theirs."""
    places: Dict[str, str] = {}
    owners: Dict[str, str] = {}
    for item in items:
        if item.volume:
            continue
        parent, own = _zfs.parent_of(item.name), item.properties.get("mountpoint", INHERIT)
        if own.startswith("/"):
            places[item.name] = "/" + own.strip("/")
        elif own == INHERIT and parent in places:
            places[item.name] = f"{places[parent].rstrip('/')}/{item.name.rpartition('/')[2]}"
        place = places.get(item.name)
        if place is None or item.properties.get("canmount", "on") != "on":
            continue
        if place in owners:
            raise ToolError(
                f"dataset '{item.name}': mount point '{place}' is that of '{owners[place]}' too; change one"
            )
        owners[place] = item.name


def ancestors(name: str) -> List[str]:
    """All datasets above one, the pool's own first."""
    parts = name.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def tops(items: Sequence[Wanted]) -> List[str]:
    """Those of the list that are not below another."""
    names = [item.name for item in items]
    return [name for name in names if not any(other != name and _zfs.is_below(name, other) for other in names)]


def asked_of(items: Sequence[Wanted]) -> List[str]:
    """Properties that one call has to read."""
    asked: Set[str] = {"type"} | {key for item in items for key in item.properties}
    if any(item.volume for item in items):
        asked |= {"volsize", "volblocksize"}
    if any(_mounts_somewhere(item) for item in items):
        asked |= {"canmount", "mounted"}
    return sorted(asked)


def _mounts_somewhere(item: Wanted) -> bool:
    return item.properties.get("mountpoint", "").startswith("/")


def observe(runner: Runner, items: Sequence[Wanted], destroy: bool = False) -> Observed:
    names: Set[str] = {item.name for item in items}
    for item in items:
        names.update(ancestors(item.name))
    found = _zfs.named(runner, sorted(names), asked_of(items))
    if destroy:
        existing = [name for name in tops(items) if name in found]
        root = _mounts.root_dataset(_mounts.mounts(runner)) if existing else None
        below = {}
        for name in existing:
            if "/" in name and not _holds(name, root):
                preview = runner.run(
                    _zfs.destroy_argv(name, recursive=True, preview=True),
                    failed=f"dataset '{name}': cannot be destroyed",
                )
                below[name] = [other for other in _zfs.parse_preview(preview.stdout) if other != name]
        return Observed(found, {}, root, below)
    altroots: Dict[str, Optional[str]] = {}
    if any(_moved(item, found.get(item.name)) for item in items):
        altroots = {name: pool.altroot for name, pool in _zpool.pools(runner).items()}
    return Observed(found, altroots)


def _holds(name: str, root: Optional[str]) -> bool:
    return root is not None and _zfs.is_below(name=root, root=name)


def _moved(item: Wanted, dataset: Optional[_zfs.Dataset]) -> bool:
    """Is the mount point printed otherwise than wanted? An alternate root may explain it."""
    wanted = item.properties.get("mountpoint", "")
    return dataset is not None and wanted.startswith("/") and dataset.value("mountpoint") != wanted


def plan_absent(items: Sequence[Wanted], observed: Observed, allow_destroy: bool) -> List[Step]:
    steps = []
    for name in tops(items):
        if name not in observed.datasets:
            continue
        if "/" not in name:
            raise ToolError(f"dataset '{name}': refusing to destroy, it is a pool's own; see the module zpool")
        if _holds(name, observed.root_dataset):
            raise ToolError(f"dataset '{name}': refusing to destroy, the running system is '{observed.root_dataset}'")
        if not allow_destroy:
            raise ToolError(f"dataset '{name}': refusing to destroy; set allow_destroy: true")
        more = len(observed.below.get(name, ()))
        reason = "exists" + (f", with {more} datasets and snapshots below" if more else "")
        steps.append(Step(f"destroy {name}", reason, _zfs.destroy_argv(name, recursive=True)))
    return steps


def plan_present(items: Sequence[Wanted], observed: Observed, root: Optional[str] = None) -> List[Step]:
    """Steps, parents first; raises before the first when any of them is not possible."""
    steps: List[Step] = []
    made: Set[str] = set()
    changing: Dict[str, Set[str]] = {}
    for item in items:
        pool = _zfs.pool_of(item.name)
        if pool not in observed.datasets:
            raise ToolError(f"dataset '{item.name}': there is no pool '{pool}' on this builder; see zpool list")
        for above in ancestors(item.name):
            if above in observed.datasets or above in made:
                if above in observed.datasets and observed.datasets[above].type == "volume":
                    raise ToolError(f"dataset '{item.name}': its parent '{above}' is a volume and takes no children")
                continue
            if root is not None and not _zfs.is_below(above, root):
                raise ToolError(
                    f"dataset '{item.name}': there is no dataset '{above}'; create it, it is above root '{root}'"
                )
            made.add(above)
            steps.append(Step(f"create {above}", f"parent of {item.name}", _zfs.create_argv(above)))
        dataset = observed.datasets.get(item.name)
        if dataset is None:
            made.add(item.name)
            steps.append(_creation(item))
            continue
        if dataset.type != item.type:
            raise ToolError(
                f"dataset '{item.name}': it is a {dataset.type}, not a {item.type}; destroy or rename it first"
            )
        own = _settings(item, dataset, observed.altroots.get(pool), changing)
        steps += own
        changing[item.name] = {key for step in own for key in _keys(step)}
    return steps


def _keys(step: Step) -> List[str]:
    """Property names that a set or inherit step changes."""
    return [word.split("=", 1)[0] for word in step.argv[2:-1]] if step.argv[1] in ("set", "inherit") else []


def _creation(item: Wanted) -> Step:
    given = {key: value for key, value in item.properties.items() if value != INHERIT}
    what = f"create {item.name}"
    if item.size is not None:
        what += f", a volume of {_sizes.human_size(item.size)}"
    return Step(what, "does not exist", _zfs.create_argv(item.name, given, item.size, item.sparse))


def _settings(
    item: Wanted, dataset: _zfs.Dataset, altroot: Optional[str], changing: Mapping[str, Set[str]]
) -> List[Step]:
    steps: List[Step] = []
    differing: Dict[str, str] = {}
    words: List[str] = []
    for key, value in sorted(item.properties.items()):
        seen = dataset.properties.get(key, _zfs.Property("-", "-"))
        if value == INHERIT:
            if seen.source in ("local", "received"):
                reason = (
                    f"{key} is {seen.value}, set {seen.source}ly" if seen.local else f"{key} is {seen.value}, received"
                )
                steps.append(Step(f"inherit {key} of {item.name}", reason, _zfs.inherit_argv(item.name, key)))
            continue
        if _properties.same(key, value, seen.value, _properties.dataset_rule(key), altroot):
            # Equal by inheritance only, and this very call changes it above: it must be set here to stay.
            above = [name for name in ancestors(item.name) if key in changing.get(name, ())]
            if seen.source in ("local", "received") or not above:
                continue
            words.append(f"{key} would change with {above[-1]}")
        else:
            rule = _properties.dataset_rule(key)
            if rule is not None and rule.edit == "create":
                raise ToolError(
                    f"dataset '{item.name}': property '{key}' is {seen.value} and can only be chosen when it is created"
                )
            shown = seen.value if seen.value != "-" else "not set"
            words.append(f"{key} is {_properties.without_altroot(shown, altroot) if key == 'mountpoint' else shown}")
        differing[key] = value
    if differing:
        settings = " ".join(f"{key}={value}" for key, value in sorted(differing.items()))
        steps.insert(0, Step(f"set {settings} of {item.name}", ", ".join(words), _zfs.set_argv(item.name, differing)))
    if item.size is not None:
        steps += _growth(item, dataset)
    mountable = item.properties.get("canmount", dataset.value("canmount")) == "on"
    # The properties are read, and the place is one, when this dataset or one above it in the list has a mount point.
    placed = _mounts_somewhere(item) or dataset.value("mountpoint").startswith("/")
    moving = "mountpoint" in differing or any("mountpoint" in changing.get(name, ()) for name in ancestors(item.name))
    if placed and mountable and not moving and dataset.value("mounted") == "no":
        # What is written to a place that is not mounted is lost from sight as soon as it is; a dataset is there and
        # not mounted when its mount point could not be made.
        steps.append(Step(f"mount {item.name}", "not mounted", _zfs.mount_argv(item.name)))
    return steps


def _growth(item: Wanted, dataset: _zfs.Dataset) -> List[Step]:
    now, block = dataset.value("volsize"), dataset.value("volblocksize")
    if not now.isdigit() or item.size is None:
        return []
    unit = int(block) if block.isdigit() and int(block) else 1
    size = -(-item.size // unit) * unit
    if size < int(now):
        raise ToolError(
            f"dataset '{item.name}': refusing to shrink the volume from {_sizes.human_size(int(now))} to "
            f"{_sizes.human_size(size)}, its content would be cut; destroy it first"
        )
    if size == int(now):
        return []
    argv = _zfs.set_argv(item.name, {"volsize": str(size)})
    return [Step(f"grow {item.name} to {_sizes.human_size(size)}", f"volsize is {_sizes.human_size(int(now))}", argv)]


def views(
    items: Sequence[Wanted], observed: Observed, steps: Sequence[Step], present: bool
) -> Tuple[Dict[str, Any], Dict[str, Any]]:
    """What was asked for, before and after, for the diff and the result."""
    before: Dict[str, Any] = {}
    after: Dict[str, Any] = {}
    for step in steps:
        if step.action.startswith("create ") and len(step.argv) == 3:
            after[step.argv[-1]] = {"type": "filesystem"}
    for item in items:
        dataset = observed.datasets.get(item.name)
        altroot = observed.altroots.get(_zfs.pool_of(item.name))
        seen: Dict[str, str] = {}
        if dataset is not None:
            seen = {"type": dataset.type}
            for key in item.properties:
                value = dataset.value(key)
                seen[key] = _properties.without_altroot(value, altroot) if key == "mountpoint" else value
            if item.volume:
                seen["volsize"] = dataset.value("volsize")
            before[item.name] = seen
        if present:
            changed = {key for step in steps if step.argv[-1] == item.name for key in _keys(step)}
            new = dict(seen) if dataset is not None else {"type": item.type}
            for key, value in item.properties.items():
                if value == INHERIT:
                    new[key] = "(inherited)" if dataset is None or key in changed else seen[key]
                elif dataset is None or key in changed:
                    new[key] = value
            if item.size is not None and (dataset is None or "volsize" in changed):
                sizes = [word for step in steps for word in step.argv if step.argv[-1] == item.name]
                grown = [word[len("volsize=") :] for word in sizes if word.startswith("volsize=")]
                new["volsize"] = grown[0] if grown else str(item.size)
            after[item.name] = new
    return before, after


def execute(runner: Runner, params: Mapping[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Look, plan, and do unless in check mode."""
    present = params["state"] == "present"
    items = wanted_of(params)
    observed = observe(runner, items, destroy=not present)
    steps = (
        plan_present(items, observed, params["root"])
        if present
        else plan_absent(items, observed, params["allow_destroy"])
    )
    if not check_mode:
        try:
            for step in steps:
                runner.run(step.argv, failed=f"dataset '{step.argv[-1]}': {step.action.split()[0]} failed")
        except ToolError as exc:
            if not present or "dataset already exists" not in exc.stderr:
                raise
            # Another build made it since we looked; what is left is planned anew, and there is less of it each time.
            return execute(runner, params, check_mode)
    before, after = views(items, observed, steps, present)
    return {
        "changed": bool(steps),
        "actions": [step.as_dict() for step in steps],
        "datasets": after,
        "diff": diff_of(before, after),
    }


__all__ = [
    "INHERIT",
    "Observed",
    "Wanted",
    "ancestors",
    "asked_of",
    "execute",
    "observe",
    "plan_absent",
    "plan_present",
    "tops",
    "views",
    "wanted_of",
]
