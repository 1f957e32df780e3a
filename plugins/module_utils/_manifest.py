# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""MANIFEST of a FreeBSD release: six TAB separated columns, no heading (src release/scripts/make-manifest.sh)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, Iterable, Mapping

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError

_FILE = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)\.txz$")
_SHA256 = re.compile(r"^[0-9a-f]{64}$")
_MARKUP = re.compile(r"^\s*<", re.ASCII)


@dataclass(frozen=True)
class Entry:
    """One distribution set; ``name`` is the file's without ``.txz`` (``base-dbg``), ``files`` a count."""

    name: str
    sha256: str
    files: int
    distname: str
    description: str
    default: bool

    def line(self) -> str:
        """The line as make-manifest.sh prints it."""
        default = "on" if self.default else "off"
        return f'{self.name}.txz\t{self.sha256}\t{self.files}\t{self.distname}\t"{self.description}"\t{default}\n'


def is_sha256(text: str) -> bool:
    """True for 64 lower case hexadecimal digits."""
    return bool(_SHA256.match(text))


def _entry(line: str) -> Entry:
    columns = line.split("\t")
    if len(columns) != 6:
        raise ValueError(f"{len(columns)} columns, not 6")
    file, sha256, files, distname, description, default = columns
    match = _FILE.match(file)
    if not match:
        raise ValueError(f"'{file[:40]}' is not the name of a set")
    if not is_sha256(sha256):
        raise ValueError(f"{file}: malformed SHA-256")
    if not files.isdigit():
        raise ValueError(f"{file}: malformed number of files")
    if len(description) < 2 or description[0] != '"' or description[-1] != '"':
        raise ValueError(f"{file}: description is not in double quotes")
    if default not in ("on", "off"):
        raise ValueError(f"{file}: last column is neither on nor off")
    return Entry(match.group(1), sha256, int(files), distname, description[1:-1], default == "on")


def parse_manifest(data: bytes, origin: str) -> Dict[str, Entry]:
    """Parse a MANIFEST strictly: whatever is odd about it is a reason not to trust it.

    :param origin: where it comes from, for the message.
    :returns: sets by name.
    :raises ToolError: one line that names the line and what is wrong with it.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise ToolError(f"MANIFEST '{origin}': not text; is this the directory of a release?") from exc
    lines = text.splitlines()
    if not lines:
        raise ToolError(f"MANIFEST '{origin}': empty; is this the directory of a release?")
    if _MARKUP.match(lines[0]):
        raise ToolError(f"MANIFEST '{origin}': an HTML page, not a MANIFEST; check the mirror's URL (proxy, portal?)")
    entries: Dict[str, Entry] = {}
    for number, line in enumerate(lines, 1):
        try:
            entry = _entry(line)
            if entry.name in entries:
                raise ValueError(f"{entry.name}.txz: listed twice")
        except ValueError as exc:
            raise ToolError(f"MANIFEST '{origin}': line {number}: {exc}; not a MANIFEST of a release") from exc
        entries[entry.name] = entry
    return entries


def render(entries: Iterable[Entry], digests: Mapping[str, str]) -> bytes:
    """A MANIFEST that names the digests that we trust; poudriere reads it beside the sets.

    :param digests: SHA-256 by set; it replaces an entry's own, and a set without an entry gets a plain one.
    """
    known = {e.name: e for e in entries}
    for name, sha256 in digests.items():
        old = known.get(name)
        if old is None:
            known[name] = Entry(name, sha256, 0, name.replace("-", "_").replace(".", "_"), f"{name} set", False)
        else:
            known[name] = Entry(name, sha256, old.files, old.distname, old.description, old.default)
    return "".join(known[name].line() for name in sorted(known)).encode("utf-8")


__all__ = ["Entry", "is_sha256", "parse_manifest", "render"]
