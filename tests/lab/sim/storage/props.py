# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Dataset properties of OpenZFS 2.1 as FreeBSD 13.2 has them: order, defaults, kinds and checks (zfsprops(7))."""

from __future__ import annotations

from .units import zfs_number

COMPRESSION = (
    "on | off | lzjb | gzip | gzip-[1-9] | zle | lz4 | zstd | zstd-[1-19] | zstd-fast | "
    "zstd-fast-[1-10,20,30,40,50,60,70,80,90,100,500,1000]"
)
_SIZE = "<size> | none"
FS, VOL, SNAP = 1, 2, 4
DATA = FS | VOL
ALL = 7


class Prop:
    """One native property. *kind*: index, size, number, string; *mode*: set, once (at creation), ro."""

    __slots__ = ("column", "default", "inherit", "kind", "mode", "name", "right", "types", "values")

    def __init__(
        self,
        name: str,
        kind: str,
        mode: str,
        inherit: bool,
        types: int,
        default: str,
        values: str,
        column: str = "",
    ) -> None:
        self.name = name
        self.kind = kind
        self.mode = mode
        self.inherit = inherit
        self.types = types
        self.default = default
        self.values = values
        self.column = column or name.upper()
        self.right = kind in ("size", "number", "ratio")


_ON_OFF = "on | off"
# In the order of ``zfs get all``.
TABLE = (
    Prop("type", "index", "ro", False, ALL, "", "filesystem | volume | snapshot | bookmark"),
    Prop("creation", "string", "ro", False, ALL, "", "<date>"),
    Prop("used", "size", "ro", False, ALL, "", "<size>"),
    Prop("available", "size", "ro", False, DATA, "", "<size>", "AVAIL"),
    Prop("referenced", "size", "ro", False, ALL, "", "<size>", "REFER"),
    Prop("compressratio", "ratio", "ro", False, ALL, "", "<1.00x or higher if compressed>", "RATIO"),
    Prop("mounted", "index", "ro", False, FS, "", "yes | no"),
    Prop("origin", "string", "ro", False, DATA, "", "<snapshot>"),
    Prop("quota", "size", "set", False, FS, "0", _SIZE),
    Prop("reservation", "size", "set", False, DATA, "0", _SIZE, "RESERV"),
    Prop("volsize", "size", "set", False, VOL | SNAP, "", "<size>"),
    Prop("volblocksize", "size", "once", True, VOL, "8192", "512 to 128k, power of 2", "VOLBLOCK"),
    Prop("recordsize", "size", "set", True, FS, "131072", "512 to 1M, power of 2", "RECSIZE"),
    Prop("mountpoint", "string", "set", True, FS, "/", "<path> | legacy | none"),
    Prop("sharenfs", "string", "set", True, FS, "off", "on | off | NFS share options"),
    Prop("checksum", "index", "set", True, DATA, "on", "on | off | fletcher2 | fletcher4 | sha256 | sha512 | skein"),
    Prop("compression", "index", "set", True, DATA, "off", COMPRESSION, "COMPRESS"),
    Prop("atime", "index", "set", True, FS, "on", _ON_OFF),
    Prop("devices", "index", "set", True, FS | SNAP, "on", _ON_OFF),
    Prop("exec", "index", "set", True, FS | SNAP, "on", _ON_OFF),
    Prop("setuid", "index", "set", True, FS | SNAP, "on", _ON_OFF),
    Prop("readonly", "index", "set", True, DATA, "off", _ON_OFF, "RDONLY"),
    Prop("jailed", "index", "set", True, FS, "off", _ON_OFF),
    Prop("snapdir", "index", "set", True, FS, "hidden", "hidden | visible"),
    Prop("aclmode", "index", "set", True, FS, "discard", "discard | groupmask | passthrough | restricted"),
    Prop(
        "aclinherit",
        "index",
        "set",
        True,
        FS,
        "restricted",
        "discard | noallow | restricted | passthrough | passthrough-x",
    ),
    Prop("createtxg", "number", "ro", False, ALL, "", "<uint64>"),
    Prop("name", "string", "ro", False, ALL, "", ""),
    Prop("canmount", "index", "set", False, FS, "on", "on | off | noauto"),
    Prop("xattr", "index", "set", True, FS | SNAP, "on", "on | off | dir | sa"),
    Prop("copies", "index", "set", True, DATA, "1", "1 | 2 | 3"),
    Prop("version", "number", "set", False, FS | SNAP, "5", "1 | 2 | 3 | 4 | 5 | current"),
    Prop("utf8only", "index", "once", True, FS | SNAP, "off", _ON_OFF),
    Prop("normalization", "index", "once", True, FS | SNAP, "none", "none | formC | formD | formKC | formKD"),
    Prop("casesensitivity", "index", "once", True, FS | SNAP, "sensitive", "sensitive | insensitive | mixed"),
    Prop("vscan", "index", "set", True, FS, "off", _ON_OFF),
    Prop("nbmand", "index", "set", True, FS | SNAP, "off", _ON_OFF),
    Prop("sharesmb", "string", "set", True, FS, "off", "on | off | SMB share options"),
    Prop("refquota", "size", "set", False, FS, "0", _SIZE),
    Prop("refreservation", "size", "set", False, DATA, "0", _SIZE, "REFRESERV"),
    Prop("guid", "number", "ro", False, ALL, "", "<uint64>"),
    Prop("primarycache", "index", "set", True, ALL, "all", "all | none | metadata"),
    Prop("secondarycache", "index", "set", True, ALL, "all", "all | none | metadata"),
    Prop("usedbysnapshots", "size", "ro", False, DATA, "", "<size>", "USEDSNAP"),
    Prop("usedbydataset", "size", "ro", False, DATA, "", "<size>", "USEDDS"),
    Prop("usedbychildren", "size", "ro", False, DATA, "", "<size>", "USEDCHILD"),
    Prop("usedbyrefreservation", "size", "ro", False, DATA, "", "<size>", "USEDREFRESERV"),
    Prop("defer_destroy", "index", "ro", False, SNAP, "", "yes | no"),
    Prop("userrefs", "number", "ro", False, SNAP, "", "<count>"),
    Prop("logbias", "index", "set", True, DATA, "latency", "latency | throughput"),
    Prop("objsetid", "number", "ro", False, ALL, "", "<uint64>"),
    Prop(
        "dedup",
        "index",
        "set",
        True,
        DATA,
        "off",
        "on | off | verify | sha256[,verify] | sha512[,verify] | skein[,verify]",
    ),
    Prop("mlslabel", "string", "set", True, ALL, "none", "<sensitivity label>"),
    Prop("sync", "index", "set", True, DATA, "standard", "standard | always | disabled"),
    Prop("dnodesize", "index", "set", True, FS, "legacy", "legacy | auto | 1k | 2k | 4k | 8k | 16k"),
    Prop("refcompressratio", "ratio", "ro", False, ALL, "", "<1.00x or higher if compressed>", "REFRATIO"),
    Prop("written", "size", "ro", False, ALL, "", "<size>"),
    Prop("clones", "string", "ro", False, SNAP, "", "<dataset>[,...]"),
    Prop("logicalused", "size", "ro", False, DATA, "", "<size>", "LUSED"),
    Prop("logicalreferenced", "size", "ro", False, ALL, "", "<size>", "LREFER"),
    Prop("volmode", "index", "set", True, DATA, "default", "default | full | geom | dev | none"),
    Prop("filesystem_limit", "number", "set", False, FS, "18446744073709551615", "<count> | none", "FSLIMIT"),
    Prop("snapshot_limit", "number", "set", False, DATA, "18446744073709551615", "<count> | none", "SSLIMIT"),
    Prop("filesystem_count", "number", "ro", False, FS, "18446744073709551615", "<count>", "FSCOUNT"),
    Prop("snapshot_count", "number", "ro", False, DATA, "18446744073709551615", "<count>", "SSCOUNT"),
    Prop("snapdev", "index", "set", True, DATA, "hidden", "hidden | visible"),
    Prop("acltype", "index", "set", True, FS | SNAP, "nfsv4", "off | nfsv4 | posix"),
    Prop("context", "string", "set", False, ALL, "none", "<selinux context>"),
    Prop("fscontext", "string", "set", False, ALL, "none", "<selinux fscontext>"),
    Prop("defcontext", "string", "set", False, ALL, "none", "<selinux defcontext>"),
    Prop("rootcontext", "string", "set", False, ALL, "none", "<selinux rootcontext>"),
    Prop("relatime", "index", "set", True, FS, "off", _ON_OFF),
    Prop("redundant_metadata", "index", "set", True, DATA, "all", "all | most | some | none", "REDUND_MD"),
    Prop("overlay", "index", "set", True, FS, "on", _ON_OFF),
    Prop("receive_resume_token", "string", "ro", False, DATA, "", "<string token>", "RESUMETOK"),
    Prop(
        "encryption",
        "index",
        "once",
        True,
        ALL,
        "off",
        "on | off | aes-128-ccm | aes-192-ccm | aes-256-ccm | aes-128-gcm | aes-192-gcm | aes-256-gcm",
    ),
    Prop("keylocation", "string", "set", False, DATA, "none", "prompt | <file URI> | <https URL> | <http URL>"),
    Prop("keyformat", "index", "once", False, DATA, "none", "none | raw | hex | passphrase"),
    Prop("pbkdf2iters", "number", "once", False, DATA, "0", "<iters>"),
    Prop("special_small_blocks", "number", "set", True, FS, "0", "zero or 512 to 1M, power of 2"),
)
BY_NAME = {prop.name: prop for prop in TABLE}
ALIASES = {
    "avail": "available",
    "refer": "referenced",
    "ratio": "compressratio",
    "compress": "compression",
    "recsize": "recordsize",
    "rdonly": "readonly",
    "reserv": "reservation",
    "refreserv": "refreservation",
    "volblock": "volblocksize",
    "usedds": "usedbydataset",
    "usedsnap": "usedbysnapshots",
    "usedchild": "usedbychildren",
    "usedrefreserv": "usedbyrefreservation",
    "lused": "logicalused",
    "lrefer": "logicalreferenced",
    "refratio": "refcompressratio",
    "enc": "encryption",
    "zoned": "jailed",
    "case": "casesensitivity",
    "mountpoint": "mountpoint",
}
# Left out of ``get all``: shown only where there is something to show.
HIDDEN = {"name", "origin", "receive_resume_token", "clones"}
USAGE_ONLY = (
    ("userused@...", False, False, "<size>"),
    ("groupused@...", False, False, "<size>"),
    ("projectused@...", False, False, "<size>"),
    ("userobjused@...", False, False, "<size>"),
    ("groupobjused@...", False, False, "<size>"),
    ("projectobjused@...", False, False, "<size>"),
    ("userquota@...", True, False, _SIZE),
    ("groupquota@...", True, False, _SIZE),
    ("projectquota@...", True, False, _SIZE),
    ("userobjquota@...", True, False, _SIZE),
    ("groupobjquota@...", True, False, _SIZE),
    ("projectobjquota@...", True, False, _SIZE),
    ("written@<snap>", False, False, "<size>"),
    ("written#<bookmark>", False, False, "<size>"),
)


class BadValue(Exception):
    """A value that the property does not take; the text says so as libzfs does."""


def canonical(name: str) -> str:
    """The full name of a property or its column name."""
    return ALIASES.get(name, name)


def is_user(name: str) -> bool:
    """Whether *name* is a user property's."""
    return ":" in name


def find(name: str) -> Prop | None:
    """The native property called *name*."""
    return BY_NAME.get(canonical(name))


def _gzip_like(value: str) -> bool:
    if value.startswith("zstd-fast-"):
        number = value[10:]
        allowed = {*map(str, range(1, 11)), *map(str, range(20, 101, 10)), "500", "1000"}
        return number in allowed
    if value.startswith("zstd-"):
        return value == "zstd-fast" or (value[5:].isdigit() and 1 <= int(value[5:]) <= 19)
    return value.startswith("gzip-") and value[5:].isdigit() and 1 <= int(value[5:]) <= 9


def check(prop: Prop, value: str) -> str:
    """*value* as it is stored. Raises BadValue."""
    if prop.kind == "index":
        choices = [choice.strip() for choice in prop.values.split("|")]
        if prop.name == "dedup":
            choices = ["on", "off", "verify"] + [
                f"{c}{v}" for c in ("sha256", "sha512", "skein") for v in ("", ",verify")
            ]
        if value in choices and "[" not in value:
            return value
        if prop.name == "compression" and _gzip_like(value):
            return value
        raise BadValue(f"'{prop.name}' must be one of '{prop.values}'")
    if prop.kind in ("size", "number"):
        if value == "none":
            if prop.name in ("quota", "reservation", "refquota", "refreservation"):
                return "0"
            if prop.name in ("filesystem_limit", "snapshot_limit"):
                return "18446744073709551615"
        if value == "auto" and prop.name == "refreservation":
            return "auto"
        if prop.name == "version" and value == "current":
            return "5"
        try:
            number = zfs_number(value)
        except ValueError:
            raise BadValue(_bad_number(value)) from None
        _check_number(prop, number)
        return str(number)
    if prop.name == "mountpoint" and value not in ("none", "legacy") and not value.startswith("/"):
        raise BadValue("'mountpoint' must be an absolute path, 'none', or 'legacy'")
    return value


def _bad_number(value: str) -> str:
    return f"bad numeric value '{value}'"


def _check_number(prop: Prop, number: int) -> None:
    power = number and not number & (number - 1)
    if prop.name == "recordsize" and not (power and 512 <= number <= 1 << 20):
        raise BadValue("'recordsize' must be power of 2 from 512B to 1M")
    if prop.name == "volblocksize" and not (power and 512 <= number <= 128 << 10):
        raise BadValue("'volblocksize' must be power of 2 from 512B to 128K")
    if prop.name == "special_small_blocks" and number and not (power and 512 <= number <= 1 << 20):
        raise BadValue(
            f"invalid 'special_small_blocks={number}' property: must be zero or a power of 2 from 512B to 1M"
        )
    if prop.name == "volsize" and number == 0:
        raise BadValue("'volsize' cannot be zero")


__all__ = [
    "ALL",
    "BY_NAME",
    "DATA",
    "FS",
    "SNAP",
    "TABLE",
    "VOL",
    "BadValue",
    "Prop",
    "canonical",
    "check",
    "find",
    "is_user",
]
