#!/usr/bin/python
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_image
short_description: Bring a disk image that a virtual machine can start from
version_added: 0.1.0
description:
  - Runs on the controller. Downloads FreeBSD's official C(BASIC-CLOUDINIT) image of a release, verifies it by the
    C(CHECKSUM) file beside it, unpacks it and keeps it in a cache; or takes an image that lies on the controller, and
    unpacks it when it is compressed.
  - A download goes on where an earlier one ended. Nothing has its final name that was not verified.
author:
  - The freehyve.builder authors (@freehyve)
attributes:
  check_mode:
    description: Says what would be downloaded or unpacked; asks no server.
    support: full
  diff_mode:
    description: Nothing to show beyond the actions.
    support: none
  idempotent:
    description: An image that is in the cache needs no network.
    support: full
options:
  release:
    description: FreeBSD release, such as V(15.1-RELEASE).
    type: str
    required: true
  arch:
    description: V(amd64) or V(arm64/aarch64).
    type: str
    default: amd64
  filesystem:
    description: The image's root file system.
    type: str
    choices: [zfs, ufs]
    default: zfs
  mirror:
    description: Root of the mirror, with or without C(/pub/FreeBSD), or the directory of the image; also C(file://).
    type: str
    default: https://download.freebsd.org
  image:
    description: Path of an image on the controller to take instead; raw or qcow2, as it is or compressed by xz or zstd.
    type: path
  checksum:
    description:
      - SHA-256 that the file must have, as it lies on the mirror or on the controller; wins over the mirror's
        C(CHECKSUM).
      - With O(image), SHA-512 does too.
    type: str
  cache:
    description: Directory for images.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: The image of a release
  freehyve.builder.vm_image:
    release: 15.1-RELEASE
    cache: ~/.cache/freehyve/images
  delegate_to: localhost
  register: image
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode.
  returned: always
  type: list
  elements: dict
  sample: [{action: fetch FreeBSD-15.1-RELEASE-amd64-BASIC-CLOUDINIT-zfs.qcow2.xz, reason: not in the cache}]
path:
  description: Where the image is, or will be.
  returned: always
  type: str
  sample: /home/me/.cache/freehyve/images/FreeBSD-15.1-RELEASE-amd64-BASIC-CLOUDINIT-zfs.qcow2
source:
  description: URL or path that it comes from; empty when the cache had it in check mode.
  returned: always
  type: str
sha256:
  description: Digest that the source was verified by; empty when nobody gave one.
  returned: always
  type: str
"""

import os
from dataclasses import dataclass
from typing import Any, Dict, List, Optional

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.freehyve.builder.plugins.module_utils import _vm_image
from ansible_collections.freehyve.builder.plugins.module_utils._download import Client, NotFound
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._files import read_json, replace_file, write_json
from ansible_collections.freehyve.builder.plugins.module_utils._keys import key_of
from ansible_collections.freehyve.builder.plugins.module_utils._plan import Step, run_module
from ansible_collections.freehyve.builder.plugins.module_utils._sizes import human_size
from ansible_collections.freehyve.builder.plugins.module_utils._vm_host import Controller, controller, free_space
from ansible_collections.freehyve.builder.plugins.module_utils._vm_machine import locked, machine_arch
from ansible_collections.freehyve.builder.plugins.module_utils._vm_seed import check_release

UNPACKED = 5  # an image is about so many times as large as its compressed form


@dataclass(frozen=True)
class Wanted:
    """Checked parameters; ``digest`` in lower case or None."""

    release: str
    arch: str
    filesystem: str
    mirror: str
    image: Optional[str]
    digest: Optional[str]
    cache: str


@dataclass(frozen=True)
class Observed:
    """Where the image is to be, from what, and whether it is there; ``inputs`` tell one content from another."""

    path: str
    kind: str
    inputs: Dict[str, Any]
    receipt: Optional[Dict[str, Any]] = None
    in_place: bool = False


def wanted_of(params: Dict[str, Any]) -> Wanted:
    digest = _vm_image.checked_digest(params["checksum"])
    if digest and len(digest) != 64 and not params["image"]:
        raise ToolError("checksum: a download is verified by SHA-256; builder_vm_image_checksum has 64 digits then")
    image = os.path.abspath(params["image"]) if params["image"] else None
    if image is None:
        check_release(params["release"])
    return Wanted(
        params["release"],
        machine_arch(params["arch"]),
        params["filesystem"],
        params["mirror"],
        image,
        digest,
        os.path.abspath(params["cache"]),
    )


def observe(wanted: Wanted) -> Observed:
    if wanted.image is None:
        name = _vm_image.official_name(wanted.release, wanted.arch, wanted.filesystem)
        path = os.path.join(wanted.cache, name[: -len(".xz")])
        return _with_receipt(Observed(path, "official", {"digest": wanted.digest}))
    kind = _vm_image.kind_of(wanted.image)
    found = os.stat(wanted.image)
    inputs = {"path": wanted.image, "size": found.st_size, "mtime": found.st_mtime_ns, "digest": wanted.digest}
    if kind in ("raw", "qcow2"):
        # Nothing is copied; a digest that was found right is remembered beside the other images.
        path = os.path.join(wanted.cache, f"{os.path.basename(wanted.image)}-{key_of({'path': wanted.image})[:12]}")
        seen = read_json(f"{path}.json") if wanted.digest else None
        return Observed(wanted.image, kind, inputs, seen, in_place=True)
    stem = os.path.splitext(os.path.basename(wanted.image))[0]
    path = os.path.join(wanted.cache, f"{stem}-{key_of(inputs)[:12]}")
    return _with_receipt(Observed(path, kind, inputs))


def _with_receipt(observed: Observed) -> Observed:
    receipt = read_json(f"{observed.path}.json")
    if receipt is not None and _size(observed.path) != receipt.get("size"):
        receipt = None
    return Observed(observed.path, observed.kind, observed.inputs, receipt, observed.in_place)


def _size(path: str) -> Optional[int]:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return None


def plan(wanted: Wanted, observed: Observed) -> List[Step]:
    receipt = observed.receipt
    if observed.in_place:
        if wanted.digest is None or (receipt is not None and receipt.get("inputs") == observed.inputs):
            return []
        return [Step(f"verify {wanted.image}", "not verified yet")]
    if observed.kind == "official":
        name = os.path.basename(observed.path) + ".xz"
        if receipt is None:
            return [Step(f"fetch {name}", "not in the cache")]
        if wanted.digest and receipt.get("sha256") != wanted.digest:
            return [Step(f"fetch {name}", f"the one in the cache has SHA-256 {str(receipt.get('sha256'))[:12]}…")]
        return []
    return [] if receipt is not None else [Step(f"unpack {wanted.image}", "not in the cache")]


def _fetch(client: Client, wanted: Wanted, path: str) -> Dict[str, Any]:
    """Bring the official image to ``path``."""
    name = os.path.basename(path)
    try:
        for url in _vm_image.directories(wanted.mirror, wanted.release, wanted.arch):
            try:
                text = client.read(f"{url}/{_vm_image.CHECKSUMS}").decode("utf-8", "replace")
            except NotFound:
                continue
            digest = wanted.digest or _vm_image.checksums(text).get(name)
            if digest is None:
                continue
            size = client.size(f"{url}/{name}")
            _need_space(wanted.cache, (size or 0) * (UNPACKED + 1))
            client.download(f"{url}/{name}", path, digest, size)
            return {"source": f"{url}/{name}", "sha256": digest}
    except NotFound as exc:
        raise ToolError(f"{exc.message}; set builder_vm_image to an image that you have") from exc
    except ToolError as exc:
        if exc.message.startswith("cannot fetch"):
            raise ToolError(f"{exc.message}; or set builder_vm_image to an image that you have") from exc
        raise
    raise ToolError(
        f"release '{wanted.release}': {wanted.mirror} has no {name}; "
        "check freehyve_release and freehyve_mirror, or set builder_vm_image to an image that you have"
    )


def _need_space(directory: str, size: int) -> None:
    free = free_space(directory)
    if free < size:
        raise ToolError(
            f"too little disk: the image needs about {human_size(size)} in {directory}, {human_size(free)} are free; "
            "make room, or set builder_vm_cache"
        )


def _verify(wanted: Wanted) -> None:
    if wanted.image is not None and wanted.digest is not None:
        found = _vm_image.digest_of(wanted.image, len(wanted.digest))
        if found != wanted.digest:
            raise ToolError(f"image '{wanted.image}': its checksum is {found}, not {wanted.digest}; get it again")


def _unpack(runner: Controller, kind: str, source: str, path: str) -> None:
    """Decompress to ``path``, readable only: machines lay their own disks over it."""
    temporary = f"{path}.unpacking"
    try:
        if kind == "zst":
            zstd = runner.need("zstd", f"image '{source}'")
            command = [zstd, "-d", "-q", "-f", "--sparse", "-o", temporary, source]
            runner.run(command, failed=f"image '{source}': cannot be unpacked")
        else:
            _vm_image.unpack_xz(source, temporary)
        if _vm_image.kind_of(temporary) not in ("raw", "qcow2"):
            raise ToolError(f"image '{source}': compressed twice; unpack it once and set builder_vm_image to that")
        os.chmod(temporary, 0o444)
        replace_file(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def apply(runner: Controller, client: Client, wanted: Wanted, observed: Observed) -> Dict[str, Any]:
    """Do it; what the receipt says."""
    receipt: Dict[str, Any] = {"inputs": observed.inputs, "source": wanted.image or "", "sha256": wanted.digest or ""}
    if observed.kind == "official":
        packed = f"{observed.path}.xz"
        receipt.update(_fetch(client, wanted, packed))
        _unpack(runner, "xz", packed, observed.path)
        os.unlink(packed)
    else:
        _verify(wanted)
        if observed.in_place:
            key = key_of({"path": wanted.image})[:12]
            write_json(os.path.join(wanted.cache, f"{os.path.basename(observed.path)}-{key}.json"), receipt)
            return receipt
        _unpack(runner, observed.kind, wanted.image or "", observed.path)
    receipt["size"] = _size(observed.path)
    write_json(f"{observed.path}.json", receipt)
    return receipt


def body(module: AnsibleModule, runner: Controller, client: Optional[Client] = None) -> Dict[str, Any]:
    wanted = wanted_of(module.params)
    observed = observe(wanted)
    steps = plan(wanted, observed)
    receipt = observed.receipt or {}
    if steps and not module.check_mode:
        with locked(os.path.join(wanted.cache, ".lock")):
            receipt = apply(runner, client or Client(), wanted, observed)
    return {
        "changed": bool(steps),
        "actions": [step.as_dict() for step in steps],
        "path": observed.path,
        "source": receipt.get("source") or wanted.image or "",
        "sha256": receipt.get("sha256") or wanted.digest or "",
    }


ARGUMENTS: Dict[str, Dict[str, Any]] = {
    "release": {"type": "str", "required": True},
    "arch": {"type": "str", "default": "amd64"},
    "filesystem": {"type": "str", "choices": ["zfs", "ufs"], "default": "zfs"},
    "mirror": {"type": "str", "default": "https://download.freebsd.org"},
    "image": {"type": "path"},
    "checksum": {"type": "str"},
    "cache": {"type": "path", "required": True},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_module(module, lambda: body(module, controller()))


if __name__ == "__main__":
    main()
