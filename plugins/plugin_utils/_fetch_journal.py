# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Which chunks of a ``.part`` file are done, one line each, so that a cut transfer goes on where it was."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from ansible_collections.freehyve.builder.plugins.module_utils._artifact_helper import Stamp

VERSION = 1
_LINE = re.compile(rb"([0-9]{1,10}) ([0-9a-f]{64})\n")


class Journal:
    """The first line says of which state of which file; it is believed only as far as it can be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1

    @staticmethod
    def _head(source: str, stamp: Stamp) -> bytes:
        value = {"journal": VERSION, "source": source, "stamp": list(stamp)}
        return json.dumps(value, sort_keys=True).encode() + b"\n"

    def read(self, source: str, stamp: Stamp) -> dict[int, bytes] | None:
        """Digests by chunk; None when the journal belongs to another source or state."""
        try:
            with self.path.open("rb") as stream:
                if stream.readline(65536) != self._head(source, stamp):
                    return None
                done: dict[int, bytes] = {}
                for line in stream:
                    match = _LINE.fullmatch(line)
                    if match is None:
                        break
                    done[int(match[1])] = bytes.fromhex(match[2].decode())
                return done
        except OSError:
            return None

    def begin(self, source: str, stamp: Stamp, done: dict[int, bytes]) -> None:
        """Start anew, with what is believed of the old one."""
        self.close()
        self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        lines = [b"%d %s\n" % (index, digest.hex().encode()) for index, digest in sorted(done.items())]
        os.write(self._fd, self._head(source, stamp) + b"".join(lines))

    def add(self, index: int, digest: bytes) -> None:
        os.write(self._fd, b"%d %s\n" % (index, digest.hex().encode()))

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def remove(self) -> None:
        self.close()
        self.path.unlink(missing_ok=True)
