# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Software bill of materials of an image: CycloneDX 1.6 as JSON (ECMA-424), out of a build record.

There is no package URL type for FreeBSD's packages yet (package-url/purl-spec#496 proposes one), so they are
``pkg:generic/freebsd/<name>@<version>``, the origin in the ports tree a qualifier.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ansible_collections.freehyve.builder.plugins.plugin_utils._sbom_licences import licences_of

FORMAT = "CycloneDX 1.6"
Data = Mapping[str, Any]


def purl(name: str, version: str, qualifiers: Mapping[str, str | None]) -> str:
    """A package URL: percent-encoded, qualifiers by name, none that is empty (purl specification, "How to build")."""
    # A colon is never encoded; what else is not in the list of unreserved characters is.
    rest = [f"{key}={quote(value, safe='-._~:')}" for key, value in sorted(qualifiers.items()) if value]
    tail = "?" + "&".join(rest) if rest else ""
    return f"pkg:generic/freebsd/{quote(name, safe='-._~:')}@{quote(version, safe='-._~:')}{tail}"


def cpe(release: str) -> str:
    """CPE 2.3 of a FreeBSD release as the National Vulnerability Database names it: `15.1-RELEASE` is version 15.1."""
    version, _dash, branch = release.partition("-")
    update = "-" if branch in ("", "RELEASE") else branch.lower()
    return f"cpe:2.3:o:freebsd:freebsd:{version}:{update}:*:*:*:*:*:*"


def _hashes(sha256: str | None) -> dict[str, Any]:
    return {"hashes": [{"alg": "SHA-256", "content": sha256}]} if sha256 else {}


def _properties(values: Mapping[str, Any]) -> dict[str, Any]:
    found = [{"name": f"freehyve:{name}", "value": str(value)} for name, value in values.items() if value is not None]
    return {"properties": found} if found else {}


def _distro(record: Data) -> dict[str, str]:
    image = record["image"]
    return {"arch": image["arch"], "distro": f"freebsd-{image['release']}"}


def base_component(record: Data) -> dict[str, Any]:
    """FreeBSD itself, the distribution sets as its parts."""
    image, dists = record["image"], record["inputs"]["dists"]
    url = str(dists["url"] or "")
    download = url if url.startswith(("https://", "http://")) else ""
    sets = []
    for row in dists["sets"]:
        where = {"download_url": f"{download}/{row['name']}.txz"} if download else {}
        name = purl(
            f"{row['name']}.txz", image["release"], {**_distro(record), **where, "checksum": f"sha256:{row['sha256']}"}
        )
        sets.append(
            {
                "type": "file",
                "bom-ref": f"dist:{row['name']}",
                "name": f"{row['name']}.txz",
                "version": image["release"],
                **_hashes(row["sha256"]),
                "purl": name,
                **_properties({"size": row["size"], "trust": row["trust"]}),
            }
        )
    return {
        "type": "operating-system",
        "bom-ref": "freebsd",
        "supplier": {"name": "The FreeBSD Project", "url": ["https://www.FreeBSD.org/"]},
        "name": "FreeBSD",
        "version": image["release"],
        "licenses": licences_of(["BSD2CLAUSE"], "single"),
        "cpe": cpe(image["release"]),
        "purl": purl("freebsd", image["release"], {"arch": image["arch"]}),
        **({"components": sets} if sets else {}),
    }


def package_component(row: Data, record: Data) -> dict[str, Any]:
    name = purl(row["name"], row["version"], {**_distro(record), "flavor": row["flavor"], "origin": row["origin"]})
    licences = licences_of(row["licences"], row["licence_logic"])
    told = {
        "origin": row["origin"],
        "flavor": row["flavor"],
        "requested": "true" if row["requested"] else "false",
        "installed_size": row["installed_size"],
    }
    return {
        "type": "library",
        "bom-ref": f"package:{row['name']}",
        "name": row["name"],
        "version": row["version"],
        **_hashes(row["sha256"]),
        **({"licenses": licences} if licences else {}),
        "purl": name,
        **_properties(told),
    }


def _dependencies(record: Data, needs: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """Image on base and packages that were asked for; packages on packages, as far as the repository tells."""
    names = {row["name"] for row in record["packages"]}
    listed = [f"package:{row['name']}" for row in record["packages"] if row["requested"]]
    found: list[dict[str, Any]] = [{"ref": "image", "dependsOn": sorted({"freebsd", *listed})}, {"ref": "freebsd"}]
    for name in sorted(names):
        wanted = sorted(f"package:{need}" for need in set(needs.get(name) or ()) & names if need != name)
        found.append({"ref": f"package:{name}", **({"dependsOn": wanted} if wanted else {})})
    return found


def sbom_of(
    record: Data, needs: Mapping[str, Sequence[str]], made: int | None = None, collection: str = ""
) -> dict[str, Any]:
    """The bill of materials of a record's image. The same image gives the same bill, its serial number included.

    :param needs: names of the packages that a package needs, by its name.
    :param made: when the image's content was made, seconds since the epoch.
    :param collection: version of this collection.
    """
    image = record["image"]
    stamp = {} if made is None else {"timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(made))}
    body: dict[str, Any] = {
        "metadata": {
            **stamp,
            "lifecycles": [{"phase": "build"}],
            "tools": {"components": [{"type": "application", "name": "freehyve.builder", "version": collection}]},
            "component": {
                "type": "operating-system",
                "bom-ref": "image",
                "name": image["name"],
                "version": image["version"],
                **_properties({"arch": image["arch"], "ports commit": record["inputs"]["ports"]["commit"]}),
            },
        },
        "components": [base_component(record), *(package_component(row, record) for row in record["packages"])],
        "dependencies": _dependencies(record, needs),
        # FreeBSD's own parts are not listed one by one.
        "compositions": [{"aggregate": "incomplete", "assemblies": ["freebsd"]}],
    }
    content = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": uuid.uuid5(uuid.NAMESPACE_URL, f"freehyve.builder:{image['id']}:{content}").urn,
        "version": 1,
        **body,
    }


def count(bill: Data) -> int:
    """Components of a bill, parts of components included."""
    return sum(1 + len(row.get("components", [])) for row in bill["components"])


__all__ = ["FORMAT", "count", "cpe", "purl", "sbom_of"]
