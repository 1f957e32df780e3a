# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Properties of pools and datasets: which exist, what they take, and when two ways of writing a value mean the same.

Names and values are those that ``zfs get`` and ``zpool get`` of OpenZFS 2.1 to 2.4 print in their usage; a value
that only the newer knows is left to the builder's own zfs(8).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, Optional

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._sizes import parse_size

UNLIMITED = str((1 << 64) - 1)  # how 2.1 prints a limit of none with -p
_NOTHING = ("", "-", "none")
_USER = re.compile(r"[a-z0-9._-]*:[a-z0-9:._-]*")
_SWITCH = {"on": "on", "yes": "on", "true": "on", "off": "off", "no": "off", "false": "off"}
# Two names of one value; zfs prints the right-hand one.
_ALIASES = {
    ("compression", "gzip-6"): "gzip",
    ("dedup", "sha256,verify"): "verify",
    ("acltype", "posixacl"): "posix",
    ("acltype", "noacl"): "off",
}


@dataclass(frozen=True)
class Rule:
    """What a property takes.

    ``kind`` is switch, size, limit, number, word, path or text; ``words`` is a pattern of other words it takes;
    ``edit`` is any (settable), create (only when the thing is made) or never (an observation).
    """

    kind: str
    words: str = ""
    edit: str = "any"


_SWITCH_RULE = Rule("switch")
_SIZE_RULE = Rule("size", "none")
_LIMIT_RULE = Rule("limit", "none")
_TEXT_RULE = Rule("text")
_SEEN = Rule("text", edit="never")
_CACHE = Rule("word", "all|none|metadata")
_COMPRESSION = r"on|off|lzjb|gzip(-[1-9])?|zle|lz4|zstd(-(1?[1-9]|10))?|zstd-fast(-([1-9]|[1-9]0|100|500|1000))?"
_CHECKSUM = r"on|off|fletcher2|fletcher4|sha256|sha512|skein|edonr|blake3"
_DEDUP = r"on|off|verify|(sha256|sha512|skein|blake3)(,verify)?|edonr,verify"
_CIPHERS = r"on|off|aes-(128|192|256)-(ccm|gcm)"

DATASET_RULES: Dict[str, Rule] = {
    "aclinherit": Rule("word", "discard|noallow|restricted|passthrough|passthrough-x"),
    "aclmode": Rule("word", "discard|groupmask|passthrough|restricted"),
    "acltype": Rule("word", "off|noacl|nfsv4|posix|posixacl"),
    "atime": _SWITCH_RULE,
    "canmount": Rule("switch", "noauto"),
    "casesensitivity": Rule("word", "sensitive|insensitive|mixed", edit="create"),
    "checksum": Rule("switch", _CHECKSUM),
    "compression": Rule("switch", _COMPRESSION),
    "context": _TEXT_RULE,
    "copies": Rule("word", "[123]"),
    "dedup": Rule("switch", _DEDUP),
    "defcontext": _TEXT_RULE,
    "devices": _SWITCH_RULE,
    "direct": Rule("word", "disabled|standard|always"),
    "dnodesize": Rule("word", "legacy|auto|1k|2k|4k|8k|16k"),
    "encryption": Rule("switch", _CIPHERS, edit="create"),
    "exec": _SWITCH_RULE,
    "filesystem_limit": _LIMIT_RULE,
    "fscontext": _TEXT_RULE,
    "jailed": _SWITCH_RULE,
    "keyformat": Rule("word", "none|raw|hex|passphrase", edit="create"),
    "keylocation": _TEXT_RULE,
    "logbias": Rule("word", "latency|throughput"),
    "longname": _SWITCH_RULE,
    "mlslabel": _TEXT_RULE,
    "mountpoint": Rule("path", "none|legacy"),
    "nbmand": _SWITCH_RULE,
    "normalization": Rule("word", "none|formC|formD|formKC|formKD", edit="create"),
    "overlay": _SWITCH_RULE,
    "pbkdf2iters": Rule("number", edit="create"),
    "prefetch": Rule("word", "none|metadata|all"),
    "primarycache": _CACHE,
    "quota": _SIZE_RULE,
    "readonly": _SWITCH_RULE,
    "recordsize": Rule("size"),
    "redundant_metadata": Rule("word", "all|most|some|none"),
    "refquota": _SIZE_RULE,
    "refreservation": Rule("size", "none|auto"),
    "relatime": _SWITCH_RULE,
    "reservation": _SIZE_RULE,
    "rootcontext": _TEXT_RULE,
    "secondarycache": _CACHE,
    "setuid": _SWITCH_RULE,
    "sharenfs": _TEXT_RULE,
    "sharesmb": _TEXT_RULE,
    "snapdev": Rule("word", "hidden|visible"),
    "snapdir": Rule("word", "disabled|hidden|visible"),
    "snapshot_limit": _LIMIT_RULE,
    "special_small_blocks": _SIZE_RULE,
    "sync": Rule("word", "standard|always|disabled"),
    "utf8only": Rule("switch", edit="create"),
    "version": Rule("word", "[1-5]|current"),
    "volblocksize": Rule("size", edit="create"),
    "volmode": Rule("word", "default|full|geom|dev|none"),
    "volsize": Rule("size"),
    "volthreading": _SWITCH_RULE,
    "vscan": _SWITCH_RULE,
    "xattr": Rule("switch", "dir|sa"),
}
_DATASET_SEEN = (
    "available",
    "compressratio",
    "createtxg",
    "creation",
    "defer_destroy",
    "encryptionroot",
    "filesystem_count",
    "guid",
    "keystatus",
    "logicalreferenced",
    "logicalused",
    "mounted",
    "objsetid",
    "origin",
    "receive_resume_token",
    "refcompressratio",
    "referenced",
    "snapshot_count",
    "snapshots_changed",
    "type",
    "used",
    "usedbychildren",
    "usedbydataset",
    "usedbyrefreservation",
    "usedbysnapshots",
    "written",
)
DATASET_RULES.update((name, _SEEN) for name in _DATASET_SEEN)

POOL_RULES: Dict[str, Rule] = {
    "altroot": Rule("path", "none", edit="create"),
    "ashift": Rule("number"),
    "autoexpand": _SWITCH_RULE,
    "autoreplace": _SWITCH_RULE,
    "autotrim": _SWITCH_RULE,
    "bootfs": _TEXT_RULE,
    "cachefile": _TEXT_RULE,
    "comment": _TEXT_RULE,
    "compatibility": Rule("set"),
    "dedup_table_quota": Rule("size", "none|auto"),
    "delegation": _SWITCH_RULE,
    "failmode": Rule("word", "wait|continue|panic"),
    "listsnapshots": _SWITCH_RULE,
    "multihost": _SWITCH_RULE,
    "readonly": Rule("switch", edit="create"),
    "version": Rule("text"),
}
_POOL_SEEN = (
    "allocated",
    "bcloneratio",
    "bclonesaved",
    "bcloneused",
    "capacity",
    "checkpoint",
    "dedup_table_size",
    "dedupratio",
    "expandsize",
    "fragmentation",
    "free",
    "freeing",
    "guid",
    "health",
    "last_scrubbed_txg",
    "leaked",
    "load_guid",
    "size",
)
POOL_RULES.update((name, _SEEN) for name in _POOL_SEEN)

_FEATURE = Rule("word", "disabled|enabled|active")


def text_of(value: Any) -> str:
    """A value as one types it; YAML reads ``on`` and ``off`` as booleans."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value).strip()


def dataset_rule(name: str) -> Optional[Rule]:
    """The rule of a dataset property; None when there is no such property."""
    if name in DATASET_RULES:
        return DATASET_RULES[name]
    if re.fullmatch(r"(user|group|project)(obj)?quota@.+", name) or re.fullmatch(
        r"default(user|group|project)(obj)?quota", name
    ):
        return _SIZE_RULE
    return _TEXT_RULE if ":" in name and _USER.fullmatch(name) and len(name) <= 255 else None


def pool_rule(name: str) -> Optional[Rule]:
    """The rule of a pool property; None when there is no such property. A feature is ``feature@name``."""
    if name in POOL_RULES:
        return POOL_RULES[name]
    if re.fullmatch(r"feature@[a-z0-9_]+", name):
        return _FEATURE
    return _TEXT_RULE if ":" in name and _USER.fullmatch(name) else None


def _meaning(rule: Rule, name: str, text: str) -> Optional[str]:
    """One spelling for every way to write a value; None when the property does not take it."""
    low = text.lower()
    low = _ALIASES.get((name, low), low)
    if rule.kind == "switch" and low in _SWITCH:
        return _SWITCH[low]
    if rule.kind == "limit" and (low in _NOTHING or low == UNLIMITED):
        return "none"
    if rule.kind == "size" and low in _NOTHING and re.fullmatch(rule.words or "-", "none"):
        return "0"
    if rule.kind == "path" and text.startswith("/"):
        return "/" + text.strip("/") if "//" not in text else None
    if rule.words:
        word = text if name == "normalization" else low
        if re.fullmatch(rule.words, word):
            return word
    if rule.kind == "size":
        try:
            return str(parse_size(text))
        except ToolError:
            return None
    if rule.kind in ("limit", "number"):
        return str(int(text)) if text.isdigit() else None
    if rule.kind == "set":
        return "off" if low in _NOTHING else ",".join(sorted(part.strip() for part in text.split(",") if part.strip()))
    if rule.kind == "text":
        return "-" if low in _NOTHING else text
    return None


def check(owner: str, name: str, value: Any, rule: Optional[Rule]) -> str:
    """The value as a tool takes it.

    :param owner: object of the message, such as ``dataset 'tank/a'``.
    :raises ToolError: no such property, not settable, or a value that it does not take.
    """
    if rule is None:
        raise ToolError(f"{owner}: no such property '{name}'; a property of your own needs a colon in its name")
    if rule.edit == "never":
        raise ToolError(f"{owner}: property '{name}' can only be read; remove it")
    if value is None or isinstance(value, (dict, list)):
        raise ToolError(f"{owner}: property '{name}' has no value; give one, or remove it")
    text = text_of(value)
    meaning = _meaning(rule, name, text)
    if meaning is None:
        takes = {"path": "an absolute path, none or legacy", "size": "a size such as 8g", "number": "a number"}
        words = rule.words.replace("|", ", ") if re.fullmatch(r"[a-z0-9|-]+", rule.words) else ""
        hint = takes.get(rule.kind) or ", ".join(["on", "off"] * (rule.kind == "switch") + [words] * bool(words))
        raise ToolError(f"{owner}: property '{name}' does not take '{text}'" + (f"; it takes {hint}" if hint else ""))
    if rule.kind in ("switch", "word"):
        return meaning if name != "dnodesize" else text.lower()
    if rule.kind == "size" and meaning.isdigit():
        return meaning if meaning != "0" else text
    return text


def same(name: str, wanted: str, observed: str, rule: Optional[Rule], altroot: Optional[str] = None) -> bool:
    """Do a wanted and an observed value mean the same?

    :param altroot: alternate root of the pool; a mount point is printed with it in front.
    """
    rule = rule or _TEXT_RULE
    want, seen = _meaning(rule, name, text_of(wanted)), _meaning(rule, name, observed)
    if want is None or seen is None:
        return wanted == observed
    if want == seen:
        return True
    if name == "xattr":
        return want == "on" and seen in ("dir", "sa")
    if rule is _FEATURE:
        return want == "enabled" and seen == "active"
    if name == "refreservation" and want == "auto":
        return seen != "0"
    if rule.kind == "path" and altroot and altroot != "-" and seen.startswith("/"):
        return want == without_altroot(seen, altroot)
    return False


def without_altroot(path: str, altroot: Optional[str]) -> str:
    """A mount point as the property holds it: zfs prints it below the pool's alternate root."""
    root = (altroot or "-").rstrip("/")
    if not root.startswith("/") or not (path + "/").startswith(root + "/"):
        return path
    return path[len(root) :] or "/"


__all__ = [
    "DATASET_RULES",
    "POOL_RULES",
    "UNLIMITED",
    "Rule",
    "check",
    "dataset_rule",
    "pool_rule",
    "same",
    "text_of",
    "without_altroot",
]
