#!/usr/bin/python
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Manual of the action plugin fetch_artifact."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fetch_artifact
short_description: Fetch large sparse files from the builder, fast and resumable
version_added: 0.1.0
description:
  - Brings disk images and other large files from the builder to the controller over SSH. Only data moves; holes stay
    holes, what an older local file has is copied from there, and what occurs twice moves once.
  - The destination is always the old file or the new one. A transfer that was cut, anywhere, leaves C(DEST.part) and
    a journal beside it; the next run checks what is there and fetches the rest.
  - The file is read once on the builder, by a helper of Python's standard library that is sent through the
    connection. Digests are kept on both sides by device, inode, size and times, so that an unchanged file costs one
    remote call and is not read again.
  - Each chunk of 1 MiB and the whole file are verified by SHA-256.
options:
  src:
    description: The file on the builder.
    type: str
  dest:
    description:
      - The file on the controller. Its directory must exist.
      - A relative path starts at the current directory.
    type: path
  checksum:
    description: SHA-256 that O(src) must have, in hexadecimal digits.
    type: str
  files:
    description: Several files in one remote call, instead of O(src) and O(dest).
    type: list
    elements: dict
    suboptions:
      src:
        description: The file on the builder, or with O(files[].recurse) a file or directory.
        type: str
        required: true
      dest:
        description:
          - The file on the controller. Its directory must exist.
          - With O(files[].recurse) the directory that gets the files; it is made where it is missing.
        type: path
        required: true
      recurse:
        description:
          - Fetch all regular files below O(files[].src) to the same places below O(files[].dest), or O(files[].src)
            itself, if it is a file, into O(files[].dest).
        type: bool
        default: false
      exclude:
        description:
          - With O(files[].recurse), shell patterns of relative paths, of files or of whole directories, to pass over.
        type: list
        elements: str
        default: []
      checksum:
        description: SHA-256 that O(files[].src) must have, in hexadecimal digits.
        type: str
  sums:
    description:
      - Path on the builder of a SHA256SUMS list, in the form of C(sha256sum) or of FreeBSD's C(sha256).
      - Files that it names are checked against it. Its names are relative to its directory.
    type: str
  seed:
    description:
      - Local files that may have parts of the content.
      - When it is not given, the file of the same name in the newest sibling of the destination's directory, where
        the directory's name in the file's name is changed accordingly.
      - The destination itself always is one.
    type: list
    elements: path
  transport:
    description:
      - V(openssh) uses ssh with all connection settings of the inventory, except that the transfer is not compressed
        by ssh and that a changed host key is never accepted.
      - V(paramiko) uses the library of that name, with host keys from known_hosts only.
      - V(auto) is V(openssh) where it is installed.
    type: str
    choices: [auto, openssh, paramiko]
    default: auto
  compression:
    description:
      - Compress with zstd what shrinks.
      - V(auto) does so while that is faster than sending the data as it is.
    type: str
    choices: [auto, always, never]
    default: auto
  retries:
    description:
      - How often a connection that is lost, or cannot be made, is tried again in the same task, after 1, 2, 4 …
        seconds. What has arrived is not fetched again.
      - Retries of Ansible's ssh connection are for its own calls and have no say here.
    type: int
    default: 4
  pending_ok:
    description: In check mode, report a source that is not there yet as one that would be fetched.
    type: bool
    default: false
  preflight:
    description:
      - Only check, without a connection, that the destinations can be written. Directories may be missing, as long
        as they can be made.
    type: bool
    default: false
  cache:
    description: Directory on the controller that keeps digests of local files. Empty keeps none.
    type: path
    default: ~/.cache/freehyve-builder/digests
  remote_cache:
    description: Directory on the builder that keeps digests of its files. Empty keeps none.
    type: str
    default: ~/.cache/freehyve-builder/digests
attributes:
  check_mode:
    support: full
    description: Says whether and how much would move. Reads the source; keeps its digests on the builder.
  diff_mode:
    support: full
    description: Names each file that is or would be fetched, and why.
  idempotent:
    support: full
    description: A destination that is identical is not touched.
requirements:
  - Python 3.8 or newer on the builder
  - zstd on both sides, for compression
notes:
  - With become the password is given on standard input, as C(sudo -S) reads it. Methods that insist on a terminal do
    not work.
seealso:
  - module: ansible.builtin.fetch
author: The freehyve.builder authors (@freehyve)
"""

EXAMPLES = r"""
- name: Bring the image home
  freehyve.builder.fetch_artifact:
    src: /freehyve/release/freehyve-0.1.0-amd64.raw
    dest: artifacts/0.1.0/freehyve-0.1.0-amd64.raw

- name: Bring a whole release home and check it
  freehyve.builder.fetch_artifact:
    files:
      - src: /freehyve/release/0.1.0
        dest: artifacts/0.1.0
        recurse: true
    sums: /freehyve/release/0.1.0/SHA256SUMS

- name: Reuse what another local file has
  freehyve.builder.fetch_artifact:
    src: /freehyve/release/test.raw
    dest: artifacts/test.raw
    seed:
      - artifacts/0.1.0/freehyve-0.1.0-amd64.raw
"""

RETURN = r"""
files:
  description: One entry for each file, in order.
  returned: always
  type: list
  elements: dict
  contains:
    src:
      description: The file on the builder.
      type: str
      returned: always
    dest:
      description: The file on the controller.
      type: str
      returned: always
    changed:
      description: Whether the destination is a new file, or would be.
      type: bool
      returned: always
    msg:
      description: What was done or would be, in words.
      type: str
      returned: always
    size:
      description: Size in bytes.
      type: int
      returned: always
    sha256:
      description: SHA-256 of the whole file.
      type: str
      returned: always
    listed:
      description: Whether O(checksum) or O(sums) gave a digest to check against.
      type: bool
      returned: always
    resumed:
      description: Whether an earlier transfer was continued.
      type: bool
      returned: always
    restarted:
      description: Whether the source had changed, so that the transfer began anew.
      type: bool
      returned: always
    seconds:
      description: Time that it took.
      type: float
      returned: always
    moved:
      description: Bytes on the wire in both directions, before ssh.
      type: int
      returned: always
    fetched:
      description: Bytes of the file that came over the wire, before compression; in check mode those that would.
      type: int
      returned: always
    reused:
      description: Bytes taken from local files and from an earlier transfer.
      type: int
      returned: always
    repeated:
      description: Bytes that occur earlier in the file and so did not move again.
      type: int
      returned: always
    holes:
      description: Bytes of zeros, which are holes of the destination.
      type: int
      returned: always
  sample:
    - src: /freehyve/release/freehyve-0.1.0-amd64.raw
      dest: /home/u/artifacts/0.1.0/freehyve-0.1.0-amd64.raw
      changed: true
      msg: fetched
      size: 8589934592
      sha256: 9bd2f8e1f4ca719916085408c4d049d306e3a4750e50c23efb17c2cdf42ede71
      listed: true
      resumed: false
      restarted: false
      seconds: 11.2
      moved: 912338123
      fetched: 2147483648
      reused: 0
      repeated: 0
      holes: 6442450944
moved:
  description: Bytes on the wire in both directions, all files and the helper included.
  returned: always
  type: int
  sample: 912370123
seconds:
  description: Time that all took.
  returned: always
  type: float
  sample: 11.6
actions:
  description: What was done, or in check mode would be, and why.
  returned: always
  type: list
  elements: dict
  sample:
    - action: fetch /freehyve/release/a.raw to /home/u/artifacts/a.raw
      reason: fetched
src:
  description: As in RV(files[].src), with O(src). So are the other figures of the one file.
  returned: with O(src)
  type: str
  sample: /freehyve/release/a.raw
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    """The action plugin does the work; without it there is nothing that could."""
    module = AnsibleModule(
        argument_spec={
            "src": {"type": "str"},
            "dest": {"type": "path"},
            "checksum": {"type": "str"},
            "files": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "src": {"type": "str", "required": True},
                    "dest": {"type": "path", "required": True},
                    "recurse": {"type": "bool", "default": False},
                    "exclude": {"type": "list", "elements": "str", "default": []},
                    "checksum": {"type": "str"},
                },
            },
            "sums": {"type": "str"},
            "seed": {"type": "list", "elements": "path"},
            "transport": {"type": "str", "choices": ["auto", "openssh", "paramiko"], "default": "auto"},
            "compression": {"type": "str", "choices": ["auto", "always", "never"], "default": "auto"},
            "retries": {"type": "int", "default": 4},
            "pending_ok": {"type": "bool", "default": False},
            "preflight": {"type": "bool", "default": False},
            "cache": {"type": "path", "default": "~/.cache/freehyve-builder/digests"},
            "remote_cache": {"type": "str", "default": "~/.cache/freehyve-builder/digests"},
        },
        required_one_of=[["src", "files"]],
        required_together=[["src", "dest"]],
        mutually_exclusive=[["src", "files"], ["checksum", "files"]],
        supports_check_mode=True,
    )
    module.fail_json(msg="fetch_artifact: runs on the controller; call it as freehyve.builder.fetch_artifact")


if __name__ == "__main__":
    main()
