# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Pool properties and features of OpenZFS 2.1 as FreeBSD 13.2 has them, in the order of ``zpool get all``."""

from __future__ import annotations

# name, editable, what it accepts (as zpool's usage prints it)
PROPERTIES = (
    ("size", False, "<size>"),
    ("capacity", False, "<size>"),
    ("altroot", True, "<path>"),
    ("health", False, "<state>"),
    ("guid", False, "<guid>"),
    ("version", True, "<version>"),
    ("bootfs", True, "<filesystem>"),
    ("delegation", True, "on | off"),
    ("autoreplace", True, "on | off"),
    ("cachefile", True, "<file> | none"),
    ("failmode", True, "wait | continue | panic"),
    ("listsnapshots", True, "on | off"),
    ("autoexpand", True, "on | off"),
    ("dedupratio", False, "<1.00x or higher if deduped>"),
    ("free", False, "<size>"),
    ("allocated", False, "<size>"),
    ("readonly", True, "on | off"),
    ("ashift", True, "<ashift, 9-16, or 0=default>"),
    ("comment", True, "<comment-string>"),
    ("expandsize", False, "<size>"),
    ("freeing", False, "<size>"),
    ("fragmentation", False, "<percent>"),
    ("leaked", False, "<size>"),
    ("multihost", True, "on | off"),
    ("checkpoint", False, "<size>"),
    ("load_guid", False, "<load_guid>"),
    ("autotrim", True, "on | off"),
    ("compatibility", True, "<file[,file...]> | off | legacy"),
)
EDITABLE = {name for name, editable, _values in PROPERTIES if editable}
VALUES = {name: values for name, _editable, values in PROPERTIES}
DEFAULTS = {
    "version": "-",
    "bootfs": "-",
    "delegation": "on",
    "autoreplace": "off",
    "cachefile": "-",
    "failmode": "wait",
    "listsnapshots": "off",
    "autoexpand": "off",
    "ashift": "0",
    "comment": "-",
    "multihost": "off",
    "autotrim": "off",
    "compatibility": "off",
    "altroot": "-",
}
ALIASES = {
    "alloc": "allocated",
    "cap": "capacity",
    "dedup": "dedupratio",
    "expandsz": "expandsize",
    "frag": "fragmentation",
    "ckpoint": "checkpoint",
    "listsnaps": "listsnapshots",
    "rdonly": "readonly",
    "replace": "autoreplace",
    "expand": "autoexpand",
}
# name, does a new pool on 13.2 show it active
FEATURES = (
    ("async_destroy", False),
    ("empty_bpobj", False),
    ("lz4_compress", True),
    ("multi_vdev_crash_dump", False),
    ("spacemap_histogram", True),
    ("enabled_txg", True),
    ("hole_birth", True),
    ("extensible_dataset", False),
    ("embedded_data", True),
    ("bookmarks", False),
    ("filesystem_limits", False),
    ("large_blocks", False),
    ("large_dnode", False),
    ("sha512", False),
    ("skein", False),
    ("userobj_accounting", False),
    ("encryption", False),
    ("project_quota", False),
    ("device_removal", False),
    ("obsolete_counts", False),
    ("zpool_checkpoint", False),
    ("spacemap_v2", True),
    ("allocation_classes", False),
    ("resilver_defer", False),
    ("bookmark_v2", False),
    ("redaction_bookmarks", False),
    ("redacted_datasets", False),
    ("bookmark_written", False),
    ("log_spacemap", True),
    ("livelist", False),
    ("device_rebuild", False),
    ("zstd_compress", False),
    ("draid", False),
)
FEATURE_NAMES = tuple(name for name, _active in FEATURES)
_ACTIVE = {name for name, active in FEATURES if active}


def feature_state(name: str, enabled: list[str], activated: list[str]) -> str:
    """``disabled``, ``enabled`` or ``active``."""
    if name not in enabled:
        return "disabled"
    return "active" if name in _ACTIVE or name in activated else "enabled"


_BASE = (
    "async_destroy",
    "bookmarks",
    "embedded_data",
    "empty_bpobj",
    "enabled_txg",
    "extensible_dataset",
    "filesystem_limits",
    "hole_birth",
    "large_blocks",
    "lz4_compress",
    "spacemap_histogram",
)
_FREENAS_9 = (*_BASE, "multi_vdev_crash_dump")
_FREEBSD_11_0 = (*_FREENAS_9, "sha512", "skein")
_FREEBSD_11_2 = (*_FREEBSD_11_0, "device_removal", "obsolete_counts", "zpool_checkpoint")
_FREEBSD_11_3 = (*_FREEBSD_11_2, "spacemap_v2")
_ZOL_0_6_1 = ("async_destroy", "empty_bpobj", "lz4_compress")
_ZOL_0_6_4 = tuple(name for name in _BASE if name not in ("filesystem_limits", "large_blocks"))
_ZOL_0_7 = (*_FREEBSD_11_0, "large_dnode", "userobj_accounting")
_OSX_1_9 = (
    *_FREEBSD_11_3,
    "allocation_classes",
    "bookmark_v2",
    "encryption",
    "large_dnode",
    "project_quota",
    "resilver_defer",
    "userobj_accounting",
)
_OPENZFS_2_0 = tuple(name for name in FEATURE_NAMES if name != "draid")

# The files of /usr/share/zfs/compatibility.d; aliases are links on FreeBSD.
COMPATIBILITY: dict[str, tuple[str, ...]] = {
    "compat-2018": _BASE,
    "compat-2019": _FREEBSD_11_0,
    "compat-2020": _FREEBSD_11_0,
    "compat-2021": _FREEBSD_11_3,
    "freebsd-11.0": _FREEBSD_11_0,
    "freebsd-11.2": _FREEBSD_11_2,
    "freebsd-11.3": _FREEBSD_11_3,
    "freenas-9.10.2": _FREENAS_9,
    "grub2": tuple(name for name in _OSX_1_9 if name not in ("encryption", "bookmark_v2", "zpool_checkpoint")),
    "openzfs-2.0-freebsd": _OPENZFS_2_0,
    "openzfs-2.0-linux": (*_OPENZFS_2_0, "edonr"),
    "openzfs-2.1-freebsd": FEATURE_NAMES,
    "openzfs-2.1-linux": (*FEATURE_NAMES, "edonr"),
    "openzfsonosx-1.7.0": (*_FREEBSD_11_0, "edonr"),
    "openzfsonosx-1.8.1": (*_FREEBSD_11_3, "edonr"),
    "openzfsonosx-1.9.3": (*_OSX_1_9, "edonr"),
    "zol-0.6.1": _ZOL_0_6_1,
    "zol-0.6.4": _ZOL_0_6_4,
    "zol-0.6.5": _BASE,
    "zol-0.7": (*_ZOL_0_7, "edonr"),
    "zol-0.8": (*_OSX_1_9, "edonr"),
}
COMPATIBILITY_LINKS = {
    "2018": "compat-2018",
    "2019": "compat-2019",
    "2020": "compat-2020",
    "2021": "compat-2021",
    "freebsd-11.1": "freebsd-11.0",
    "freebsd-11.4": "freebsd-11.3",
    "freebsd-12.0": "freebsd-11.3",
    "freebsd-12.1": "freebsd-11.3",
    "freebsd-12.2": "freebsd-11.3",
    "freenas-11.0": "freebsd-11.0",
    "freenas-11.1": "freebsd-11.0",
    "freenas-11.2": "freebsd-11.2",
    "freenas-11.3": "freebsd-11.3",
    "openzfsonosx-1.9.4": "openzfsonosx-1.9.3",
    "truenas-12.0": "openzfs-2.0-freebsd",
    "ubuntu-18.04": "zol-0.7",
    "ubuntu-20.04": "zol-0.8",
}

__all__ = [
    "ALIASES",
    "COMPATIBILITY",
    "COMPATIBILITY_LINKS",
    "DEFAULTS",
    "EDITABLE",
    "FEATURES",
    "FEATURE_NAMES",
    "PROPERTIES",
    "VALUES",
    "feature_state",
]
