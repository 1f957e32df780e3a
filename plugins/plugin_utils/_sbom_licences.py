# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Names of licences in the ports tree (ports/Mk/bsd.licenses.db.mk) and the identifiers of the SPDX licence list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# What is not here, such as a port's own licence, goes into the SBOM by its name.
SPDX = {
    "AGPLv3": "AGPL-3.0-only",
    "AGPLv3+": "AGPL-3.0-or-later",
    "APACHE10": "Apache-1.0",
    "APACHE11": "Apache-1.1",
    "APACHE20": "Apache-2.0",
    "ART10": "Artistic-1.0",
    "ART20": "Artistic-2.0",
    "ARTPERL10": "Artistic-1.0-Perl",
    "BSD0CLAUSE": "0BSD",
    "BSD2CLAUSE": "BSD-2-Clause",
    "BSD3CLAUSE": "BSD-3-Clause",
    "BSD4CLAUSE": "BSD-4-Clause",
    "BSL": "BSL-1.0",
    "CC-BY-3.0": "CC-BY-3.0",
    "CC-BY-4.0": "CC-BY-4.0",
    "CC-BY-SA-3.0": "CC-BY-SA-3.0",
    "CC-BY-SA-4.0": "CC-BY-SA-4.0",
    "CC0-1.0": "CC0-1.0",
    "CDDL": "CDDL-1.0",
    "CPL": "CPL-1.0",
    "EPL": "EPL-1.0",
    "GFDL": "GFDL-1.3-or-later",
    "GPLv1": "GPL-1.0-only",
    "GPLv1+": "GPL-1.0-or-later",
    "GPLv2": "GPL-2.0-only",
    "GPLv2+": "GPL-2.0-or-later",
    "GPLv3": "GPL-3.0-only",
    "GPLv3+": "GPL-3.0-or-later",
    "ISCL": "ISC",
    "LGPL20": "LGPL-2.0-only",
    "LGPL20+": "LGPL-2.0-or-later",
    "LGPL21": "LGPL-2.1-only",
    "LGPL21+": "LGPL-2.1-or-later",
    "LGPL3": "LGPL-3.0-only",
    "LGPL3+": "LGPL-3.0-or-later",
    "LPPL13": "LPPL-1.3a",
    "MIT": "MIT",
    "MPL10": "MPL-1.0",
    "MPL11": "MPL-1.1",
    "MPL20": "MPL-2.0",
    "NCSA": "NCSA",
    "OFL10": "OFL-1.0",
    "OFL11": "OFL-1.1",
    "OpenSSL": "OpenSSL",
    "PHP301": "PHP-3.01",
    "PHP30": "PHP-3.0",
    "PSFL": "PSF-2.0",
    "RUBY": "Ruby",
    "UNLICENSE": "Unlicense",
    "WTFPL": "WTFPL",
    "ZLIB": "Zlib",
    "ZPL21": "ZPL-2.1",
}
_JOINED = {"and": " AND ", "or": " OR "}


def licences_of(names: Sequence[str], logic: str | None) -> list[dict[str, Any]]:
    """CycloneDX's ``licenses``: an SPDX expression when every name is known, else one entry for each."""
    known = [SPDX.get(name) for name in names]
    if len(names) > 1 and logic in _JOINED and None not in known:
        return [{"expression": _JOINED[logic].join(str(name) for name in known)}]
    rows = zip(names, known, strict=True)
    return [{"license": {"name": name} if spdx is None else {"id": spdx}} for name, spdx in rows]


__all__ = ["SPDX", "licences_of"]
