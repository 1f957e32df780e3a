# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The rest of zpool(8): ``reguid``, ``scrub``, ``trim``, ``upgrade``, ``sync``, ``checkpoint`` and their like."""

from __future__ import annotations

import time

from . import datasets as ds
from . import poolprops, pools
from . import zpool_base as base
from .errors import Fail, warn
from .zpool_show import choose, missing_features

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    State = dict[str, Any]


def reguid(s: State, argv: list[str]) -> int:
    _found, operands = base.options("reguid", argv[2:], "")
    if not operands:
        raise base.usage("reguid", "missing pool name")
    if len(operands) > 1:
        raise base.usage("reguid", "too many arguments")
    pool = base.open_pool(s, operands[0])
    pool["guid"] = ds.fresh_guid()
    if not pool["host"]:
        pools.mark(s, operands[0], "active")
    base.log(s, operands[0], argv)
    return 0


def _each(s: State, argv: list[str], verb: str, spec: str) -> tuple[dict[str, str], list[str], int]:
    found, operands = base.options(verb, argv[2:], spec)
    if not operands:
        raise base.usage(verb, "missing pool name argument")
    rc = 0
    good = []
    for name in operands:
        try:
            base.open_pool(s, name)
            good.append(name)
        except Fail as error:
            warn(error.text)
            rc = 1
    return dict(found), good, rc


def scrub(s: State, argv: list[str]) -> int:
    flags, names, rc = _each(s, argv, "scrub", "spw")
    for name in names:
        if "s" in flags or "p" in flags:
            warn(f"cannot {'cancel' if 's' in flags else 'pause'} scrubbing {name}: there is no active scrub")
            rc = 1
            continue
        now = time.strftime("%a %b %e %H:%M:%S %Y")
        s["pools"][name]["scan"] = f"scrub repaired 0B in 00:00:00 with 0 errors on {now}"
        base.log(s, name, argv)
    return rc


def trim(s: State, argv: list[str]) -> int:
    found, operands = base.options("trim", argv[2:], "csdr:w")
    if not operands:
        raise base.usage("trim", "missing pool name argument")
    name = operands[0]
    pool = base.open_pool(s, name)
    if any(letter in ("c", "s") for letter, _value in found):
        return 0
    if pool["host"]:
        raise Fail("cannot trim: no devices in pool support trim operations")
    pool["trimmed"] = True
    base.log(s, name, argv)
    return 0


def quiet(s: State, argv: list[str]) -> int:
    """Sub-commands that leave nothing to see: clear, reopen, resilver, initialize, wait."""
    _flags, names, rc = _each(s, argv, argv[1], "nFcswuHpT:t:")
    for name in names[:1] if argv[1] in ("clear", "wait", "initialize") else names:
        if argv[1] in ("clear", "reopen", "initialize"):
            base.log(s, name, argv)
    return rc


def sync(s: State, argv: list[str]) -> int:
    _found, operands = base.options("sync", argv[2:], "f")
    chosen, rc = choose(s, operands)
    for name in chosen:
        if not s["pools"][name]["host"] and operands:
            pools.flush(s, name, "active")
    return rc


def checkpoint(s: State, argv: list[str]) -> int:
    raise Fail("zpool checkpoint: not simulated in the lab")


def topology(s: State, argv: list[str]) -> int:
    """Changing the vdevs of a pool."""
    raise Fail(f"zpool {argv[1]}: not simulated in the lab")


def events(s: State, argv: list[str]) -> int:
    print(f"{'TIME':<30} CLASS")
    return 0


def upgrade(s: State, argv: list[str]) -> int:
    found, operands = base.options("upgrade", argv[2:], ":avV:")
    flags = dict(found)
    print("This system supports ZFS pool feature flags.\n")
    if "v" in flags:
        print("The following features are supported:\n\nFEAT DESCRIPTION\n" + "-" * 61)
        for name in poolprops.FEATURE_NAMES:
            print(name)
        return 0
    if not operands and "a" not in flags:
        return _upgrade_report(s)
    rc = 0
    names = sorted(s.get("pools", {})) if "a" in flags else operands
    for name in names:
        try:
            pool = base.open_pool(s, name)
        except Fail as error:
            warn(error.text)
            rc = 1
            continue
        missing = missing_features(pool)
        if not missing:
            if "a" not in flags:
                print(f"Pool '{name}' already has all supported and requested features enabled.")
            continue
        print(f"Enabled the following features on '{name}':")
        for feature in missing:
            print(f"  {feature}")
        print()
        pool["features"] = [f for f in poolprops.FEATURE_NAMES if f in pool["features"] or f in missing]
        base.log(s, name, argv)
    return rc


def _upgrade_report(s: State) -> int:
    print("All pools are formatted using feature flags.\n")
    lacking = {name: missing_features(pool) for name, pool in sorted(s.get("pools", {}).items())}
    lacking = {name: missing for name, missing in lacking.items() if missing}
    if not lacking:
        print("Every feature flags pool has all supported and requested features enabled.")
        return 0
    print(
        "\nSome supported features are not enabled on the following pools. Once a\n"
        "feature is enabled the pool may become incompatible with software\n"
        "that does not support the feature. See zpool-features(7) for details.\n\n"
        "Note that the pool 'compatibility' feature can be used to inhibit\n"
        "feature upgrades.\n\n"
        "POOL  FEATURE\n---------------"
    )
    for name, missing in lacking.items():
        print(name)
        for feature in missing:
            print(f"      {feature}")
        print()
    return 0


__all__ = ["checkpoint", "events", "quiet", "reguid", "scrub", "sync", "topology", "trim", "upgrade"]
